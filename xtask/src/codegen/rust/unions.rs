//! Tagged unions: an enum with its own codec that reads the tag wherever it stands.
use super::super::model::{
    Action, Field, Kind, Presence, Role, Shape, TaggedUnion, TurnEffect, TypeDef, TypeId,
};
use super::super::printer::Page;
use super::Ctx;
use super::text::{self, array, doc, quote};

impl Ctx<'_> {
    /// One of several structs, told apart by a tag.
    pub(super) fn union(&self, page: &mut Page, id: TypeId, def: &TypeDef, union: &TaggedUnion) {
        let name = self.name(id);
        self.needs(&["decode", "DecodeError", "Deserialize", "Serialize", "Violation"]);
        for member in &union.members {
            self.needs_type(member.ty);
        }
        self.type_doc(page, def);
        page.line("#[derive(Debug, Clone, PartialEq)]");
        if union.open {
            page.line("#[non_exhaustive]");
        }
        page.block(format!("pub enum {name} {{"), "}", |page| {
            for (index, member) in union.members.iter().enumerate() {
                doc(page, &self.model.ty(member.ty).doc, || format!("`{}`", member.value));
                page.line(format!("{}({}),", self.names.names.variant(id, index), self.name(member.ty)));
            }
            if union.open {
                page.line(format!("/// One whose `{}` this version does not know, as it came.", union.tag));
                page.line(format!("Unknown(Unknown{name}),"));
            }
        });
        if union.open {
            self.unknown_arm(page, name, &union.tag);
        }
        page.gap();
        page.block(format!("impl {name} {{"), "}", |page| {
            self.tag_methods(page, id, def, union);
            self.union_codec_methods(page, id, def, union);
        });
        self.union_codec(page, id, union);
        self.member_conversions(page, id, union);
        match def.role {
            Role::Actions => self.call_trait(page, name),
            Role::Events => self.turn_effects(page),
            _ => {}
        }
    }

    fn unknown_arm(&self, page: &mut Page, name: &str, tag: &str) {
        page.gap();
        page.line(format!("/// What this version does not know, told by its `{tag}`, exactly as it came."));
        page.line("#[derive(Debug, Clone, PartialEq)]");
        page.block(format!("pub struct Unknown{name} {{"), "}", |page| {
            page.line(format!("/// The value of `{tag}`."));
            page.line("pub tag: String,");
            page.line("/// The whole object, the tag included.");
            page.line("pub raw: serde_json::Value,");
        });
    }

    fn tag_methods(&self, page: &mut Page, id: TypeId, def: &TypeDef, union: &TaggedUnion) {
        let tags: Vec<String> = union.members.iter().map(|member| quote(&member.value)).collect();
        page.line(format!("/// Every known value of `{}`, in the order of the variants.", union.tag));
        array(page, "pub const TAGS: &'static [&'static str] = &", &tags, ";");
        page.gap();
        page.line(format!("/// The value of `{}` on the wire.", union.tag));
        let (method, result) = match (def.role, union.open) {
            (Role::Actions, _) => ("name", "&'static str"),
            (_, false) => ("tag", "&'static str"),
            (_, true) => ("tag", "&str"),
        };
        page.block(format!("pub fn {method}(&self) -> {result} {{"), "}", |page| {
            page.block("match self {", "}", |page| {
                for (index, member) in union.members.iter().enumerate() {
                    let variant = self.names.names.variant(id, index);
                    page.line(format!("Self::{variant}(_) => {},", quote(&member.value)));
                }
                if union.open {
                    page.line("Self::Unknown(unknown) => &unknown.tag,");
                }
            });
        });
        for field in self.model.shared_fields(union) {
            self.shared_field(page, id, union, field);
        }
        if def.role == Role::Events {
            self.turn_effect(page, id, union);
        }
        if def.role == Role::Actions {
            self.set_request_id(page, id, union);
            self.is_turn(page, id, union);
        }
    }

    /// A method for a field that all members have, where its value is a scalar.
    fn shared_field(&self, page: &mut Page, id: TypeId, union: &TaggedUnion, field: &Field) {
        let text = field.ty.kind == Kind::String;
        let scalar = match &field.ty.kind {
            Kind::String => "&str",
            Kind::Bool => "bool",
            Kind::Float => "f64",
            Kind::Int(int) => text::int(*int),
            _ => return,
        };
        if matches!(field.presence(), Presence::Nullable | Presence::Tristate) {
            return;
        }
        let Some((owner, index)) = self.field_of(union, 0, &field.wire) else { return };
        let method = self.field_name(owner, index);
        if matches!(
            method,
            "tag"
                | "name"
                | "validate"
                | "from_json"
                | "to_json"
                | "is_turn"
                | "set_request_id"
                | "turn_effect"
        ) {
            return;
        }
        let wrapped = field.presence() == Presence::Optional || union.open;
        let result = if wrapped { format!("Option<{scalar}>") } else { scalar.to_owned() };
        page.gap();
        let rest = if wrapped { ", where it is there" } else { "" };
        page.line(format!("/// The `{}`{rest}.", field.wire));
        page.block(
            format!("pub fn {}(&self) -> {result} {{", self.names.names.field(owner, index)),
            "}",
            |page| {
                page.block("match self {", "}", |page| {
                    for (position, _) in union.members.iter().enumerate() {
                        let Some((owner, index)) = self.field_of(union, position, &field.wire) else {
                            continue;
                        };
                        let place = format!("value.{}", self.names.names.field(owner, index));
                        let presence = self.presence(owner, index);
                        let read = match (presence, text) {
                            (Presence::Optional, true) => format!("{place}.as_deref()"),
                            (_, true) if wrapped => format!("Some(&{place})"),
                            (_, true) => format!("&{place}"),
                            (Presence::Required, false) if wrapped => format!("Some({place})"),
                            _ => place,
                        };
                        page.line(format!(
                            "Self::{}(value) => {read},",
                            self.names.names.variant(id, position)
                        ));
                    }
                    if union.open {
                        let read = match &field.ty.kind {
                            Kind::String => ".and_then(serde_json::Value::as_str)".to_owned(),
                            Kind::Bool => ".and_then(serde_json::Value::as_bool)".to_owned(),
                            Kind::Float => ".and_then(serde_json::Value::as_f64)".to_owned(),
                            _ => format!(".and_then(decode::whole::<{scalar}>)"),
                        };
                        page.line(format!(
                            "Self::Unknown(unknown) => unknown.raw.get({}){read},",
                            quote(&field.wire)
                        ));
                    }
                });
            },
        );
    }

    /// Where a member's struct has a field of a wire name.
    fn field_of(&self, union: &TaggedUnion, position: usize, wire: &str) -> Option<(TypeId, usize)> {
        let owner = union.members.get(position)?.ty;
        let Shape::Struct(shape) = &self.model.ty(owner).shape else { return None };
        shape.fields.iter().position(|field| field.wire == wire).map(|index| (owner, index))
    }

    fn presence(&self, owner: TypeId, index: usize) -> Presence {
        match &self.model.ty(owner).shape {
            Shape::Struct(shape) => shape.fields[index].presence(),
            _ => Presence::Optional,
        }
    }

    /// A client gives an action its id whatever the action is; some must have one, others may.
    fn set_request_id(&self, page: &mut Page, id: TypeId, union: &TaggedUnion) {
        let fields = (0..union.members.len()).map(|position| self.field_of(union, position, "requestId"));
        let Some(fields) = fields.collect::<Option<Vec<_>>>() else { return };
        let plain = |presence| matches!(presence, Presence::Required | Presence::Optional);
        if !fields.iter().all(|(owner, index)| plain(self.presence(*owner, *index))) {
            return;
        }
        page.gap();
        page.line("/// Gives it another `requestId`.");
        page.block("pub fn set_request_id(&mut self, id: String) {", "}", |page| {
            page.block("match self {", "}", |page| {
                for (position, (owner, index)) in fields.into_iter().enumerate() {
                    let variant = self.names.names.variant(id, position);
                    let place = format!("value.{}", self.names.names.field(owner, index));
                    let value = match self.presence(owner, index) {
                        Presence::Required => "id",
                        _ => "Some(id)",
                    };
                    page.line(format!("Self::{variant}(value) => {place} = {value},"));
                }
            });
        });
    }

    fn is_turn(&self, page: &mut Page, id: TypeId, union: &TaggedUnion) {
        page.gap();
        page.line("/// Whether it starts or continues a turn.");
        page.block("pub fn is_turn(&self) -> bool {", "}", |page| {
            page.block("match self {", "}", |page| {
                for (index, member) in union.members.iter().enumerate() {
                    let action = self.model.actions.iter().find(|action| action.params == member.ty);
                    let is_turn = action.is_some_and(Action::is_turn);
                    page.line(format!("Self::{}(_) => {is_turn},", self.names.names.variant(id, index)));
                }
            });
        });
    }

    fn turn_effect(&self, page: &mut Page, id: TypeId, union: &TaggedUnion) {
        if !self.model.has_turn_effects() {
            return;
        }
        page.gap();
        page.line("/// What it means to the turn that it belongs to.");
        page.block("pub fn turn_effect(&self) -> TurnEffect {", "}", |page| {
            page.block("match self {", "}", |page| {
                for (index, member) in union.members.iter().enumerate() {
                    let effect = self.model.turn_effect(member.ty).unwrap_or_default();
                    let variant = self.names.names.variant(id, index);
                    if let Some(other) = self.model.turn_exception(member.ty) {
                        let (value, path) = (other.value, self.path(member.ty, &other.path));
                        let pattern = format!("Self::{variant}(event) if event.{path} == {value}");
                        text::arm(page, &pattern, &format!("TurnEffect::{:?}", other.effect));
                    }
                    page.line(format!("Self::{variant}(_) => TurnEffect::{effect:?},"));
                }
                page.line(format!("Self::Unknown(_) => TurnEffect::{:?},", TurnEffect::OF_UNKNOWN));
            });
        });
    }

    /// The enum of what an event means to its turn.
    fn turn_effects(&self, page: &mut Page) {
        if !self.model.has_turn_effects() {
            return;
        }
        page.gap().line("/// What an event means to the turn that it belongs to.");
        page.line("#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]");
        page.block("pub enum TurnEffect {", "}", |page| {
            for (effect, _, about) in TurnEffect::ALL {
                page.line(format!("/// {about}")).line(format!("{effect:?},"));
            }
        });
    }

    fn union_codec_methods(&self, page: &mut Page, id: TypeId, def: &TypeDef, union: &TaggedUnion) {
        let what = match def.role {
            Role::Actions => "an action",
            Role::Events => "an event",
            _ => "a value",
        };
        page.gap();
        page.line("/// Checks what the schema asks of the values beyond their types; the violation names the place.");
        page.block("pub fn validate(&self) -> Result<(), Violation> {", "}", |page| {
            page.block("match self {", "}", |page| {
                for (index, _) in union.members.iter().enumerate() {
                    let variant = self.names.names.variant(id, index);
                    page.line(format!("Self::{variant}(value) => value.validate(),"));
                }
                if union.open {
                    page.line("Self::Unknown(_) => Ok(()),");
                }
            });
        });
        page.gap();
        page.line(format!(
            "/// Reads {what} from JSON text; `{}` may stand anywhere in the object.",
            union.tag
        ));
        page.block("pub fn from_json(text: &str) -> Result<Self, DecodeError> {", "}", |page| {
            page.line("decode::from_json(text)");
        });
        page.gap();
        page.line(format!("/// The JSON text, `{}` first.", union.tag));
        page.block("pub fn to_json(&self) -> String {", "}", |page| {
            page.line("decode::to_json(self)");
        });
    }

    fn union_codec(&self, page: &mut Page, id: TypeId, union: &TaggedUnion) {
        let name = self.name(id);
        page.gap();
        page.block(format!("impl decode::Union for {name} {{"), "}", |page| {
            page.line(format!("const TAG: &'static str = {};", quote(&union.tag)));
            page.line("const TAGS: &'static [&'static str] = Self::TAGS;");
            page.line(format!("const OPEN: bool = {};", union.open)).gap();
            let signature = "fn member<'de, D: serde::Deserializer<'de>>(tag: &str, content: D) -> Result<Self, D::Error> {";
            page.block(signature, "}", |page| {
                page.block("match tag {", "}", |page| {
                    for (index, member) in union.members.iter().enumerate() {
                        let variant = self.names.names.variant(id, index);
                        let read = format!("Deserialize::deserialize(content).map(Self::{variant})");
                        text::arm(page, &quote(&member.value), &read);
                    }
                    if union.open {
                        page.block("_ => {", "}", |page| {
                            page.line("let raw = serde_json::Value::deserialize(content)?;");
                            page.line(format!("Ok(Self::Unknown(Unknown{name} {{ tag: tag.to_owned(), raw }}))"));
                        });
                    } else {
                        page.line("_ => Err(serde::de::Error::unknown_variant(tag, Self::TAGS)),");
                    }
                });
            });
        });
        page.gap();
        page.block(format!("impl Serialize for {name} {{"), "}", |page| {
            page.block(
                "fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {",
                "}",
                |page| {
                    page.block("match self {", "}", |page| {
                        for (index, _) in union.members.iter().enumerate() {
                            let variant = self.names.names.variant(id, index);
                            page.line(format!("Self::{variant}(value) => value.serialize(serializer),"));
                        }
                        if union.open {
                            page.line("Self::Unknown(unknown) => unknown.raw.serialize(serializer),");
                        }
                    });
                },
            );
        });
        page.gap();
        page.block(format!("impl<'de> Deserialize<'de> for {name} {{"), "}", |page| {
            page.block(
                "fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {",
                "}",
                |page| {
                    page.line("decode::union(deserializer)");
                },
            );
        });
    }

    /// A member turns into the union, where only one variant holds its type.
    fn member_conversions(&self, page: &mut Page, id: TypeId, union: &TaggedUnion) {
        let name = self.name(id);
        for (index, member) in union.members.iter().enumerate() {
            if union.members.iter().filter(|other| other.ty == member.ty).count() > 1 {
                continue;
            }
            let payload = self.name(member.ty);
            let variant = self.names.names.variant(id, index);
            page.gap();
            page.block(format!("impl From<{payload}> for {name} {{"), "}", |page| {
                page.block(format!("fn from(value: {payload}) -> Self {{"), "}", |page| {
                    page.line(format!("Self::{variant}(value)"));
                });
            });
        }
    }

    fn call_trait(&self, page: &mut Page, name: &str) {
        page.gap();
        page.line(
            "/// An action that is answered by an `immediate_response` whose `data` has a type of its own.",
        );
        page.block(format!("pub trait Call: Into<{name}> {{"), "}", |page| {
            page.line("/// The type of `data`.");
            page.line("type Reply: serde::de::DeserializeOwned;").gap();
            page.line("/// The action's name on the wire.");
            page.line("const ACTION: &'static str;");
        });
    }
}
