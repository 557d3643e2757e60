//! What a type is called in C#, and which names are clear.
use std::collections::{HashMap, HashSet};

use super::super::model::{Field, Int, Kind, Model, Presence, Shape, TaggedUnion, Ty, TypeDef, TypeId};
use super::super::names::Names;
use super::super::printer::Input;
use super::super::reach;
use super::super::width::{bounding, has_own_checks};

/// Everything that is known before the first line is printed.
pub struct Plan<'a> {
    pub model: &'a Model,
    pub standalone: bool,
    names: &'a Names,
    symbols: HashSet<String>,
    bases: HashMap<TypeId, TypeId>,
    checked: Vec<bool>,
}

/// A method for a scalar that all members of a union have.
pub struct Getter {
    pub method: String,
    pub wire: String,
    /// The type without the question mark.
    pub kind: Kind,
}

impl<'a> Plan<'a> {
    pub fn new(input: &Input<'a>) -> Self {
        let Input { model, names, standalone, .. } = *input;
        let symbols = model.each().map(|(id, _)| names.ty(id).to_owned()).collect();
        let mut unions: HashMap<TypeId, Vec<TypeId>> = HashMap::new();
        for (id, def) in model.each() {
            if let Shape::TaggedUnion(union) = &def.shape {
                union.members.iter().for_each(|member| unions.entry(member.ty).or_default().push(id));
            }
        }
        let bases =
            unions.into_iter().filter(|(_, all)| all.len() == 1).map(|(id, all)| (id, all[0])).collect();
        Self { model, standalone, names, symbols, bases, checked: reach::spread(model, has_own_checks) }
    }

    pub fn def(&self, id: TypeId) -> &'a TypeDef {
        self.model.ty(id)
    }

    pub fn name(&self, id: TypeId) -> &'a str {
        self.names.ty(id)
    }

    pub fn variant(&self, id: TypeId, index: usize) -> String {
        let own = self.names.variant(id, index);
        if own == self.name(id) { format!("{own}Value") } else { own.to_owned() }
    }

    pub fn method(&self, index: usize) -> &'a str {
        self.names.method(index)
    }

    pub fn turn_method(&self, action: usize, method: usize) -> &'a str {
        self.names.turn_method(action, method)
    }

    /// The property of a field. It may not have the name of its type.
    pub fn member(&self, id: TypeId, index: usize) -> String {
        let (own, name) = (self.names.field(id, index), self.name(id));
        if own != name {
            return own.to_owned();
        }
        let Shape::Struct(shape) = &self.def(id).shape else { return own.to_owned() };
        let others: HashSet<&str> = (0..shape.fields.len()).map(|at| self.names.field(id, at)).collect();
        clear(format!("{own}Value"), |wish| others.contains(wish))
    }

    /// The property of the map of further properties.
    pub fn additional(&self, id: TypeId) -> String {
        let own = self.names.additional(id);
        if own == self.name(id) { format!("{own}Properties") } else { own.to_owned() }
    }

    /// A name for a type that the schema does not have.
    pub fn spare(&self, wish: String) -> String {
        clear(wish, |name| self.symbols.contains(name))
    }

    /// The union that a struct derives from.
    pub fn base_of(&self, id: TypeId) -> Option<TypeId> {
        self.bases.get(&id).copied()
    }

    /// The type of the unknown arm of an open union.
    pub fn unknown(&self, id: TypeId) -> String {
        self.spare(format!("Unknown{}", self.def(id).name))
    }

    /// The record in which a union holds a member: the struct itself, or a wrapper.
    pub fn arm(&self, union: TypeId, member: TypeId) -> String {
        match self.base_of(member) {
            Some(base) if base == union => self.name(member).to_owned(),
            _ => self.spare(format!("{}{}", self.name(union), self.name(member))),
        }
    }

    /// The class that reads and writes a closed enum.
    pub fn enum_codec(&self, id: TypeId) -> String {
        self.spare(format!("{}Codec", self.name(id)))
    }

    /// Whether a union is that of the events, and the protocol says what they mean to their turns.
    pub fn tells_effects(&self, union: TypeId) -> bool {
        self.model.event_union == Some(union) && self.model.has_turn_effects()
    }

    pub fn getters(&self, union: &TaggedUnion) -> Vec<Getter> {
        let mut members = HashSet::new();
        for member in &union.members {
            if let Shape::Struct(shape) = &self.def(member.ty).shape {
                members.extend((0..shape.fields.len()).map(|index| self.member(member.ty, index)));
            }
        }
        let shared = self.model.shared_fields(union).into_iter().filter(|field| field.ty.kind.is_scalar());
        let first = union.members.first().map(|member| member.ty);
        let name = |field: &Field| {
            first.and_then(|id| self.field_named(id, &field.wire).map(|index| self.member(id, index)))
        };
        shared
            .map(|field| {
                let wish = format!("Get{}", name(field).unwrap_or_default());
                Getter {
                    method: clear(wish, |wish| members.contains(wish)),
                    wire: field.wire.clone(),
                    kind: field.ty.kind.clone(),
                }
            })
            .collect()
    }

    /// The index of the field of a struct that has a name on the wire.
    pub fn field_named(&self, id: TypeId, wire: &str) -> Option<usize> {
        let Shape::Struct(shape) = &self.def(id).shape else { return None };
        shape.fields.iter().position(|field| field.wire == wire)
    }

    /// A path of properties, each with a dot in front.
    pub fn path(&self, owner: TypeId, path: &[String]) -> String {
        let fields = self.model.fields_at(owner, path);
        fields.iter().map(|(id, at)| format!(".{}", self.member(*id, *at))).collect()
    }

    pub fn has_deprecated(&self) -> bool {
        self.model.types.iter().any(|def| {
            let fields = match &def.shape {
                Shape::Struct(shape) => shape.fields.as_slice(),
                _ => &[],
            };
            def.deprecated || fields.iter().any(|field| field.deprecated)
        })
    }

    /// A use of a type with aliases followed: C# has none that other files could see.
    pub fn solid(&self, ty: &Ty) -> Ty {
        let mut here = ty.clone();
        while let Kind::Named(id) = here.kind
            && let Shape::Alias(inner) = &self.def(id).shape
        {
            let constraints =
                if here.constraints.is_empty() { inner.constraints.clone() } else { here.constraints };
            here = Ty { kind: inner.kind.clone(), nullable: here.nullable || inner.nullable, constraints };
        }
        here.nullable &= here.kind != Kind::Json;
        here
    }

    pub fn presence(&self, field: &Field) -> Presence {
        match (field.required, self.solid(&field.ty).nullable) {
            (true, false) => Presence::Required,
            (true, true) => Presence::Nullable,
            (false, false) => Presence::Optional,
            (false, true) => Presence::Tristate,
        }
    }

    /// The type of a value inside another type.
    pub fn ty(&self, ty: &Ty) -> String {
        let ty = self.solid(ty);
        let base = self.base(&ty.kind);
        if ty.nullable { format!("{base}?") } else { base }
    }

    /// The type of a property.
    pub fn field_ty(&self, field: &Field) -> String {
        let base = self.base(&self.solid(&field.ty).kind);
        match self.presence(field) {
            Presence::Required => base,
            Presence::Optional | Presence::Nullable => format!("{base}?"),
            Presence::Tristate => format!("Optional<{base}?>"),
        }
    }

    /// The type of a kind that is no alias.
    pub fn base(&self, kind: &Kind) -> String {
        match kind {
            Kind::String => "string".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int(int) => whole(*int).to_owned(),
            Kind::Float => "double".to_owned(),
            Kind::Json => "JsonElement".to_owned(),
            Kind::JsonObject => "JsonObject".to_owned(),
            Kind::List(item) => format!("IReadOnlyList<{}>", self.ty(item)),
            Kind::Map(item) => format!("IReadOnlyDictionary<string, {}>", self.ty(item)),
            Kind::Tuple(items) => {
                let items: Vec<String> = items.iter().map(|item| self.ty(item)).collect();
                match items.as_slice() {
                    [only] => format!("ValueTuple<{only}>"),
                    items => format!("({})", items.join(", ")),
                }
            }
            Kind::Named(id) => match &self.def(*id).shape {
                Shape::Alias(inner) => self.ty(inner),
                _ => self.name(*id).to_owned(),
            },
        }
    }

    /// Whether the type of a kind is a value type.
    pub fn is_value(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Bool | Kind::Int(_) | Kind::Float | Kind::Json | Kind::Tuple(_) => true,
            Kind::Named(id) => matches!(self.def(*id).shape, Shape::OpenEnum(_) | Shape::ClosedEnum(_)),
            _ => false,
        }
    }

    /// Whether there is anything to check in a value.
    pub fn is_checked(&self, ty: &Ty) -> bool {
        !bounding(ty).is_empty()
            || match &ty.kind {
                Kind::List(item) | Kind::Map(item) => self.is_checked(item),
                Kind::Tuple(items) => items.iter().any(|item| self.is_checked(item)),
                Kind::Named(id) => self.checked[id.0],
                _ => false,
            }
    }
}

fn whole(int: Int) -> &'static str {
    match int {
        Int::I32 => "int",
        Int::U32 => "uint",
        Int::Safe64 | Int::I64 => "long",
        Int::U64 => "ulong",
    }
}

fn clear(mut name: String, taken: impl Fn(&str) -> bool) -> String {
    while taken(&name) {
        name.push_str("Value");
    }
    name
}
