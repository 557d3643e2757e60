//! The table by which a program that knows types by their names finds their codecs.
use super::super::model::Shape;
use super::super::printer::{Input, NOTICE, Page};
use super::Ctx;
use super::text::{Value, quote};

/// The module `registry` of a program whose root has the module `package` (the output) and the function `trip`.
pub(super) fn registry(input: &Input<'_>) -> String {
    let rust = Ctx::new(input);
    let mut page = Page::new("    ");
    page.line(format!("//! {NOTICE}"));
    page.line("use crate::package::violation::{self, At, Pattern};");
    page.line("use crate::{package, trip};").gap();
    page.line("/// A type's name in the schema, and what decodes, validates and encodes one value of it.");
    page.block("pub const CODECS: &[(&str, fn(&str) -> crate::Outcome)] = &[", "];", |page| {
        for (id, def) in input.model.each() {
            let (wire, name) = (quote(&def.name), rust.name(id));
            match &def.shape {
                Shape::Struct(_) | Shape::Newtype(_) | Shape::TaggedUnion(_) => {
                    page.line(format!("({wire}, |text| trip(text, package::{name}::validate)),"));
                }
                Shape::Alias(inner) if input.model.is_checked(inner) => {
                    page.block(
                        format!("({wire}, |text| trip::<package::{name}>(text, |value| {{"),
                        "})),",
                        |page| {
                            rust.print_statics(page, inner, &[]);
                            rust.checks(page, inner, &Value::borrowed("value"), &[], &[]);
                            page.line("Ok(())");
                        },
                    );
                }
                _ => {
                    page.line(format!("({wire}, |text| trip::<package::{name}>(text, |_| Ok(()))),"));
                }
            }
        }
    });
    page.finish()
}
