//! Two versions of a type, side by side: whatever one side may write and the other then refuses is a break.
use std::collections::HashSet;

use super::super::finding::Place;
use super::super::json::Json;
use super::super::model::{
    Additional, Enum, Field, Int, JsonType, Kind, Model, Role, Shape, Struct, TaggedUnion, Ty, TypeDef,
    TypeId,
};
use super::limits::{self, Level};
use super::report::{Breaks, Writer};

/// The walk over two models.
pub struct Walk<'a> {
    pub old: &'a Model,
    pub new: &'a Model,
    /// What was found so far.
    pub breaks: Breaks,
    names: HashSet<(TypeId, TypeId, Writer)>,
    /// Uses are told apart by where they lie in their models, so that the walk ends on any recursion.
    uses: HashSet<(*const Ty, *const Ty, Writer)>,
}

/// A use of a type and where it stands.
#[derive(Clone)]
pub struct At<'a> {
    ty: &'a Ty,
    place: Place,
}

/// A use of a type with its names taken away.
struct Flat<'a> {
    what: What<'a>,
    nullable: bool,
    levels: Vec<Level<'a>>,
    place: Place,
}

/// What a value is on the wire.
#[derive(Clone, Copy)]
enum What<'a> {
    Plain(&'a Kind),
    Struct(TypeId, &'a Struct),
    Union(TypeId, &'a TaggedUnion),
    Closed(&'a Enum),
    Open(TypeId, &'a Enum),
}

impl<'a> Walk<'a> {
    /// A walk that has found nothing yet.
    pub fn new(old: &'a Model, new: &'a Model) -> Self {
        let (names, uses) = (HashSet::new(), HashSet::new());
        Self { old, new, breaks: Breaks::default(), names, uses }
    }

    /// Whether a named type of the old version was compared with anything.
    pub fn has_seen(&self, old: TypeId) -> bool {
        self.names.iter().any(|(seen, _, _)| *seen == old)
    }

    /// Compares two named types.
    pub fn named(&mut self, old: TypeId, new: TypeId, writer: Writer) {
        if self.names.insert((old, new, writer)) {
            let (old, new) = (flat_named(self.old, old), flat_named(self.new, new));
            self.flat(&old, &new, writer);
        }
    }

    fn uses(&mut self, old: &At<'a>, new: &At<'a>, writer: Writer) {
        if !self.uses.insert((old.ty, new.ty, writer)) {
            return;
        }
        if let (Kind::Named(old), Kind::Named(new)) = (&old.ty.kind, &new.ty.kind) {
            self.names.insert((*old, *new, writer));
        }
        let (old, new) = (flat(self.old, old.clone()), flat(self.new, new.clone()));
        self.flat(&old, &new, writer);
    }

    fn flat(&mut self, old: &Flat<'a>, new: &Flat<'a>, writer: Writer) {
        if old.nullable && !new.nullable {
            let pairs = writer.old_to_new();
            self.breaks.add("null-removed", &new.place, "it may no longer be null".to_owned(), pairs);
        }
        if new.nullable && !old.nullable {
            let pairs = writer.new_to_old();
            self.breaks.add("null-added", &new.place, "it may now be null".to_owned(), pairs);
        }
        match (old.what, new.what) {
            (What::Struct(old, was), What::Struct(new, is)) => self.structs((old, was), (new, is), writer),
            (What::Union(old, was), What::Union(new, is)) => self.unions((old, was), (new, is), writer),
            (What::Closed(was), What::Closed(is)) => {
                self.lost_values(was, is, &new.place, writer);
                self.gained_values(was, is, &new.place, writer);
            }
            (What::Open(id, _), What::Open(..)) if self.old.ty(id).role == Role::ErrorCode => {}
            (What::Open(_, was), What::Open(_, is)) => self.lost_values(was, is, &new.place, writer),
            (What::Closed(was), What::Open(_, is)) => {
                self.lost_values(was, is, &new.place, writer);
                let problem = "the closed list of values became open".to_owned();
                self.breaks.add("enum-opened", &new.place, problem, writer.new_to_old());
            }
            (What::Open(_, was), What::Closed(is)) => {
                self.lost_values(was, is, &new.place, writer);
                let problem = "the open list of values became closed".to_owned();
                self.breaks.add("enum-closed", &new.place, problem, writer.old_to_new());
            }
            (What::Plain(was), What::Plain(is)) => self.plain((old, was), (new, is), writer),
            _ => self.other(old, new, writer),
        }
    }

    fn plain(&mut self, (old, was): (&Flat<'a>, &'a Kind), (new, is): (&Flat<'a>, &'a Kind), writer: Writer) {
        match (was, is) {
            (Kind::List(was), Kind::List(is)) => {
                let (was, is) = (below(was, &old.place, "items"), below(is, &new.place, "items"));
                self.uses(&was, &is, writer);
            }
            (Kind::Map(was), Kind::Map(is)) => {
                let key = "additionalProperties";
                let (was, is) = (below(was, &old.place, key), below(is, &new.place, key));
                self.uses(&was, &is, writer);
            }
            (Kind::Tuple(was), Kind::Tuple(is)) if was.len() == is.len() => {
                for (index, (was, is)) in was.iter().zip(is).enumerate() {
                    let at = |ty, place: &Place| At { ty, place: place.child("prefixItems").child(index) };
                    let (was, is) = (at(was, &old.place), at(is, &new.place));
                    self.uses(&was, &is, writer);
                }
            }
            _ if was == is => {}
            _ => return self.other(old, new, writer),
        }
        limits::compare(&old.levels, &new.levels, writer, &mut self.breaks);
    }

    /// Two types that are written in different ways on the wire, or that only one of them limits.
    fn other(&mut self, old: &Flat<'a>, new: &Flat<'a>, writer: Writer) {
        let (was, is) = (shown(old), shown(new));
        let (wider, narrower) = (takes(new, old), takes(old, new));
        let (rule, pairs) = match (wider, narrower) {
            (true, true) => return,
            (true, false) => ("type-widened", writer.new_to_old()),
            (false, true) => ("type-narrowed", writer.old_to_new()),
            (false, false) => ("type-changed", writer.both_ways()),
        };
        self.breaks.add(rule, &new.place, format!("{was} became {is}"), pairs);
    }

    fn lost_values(&mut self, was: &Enum, is: &Enum, place: &Place, writer: Writer) {
        for value in without(was, is) {
            let problem = format!("the value `{value}` is gone");
            self.breaks.add("enum-value-removed", place, problem, writer.old_to_new());
        }
    }

    fn gained_values(&mut self, was: &Enum, is: &Enum, place: &Place, writer: Writer) {
        for value in without(is, was) {
            let problem = format!("the value `{value}` is new in a closed list");
            self.breaks.add("enum-value-added", place, problem, writer.new_to_old());
        }
    }

    fn unions(&mut self, old: (TypeId, &TaggedUnion), new: (TypeId, &TaggedUnion), writer: Writer) {
        let ((_, was), (id, is)) = (old, new);
        let place = self.new.ty(id).place.clone();
        match (was.open, is.open) {
            (true, false) => {
                let problem = "the open union became closed".to_owned();
                self.breaks.add("union-closed", &place, problem, writer.old_to_new());
            }
            (false, true) => {
                let problem = "the closed union became open".to_owned();
                self.breaks.add("union-opened", &place, problem, writer.new_to_old());
            }
            _ => {}
        }
        for member in &was.members {
            match is.members.iter().find(|other| other.value == member.value) {
                Some(other) => self.named(member.ty, other.ty, writer),
                None => {
                    let problem = format!("the member `{}` is gone", member.value);
                    self.breaks.add("member-removed", &place, problem, writer.old_to_new());
                }
            }
        }
        let known = |value: &str| was.members.iter().any(|member| member.value == value);
        for member in is.members.iter().filter(|member| !was.open && !known(&member.value)) {
            let problem = format!("the member `{}` is new in a closed union", member.value);
            self.breaks.add("member-added", &place, problem, writer.new_to_old());
        }
    }

    fn structs(&mut self, old: (TypeId, &'a Struct), new: (TypeId, &'a Struct), writer: Writer) {
        let ((old_id, was), (new_id, is)) = (old, new);
        self.names.insert((old_id, new_id, writer));
        let (old_def, new_def) = (self.old.ty(old_id), self.new.ty(new_id));
        self.tags((old_def, was), (new_def, is), writer);
        for field in &was.fields {
            match find(is, &field.wire) {
                Some(other) => self.fields(field, other, writer),
                None if holds_tag(is, &field.wire) => {}
                None => self.lost_field(field, is, writer),
            }
        }
        for field in &is.fields {
            if find(was, &field.wire).is_none() && !holds_tag(was, &field.wire) {
                self.gained_field(field, was, writer);
            }
        }
        self.additional((old_def, was), (new_def, is), writer);
    }

    /// The property that holds one fixed string. It may turn from a tag into a field and back, which nobody sees on
    /// the wire.
    fn tags(&mut self, old: (&TypeDef, &Struct), new: (&TypeDef, &Struct), writer: Writer) {
        let ((_, was), (def, is)) = (old, new);
        let (property, was, is) = match (&was.tag, &is.tag) {
            (Some(was), Some(is)) if was == is => return,
            (Some(was), Some(is)) => (
                &is.property,
                format!("`{}: {}`", was.property, was.value),
                format!("{}: {}", is.property, is.value),
            ),
            (Some(was), None) if !has_const(is, &was.property, &was.value) => {
                (&was.property, format!("`{}: {}`", was.property, was.value), "something else".to_owned())
            }
            (None, Some(is)) if !has_const(was, &is.property, &is.value) => {
                (&is.property, "something else".to_owned(), format!("{}: {}", is.property, is.value))
            }
            _ => return,
        };
        let place = def.place.child("properties").child(property);
        let problem = format!("the tag was {was} and is now `{is}`");
        self.breaks.add("tag-changed", &place, problem, writer.both_ways());
    }

    fn lost_field(&mut self, field: &Field, is: &Struct, writer: Writer) {
        let mut pairs = writer.loss();
        if field.required {
            pairs.extend(writer.new_to_old());
        }
        if is.additional == Additional::Refused {
            pairs.extend(writer.old_to_new());
        }
        self.breaks.add("field-removed", &field.place, format!("`{}` is gone", field.wire), pairs);
    }

    fn gained_field(&mut self, field: &Field, was: &Struct, writer: Writer) {
        let wire = &field.wire;
        if field.required {
            let problem = format!("`{wire}` is new and required");
            self.breaks.add("required-added", &field.place, problem, writer.old_to_new());
        }
        if was.additional == Additional::Refused {
            let problem = format!("`{wire}` is new in an object that refused what it did not know");
            self.breaks.add("field-added", &field.place, problem, writer.new_to_old());
        }
    }

    fn fields(&mut self, old: &'a Field, new: &'a Field, writer: Writer) {
        let wire = &new.wire;
        if new.required && !old.required {
            let problem = format!("`{wire}` was optional and is required");
            self.breaks.add("became-required", &new.place, problem, writer.old_to_new());
        }
        if old.required && !new.required {
            let problem = format!("`{wire}` was required and is optional");
            self.breaks.add("became-optional", &new.place, problem, writer.new_to_old());
        }
        if let (Some(was), Some(is)) = (&old.default, &new.default)
            && was != is
        {
            let problem = format!("absent meant {} and now means {}", was.compact(), is.compact());
            self.breaks.add("default-changed", &new.place.child("default"), problem, writer.both_ways());
        }
        let at = |field: &'a Field| At { ty: &field.ty, place: field.place.clone() };
        self.uses(&at(old), &at(new), writer);
    }

    fn additional(&mut self, old: (&TypeDef, &'a Struct), new: (&TypeDef, &'a Struct), writer: Writer) {
        let key = "additionalProperties";
        let place = new.0.place.child(key);
        let (rule, problem, pairs) = match (&old.1.additional, &new.1.additional) {
            (Additional::Kept(was), Additional::Kept(is)) => {
                return self.uses(&below(was, &old.0.place, key), &below(is, &new.0.place, key), writer);
            }
            (was, is) if was == is => return,
            (_, Additional::Refused) => {
                ("additional-refused", "what it does not know is now refused", writer.old_to_new())
            }
            (Additional::Refused, _) => (
                "additional-allowed",
                "what it does not know was refused and is not now",
                writer.new_to_old(),
            ),
            (Additional::Kept(_), _) => {
                ("additional-changed", "other properties were kept and are now ignored", writer.loss())
            }
            (_, Additional::Kept(ty)) if ty.kind == Kind::Json && ty.constraints.is_empty() => return,
            (_, Additional::Kept(_)) => {
                ("additional-changed", "other properties must now be of one type", writer.old_to_new())
            }
            _ => return,
        };
        self.breaks.add(rule, &place, problem.to_owned(), pairs);
    }
}

fn below<'a>(ty: &'a Ty, place: &Place, key: &str) -> At<'a> {
    At { ty, place: place.child(key) }
}

fn find<'a>(shape: &'a Struct, wire: &str) -> Option<&'a Field> {
    shape.fields.iter().find(|field| field.wire == wire)
}

fn holds_tag(shape: &Struct, wire: &str) -> bool {
    shape.tag.as_ref().is_some_and(|tag| tag.property == wire)
}

fn has_const(shape: &Struct, wire: &str, value: &str) -> bool {
    let wanted = [Json::String(value.to_owned())];
    find(shape, wire)
        .is_some_and(|field| field.required && field.ty.constraints.allowed.as_deref() == Some(&wanted))
}

fn without<'a>(these: &'a Enum, those: &'a Enum) -> impl Iterator<Item = &'a str> {
    let all = these.values.iter().map(|value| value.wire.as_str());
    all.filter(|wire| !those.values.iter().any(|value| value.wire == *wire))
}

fn flat_named(model: &Model, id: TypeId) -> Flat<'_> {
    let def = model.ty(id);
    let place = def.place.clone();
    let what = match &def.shape {
        Shape::Alias(ty) | Shape::Newtype(ty) => return flat(model, At { ty, place }),
        Shape::Struct(shape) => What::Struct(id, shape),
        Shape::TaggedUnion(union) => What::Union(id, union),
        Shape::ClosedEnum(values) => What::Closed(values),
        Shape::OpenEnum(values) => What::Open(id, values),
    };
    Flat { what, nullable: false, levels: Vec::new(), place }
}

fn flat<'a>(model: &'a Model, at: At<'a>) -> Flat<'a> {
    let At { mut ty, mut place } = at;
    let (mut nullable, mut levels) = (false, Vec::new());
    // A chain of names is no longer than there are types, unless it is a circle.
    for _ in 0..=model.types.len() {
        nullable |= ty.nullable;
        levels.push(Level { place: place.clone(), limits: &ty.constraints });
        let Kind::Named(id) = ty.kind else { break };
        match &model.ty(id).shape {
            Shape::Alias(inner) | Shape::Newtype(inner) => {
                ty = inner;
                place = model.ty(id).place.clone();
            }
            _ => {
                let inner = flat_named(model, id);
                return Flat { what: inner.what, nullable, levels, place: inner.place };
            }
        }
    }
    Flat { what: What::Plain(&ty.kind), nullable, levels, place }
}

/// Whether every value of `from` is one of `into`, as far as kinds tell.
fn takes(into: &Flat<'_>, from: &Flat<'_>) -> bool {
    match (into.what, from.what) {
        (What::Plain(Kind::Json), _) => {
            let types = &into.levels.last().map(|level| level.limits.json_types.as_slice());
            types.is_none_or(|types| types.is_empty() || types.contains(&json_type(from.what)))
        }
        (What::Plain(Kind::JsonObject), What::Struct(..) | What::Union(..) | What::Plain(Kind::Map(_))) => {
            true
        }
        (What::Plain(Kind::String), What::Open(..)) | (What::Open(..), What::Plain(Kind::String)) => true,
        (What::Plain(Kind::String), What::Closed(_)) => true,
        (What::Plain(Kind::Float), What::Plain(Kind::Int(_))) => true,
        (What::Plain(Kind::Int(into)), What::Plain(Kind::Int(from))) => {
            let ((low, high), (least, most)) = (range(*into), range(*from));
            low <= least && most <= high
        }
        _ => false,
    }
}

/// The least and the greatest value.
fn range(width: Int) -> (i128, i128) {
    match width {
        Int::I32 => (i32::MIN.into(), i32::MAX.into()),
        Int::U32 => (0, u32::MAX.into()),
        Int::Safe64 => (-super::super::build::SAFE, super::super::build::SAFE),
        Int::I64 => (i64::MIN.into(), i64::MAX.into()),
        Int::U64 => (0, u64::MAX.into()),
    }
}

fn json_type(what: What<'_>) -> JsonType {
    match what {
        What::Struct(..) | What::Union(..) | What::Plain(Kind::JsonObject | Kind::Map(_)) => JsonType::Object,
        What::Closed(_) | What::Open(..) | What::Plain(Kind::String) => JsonType::String,
        What::Plain(Kind::Bool) => JsonType::Boolean,
        What::Plain(Kind::Int(_)) => JsonType::Integer,
        What::Plain(Kind::Float) => JsonType::Number,
        What::Plain(Kind::List(_) | Kind::Tuple(_)) => JsonType::Array,
        What::Plain(Kind::Json | Kind::Named(_)) => JsonType::Null,
    }
}

fn shown(flat: &Flat<'_>) -> &'static str {
    match flat.what {
        What::Struct(..) => "an object",
        What::Union(..) => "a union of objects",
        What::Closed(_) => "a closed list of strings",
        What::Open(..) => "an open list of strings",
        What::Plain(kind) => match kind {
            Kind::String => "a string",
            Kind::Bool => "a boolean",
            Kind::Int(Int::I32) => "an int32",
            Kind::Int(Int::U32) => "a uint32",
            Kind::Int(Int::Safe64) => "an int64 within ±(2^53 − 1)",
            Kind::Int(Int::I64) => "an int64",
            Kind::Int(Int::U64) => "a uint64",
            Kind::Float => "a number",
            Kind::Json | Kind::Named(_) => "any JSON",
            Kind::JsonObject => "any object",
            Kind::List(_) => "an array",
            Kind::Map(_) => "a map",
            Kind::Tuple(_) => "a tuple",
        },
    }
}
