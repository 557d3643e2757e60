//! Declarations: interfaces, unions, enums with their values, other names.
use super::layout::{self, Doc};
use super::quoting::{self, comment};
use super::{Sheet, put};
use crate::codegen::model::{
    Additional, Enum, Field, Int, Kind, Presence, Shape, Struct, TaggedUnion, TurnEffect, Ty, TypeDef, TypeId,
};

impl<'a> Sheet<'a> {
    pub(super) fn interface(&mut self, id: TypeId, def: &TypeDef, shape: &'a Struct) {
        self.doc(def);
        let name = self.name(id);
        let tag = shape.tag.as_ref().filter(|_| Self::shows_tag(def));
        let kept = matches!(shape.additional, Additional::Kept(_));
        if tag.is_none() && shape.fields.is_empty() && !kept {
            self.page.line(format!("export interface {name} {{}}"));
            return;
        }
        self.page.line(format!("export interface {name} {{"));
        self.indented(|sheet| {
            if let Some(tag) = tag {
                let line = format!("{}: {};", quoting::key(&tag.property), quoting::string(&tag.value));
                sheet.page.line(line);
            }
            for field in &shape.fields {
                sheet.property(field);
            }
            if let Additional::Kept(ty) = &shape.additional {
                let ty = sheet.ty(ty);
                let additional = sheet.names.additional(id);
                sheet.page.line("/** Properties beyond those above. */");
                sheet.page.line(format!("{additional}?: {{ [key: string]: {ty} }};"));
            }
        });
        self.page.line("}");
    }

    fn property(&mut self, field: &Field) {
        let mut paragraphs = vec![field.doc.clone()];
        if let Some(default) = &field.default {
            paragraphs.push(format!("When absent: {}", default.compact()));
        }
        comment(&mut self.page, &paragraphs, field.deprecated);
        let mark = match field.presence() {
            Presence::Optional | Presence::Tristate => "?",
            Presence::Required | Presence::Nullable => "",
        };
        let ty = self.ty(&field.ty);
        self.page.line(format!("{}{mark}: {ty};", quoting::key(&field.wire)));
    }

    pub(super) fn union(&mut self, id: TypeId, def: &TypeDef, union: &TaggedUnion) {
        let name = self.name(id);
        let key = quoting::key(&union.tag);
        let mut members = Vec::new();
        for member in &union.members {
            let shown = Self::shows_tag(self.model.ty(member.ty));
            let member_name = self.type_name(member.ty);
            members.push(layout::text(if shown {
                member_name
            } else {
                format!("({{ {key}: {} }} & {member_name})", quoting::string(&member.value))
            }));
        }
        if union.open {
            let unknown = unknown(union);
            members.push(layout::text(self.unknown_name(id)));
            self.doc(def);
            put(&mut self.page, &layout::union(&format!("export type {name}"), members));
            self.page.gap();
            let what = format!("One whose `{}` this version does not know, as it came.", union.tag);
            comment(&mut self.page, &[what], false);
            let raw = self.support_type("JsonObject");
            self.page.line(format!("export interface {} {{", self.unknown_name(id)));
            self.page.indented(|page| {
                page.line(format!("{key}: {};", quoting::string(&unknown.marker)));
                page.line("/** The value on the wire. */");
                page.line(format!("{}: string;", unknown.tag));
                page.line("/** The whole object, exactly as it came. */");
                page.line(format!("{}: {raw};", unknown.object));
            });
            self.page.line("}");
        } else {
            self.doc(def);
            put(&mut self.page, &layout::union(&format!("export type {name}"), members));
        }
        if self.model.event_union == Some(id) && self.model.has_turn_effects() {
            self.turn_effects(id, union);
        }
    }

    /// What each event means to its turn, and the events that park one.
    fn turn_effects(&mut self, id: TypeId, union: &TaggedUnion) {
        let name = self.name(id);
        let words = TurnEffect::ALL.iter().map(|(_, word, _)| layout::text(quoting::string(word))).collect();
        let mut about = vec!["What an event means to the turn that it belongs to.".to_owned()];
        about.extend(TurnEffect::ALL.iter().map(|(_, word, meaning)| format!("`{word}`: {meaning}")));
        self.page.gap();
        comment(&mut self.page, &about, false);
        put(&mut self.page, &layout::union("export type TurnEffect", words));
        self.page.gap();
        let key = quoting::string(&union.tag);
        self.page.line(format!("const effects: Readonly<Record<{name}[{key}], TurnEffect>> = {{"));
        self.page.indented(|page| {
            for event in &self.model.events {
                let word = quoting::string(event.effect.word());
                page.line(format!("{}: {word},", quoting::literal_key(&event.name)));
            }
            let marker = unknown(union).marker;
            let word = quoting::string(TurnEffect::OF_UNKNOWN.word());
            page.line(format!("{}: {word},", quoting::literal_key(&marker)));
        });
        self.page.line("};").gap();
        comment(&mut self.page, &["What an event means to the turn that it belongs to.".to_owned()], false);
        self.page.line(format!("export function turnEffect(event: {name}): TurnEffect {{"));
        let tag = quoting::member("event", &union.tag);
        self.page.indented(|page| {
            for event in &self.model.events {
                let Some(other) = &event.exception else { continue };
                let place = other.path.iter().fold("event".to_owned(), |at, name| quoting::member(&at, name));
                let [name, effect] = [event.name.as_str(), other.effect.word()].map(quoting::string);
                let is_it = format!("{tag} === {name} && {place} === {}", other.value);
                page.line(format!("if ({is_it}) return {effect};"));
            }
            page.line(format!("return effects[{tag}];"));
        });
        self.page.line("}");
        let parks = self.model.events.iter().filter(|event| event.effect == TurnEffect::Parks);
        let parks: Vec<TypeId> = parks.map(|event| event.payload).collect();
        let parks: Vec<Doc> = parks.into_iter().map(|id| layout::text(self.type_name(id))).collect();
        if !parks.is_empty() {
            self.page.gap();
            let about = "An event on which a turn stands still until a person has answered.".to_owned();
            comment(&mut self.page, &[about], false);
            put(&mut self.page, &layout::union("export type ParkEvent", parks));
        }
    }

    /// The name of the interface of a union's unknown members.
    pub(super) fn unknown_name(&self, id: TypeId) -> String {
        let mut name = format!("Unknown{}", self.name(id));
        while self.model.each().any(|(other, _)| self.name(other) == name) {
            name.push('_');
        }
        name
    }

    pub(super) fn enumeration(&mut self, id: TypeId, def: &TypeDef, values: &Enum) {
        self.doc(def);
        let name = self.name(id);
        let mut members: Vec<Doc> =
            values.values.iter().map(|value| layout::text(quoting::string(&value.wire))).collect();
        if matches!(def.shape, Shape::OpenEnum(_)) {
            members.push(layout::text("(string & {})"));
        }
        if members.is_empty() {
            members.push(layout::text("never"));
        }
        put(&mut self.page, &layout::union(&format!("export type {name}"), members));
        self.page.gap();
        comment(&mut self.page, &[format!("The values of `{name}` that this version knows.")], false);
        if values.values.is_empty() {
            self.page.line(format!("export const {name} = /* @__PURE__ */ Object.freeze({{}});"));
            return;
        }
        self.page.line(format!("export const {name} = /* @__PURE__ */ Object.freeze({{"));
        self.page.indented(|page| {
            for (index, value) in values.values.iter().enumerate() {
                comment(page, std::slice::from_ref(&value.doc), false);
                let entry = layout::entry(self.names.variant(id, index), quoting::string(&value.wire));
                put(page, &entry);
            }
        });
        self.page.line("});");
    }

    pub(super) fn alias(&mut self, id: TypeId, def: &TypeDef, ty: &Ty) {
        self.doc(def);
        let ty = self.ty(ty);
        self.page.line(format!("export type {} = {ty};", self.name(id)));
    }

    fn doc(&mut self, def: &TypeDef) {
        comment(&mut self.page, std::slice::from_ref(&def.doc), def.deprecated);
    }

    /// A type in a type position.
    pub(super) fn ty(&mut self, ty: &Ty) -> String {
        let plain = match &ty.kind {
            Kind::String => "string".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Int(Int::I64 | Int::U64) => "bigint".to_owned(),
            Kind::Int(_) | Kind::Float => "number".to_owned(),
            Kind::Json => return self.support_type("Json"),
            Kind::JsonObject => self.support_type("JsonObject"),
            Kind::List(item) => {
                let inner = self.ty(item);
                if item.nullable { format!("({inner})[]") } else { format!("{inner}[]") }
            }
            Kind::Map(item) => format!("{{ [key: string]: {} }}", self.ty(item)),
            Kind::Tuple(items) => {
                let items: Vec<String> = items.iter().map(|item| self.ty(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Kind::Named(id) => self.type_name(*id),
        };
        if ty.nullable { format!("{plain} | null") } else { plain }
    }
}

/// How an unknown member of a union looks.
pub(super) struct Unknown {
    /// The value of the tag property.
    pub(super) marker: String,
    /// The property that holds the tag's value on the wire.
    pub(super) tag: String,
    /// The property that holds the whole object.
    pub(super) object: &'static str,
}

/// `{ type: "$unknown", rawType, raw }` for the tag `type`; clear of the known values and of `raw` itself.
pub(super) fn unknown(union: &TaggedUnion) -> Unknown {
    use crate::codegen::names::{Case, join, words};
    let mut marker = "$unknown".to_owned();
    while union.members.iter().any(|member| member.value == marker) {
        marker.insert(0, '$');
    }
    let mut tag = format!("raw{}", join(&words(&union.tag), Case::Pascal, &[]));
    let object = if union.tag == "raw" { "rawObject" } else { "raw" };
    while tag == union.tag || tag == object {
        tag.push('_');
    }
    Unknown { marker, tag, object }
}
