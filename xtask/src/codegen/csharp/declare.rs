//! Declarations: records, unions, enums and newtypes, each with its codec.
use super::super::model::{
    Additional, Enum, ErrorCode, ErrorCodes, Field, Member, Role, Shape, Struct, TaggedUnion, TurnEffect, Ty,
    TypeId,
};
use super::super::printer::Page;
use super::plan::Plan;
use super::text::{bytes, quote, summary};

/// A type with everything that belongs to it. Aliases are spelled out where they are used.
pub fn declare(plan: &Plan<'_>, page: &mut Page, id: TypeId) {
    match super::shape(plan, id) {
        Shape::Struct(shape) => record(plan, page, id, shape),
        Shape::TaggedUnion(shape) => union(plan, page, id, shape),
        Shape::OpenEnum(shape) => open_enum(plan, page, id, shape),
        Shape::ClosedEnum(shape) => closed_enum(plan, page, id, shape),
        Shape::Newtype(inner) => newtype(plan, page, id, inner),
        Shape::Alias(_) => {}
    }
}

/// Documentation and attributes above a type.
fn head(plan: &Plan<'_>, page: &mut Page, id: TypeId, codec: &str) {
    let def = plan.def(id);
    page.gap();
    summary(page, &def.doc, &def.name);
    obsolete(page, def.deprecated);
    page.line(format!("[JsonConverter(typeof(WireConverter<{}, {codec}>))]", plan.name(id)));
}

fn obsolete(page: &mut Page, deprecated: bool) {
    if deprecated {
        page.line("[Obsolete(\"The schema says so.\")]");
    }
}

/// The two methods of the codec, as explicit implementations.
fn codec(page: &mut Page, name: &str, read: impl FnOnce(&mut Page), write: impl FnOnce(&mut Page)) {
    page.gap();
    page.line(format!("static {name} IWire<{name}>.Read(JsonElement json)"));
    page.block("{", "}", read);
    page.gap();
    page.line(format!("static void IWire<{name}>.Write(Utf8JsonWriter writer, {name} value)"));
    page.block("{", "}", write);
}

fn record(plan: &Plan<'_>, page: &mut Page, id: TypeId, shape: &Struct) {
    let name = plan.name(id);
    let base = plan.base_of(id);
    head(plan, page, id, name);
    let inherited = base.map(|base| format!("{}, ", plan.name(base))).unwrap_or_default();
    page.line(format!("public sealed record {name} : {inherited}IWire<{name}>"));
    page.block("{", "}", |page| {
        for (index, field) in shape.fields.iter().enumerate() {
            if index > 0 {
                page.gap();
            }
            property(plan, page, field, &plan.member(id, index));
        }
        if let Additional::Kept(ty) = &shape.additional {
            if !shape.fields.is_empty() {
                page.gap();
            }
            let map = format!("Dictionary<string, {}>", plan.ty(ty));
            page.line("/// <summary>The properties that the schema does not name.</summary>");
            page.line(format!(
                "public IReadOnly{map} {} {{ get; init; }} = new {map}();",
                plan.additional(id)
            ));
        }
        if let Some(base) = base {
            overrides(plan, page, base, id, shape);
        }
        plan.validate_struct(page, id, shape);
        record_codec(plan, page, id, shape);
    });
}

fn property(plan: &Plan<'_>, page: &mut Page, field: &Field, member: &str) {
    let assumed = field.default.as_ref().map(|value| format!(" When absent: {}.", value.compact()));
    summary(page, &format!("{}{}", field.doc, assumed.unwrap_or_default()), &field.wire);
    obsolete(page, field.deprecated);
    let required = if field.required { "required " } else { "" };
    page.line(format!("public {required}{} {member} {{ get; init; }}", plan.field_ty(field)));
}

/// What the union asks of a member.
fn overrides(plan: &Plan<'_>, page: &mut Page, base: TypeId, id: TypeId, shape: &Struct) {
    let Shape::TaggedUnion(union) = super::shape(plan, base) else { return };
    if let Some(tag) = &shape.tag {
        page.gap().line("/// <inheritdoc/>");
        page.line(format!("public override string Tag => {};", quote(&tag.value)));
    }
    if let Some(effect) = plan.model.turn_effect(id) {
        page.gap().line("/// <inheritdoc/>");
        match plan.model.turn_exception(id) {
            Some(other) => page.line(format!(
                "public override TurnEffect GetTurnEffect() => {} == {} ? TurnEffect.{:?} : TurnEffect.{effect:?};",
                plan.path(id, &other.path).trim_start_matches('.'),
                other.value,
                other.effect
            )),
            None => page.line(turn_effect(effect)),
        };
    }
    for getter in plan.getters(union) {
        let Some(index) = plan.field_named(id, &getter.wire) else { continue };
        page.gap().line("/// <inheritdoc/>");
        let (ty, member) = (plan.base(&getter.kind), plan.member(id, index));
        page.line(format!("public override {ty}? {}() => {member};", getter.method));
    }
}

fn record_codec(plan: &Plan<'_>, page: &mut Page, id: TypeId, shape: &Struct) {
    let name = plan.name(id);
    let known: String = shape
        .tag
        .iter()
        .map(|tag| &tag.property)
        .chain(shape.fields.iter().map(|field| &field.wire))
        .map(|wire| format!(", {}", quote(wire)))
        .collect();
    let read = |page: &mut Page| {
        match &shape.tag {
            Some(tag) => {
                page.line(format!("Wire.Constant(json, {}, {});", bytes(&tag.property), quote(&tag.value)))
            }
            None => page.line("Wire.Object(json);"),
        };
        if shape.additional == Additional::Refused {
            page.line(format!("Wire.Only(json{known});"));
        }
        let kept = match &shape.additional {
            Additional::Kept(ty) => Some(format!(
                "{} = Wire.Others<{}>(json, {}{known}),",
                plan.additional(id),
                plan.ty(ty),
                plan.reader(ty)
            )),
            _ => None,
        };
        if shape.fields.is_empty() && kept.is_none() {
            page.line(format!("return new {name}();"));
            return;
        }
        page.line(format!("return new {name}")).block("{", "};", |page| {
            for (index, field) in shape.fields.iter().enumerate() {
                page.line(format!("{} = {},", plan.member(id, index), plan.read_field(field)));
            }
            kept.iter().for_each(|line| {
                page.line(line);
            });
        });
    };
    let write = |page: &mut Page| {
        page.line("writer.WriteStartObject();");
        if let Some(tag) = &shape.tag {
            page.line(format!("writer.WriteString({}, {});", bytes(&tag.property), bytes(&tag.value)));
        }
        for (index, field) in shape.fields.iter().enumerate() {
            page.line(plan.write_field(field, &plan.member(id, index)));
        }
        if let Additional::Kept(ty) = &shape.additional {
            let (map, writer) = (plan.additional(id), plan.writer(ty));
            page.line(format!("Wire.WriteEntries(writer, value.{map}, {writer});"));
        }
        page.line("writer.WriteEndObject();");
    };
    codec(page, name, read, write);
}

fn union(plan: &Plan<'_>, page: &mut Page, id: TypeId, union: &TaggedUnion) {
    let name = plan.name(id);
    head(plan, page, id, name);
    page.line(format!("public abstract record {name} : IWire<{name}>"));
    page.block("{", "}", |page| {
        page.line(format!("private protected {name}()")).line("{").line("}").gap();
        let about = format!("The value of the property <c>{}</c>.", xml(&union.tag));
        page.line(format!("/// <summary>{about}</summary>"));
        page.line("public abstract string Tag { get; }");
        for getter in plan.getters(union) {
            page.gap();
            let about = format!("The property <c>{}</c>, where it is there.", xml(&getter.wire));
            page.line(format!("/// <summary>{about}</summary>"));
            page.line(format!("public abstract {}? {}();", plan.base(&getter.kind), getter.method));
        }
        if plan.tells_effects(id) {
            page.gap().line("/// <summary>What it means to the turn that it belongs to.</summary>");
            page.line("public abstract TurnEffect GetTurnEffect();");
        }
        texts(page, name);
        plan.validate_union(page, id, union);
        let arms = union.members.iter().map(|member| plan.arm(id, member.ty)).collect::<Vec<_>>();
        codec(
            page,
            name,
            |page| union_read(plan, page, id, union, &arms),
            |page| {
                union_write(plan, page, id, union, &arms);
            },
        );
    });
    for (member, arm) in union.members.iter().zip(&arms_of(plan, id, union)) {
        if plan.base_of(member.ty) != Some(id) {
            wrapper(plan, page, id, union, member, arm);
        }
    }
    if union.open {
        unknown(plan, page, id, union);
    }
    if plan.tells_effects(id) {
        turn_effects(page);
    }
}

/// The method that tells what an event means to its turn.
fn turn_effect(effect: TurnEffect) -> String {
    format!("public override TurnEffect GetTurnEffect() => TurnEffect.{effect:?};")
}

/// The enum of what an event means to its turn.
fn turn_effects(page: &mut Page) {
    page.gap().line("/// <summary>What an event means to the turn that it belongs to.</summary>");
    page.line("public enum TurnEffect").block("{", "}", |page| {
        for (index, (effect, _, about)) in TurnEffect::ALL.iter().enumerate() {
            if index > 0 {
                page.gap();
            }
            page.line(format!("/// <summary>{about}</summary>")).line(format!("{effect:?},"));
        }
    });
}

fn arms_of(plan: &Plan<'_>, id: TypeId, union: &TaggedUnion) -> Vec<String> {
    union.members.iter().map(|member| plan.arm(id, member.ty)).collect()
}

/// A name of the wire inside of an XML comment.
fn xml(text: &str) -> String {
    let quoted = quote(text);
    quoted[1..quoted.len() - 1].replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// From text and to text.
fn texts(page: &mut Page, name: &str) {
    for (parameter, about) in [("string json", "a text"), ("ReadOnlyMemory<byte> json", "UTF-8")] {
        page.gap();
        page.line(format!("/// <summary>Reads {about}, wherever in it the tag stands.</summary>"));
        page.line(
            "/// <exception cref=\"DecodeException\">It is not JSON, or not of the schema's shape.</exception>",
        );
        page.line(format!(
            "public static {name} FromJson({parameter}) => Wire.Parse(json, Wire.Read<{name}>);"
        ));
    }
    page.gap().line("/// <summary>The value as JSON.</summary>");
    page.line(format!(
        "public string ToJson() => Encoding.UTF8.GetString(Wire.Bytes(this, Wire.Write<{name}>));"
    ));
}

fn union_read(plan: &Plan<'_>, page: &mut Page, id: TypeId, union: &TaggedUnion, arms: &[String]) {
    let (name, tag) = (plan.name(id), bytes(&union.tag));
    page.line(format!("var tag = Wire.Tag(json, {tag});"));
    page.line(format!("return Wire.Tagged<{name}>(json, tag, static (json, tag) => tag switch"));
    page.block("{", "});", |page| {
        for (member, arm) in union.members.iter().zip(arms) {
            let struct_name = plan.name(member.ty);
            let read = format!("Wire.Read<{struct_name}>(json)");
            let made = if arm == struct_name { read } else { format!("new {arm}({read})") };
            page.line(format!("{} => {made},", quote(&member.value)));
        }
        match union.open {
            true => page.line(format!("_ => new {}(tag, json.Clone()),", plan.unknown(id))),
            false => page.line(format!("_ => throw Wire.UnknownTag({}, tag),", quote(&union.tag))),
        };
    });
}

fn union_write(plan: &Plan<'_>, page: &mut Page, id: TypeId, union: &TaggedUnion, arms: &[String]) {
    page.line("switch (value)");
    page.block("{", "}", |page| {
        for (member, arm) in union.members.iter().zip(arms) {
            let value = if arm == plan.name(member.ty) { "it" } else { "it.Value" };
            page.line(format!("case {arm} it:")).indented(|page| {
                page.line(format!("Wire.Write(writer, {value});")).line("break;");
            });
        }
        if union.open {
            page.line(format!("case {} it:", plan.unknown(id))).indented(|page| {
                page.line("Wire.WriteAny(writer, it.Raw);").line("break;");
            });
        }
        page.line("default:").indented(|page| {
            page.line("throw new JsonException($\"{value?.GetType()} is not a member of this union\");");
        });
    });
}

/// A member that belongs to more unions than this one.
fn wrapper(plan: &Plan<'_>, page: &mut Page, id: TypeId, union: &TaggedUnion, member: &Member, arm: &str) {
    let (name, inner) = (plan.name(id), plan.name(member.ty));
    page.gap();
    summary(page, &plan.def(member.ty).doc, inner);
    page.line("/// <param name=\"Value\">The member.</param>");
    page.line(format!("public sealed record {arm}({inner} Value) : {name}"));
    page.block("{", "}", |page| {
        page.line("/// <inheritdoc/>");
        page.line(format!("public override string Tag => {};", quote(&member.value)));
        for getter in plan.getters(union) {
            let Some(index) = plan.field_named(member.ty, &getter.wire) else { continue };
            page.gap().line("/// <inheritdoc/>");
            let (ty, field) = (plan.base(&getter.kind), plan.member(member.ty, index));
            page.line(format!("public override {ty}? {}() => Value.{field};", getter.method));
        }
    });
}

fn unknown(plan: &Plan<'_>, page: &mut Page, id: TypeId, union: &TaggedUnion) {
    let (name, own) = (plan.unknown(id), plan.name(id));
    page.gap();
    page.line(format!("/// <summary>A {own} that this version does not know, as it came.</summary>"));
    page.line(format!("public sealed record {name} : {own}"));
    page.block("{", "}", |page| {
        page.line("/// <summary>Keeps the whole object.</summary>");
        page.line(format!("public {name}(string tag, JsonElement raw)"));
        page.line("{").indented(|page| {
            page.line("Tag = tag;").line("Raw = raw;");
        });
        page.line("}").gap().line("/// <inheritdoc/>").line("public override string Tag { get; }").gap();
        page.line("/// <summary>The whole object, the tag included.</summary>");
        page.line("public JsonElement Raw { get; }");
        if plan.tells_effects(id) {
            page.gap().line("/// <inheritdoc/>").line(turn_effect(TurnEffect::OF_UNKNOWN));
        }
        for getter in plan.getters(union) {
            page.gap().line("/// <inheritdoc/>");
            let ty = plan.base(&getter.kind);
            let read = plan.read_optional("Wire.Lenient", "Raw", &bytes(&getter.wire), &getter.kind);
            page.line(format!("public override {ty}? {}() => {read};", getter.method));
        }
    });
}

fn open_enum(plan: &Plan<'_>, page: &mut Page, id: TypeId, shape: &Enum) {
    let name = plan.name(id);
    head(plan, page, id, name);
    page.line(format!("public readonly record struct {name} : IWire<{name}>"));
    page.block("{", "}", |page| {
        page.line("private readonly string? _value;").gap();
        page.line("/// <summary>A value, known or not.</summary>");
        page.line(format!("public {name}(string value) => _value = value;")).gap();
        page.line("/// <summary>The value on the wire.</summary>");
        page.line("public string Value => _value ?? \"\";");
        for (index, value) in shape.values.iter().enumerate() {
            page.gap().line(format!("/// <summary><c>{}</c></summary>", xml(&value.wire)));
            let variant = plan.variant(id, index);
            page.line(format!("public static {name} {variant} {{ get; }} = new({});", quote(&value.wire)));
        }
        page.gap().line("/// <summary>Whether this version knows the value.</summary>");
        let known: Vec<String> = shape.values.iter().map(|value| quote(&value.wire)).collect();
        let known =
            if known.is_empty() { "false".to_owned() } else { format!("Value is {}", known.join(" or ")) };
        page.line(format!("public bool IsKnown => {known};"));
        if plan.def(id).role == Role::ErrorCode
            && let Some(errors) = &plan.model.errors
        {
            facts(page, errors);
        }
        page.gap().line("/// <summary>A value, known or not.</summary>");
        page.line(format!("public static implicit operator {name}(string value) => new(value);"));
        page.gap().line("/// <summary>Values are equal when their texts are, letter by letter.</summary>");
        page.line(format!(
            "public bool Equals({name} other) => string.Equals(Value, other.Value, StringComparison.Ordinal);"
        ));
        page.gap().line("/// <inheritdoc/>");
        page.line("public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Value);");
        page.gap().line("/// <summary>The value on the wire.</summary>");
        page.line("public override string ToString() => Value;");
        codec(
            page,
            name,
            |page| {
                page.line("return new(Wire.Text(json));");
            },
            |page| {
                page.line("writer.WriteStringValue(value.Value);");
            },
        );
    });
}

/// What is known about each error code.
fn facts(page: &mut Page, errors: &ErrorCodes) {
    for (ty, member, about) in [
        ("int", "Status", "The HTTP status that says the same; 500 for an unknown code."),
        ("bool", "Retryable", "Whether the same request may succeed later; false for an unknown code."),
        (
            "bool",
            "EndsTurn",
            "Whether a turn ends by it; others answer an action. False for an unknown code.",
        ),
        ("string", "Description", "What went wrong; empty for an unknown code."),
        ("string", "Hint", "What the caller should do; empty for an unknown code."),
    ] {
        page.gap().line(format!("/// <summary>{about}</summary>"));
        page.line(format!("public {ty} {member} => Facts.{member};"));
    }
    page.gap();
    page.line("private (int Status, bool Retryable, bool EndsTurn, string Description, string Hint) Facts => Value switch");
    page.block("{", "};", |page| {
        for code in &errors.codes {
            let (wire, text, hint) = (quote(&code.wire), quote(&code.description), quote(&code.hint));
            let ErrorCode { status, retryable, ends_turn, .. } = code;
            page.line(format!("{wire} => ({status}, {retryable}, {ends_turn}, {text}, {hint}),"));
        }
        page.line("_ => (500, false, false, \"\", \"\"),");
    });
}

fn closed_enum(plan: &Plan<'_>, page: &mut Page, id: TypeId, shape: &Enum) {
    let (name, codec) = (plan.name(id), plan.enum_codec(id));
    head(plan, page, id, &codec);
    page.line(format!("public enum {name}"));
    page.block("{", "}", |page| {
        for (index, value) in shape.values.iter().enumerate() {
            if index > 0 {
                page.gap();
            }
            page.line(format!("/// <summary><c>{}</c></summary>", xml(&value.wire)));
            page.line(format!("{},", plan.variant(id, index)));
        }
    });
    let arm = |index| format!("{name}.{}", plan.variant(id, index));
    let quoted: Vec<String> =
        shape.values.iter().map(|value| super::super::json::quote(&value.wire)).collect();
    page.gap().line(format!("internal sealed class {codec} : IWire<{name}>"));
    page.block("{", "}", |page| {
        page.line(format!("public static {name} Read(JsonElement json) => Wire.Text(json) switch"));
        page.block("{", "};", |page| {
            for (index, value) in shape.values.iter().enumerate() {
                page.line(format!("{} => {},", quote(&value.wire), arm(index)));
            }
            let message = quote(&format!("must be one of {}", quoted.join(", ")));
            page.line(format!("_ => throw new DecodeException({message}),"));
        });
        page.gap();
        page.line(format!("public static void Write(Utf8JsonWriter writer, {name} value)"));
        page.block("{", "}", |page| {
            page.line("string text = value switch");
            page.block("{", "};", |page| {
                for (index, value) in shape.values.iter().enumerate() {
                    page.line(format!("{} => {},", arm(index), quote(&value.wire)));
                }
                page.line("_ => throw new JsonException($\"{value} is not a value of this enum\"),");
            });
            page.line("writer.WriteStringValue(text);");
        });
    });
}

fn newtype(plan: &Plan<'_>, page: &mut Page, id: TypeId, inner: &Ty) {
    let name = plan.name(id);
    let def = plan.def(id);
    page.gap();
    summary(page, &def.doc, &def.name);
    page.line("/// <param name=\"Value\">The value on the wire.</param>");
    obsolete(page, def.deprecated);
    page.line(format!("[JsonConverter(typeof(WireConverter<{name}, {name}>))]"));
    page.line(format!("public sealed record {name}({} Value) : IWire<{name}>", plan.ty(inner)));
    page.block("{", "}", |page| {
        let mut checks = Page::new(super::INDENT);
        plan.validate_newtype(&mut checks, id, inner);
        checks.finish().lines().skip(1).for_each(|line| {
            page.line(line);
        });
        let write = plan.write(inner, "value.Value");
        codec(
            page,
            name,
            |page| {
                page.line(format!("return new({});", called(&plan.reader(inner))));
            },
            |page| {
                let end = if write.ends_with('}') { "" } else { ";" };
                page.line(format!("{write}{end}"));
            },
        );
    });
}

/// A call of a reader with `json`.
fn called(reader: &str) -> String {
    reader.strip_prefix("static json => ").map_or_else(|| format!("{reader}(json)"), str::to_owned)
}
