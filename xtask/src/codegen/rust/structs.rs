//! Structs: fields with their serde attributes, `new`, `validate`.
use super::super::model::{Additional, Field, Kind, Presence, Role, Shape, Struct, Ty, TypeDef, TypeId};
use super::super::printer::Page;
use super::Ctx;
use super::text::{self, Value, doc, list, quote};

/// The most parameters a `new` takes; clippy asks for a struct literal beyond that.
const MOST_PARAMETERS: usize = 6;

impl Ctx<'_> {
    /// An object with known properties.
    pub(super) fn structure(&self, page: &mut Page, id: TypeId, def: &TypeDef, shape: &Struct) {
        let name = self.name(id);
        self.needs(&["decode", "Deserialize", "Serialize"]);
        self.type_doc(page, def);
        let optional = |field: &Field| matches!(field.presence(), Presence::Optional | Presence::Tristate);
        let default = if shape.fields.iter().all(optional) { "Default, " } else { "" };
        page.line(format!("#[derive(Debug, Clone, {default}PartialEq, Serialize, Deserialize)]"));
        let camel = shape.fields.iter().enumerate().any(|(index, field)| {
            let plain = self.field_name(id, index);
            plain != field.wire && text::serde_camel(plain) == field.wire
        });
        page.line("#[serde(remote = \"Self\")]");
        self.container_attributes(page, shape, camel);
        if shape.fields.is_empty() && !matches!(shape.additional, Additional::Kept(_)) {
            page.line(format!("pub struct {name} {{}}"));
        }
        page.block_unless_empty(format!("pub struct {name} {{"), "}", |page| {
            for (index, field) in shape.fields.iter().enumerate() {
                self.struct_field(page, id, index, field, camel);
            }
            if let Additional::Kept(ty) = &shape.additional {
                page.line("/// Properties beyond those above.");
                page.line("#[serde(flatten, skip_deserializing)]");
                let ty = self.ty(ty, None);
                let map = format!("std::collections::BTreeMap<String, {ty}>");
                text::field(page, self.names.names.additional(id), &map);
            }
        });
        self.object_codec(page, id, shape);
        page.gap();
        page.block(format!("impl {name} {{"), "}", |page| {
            if self.constructor(page, id, shape) {
                page.gap();
            }
            page.line("/// Checks what the schema asks of the values beyond their types; the violation names the place.");
            let body = self.struct_checks(id, shape);
            self.validate_fn(page, &body);
        });
        if def.role == Role::Params {
            self.call(page, id);
        }
    }

    /// The name of a field without the mark of a raw identifier.
    pub(super) fn field_name(&self, id: TypeId, index: usize) -> &str {
        let name = self.names.names.field(id, index);
        name.strip_prefix("r#").unwrap_or(name)
    }

    fn container_attributes(&self, page: &mut Page, shape: &Struct, camel: bool) {
        if let Some(tag) = &shape.tag {
            page.line(format!("#[serde(tag = {}, rename = {})]", quote(&tag.property), quote(&tag.value)));
        }
        if camel {
            page.line("#[serde(rename_all = \"camelCase\")]");
        }
        if shape.additional == Additional::Refused {
            page.line("#[serde(deny_unknown_fields)]");
        }
    }

    fn struct_field(&self, page: &mut Page, id: TypeId, index: usize, field: &Field, camel: bool) {
        doc(page, &field.doc, || format!("The property `{}`.", field.wire));
        text::deprecation(page, field.deprecated);
        let plain = self.field_name(id, index);
        let spelled = if camel { text::serde_camel(plain) } else { plain.to_owned() };
        if spelled != field.wire {
            list(page, "#[serde(", &[format!("rename = {}", quote(&field.wire))], ")]", false);
        }
        let ty = self.ty(&field.ty, Some(id));
        let free = self.is_free(&field.ty);
        let ty = match field.presence() {
            Presence::Required => {
                if free {
                    page.line("#[serde(deserialize_with = \"decode::free\")]");
                }
                ty
            }
            Presence::Nullable => {
                let with = if free { "free" } else { "nullable" };
                page.line(format!("#[serde(deserialize_with = \"decode::{with}\")]"));
                ty
            }
            Presence::Optional => {
                let with = if free { "present_free" } else { "present" };
                let skip = "skip_serializing_if = \"Option::is_none\"";
                page.line(format!("#[serde(default, {skip}, deserialize_with = \"decode::{with}\")]"));
                format!("Option<{ty}>")
            }
            Presence::Tristate => {
                self.needs(&["Tri"]);
                page.line("#[serde(default, skip_serializing_if = \"Tri::is_absent\")]");
                let inner = Ty { nullable: false, ..field.ty.clone() };
                format!("Tri<{}>", self.ty(&inner, Some(id)))
            }
        };
        text::field(page, self.names.names.field(id, index), &ty);
    }

    /// The codec around the derived one: only an object is read, never an array, its tag is checked, and what it does
    /// not declare is kept.
    fn object_codec(&self, page: &mut Page, id: TypeId, shape: &Struct) {
        let name = self.name(id);
        page.gap();
        page.block(format!("impl Serialize for {name} {{"), "}", |page| {
            let signature =
                "fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {";
            page.block(signature, "}", |page| {
                page.line("Self::serialize(self, serializer)");
            });
        });
        page.gap();
        page.block(format!("impl<'de> Deserialize<'de> for {name} {{"), "}", |page| {
            let signature =
                "fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {";
            page.block(signature, "}", |page| {
                let object = match &shape.tag {
                    None => "decode::Object(deserializer)".to_owned(),
                    Some(tag) => {
                        let (property, value) = (quote(&tag.property), quote(&tag.value));
                        format!("decode::Tagged(deserializer, {property}, {value})")
                    }
                };
                match &shape.additional {
                    Additional::Kept(ty) => self.read_others(page, id, shape, ty, &object),
                    _ => {
                        page.line(format!("Self::deserialize({object})"));
                    }
                }
            });
        });
    }

    /// Reads the struct and, beside it, the properties that it does not declare.
    fn read_others(&self, page: &mut Page, id: TypeId, shape: &Struct, ty: &Ty, object: &str) {
        self.needs(&["others"]);
        let keep = if self.is_free(ty) { "FreeTyped" } else { "Typed" };
        let declared: Vec<String> = shape.fields.iter().map(|field| quote(&field.wire)).collect();
        let others = self.names.names.additional(id);
        text::array(page, "const DECLARED: &[&str] = &", &declared, ";");
        page.line("let mut others = std::collections::BTreeMap::new();");
        page.line(format!("let keep = others::{keep}(&mut others);"));
        page.line(format!("let object = others::Others({object}, DECLARED, keep);"));
        let field = if others == "others" { others.to_owned() } else { format!("{others}: others") };
        if shape.fields.is_empty() {
            page.line("Self::deserialize(object)?;").line(format!("Ok(Self {{ {field} }})"));
        } else {
            page.line("let declared = Self::deserialize(object)?;");
            page.line(format!("Ok(Self {{ {field}, ..declared }})"));
        }
    }

    /// Whether a type is made of JSON objects of any content alone. Their decoder in serde_json takes null for an empty
    /// object, so they are read by one of ours.
    pub(super) fn is_free(&self, ty: &Ty) -> bool {
        match &self.model.resolve(ty).kind {
            Kind::JsonObject => true,
            Kind::List(item) | Kind::Map(item) => self.is_free(item),
            _ => false,
        }
    }

    /// `new` from what is required, when that is neither nothing nor too much. Fixed values are filled in.
    fn constructor(&self, page: &mut Page, id: TypeId, shape: &Struct) -> bool {
        let fixed = |field: &Field| self.fixed_value(field);
        let wanted = |field: &&(usize, &Field)| field.1.required && fixed(field.1).is_none();
        let fields: Vec<(usize, &Field)> = shape.fields.iter().enumerate().collect();
        let parameters: Vec<&(usize, &Field)> = fields.iter().filter(wanted).collect();
        if parameters.is_empty() || parameters.len() > MOST_PARAMETERS {
            return false;
        }
        let signature: Vec<String> = parameters
            .iter()
            .map(|(index, field)| {
                let ty = self.ty(&field.ty, Some(id));
                let ty = if self.takes_into(field) { format!("impl Into<{ty}>") } else { ty };
                format!("{}: {ty}", self.names.names.field(id, *index))
            })
            .collect();
        let mut inits: Vec<String> = fields
            .iter()
            .map(|(index, field)| {
                let name = self.names.names.field(id, *index);
                match (field.presence(), fixed(field)) {
                    (_, Some(value)) if field.required => format!("{name}: {value}"),
                    (Presence::Required, _) if self.takes_into(field) => format!("{name}: {name}.into()"),
                    (Presence::Required | Presence::Nullable, _) => name.to_owned(),
                    (Presence::Optional, _) => format!("{name}: None"),
                    (Presence::Tristate, _) => format!("{name}: Tri::Absent"),
                }
            })
            .collect();
        if matches!(shape.additional, Additional::Kept(_)) {
            inits.push(format!("{}: std::collections::BTreeMap::new()", self.names.names.additional(id)));
        }
        page.line("/// From what is required; everything else is absent.");
        list(page, "pub fn new(", &signature, ") -> Self {", false);
        page.indented(|page| list(page, "Self {", &inits, "}", true));
        page.line("}");
        true
    }

    /// The one value that a required scalar can have, as a Rust expression.
    fn fixed_value(&self, field: &Field) -> Option<String> {
        use super::super::json::Json;
        let allowed = field.ty.constraints.allowed.as_deref()?;
        match (allowed, &field.ty.kind) {
            ([Json::String(value)], Kind::String) => Some(format!("{}.to_owned()", quote(value))),
            ([Json::Number(value)], Kind::Int(_)) => Some(value.to_string()),
            ([Json::Bool(value)], Kind::Bool) => Some(value.to_string()),
            _ => None,
        }
    }

    /// Whether `new` takes anything that turns into the field's type: strings, and types made from strings.
    fn takes_into(&self, field: &Field) -> bool {
        let of_string = |shape: &Shape| match shape {
            Shape::OpenEnum(_) => true,
            Shape::Newtype(inner) => inner.kind == Kind::String && !inner.nullable,
            _ => false,
        };
        !field.ty.nullable
            && match &field.ty.kind {
                Kind::String => true,
                Kind::Named(id) => of_string(&self.model.ty(*id).shape),
                _ => false,
            }
    }

    fn struct_checks(&self, id: TypeId, shape: &Struct) -> String {
        let mut body = Page::new("    ");
        for (index, field) in shape.fields.iter().enumerate() {
            self.print_statics(&mut body, &field.ty, &[self.field_name(id, index)]);
        }
        if let Additional::Kept(ty) = &shape.additional {
            self.print_statics(&mut body, ty, &[self.names.names.additional(id)]);
        }
        for (index, field) in shape.fields.iter().enumerate() {
            if !self.model.is_checked(&field.ty) {
                continue;
            }
            let name = self.names.names.field(id, index);
            let scope = [self.field_name(id, index)];
            let own = format!("self.{name}");
            let at = [format!(".at({})", quote(&field.wire))];
            match field.presence() {
                Presence::Required => {
                    self.checks(&mut body, &field.ty, &Value::own(&own), &at, &scope);
                }
                presence => {
                    let arm = if presence == Presence::Tristate { "Tri::Value" } else { "Some" };
                    let inner = Ty { nullable: false, ..field.ty.clone() };
                    body.block_unless_empty(format!("if let {arm}(value) = &{own} {{"), "}", |page| {
                        self.checks(page, &inner, &Value::borrowed("value"), &at, &scope);
                    });
                }
            }
        }
        if let Additional::Kept(ty) = &shape.additional
            && self.model.is_checked(ty)
        {
            let name = self.names.names.additional(id);
            let map = Ty::plain(Kind::Map(Box::new(ty.clone())));
            let scope = [name];
            self.checks(&mut body, &map, &Value::own(&format!("self.{name}")), &[], &scope);
        }
        body.finish()
    }

    /// Ties an action to the type of its reply.
    fn call(&self, page: &mut Page, id: TypeId) {
        let Some(action) = self.model.actions.iter().find(|action| action.params == id) else { return };
        let super::super::model::Reply::Data(reply) = &action.reply else { return };
        self.needs_type(*reply);
        page.gap();
        page.block(format!("impl Call for {} {{", self.name(id)), "}", |page| {
            page.line(format!("type Reply = {};", self.name(*reply))).gap();
            page.line(format!("const ACTION: &'static str = {};", quote(&action.name)));
        });
    }
}
