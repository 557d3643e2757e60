//! Declarations: dataclasses, unions, enums with their values, other names.
use super::Sheet;
use super::text::{self, Doc, bracket, docstring};
use crate::codegen::model::{
    Additional, Enum, Kind, Presence, Struct, TaggedUnion, TurnEffect, TurnException, Ty, TypeDef, TypeId,
};
use crate::codegen::names::{Case, join, words};
use crate::codegen::printer::Page;

/// How a field may be missing in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is always there.
    Never,
    /// `None` is an absent property.
    None,
    /// `UNSET` is an absent property, `None` is null.
    Unset,
}

impl<'a> Sheet<'a> {
    pub(super) fn dataclass(&mut self, id: TypeId, def: &'a TypeDef, shape: &'a Struct) {
        let name = self.name(id);
        self.import("dataclasses", "dataclass");
        self.offers.push(name.to_owned());
        let tuples: Vec<(String, &Ty)> = self.tuple_uses(id, shape);
        self.block(|sheet, page| {
            page.line("@dataclass(frozen=True, slots=True, kw_only=True)").line(format!("class {name}:"));
            page.indented(|page| {
                if docstring(page, std::slice::from_ref(&def.doc), def.deprecated) {
                    page.gap();
                }
                if let Some(tag) = &shape.tag {
                    let attribute = sheet.tag_attribute(id, shape, &tag.property);
                    sheet.tag(page, &attribute, &tag.value);
                }
                let (effect, exception) = (sheet.model.turn_effect(id), sheet.model.turn_exception(id));
                if let Some(effect) = effect.filter(|_| exception.is_none()) {
                    sheet.tag(page, "turn_effect", effect.word());
                }
                for (index, field) in shape.fields.iter().enumerate() {
                    let ty = sheet.ty(&field.ty);
                    let (ty, default) = match sheet.missing(field.presence(), &field.ty) {
                        Missing::Never => (ty, ""),
                        Missing::None => (format!("{ty} | None"), " = None"),
                        Missing::Unset => (or_unset(&ty), " = wire.UNSET"),
                    };
                    annotated(page, sheet.names.field(id, index), &ty, default);
                    let mut paragraphs = vec![field.doc.clone()];
                    if let Some(value) = &field.default {
                        paragraphs.push(format!("When absent: {}", value.compact()));
                    }
                    docstring(page, &paragraphs, field.deprecated);
                }
                if let Additional::Kept(ty) = &shape.additional {
                    sheet.import("dataclasses", "field as _field");
                    let ty = sheet.ty(ty);
                    // Without its type a factory gives `dict[Unknown, Unknown]` to pyright.
                    let default = format!(" = _field(default_factory=dict[str, {}])", quotable(&ty));
                    annotated(page, sheet.names.additional(id), &format!("dict[str, {ty}]"), &default);
                    docstring(page, &["Properties beyond those above.".to_owned()], false);
                }
                let kept = matches!(shape.additional, Additional::Kept(_));
                if shape.tag.is_some() || !shape.fields.is_empty() || kept {
                    page.gap();
                }
                if let (Some(effect), Some(other)) = (effect, exception) {
                    sheet.turn_effect(page, id, effect, other);
                    page.gap();
                }
                sheet.methods(page, id, shape);
            });
        });
        if !shape.fields.is_empty() || matches!(shape.additional, Additional::Kept(_)) {
            self.maker(id);
        }
        if shape.tag.is_some() && super::codec::reads_members(shape) {
            self.tagged_reader(id, shape);
        }
        for (path, ty) in tuples {
            self.tuple_functions(&path, ty);
        }
    }

    /// How a field may be missing.
    pub(super) fn missing(&self, presence: Presence, ty: &Ty) -> Missing {
        match presence {
            Presence::Required | Presence::Nullable => Missing::Never,
            Presence::Optional if !self.may_be_none(ty) => Missing::None,
            Presence::Optional | Presence::Tristate => Missing::Unset,
        }
    }

    /// The name of the class variable that holds a struct's tag.
    pub(super) fn tag_attribute(&self, id: TypeId, shape: &Struct, property: &str) -> String {
        let mut name = join(&words(property), Case::Snake, &[]);
        let taken = |name: &str| {
            super::RULES.keywords.contains(&name)
                || super::RULES.taken_fields.contains(&name)
                || self.names.additional(id) == name
                || (0..shape.fields.len()).any(|index| self.names.field(id, index) == name)
        };
        while taken(&name) {
            name.push('_');
        }
        name
    }

    /// What an event means to its turn, where that depends on one of its values.
    fn turn_effect(&mut self, page: &mut Page, id: TypeId, effect: TurnEffect, other: &TurnException) {
        let literal = self.typing("Literal");
        let [then, otherwise] = [other.effect, effect].map(|effect| text::string(effect.word()));
        let fields = self.model.fields_at(id, &other.path);
        let path: String = fields.iter().map(|(id, at)| format!(".{}", self.names.field(*id, *at))).collect();
        page.line("@property").line(format!("def turn_effect(self) -> {literal}[{then}, {otherwise}]:"));
        page.indented(|page| {
            docstring(page, &["What it means to the turn that it belongs to.".to_owned()], false);
            page.line(format!("return {then} if self{path} == {} else {otherwise}", other.value));
        });
    }

    fn tag(&mut self, page: &mut Page, attribute: &str, value: &str) {
        let (variable, literal) = (self.typing("ClassVar"), self.typing("Literal"));
        let value = text::string(value);
        annotated(page, attribute, &format!("{variable}[{literal}[{value}]]"), &format!(" = {value}"));
    }

    pub(super) fn union(&mut self, id: TypeId, def: &TypeDef, union: &'a TaggedUnion) {
        let name = self.name(id);
        let unknown = union.open.then(|| self.spare(format!("Unknown{name}")));
        if let Some(unknown) = &unknown {
            self.unknown(id, unknown, union);
        }
        let mut members = Vec::new();
        for member in &union.members {
            let member_name = self.type_name(member.ty);
            let later = self.is_later(member.ty, id);
            members.push(text::text(if later { text::string(&member_name) } else { member_name }));
        }
        members.extend(unknown.iter().map(text::text));
        let alias = self.typing("TypeAlias");
        self.offers.push(name.to_owned());
        let whole = match members.len() {
            0 => text::text(format!("{name}: {alias} = {}", self.typing("NoReturn"))),
            1 => text::before(&format!("{name}: {alias} = "), &members[0]),
            _ => bracket(format!("{name}: {alias} = {}[", self.typing("Union")), members, "]"),
        };
        self.block(|_, page| {
            text::put(page, &whole);
            docstring(page, std::slice::from_ref(&def.doc), def.deprecated);
        });
        if self.tells_effects(id) {
            self.turn_effects(union);
        }
        self.decode_union(id, union, unknown.as_deref());
        self.union_functions(id);
    }

    /// Whether a union is that of the events, and the protocol says what they mean to their turns.
    fn tells_effects(&self, union: TypeId) -> bool {
        self.model.event_union == Some(union) && self.model.has_turn_effects()
    }

    /// The type of what an event means to its turn, and the events that park one.
    fn turn_effects(&mut self, union: &TaggedUnion) {
        let (alias, literal) = (self.typing("TypeAlias"), self.typing("Literal"));
        let words = TurnEffect::ALL.iter().map(|(_, word, _)| text::text(text::string(word))).collect();
        self.offers.push("TurnEffect".to_owned());
        self.block(|_, page| {
            text::put(page, &bracket(format!("TurnEffect: {alias} = {literal}["), words, "]"));
            let meanings = TurnEffect::ALL.iter().map(|(_, word, about)| format!("`{word}`: {about}"));
            let about = ["What an event means to the turn that it belongs to.".to_owned()];
            docstring(page, &about.into_iter().chain(meanings).collect::<Vec<_>>(), false);
        });
        let parks = union.members.iter().map(|member| member.ty);
        let parks: Vec<TypeId> =
            parks.filter(|id| self.model.turn_effect(*id) == Some(TurnEffect::Parks)).collect();
        let parks: Vec<Doc> = parks.into_iter().map(|id| text::text(self.type_name(id))).collect();
        if parks.len() > 1 {
            self.offers.push("ParkEvent".to_owned());
            let whole = bracket(format!("ParkEvent: {alias} = {}[", self.typing("Union")), parks, "]");
            self.block(|_, page| {
                text::put(page, &whole);
                let about = "An event on which a turn stands still until a person has answered.";
                docstring(page, &[about.to_owned()], false);
            });
        }
    }

    /// The class of a union's member that this version does not know.
    fn unknown(&mut self, union_id: TypeId, name: &str, union: &TaggedUnion) {
        self.import("dataclasses", "dataclass");
        self.offers.push(name.to_owned());
        let mut marker = "$unknown".to_owned();
        while union.members.iter().any(|member| member.value == marker) {
            marker.insert(0, '$');
        }
        let mut attribute = join(&words(&union.tag), Case::Snake, &[]);
        while ["tag", "raw", "encode", "validate"].contains(&attribute.as_str())
            || super::RULES.keywords.contains(&attribute.as_str())
        {
            attribute.push('_');
        }
        self.block(|sheet, page| {
            page.line("@dataclass(frozen=True, slots=True, kw_only=True)").line(format!("class {name}:"));
            page.indented(|page| {
                let what = format!("One whose `{}` this version does not know, as it came.", union.tag);
                docstring(page, &[what], false);
                page.gap();
                sheet.tag(page, &attribute, &marker);
                if sheet.tells_effects(union_id) {
                    sheet.tag(page, "turn_effect", TurnEffect::OF_UNKNOWN.word());
                }
                page.line("tag: str").line("\"\"\"The value on the wire.\"\"\"");
                page.line("raw: wire.JsonObject");
                page.line("\"\"\"The whole object, exactly as it came.\"\"\"").gap();
                page.line("def encode(self) -> wire.JsonObject:").indented(|page| {
                    page.line("return self.raw");
                });
                page.gap().line("def validate(self) -> wire.Violation | None:").indented(|page| {
                    page.line("return None");
                });
            });
        });
    }

    pub(super) fn enumeration(&mut self, id: TypeId, def: &TypeDef, values: &Enum, open: bool) {
        let name = self.name(id);
        let (alias, literal) = (self.typing("TypeAlias"), self.typing("Literal"));
        let known: Vec<Doc> =
            values.values.iter().map(|value| text::text(text::string(&value.wire))).collect();
        let whole = match (known.is_empty(), open) {
            (true, true) => text::text("str"),
            (true, false) => text::text(self.typing("NoReturn")),
            (false, false) => bracket(format!("{literal}["), known.clone(), "]"),
            (false, true) => {
                let literals = bracket(format!("{literal}["), known.clone(), "]");
                bracket(format!("{}[", self.typing("Union")), vec![literals, text::text("str")], "]")
            }
        };
        self.offers.push(name.to_owned());
        self.block(|_, page| {
            text::put(page, &text::before(&format!("{name}: {alias} = "), &whole));
            docstring(page, std::slice::from_ref(&def.doc), def.deprecated);
        });
        if !known.is_empty() {
            let holder = self.spare(format!("{name}Values"));
            let constant = self.typing("Final");
            self.offers.push(holder.clone());
            self.block(|sheet, page| {
                page.line(format!("class {holder}:"));
                page.indented(|page| {
                    docstring(page, &[format!("The values of `{name}` that this version knows.")], false);
                    page.gap();
                    for (index, value) in values.values.iter().enumerate() {
                        let value_text = format!(" = {}", text::string(&value.wire));
                        annotated(page, sheet.names.variant(id, index), &constant, &value_text);
                        docstring(page, std::slice::from_ref(&value.doc), false);
                    }
                });
            });
        }
        self.decode_enum(id, known, open);
    }

    pub(super) fn alias(&mut self, id: TypeId, def: &'a TypeDef, ty: &'a Ty) {
        let name = self.name(id);
        let alias = self.typing("TypeAlias");
        let whole = self.ty(ty);
        let mut held = Vec::new();
        crate::codegen::reach::named(ty, &mut held);
        let later = held.iter().any(|inner| *inner == id || self.is_later(*inner, id));
        self.offers.push(name.to_owned());
        self.block(|_, page| {
            let value = if later { text::string(&whole) } else { whole };
            annotated(page, name, &alias, &format!(" = {value}"));
            docstring(page, std::slice::from_ref(&def.doc), def.deprecated);
        });
        self.alias_functions(id, ty);
        let mut tuples = Vec::new();
        tuple_uses(&snake_path(&[name]), ty, &mut tuples);
        for (path, ty) in tuples {
            self.tuple_functions(&path, ty);
        }
    }

    /// Whether a type is defined further down than another, in the same module.
    pub(super) fn is_later(&self, held: TypeId, holder: TypeId) -> bool {
        held > holder && (self.merged || self.model.ty(held).section == self.model.ty(holder).section)
    }

    /// The tuples in a struct's fields, each with the words that name its functions.
    fn tuple_uses(&self, id: TypeId, shape: &'a Struct) -> Vec<(String, &'a Ty)> {
        let mut out = Vec::new();
        for (index, field) in shape.fields.iter().enumerate() {
            tuple_uses(&self.path(id, index), &field.ty, &mut out);
        }
        if let Additional::Kept(ty) = &shape.additional {
            tuple_uses(&snake_path(&[self.name(id), self.names.additional(id)]), ty, &mut out);
        }
        out
    }

    /// The words that name the functions of tuples in a field.
    pub(super) fn path(&self, id: TypeId, index: usize) -> String {
        snake_path(&[self.name(id), self.names.field(id, index)])
    }
}

/// Names joined in snake case.
pub(super) fn snake_path(names: &[&str]) -> String {
    names.iter().map(|name| super::snake(name)).collect::<Vec<_>>().join("_")
}

/// The tuples in a use, inner ones after the outer one that holds them.
fn tuple_uses<'t>(path: &str, ty: &'t Ty, out: &mut Vec<(String, &'t Ty)>) {
    match &ty.kind {
        Kind::List(item) | Kind::Map(item) => tuple_uses(path, item, out),
        Kind::Tuple(items) => {
            out.push((path.to_owned(), ty));
            for (index, item) in items.iter().enumerate() {
                tuple_uses(&place_path(path, index), item, out);
            }
        }
        _ => {}
    }
}

/// The words that name the functions of a tuple in a place of another.
pub(super) fn place_path(path: &str, index: usize) -> String {
    format!("{path}_place{index}")
}

/// A type as an expression that Python runs when the class is made: a name may not be defined by then.
fn quotable(ty: &str) -> String {
    text::string(ty)
}

/// A type or `Unset`, with `None` at the end.
pub(super) fn or_unset(ty: &str) -> String {
    match ty.strip_suffix(" | None") {
        Some(plain) => format!("{plain} | wire.Unset | None"),
        None => format!("{ty} | wire.Unset"),
    }
}

/// `name: type = value`, broken as ruff does where it is too long: a value that is a string or a call first, then a
/// subscript at its brackets, any other type in parentheses.
fn annotated(page: &mut Page, name: &str, ty: &str, value: &str) {
    let line = format!("{name}: {ty}{value}");
    let fits = |text: &str| page.column() + text.chars().count() <= super::WIDTH;
    let plain = value.trim_start_matches(" = ");
    let is_string = plain.starts_with(['"', '\'']);
    if fits(&line) {
        page.line(line);
    } else if is_string && fits(&format!("{name}: {ty} = (")) && !ty.starts_with("ClassVar") {
        // Ruff leaves a text whole that would not fit in parentheses either.
        if fits(&format!("    {plain}")) {
            page.block(format!("{name}: {ty} = ("), ")", |page| {
                page.line(plain);
            });
        } else {
            page.line(line);
        }
    } else if let Some((call, rest)) = value.strip_suffix(')').and_then(|value| value.split_once('(')) {
        page.block(format!("{name}: {ty}{call}("), ")", |page| {
            page.line(rest);
        });
    } else if let Some((head, inner)) = subscript(ty) {
        page.block(format!("{name}: {head}["), format!("]{value}"), |page| {
            page.line(inner);
        });
    } else {
        page.block(format!("{name}: ("), format!("){value}"), |page| {
            page.line(ty);
        });
    }
}

/// The two parts of a type that is a subscript as a whole.
fn subscript(ty: &str) -> Option<(&str, &str)> {
    let (head, inner) = ty.strip_suffix(']')?.split_once('[')?;
    (!head.contains('|') && closes_at_end(ty)).then_some((head, inner))
}

/// Whether the first bracket is closed by the last.
fn closes_at_end(ty: &str) -> bool {
    let mut depth = 0;
    for (index, c) in ty.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return index + 1 == ty.len();
        }
    }
    false
}
