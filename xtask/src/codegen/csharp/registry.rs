//! The function by which a program that knows types by their names finds their codecs.
use super::super::model::{Kind, Shape, Ty};
use super::super::printer::Page;
use super::plan::Plan;
use super::text::quote;
use super::{INDENT, file_of};

/// One more file beside the output, with a class of its own.
pub fn registry(plan: &Plan<'_>) -> String {
    let mut page = Page::new(INDENT);
    for line in TRIP.lines() {
        page.line(line);
    }
    page.indented(|page| {
        page.line("public static byte[]? Trip(string name, ReadOnlyMemory<byte> json) => name switch");
        page.block("{", "};", |page| {
            for (id, def) in plan.model.each() {
                let ty = Ty::plain(Kind::Named(id));
                let check = match def.shape {
                    // Its codec lets no other value in.
                    Shape::ClosedEnum(_) => None,
                    _ => plan.check(&ty),
                };
                page.line(format!(
                    "{} => Trip<{}>(json, {}, {}, {}),",
                    quote(&def.name),
                    plan.ty(&ty),
                    plan.reader(&ty),
                    check.map_or_else(|| "null".to_owned(), |check| format!("static it => {check}")),
                    plan.writer(&ty),
                ));
            }
            page.line("_ => null,");
        });
    });
    page.line("}");
    file_of(plan, &page.finish()).replacen(
        "namespace",
        "using System.Text.Json;\nusing System;\nnamespace",
        1,
    )
}

const TRIP: &str = "
internal sealed class ViolationException(Violation violation) : Exception
{
    public Violation Violation { get; } = violation;
}

internal static class CodecRegistry
{
    private static byte[] Trip<T>(ReadOnlyMemory<byte> json, Func<JsonElement, T> read, Func<T, Violation?>? check, Action<Utf8JsonWriter, T> write)
    {
        var value = Wire.Parse(json, read);
        if (check?.Invoke(value) is { } violation)
        {
            throw new ViolationException(violation);
        }

        return Wire.Bytes(value, write);
    }
";
