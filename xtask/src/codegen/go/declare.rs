//! Declarations: the types with their public methods.
use super::super::json::quote as json_quote;
use super::super::model::{
    Additional, Enum, ErrorCode, ErrorCodes, Field, Role, Shape, Struct, TaggedUnion, TurnEffect, Ty,
    TypeDef, TypeId,
};
use super::super::printer::Page;
use super::Draft;
use super::text::{columns, comment, doc, quote, tag};

impl Draft<'_> {
    /// A named type with everything that belongs to it.
    pub fn declare(&mut self, id: TypeId) {
        let def = self.plan.def(id);
        match &def.shape {
            Shape::Struct(shape) => {
                self.structure(id, def, shape);
                self.object_codec(id, shape);
                self.struct_checks(id, shape);
            }
            Shape::TaggedUnion(union) => {
                self.interface(id, def, union);
                self.union_codec(id, union);
                self.union_checks(id, union);
            }
            Shape::OpenEnum(shape) => self.enumeration(id, def, shape, true),
            Shape::ClosedEnum(shape) => self.enumeration(id, def, shape, false),
            Shape::Newtype(inner) => {
                self.newtype(id, def, inner);
                self.newtype_checks(id, inner);
            }
            Shape::Alias(inner) => {
                let ty = self.ty(self.plan.ty(Some(id), inner));
                self.type_doc(id, def);
                self.page.line(format!("type {} = {ty}", self.plan.name(id)));
                if self.plan.has_functions(inner) {
                    self.alias_codec(id, inner);
                    self.alias_function(id, inner);
                }
            }
        }
    }

    fn type_doc(&mut self, id: TypeId, def: &TypeDef) {
        self.page.gap();
        let text = match def.doc.trim() {
            "" => format!("what {} describes.", def.place),
            text => text.to_owned(),
        };
        doc(&mut self.page, self.plan.name(id), &text, def.deprecated);
    }

    fn structure(&mut self, id: TypeId, def: &TypeDef, shape: &Struct) {
        let name = self.plan.name(id);
        self.type_doc(id, def);
        if shape.fields.is_empty() && !matches!(shape.additional, Additional::Kept(_)) {
            self.page.line(format!("type {name} struct{{}}"));
        } else {
            let mut rows: Vec<(Vec<String>, Vec<String>)> = Vec::new();
            for (index, field) in shape.fields.iter().enumerate() {
                let ty = self.ty(self.plan.field_ty(id, field));
                let tag = tag(&field.wire, !field.required);
                let mut row = vec![self.plan.names.field(id, index).to_owned(), ty];
                row.extend((!tag.is_empty()).then(|| tag.trim_start().to_owned()));
                rows.push((field_docs(field), row));
            }
            if let Additional::Kept(ty) = &shape.additional {
                let ty = self.ty(format!("map[string]{}", self.plan.ty(None, ty)));
                let name = self.plan.names.additional(id).to_owned();
                rows.push((
                    vec!["Every other property.".to_owned()],
                    vec![name, ty, "`json:\"-\"`".to_owned()],
                ));
            }
            self.page.block(format!("type {name} struct {{"), "}", |page| fields(page, &rows));
        }
        self.public_methods(id);
        for (union, value, names) in self.plan.unions_of(id) {
            let union = self.plan.name(union);
            let tag = &names.tag;
            method(
                &mut self.page,
                &format!("{tag} returns {}.", quote(value)),
                name,
                &format!("{tag}() string"),
                &[&format!("return {}", quote(value))],
            );
            self.page.gap().line(format!("func (*{name}) is{union}() {{}}"));
        }
        if let Some(effect) = self.plan.model.turn_effect(id) {
            match self.plan.model.turn_exception(id) {
                Some(other) => {
                    let fields = self.plan.model.fields_at(id, &other.path);
                    let path: String = fields
                        .iter()
                        .map(|(id, at)| format!(".{}", self.plan.names.field(*id, *at)))
                        .collect();
                    let body = [
                        &format!("if v{path} == {} {{", other.value),
                        &format!("\treturn Turn{:?}", other.effect),
                        "}",
                        &format!("return Turn{effect:?}"),
                    ];
                    method(&mut self.page, TURN_EFFECT, name, "TurnEffect() TurnEffect", &body);
                }
                None => turn_effect(&mut self.page, name, effect),
            }
        }
        self.getters(id);
    }

    /// The accessors that the unions of a struct promise.
    fn getters(&mut self, id: TypeId) {
        let plan = self.plan;
        let mut seen = Vec::new();
        for getter in plan.unions_of(id).into_iter().flat_map(|(_, _, names)| &names.getters) {
            let Some((index, field)) = plan.field_of(id, &getter.wire) else { continue };
            if seen.contains(&&getter.method) {
                continue;
            }
            seen.push(&getter.method);
            let name = plan.names.field(id, index);
            let (rest, body) = match field.required {
                true => (String::new(), format!("return v.{name}")),
                false => (
                    format!(", or {} when it is absent", zero(&getter.ty)),
                    format!("return orZero(v.{name})"),
                ),
            };
            let about = format!("{} returns {name}{rest}.", getter.method);
            let signature = format!("{}() {}", getter.method, getter.ty);
            method(&mut self.page, &about, plan.name(id), &signature, &[&body]);
        }
    }

    /// JSON in and out.
    fn public_methods(&mut self, id: TypeId) {
        let name = self.plan.name(id);
        self.page.gap().line("// MarshalJSON writes the value as the schema says.");
        self.page.block(format!("func (v {name}) MarshalJSON() ([]byte, error) {{"), "}", |page| {
            page.line(format!("return marshal(v, write{name})"));
        });
        self.unmarshal_method(id);
    }

    fn unmarshal_method(&mut self, id: TypeId) {
        let name = self.plan.name(id);
        self.page.gap().line(
            "// UnmarshalJSON reads the value; keys count exactly as they are written. What it refuses, it",
        );
        self.page.line("// refuses with a *DecodeError.");
        self.page.block(format!("func (v *{name}) UnmarshalJSON(data []byte) error {{"), "}", |page| {
            page.line(format!("return unmarshalInto(data, v, read{name})"));
        });
    }

    fn enumeration(&mut self, id: TypeId, def: &TypeDef, shape: &Enum, open: bool) {
        let name = self.plan.name(id);
        self.type_doc(id, def);
        self.page.line(format!("type {name} string"));
        if !shape.values.is_empty() {
            let rows: Vec<(Vec<String>, Vec<String>)> = shape
                .values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    let constant = self.plan.names.variant(id, index).to_owned();
                    let docs = if value.doc.is_empty() { Vec::new() } else { vec![value.doc.clone()] };
                    (docs, vec![constant, name.to_owned(), format!("= {}", quote(&value.wire))])
                })
                .collect();
            self.page.gap().line(format!("// The values of {name}."));
            self.page.block("const (", ")", |page| fields(page, &rows));
        }
        self.is_known(id, shape, open);
        if open {
            if let Some(errors) = self.plan.model.errors.as_ref().filter(|errors| errors.ty == id) {
                self.error_facts(id, errors);
            }
        } else {
            self.unmarshal_method(id);
        }
        self.enum_codec(id, shape, open);
    }

    fn is_known(&mut self, id: TypeId, shape: &Enum, open: bool) {
        let name = self.plan.name(id);
        let about = if open {
            "this version knows the value; others are kept as they came"
        } else {
            "the value is one of the list"
        };
        self.page.gap();
        comment(&mut self.page, &format!("IsKnown tells whether {about}."));
        let constants: Vec<&str> =
            (0..shape.values.len()).map(|index| self.plan.names.variant(id, index)).collect();
        self.page.block(format!("func (v {name}) IsKnown() bool {{"), "}", |page| {
            if constants.is_empty() {
                page.line("return false");
                return;
            }
            page.line("switch v {");
            page.line(format!("case {}:", constants.join(", "))).indented(|page| {
                page.line("return true");
            });
            page.line("}").line("return false");
        });
    }

    fn newtype(&mut self, id: TypeId, def: &TypeDef, inner: &Ty) {
        let name = self.plan.name(id);
        let ty = self.ty(self.plan.ty(Some(id), inner));
        self.type_doc(id, def);
        let plain = self.plan.is_plain(inner);
        if plain {
            self.page.line(format!("type {name} {ty}"));
        } else {
            self.page.block(format!("type {name} struct {{"), "}", |page| {
                page.line("// The value, which on the wire stands alone.").line(format!("Value {ty}"));
            });
        }
        self.public_methods(id);
        self.newtype_codec(id, inner, plain.then_some(ty.as_str()));
    }

    fn interface(&mut self, id: TypeId, def: &TypeDef, union: &TaggedUnion) {
        let (name, Some(names)) = (self.plan.name(id), self.plan.union(id)) else { return };
        self.type_doc(id, def);
        self.page.line("//").line("// It is one of:");
        for member in &union.members {
            self.page.line(format!("//   - *{}", self.plan.name(member.ty)));
        }
        if union.open {
            self.page.line(format!("//   - *{}, for what this version does not know", names.unknown));
        }
        let tag = &union.tag;
        self.page.block(format!("type {name} interface {{"), "}", |page| {
            comment(
                page,
                &format!("{} returns the value of {}, which tells them apart.", names.tag, json_quote(tag)),
            );
            page.line(format!("{}() string", names.tag));
            for getter in &names.getters {
                let about = format!("{} returns {}", getter.method, json_quote(&getter.wire));
                comment(page, &format!("{about}, or {} when it is absent.", zero(&getter.ty)));
                page.line(format!("{}() {}", getter.method, getter.ty));
            }
            if def.role == Role::Events && self.plan.model.has_turn_effects() {
                page.line("// TurnEffect returns what the event means to the turn that it belongs to.");
                page.line("TurnEffect() TurnEffect");
            }
            page.line("// Validate returns the first *Violation of what the schema asks beyond the types.");
            page.line("Validate() error");
            page.line(format!("is{name}()"));
        });
        if union.open {
            self.unknown_arm(id, union);
        }
        if def.role == Role::Events && self.plan.model.has_turn_effects() {
            turn_effect(&mut self.page, &names.unknown, TurnEffect::OF_UNKNOWN);
            turn_effects(&mut self.page);
        }
        self.page.gap();
        let property = json_quote(tag);
        comment(
            &mut self.page,
            &format!(
                "{} reads {name} from JSON; {property} may stand anywhere in the object.",
                names.unmarshal
            ),
        );
        self.page.block(format!("func {}(data []byte) ({name}, error) {{", names.unmarshal), "}", |page| {
            page.line(format!("return unmarshal(data, read{name})"));
        });
    }

    fn unknown_arm(&mut self, id: TypeId, union: &TaggedUnion) {
        let (name, Some(names)) = (self.plan.name(id), self.plan.union(id)) else { return };
        self.uses_json = true;
        let unknown = &names.unknown;
        self.page.gap();
        let property = json_quote(&union.tag);
        comment(
            &mut self.page,
            &format!("{unknown} is {name} with a {property} that this version does not know, as it came."),
        );
        self.page.block(format!("type {unknown} struct {{"), "}", |page| {
            comment(page, &format!("The value of {property}."));
            page.line("Tag string");
            page.line("// The whole object.").line("Raw json.RawMessage");
        });
        let page = &mut self.page;
        page.gap().line("// MarshalJSON returns the object as it came.");
        page.block(format!("func (v {unknown}) MarshalJSON() ([]byte, error) {{"), "}", |page| {
            page.line("return marshal(v.Raw, (*writer).raw)");
        });
        method(
            page,
            &format!("{} returns Tag.", names.tag),
            unknown,
            &format!("{}() string", names.tag),
            &["return v.Tag"],
        );
        for getter in &names.getters {
            let about = format!(
                "{} reads {}, or returns {} when there is none.",
                getter.method,
                json_quote(&getter.wire),
                zero(&getter.ty)
            );
            let line = format!("return peek(v.Raw, {}, {})", quote(&getter.wire), getter.reader);
            method(page, &about, unknown, &format!("{}() {}", getter.method, getter.ty), &[&line]);
        }
        method(
            page,
            "Validate returns nil: of an unknown object nothing is asked.",
            unknown,
            "Validate() error",
            &["return nil"],
        );
        page.gap().line(format!("func (*{unknown}) is{name}() {{}}"));
    }

    /// What is known about each error code.
    fn error_facts(&mut self, id: TypeId, errors: &ErrorCodes) {
        let name = self.plan.name(id);
        for (index, about, signature) in [
            (
                0,
                "Status returns the HTTP status that says the same; 500 for an unknown code.",
                "Status() int",
            ),
            (
                1,
                "Retryable tells whether the same request may succeed later; false for an unknown code.",
                "Retryable() bool",
            ),
            (
                2,
                "EndsTurn tells whether a turn ends by it; others answer an action. False for an unknown code.",
                "EndsTurn() bool",
            ),
            (3, "Description says what went wrong; empty for an unknown code.", "Description() string"),
            (4, "Hint says what the caller should do; empty for an unknown code.", "Hint() string"),
        ] {
            let result = ["status", "retryable", "endsTurn", "description", "hint"][index];
            let mut wanted = ["_"; 5];
            wanted[index] = result;
            let wanted = wanted.join(", ");
            self.page.gap();
            comment(&mut self.page, about);
            self.page.block(format!("func (v {name}) {signature} {{"), "}", |page| {
                page.line(format!("{wanted} := v.facts()")).line(format!("return {result}"));
            });
        }
        self.page.gap();
        self.page.block(
            format!(
                "func (v {name}) facts() (status int, retryable, endsTurn bool, description, hint string) {{"
            ),
            "}",
            |page| {
                page.line("switch v {");
                for (index, code) in errors.codes.iter().enumerate() {
                    page.line(format!("case {}:", self.plan.names.variant(id, index)));
                    page.indented(|page| {
                        let (text, hint) = (quote(&code.description), quote(&code.hint));
                        let ErrorCode { status, retryable, ends_turn, .. } = code;
                        page.line(format!("return {status}, {retryable}, {ends_turn}, {text}, {hint}"));
                    });
                }
                page.line("}").line("return 500, false, false, \"\", \"\"");
            },
        );
    }
}

/// A method with a pointer receiver.
pub fn method(page: &mut Page, about: &str, receiver: &str, signature: &str, body: &[&str]) {
    page.gap();
    comment(page, about);
    let receiver = if body.iter().any(|line| line.contains("v.")) {
        format!("v *{receiver}")
    } else {
        format!("*{receiver}")
    };
    page.block(format!("func ({receiver}) {signature} {{"), "}", |page| {
        for line in body {
            page.line(line);
        }
    });
}

fn field_docs(field: &Field) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    if !field.doc.trim().is_empty() {
        out.push(field.doc.clone());
    }
    if let Some(default) = &field.default {
        let shown: String = default.compact().chars().take(200).collect();
        out.push(format!("When it is absent, the other side takes {shown}."));
    }
    if field.deprecated {
        out.push("Deprecated: the schema says so.".to_owned());
    }
    out
}

/// Lines with comments above them; neighbours without one are aligned, as gofmt does.
pub fn fields(page: &mut Page, rows: &[(Vec<String>, Vec<String>)]) {
    let mut run: Vec<Vec<String>> = Vec::new();
    for (docs, row) in rows {
        if !docs.is_empty() {
            columns(page, &std::mem::take(&mut run));
        }
        for (index, text) in docs.iter().enumerate() {
            if index > 0 && text.starts_with("Deprecated:") {
                page.line("//");
            }
            comment(page, text);
        }
        run.push(row.clone());
    }
    columns(page, &run);
}

fn zero(ty: &str) -> &'static str {
    match ty {
        "string" => "\"\"",
        "bool" => "false",
        _ => "0",
    }
}

const TURN_EFFECT: &str = "TurnEffect returns what the event means to the turn that it belongs to.";

/// The method that tells what an event means to its turn.
fn turn_effect(page: &mut Page, name: &str, effect: TurnEffect) {
    method(page, TURN_EFFECT, name, "TurnEffect() TurnEffect", &[&format!("return Turn{effect:?}")]);
}

/// The type of what an event means to its turn.
fn turn_effects(page: &mut Page) {
    page.gap().line("// TurnEffect is what an event means to the turn that it belongs to.");
    page.line("type TurnEffect string").gap().line("// The values of TurnEffect.");
    let row = |(effect, word, about): (TurnEffect, &str, &str)| {
        let row = vec![format!("Turn{effect:?}"), "TurnEffect".to_owned(), format!("= {}", quote(word))];
        (vec![about.to_owned()], row)
    };
    page.block("const (", ")", |page| fields(page, &TurnEffect::ALL.map(row)));
}
