//! The language-neutral model: everything a printer needs, and nothing that belongs to one language.
//!
//! A printer walks [`Model::types`] (every named type, already in printing order), then the actions, events and
//! error codes. How a name is spelled in a language is not here: see [`super::names::Names`].
mod settings;
mod turn;

use super::finding::Place;
use super::json::{Json, Number};
pub use settings::{Group, Setting, Settings};
pub use turn::{Repeat, TurnAnswer, TurnEffect, TurnException, TurnMethod, TurnPart};

/// Everything that is generated from one set of schemas.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Every named type: files in path order (actions, errors, events, types), within a file the root first, then
    /// its `$defs` in declared order, then the two implied unions. A [`TypeId`] is an index into this list.
    pub types: Vec<TypeDef>,
    /// What [`Constraints::rule`] points to, in the form that `build/rules.rs` tells of.
    pub rules: Vec<Json>,
    /// What a client may say, by file name. Empty for a schema that is not a protocol.
    pub actions: Vec<Action>,
    /// What a server may say, by file name.
    pub events: Vec<Event>,
    /// The closed union of all actions; a [`Shape::TaggedUnion`] in `types`.
    pub action_union: Option<TypeId>,
    /// The open union of all events; a [`Shape::TaggedUnion`] in `types`.
    pub event_union: Option<TypeId>,
    /// The error codes with what is known about each.
    pub errors: Option<ErrorCodes>,
    /// How patient clients are unless their users say otherwise.
    pub settings: Option<Settings>,
    /// By type: whether `validate()` is called for a value of it; see [`Model::is_checked`].
    pub checked: Vec<bool>,
}

/// The index of a type in [`Model::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub usize);

/// One named type.
#[derive(Debug, Clone)]
pub struct TypeDef {
    /// The name in neutral PascalCase (`SendMessageParams`); unique after case folding.
    pub name: String,
    /// Which part of the schema it comes from: printers that split their output into files go by this.
    pub section: Section,
    /// What it is used for.
    pub role: Role,
    /// Where it is declared.
    pub place: Place,
    /// The description, as written: any text, any length. Escape it for comments with the printer's own rules.
    pub doc: String,
    /// `deprecated: true`.
    pub deprecated: bool,
    /// The schema's examples, in declared order.
    pub examples: Vec<Json>,
    /// What it looks like.
    pub shape: Shape,
}

/// The part of the schema a type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// `actions/`, with the union of actions.
    Actions,
    /// `events/`, with the union of events.
    Events,
    /// `types/` and every schema that is not a protocol.
    Types,
    /// `errors.json`.
    Errors,
}

/// What a type is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The parameters of an action: the root of a file of `actions/`.
    Params,
    /// An event: the root of a file of `events/`.
    Event,
    /// The union of all actions.
    Actions,
    /// The union of all events.
    Events,
    /// The open enum of error codes.
    ErrorCode,
    /// Anything else.
    Data,
}

/// What a named type looks like.
#[derive(Debug, Clone)]
pub enum Shape {
    /// An object with known properties.
    Struct(Struct),
    /// One of several structs, told apart by the value of one string property.
    TaggedUnion(TaggedUnion),
    /// A string out of a list; any other string is an error on decoding.
    ClosedEnum(Enum),
    /// A string out of a list that may grow: any other string is kept and encoded back as it came.
    OpenEnum(Enum),
    /// A type of its own around another: it has constraints or refers to itself, so that a mere alias cannot serve.
    /// On the wire it is the inner value.
    Newtype(Ty),
    /// Another name for a type. Never recursive and without constraints of its own.
    Alias(Ty),
}

/// An object with known properties.
#[derive(Debug, Clone)]
pub struct Struct {
    /// The property that holds one fixed string, because a union tells its members apart by it. It is not among
    /// `fields`: the codec writes it first, and the union's decoder reads it.
    pub tag: Option<Tag>,
    /// The other properties, in declared order.
    pub fields: Vec<Field>,
    /// What happens to a property that is not declared.
    pub additional: Additional,
}

/// A property with one fixed string value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The property's name on the wire (`type`).
    pub property: String,
    /// Its value (`pong`).
    pub value: String,
}

/// What happens to a property that is not declared.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one per struct of a schema: a box would only be in the way")]
pub enum Additional {
    /// It is skipped on decoding and not written back. The rule of our own protocol.
    Ignored,
    /// It is an error on decoding.
    Refused,
    /// It is kept in a map beside the fields and written back; the map's values have this type.
    Kept(Ty),
}

/// One property of a struct.
#[derive(Debug, Clone)]
pub struct Field {
    /// The name on the wire, as it is: any text.
    pub wire: String,
    /// The type of the value.
    pub ty: Ty,
    /// Whether the property must be there.
    pub required: bool,
    /// The description, as written.
    pub doc: String,
    /// `deprecated: true`.
    pub deprecated: bool,
    /// The value that a peer assumes when the property is absent. Documentation only: decoding never fills it in.
    pub default: Option<Json>,
    /// Where it is declared.
    pub place: Place,
}

impl Field {
    /// How the property may be missing.
    pub fn presence(&self) -> Presence {
        match (self.required, self.ty.nullable) {
            (true, false) => Presence::Required,
            (true, true) => Presence::Nullable,
            (false, false) => Presence::Optional,
            (false, true) => Presence::Tristate,
        }
    }
}

/// How a property may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Always there, never null.
    Required,
    /// May be absent; null is a decode error.
    Optional,
    /// Always there, may be null; null is written.
    Nullable,
    /// May be absent, null or a value, and the three differ.
    Tristate,
}

/// A use of a type: what it is, whether null may stand in its place, and what its values must obey.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ty {
    /// What it is.
    pub kind: Kind,
    /// Whether `null` may stand in its place. On [`Kind::Json`] it is never set: null is already a JSON value.
    pub nullable: bool,
    /// What `validate()` checks. Decoding checks only the kind.
    pub constraints: Constraints,
}

impl Ty {
    /// A type without constraints that is never null.
    pub fn plain(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Kind {
    /// A string. What it holds (a date, a uuid) is only in `constraints.format`: the text is kept as it came.
    String,
    /// A boolean.
    Bool,
    /// A whole number.
    Int(Int),
    /// A number, 64-bit floating point.
    Float,
    /// Any JSON value, null included.
    #[default]
    Json,
    /// A JSON object of any content.
    JsonObject,
    /// An array whose items are alike.
    List(Box<Ty>),
    /// An object used as a map from any string to values that are alike.
    Map(Box<Ty>),
    /// An array of fixed length, each place with its own type.
    Tuple(Vec<Ty>),
    /// A named type.
    Named(TypeId),
}

/// The width of a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Int {
    /// `format: int32`
    I32,
    /// `format: uint32`
    U32,
    /// 64 bits with a sign, but the schema's bounds keep it within ±(2^53−1): exact in an IEEE double.
    Safe64,
    /// `format: int64`, the whole range (`x-js: bigint`).
    I64,
    /// `format: uint64`, the whole range (`x-js: bigint`).
    U64,
}

/// What `validate()` checks. Only what applies to the kind beside it is ever set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Constraints {
    /// Smallest length of a string, in Unicode code points (not UTF-16 units, not bytes).
    pub min_length: Option<u64>,
    /// Greatest length of a string, in Unicode code points.
    pub max_length: Option<u64>,
    /// A pattern that must be found in the string (not anchored unless it says so), in a dialect that every regular
    /// expression engine reads alike: ASCII classes are written out (`[0-9]`, never `\d`), no look-around, no
    /// back-references. `^` and `$` mean the ends of the whole text: an engine whose `$` also matches before a
    /// final line break (.NET, Python) needs `\z` or `\Z` in its place; see [`super::pattern::with_end_anchor`].
    pub pattern: Option<String>,
    /// What a string holds. An annotation; `validate()` checks [`Format::Uuid`] only.
    pub format: Option<Format>,
    /// Smallest number.
    pub minimum: Option<Number>,
    /// Greatest number.
    pub maximum: Option<Number>,
    /// The number must be greater than this.
    pub exclusive_minimum: Option<Number>,
    /// The number must be less than this.
    pub exclusive_maximum: Option<Number>,
    /// The number must be a multiple of this.
    pub multiple_of: Option<Number>,
    /// Smallest count of items of a list.
    pub min_items: Option<u64>,
    /// Greatest count of items of a list.
    pub max_items: Option<u64>,
    /// No two items may be equal.
    pub unique_items: bool,
    /// Smallest count of entries of a map or JSON object.
    pub min_properties: Option<u64>,
    /// Greatest count of entries of a map or JSON object.
    pub max_properties: Option<u64>,
    /// The value must equal one of these. On scalars from `const` and from an `enum` of numbers; on [`Kind::Json`]
    /// also from an `enum` of mixed types. An empty list means that no value is valid.
    pub allowed: Option<Vec<Json>>,
    /// On [`Kind::Json`] only: the JSON types the value may have. Empty means any.
    pub json_types: Vec<JsonType>,
    /// On [`Kind::Json`] only: the place in [`Model::rules`] of all that the schema asks of the value.
    pub rule: Option<usize>,
}

impl Constraints {
    /// Whether there is nothing to check.
    pub fn is_empty(&self) -> bool {
        let unchecked = Self { format: self.format.filter(|format| *format == Format::Uuid), ..self.clone() };
        unchecked == Self::default()
    }
}

/// What a string holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 9562 UUID in its hyphenated form; upper or lower case.
    Uuid,
    /// RFC 3339 date and time. The text is kept, with its offset and its fraction.
    DateTime,
    /// An e-mail address.
    Email,
    /// A URI.
    Uri,
}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonType {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// A whole number, also when written `1.0`.
    Integer,
    /// Any number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A string out of a list.
#[derive(Debug, Clone)]
pub struct Enum {
    /// The known values, in declared order.
    pub values: Vec<EnumValue>,
}

/// One known value of an enum.
#[derive(Debug, Clone)]
pub struct EnumValue {
    /// The text on the wire.
    pub wire: String,
    /// The description, as written; empty when there is none.
    pub doc: String,
}

/// One of several structs, told apart by the value of one string property.
#[derive(Debug, Clone)]
pub struct TaggedUnion {
    /// The property that tells the members apart (`type`).
    pub tag: String,
    /// Whether a value outside the list is kept as unknown (true) or is a decode error (false). A member that is
    /// known and does not decode is an error either way.
    pub open: bool,
    /// The members, in declared order. Each type is a [`Shape::Struct`] with this tag as its `tag`.
    pub members: Vec<Member>,
}

/// One member of a tagged union.
#[derive(Debug, Clone)]
pub struct Member {
    /// The value of the tag.
    pub value: String,
    /// The struct.
    pub ty: TypeId,
}

/// What a client may say.
#[derive(Debug, Clone)]
pub struct Action {
    /// The name on the wire, which is the file's stem (`send_message`).
    pub name: String,
    /// The struct of its parameters; the type's doc and examples are the action's.
    pub params: TypeId,
    /// How it is answered.
    pub reply: Reply,
    /// What it is to a turn.
    pub turn: TurnPart,
}

impl Reply {
    /// Whether an `immediate_response` and then further events answer: what follows that is written by hand.
    pub fn is_stream(&self) -> bool {
        matches!(self, Self::Events(names) if names.first().is_some_and(|name| name == "immediate_response"))
    }
}

impl Action {
    /// Whether it starts or continues a turn.
    pub fn is_turn(&self) -> bool {
        matches!(self.turn, TurnPart::Starts | TurnPart::Answers(_))
    }
}

/// How an action is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// By an `immediate_response` whose `data` has this type.
    Data(TypeId),
    /// By events of these names, the last of which is the final one.
    Events(Vec<String>),
    /// Not at all.
    None,
}

/// What a server may say.
#[derive(Debug, Clone)]
pub struct Event {
    /// The name on the wire, which is the file's stem (`stream_token`).
    pub name: String,
    /// The struct of its payload.
    pub payload: TypeId,
    /// What it means to the turn that it belongs to.
    pub effect: TurnEffect,
    /// When it means something else.
    pub exception: Option<TurnException>,
}

/// The error codes with what is known about each.
#[derive(Debug, Clone)]
pub struct ErrorCodes {
    /// The open enum; its values are the codes, in the same order.
    pub ty: TypeId,
    /// One entry per code.
    pub codes: Vec<ErrorCode>,
}

/// What is known about an error code.
#[derive(Debug, Clone)]
pub struct ErrorCode {
    /// The code on the wire.
    pub wire: String,
    /// The HTTP status that says the same.
    pub status: u16,
    /// Whether the same request may succeed when it is sent again.
    pub retryable: bool,
    /// Whether a turn ends by it; others answer an action and leave a turn as it is.
    pub ends_turn: bool,
    /// What went wrong.
    pub description: String,
    /// What the caller should do.
    pub hint: String,
}

impl Model {
    /// The type of an id.
    pub fn ty(&self, id: TypeId) -> &TypeDef {
        &self.types[id.0]
    }

    /// Whether the protocol says of any event what it means to its turn.
    pub fn has_turn_effects(&self) -> bool {
        self.events.iter().any(|event| event.effect != TurnEffect::default())
    }

    /// What the event with this payload means to its turn, where the protocol says such things.
    pub fn turn_effect(&self, payload: TypeId) -> Option<TurnEffect> {
        let event = self.events.iter().find(|event| event.payload == payload)?;
        Some(event.effect).filter(|_| self.has_turn_effects())
    }

    /// When the event with this payload means something else to its turn than [`Model::turn_effect`] says.
    pub fn turn_exception(&self, payload: TypeId) -> Option<&TurnException> {
        self.events.iter().find(|event| event.payload == payload)?.exception.as_ref()
    }

    /// The structs and the fields in them that a path of wire names leads through.
    pub fn fields_at(&self, owner: TypeId, path: &[String]) -> Vec<(TypeId, usize)> {
        let (Some((first, rest)), Shape::Struct(shape)) = (path.split_first(), &self.ty(owner).shape) else {
            return Vec::new();
        };
        let Some(at) = shape.fields.iter().position(|field| field.wire == *first) else { return Vec::new() };
        let mut fields = vec![(owner, at)];
        if let Kind::Named(inner) = shape.fields[at].ty.kind {
            fields.extend(self.fields_at(inner, rest));
        }
        fields
    }

    /// All types with their ids, in printing order.
    pub fn each(&self) -> impl Iterator<Item = (TypeId, &TypeDef)> {
        self.types.iter().enumerate().map(|(index, def)| (TypeId(index), def))
    }

    /// The type that a use stands for when aliases are followed. Newtypes are not followed.
    pub fn resolve<'a>(&'a self, ty: &'a Ty) -> &'a Ty {
        let mut here = ty;
        while let Kind::Named(id) = here.kind {
            match &self.ty(id).shape {
                Shape::Alias(inner) => here = inner,
                _ => break,
            }
        }
        here
    }

    /// Whether `validate()` has anything to check in a value of this use: constraints of its own or of what it
    /// holds. `null` and absent values are always valid where they are allowed.
    pub fn is_checked(&self, ty: &Ty) -> bool {
        !ty.constraints.is_empty()
            || match &ty.kind {
                Kind::List(item) | Kind::Map(item) => self.is_checked(item),
                Kind::Tuple(items) => items.iter().any(|item| self.is_checked(item)),
                Kind::Named(id) => self.checked[id.0],
                _ => false,
            }
    }

    /// What a value of a type holds in place, not through a list or map: where that leads in a circle, a language
    /// whose structs hold values in place needs a pointer.
    pub fn held_by_value(&self, id: TypeId, out: &mut Vec<TypeId>) {
        fn walk(ty: &Ty, out: &mut Vec<TypeId>) {
            match &ty.kind {
                Kind::Named(id) => out.push(*id),
                Kind::Tuple(items) => items.iter().for_each(|item| walk(item, out)),
                _ => {}
            }
        }
        match &self.ty(id).shape {
            Shape::Struct(shape) => shape.fields.iter().for_each(|field| walk(&field.ty, out)),
            Shape::TaggedUnion(union) => out.extend(union.members.iter().map(|member| member.ty)),
            Shape::Newtype(inner) | Shape::Alias(inner) => walk(inner, out),
            Shape::ClosedEnum(_) | Shape::OpenEnum(_) => {}
        }
    }

    /// The fields that every member of a union has with the same wire name and kind and never null (`requestId`,
    /// `timestamp`): a printer may offer them on the union itself. Where some members require the field and others do
    /// not, the field given is one that is optional.
    pub fn shared_fields(&self, union: &TaggedUnion) -> Vec<&Field> {
        let fields = |member: &Member| match &self.ty(member.ty).shape {
            Shape::Struct(shape) => shape.fields.as_slice(),
            _ => &[],
        };
        let Some(first) = union.members.first() else { return Vec::new() };
        let alike = |a: &Field, b: &Field| a.wire == b.wire && a.ty.kind == b.ty.kind && !b.ty.nullable;
        let shared = |field: &Field| {
            let uses =
                union.members.iter().map(|member| fields(member).iter().find(|other| alike(field, other)));
            let uses: Option<Vec<&Field>> = uses.collect();
            uses.and_then(|uses| uses.iter().find(|field| !field.required).or(uses.first()).copied())
        };
        fields(first).iter().filter_map(shared).collect()
    }
}
