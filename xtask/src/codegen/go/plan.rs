//! What a type is called in Go and which functions read and write it.
use std::collections::{HashMap, HashSet};

use super::super::json::Number;
use super::super::model::{
    Additional, Constraints, Field, Int, Kind, Model, Presence, Shape, TaggedUnion, Ty, TypeDef, TypeId,
};
use super::super::names::Names;
use super::super::printer::Input;

/// Everything that is known before the first line is printed.
pub struct Plan<'a> {
    pub model: &'a Model,
    pub names: &'a Names,
    pub standalone: bool,
    unions: HashMap<TypeId, Union>,
    checked: Vec<bool>,
}

/// The names that belong to a tagged union.
pub struct Union {
    /// The function that reads one from text.
    pub unmarshal: String,
    /// The type of the unknown arm; of no use where the union is closed.
    pub unknown: String,
    /// The method that tells the tag.
    pub tag: String,
    pub getters: Vec<Getter>,
}

/// A method for a field that all members of a union have.
pub struct Getter {
    pub method: String,
    pub wire: String,
    pub ty: String,
    pub reader: String,
}

impl<'a> Plan<'a> {
    pub fn new(input: &Input<'a>) -> Self {
        let Input { model, names, standalone, .. } = *input;
        let mut plan = Self {
            model,
            names,
            standalone,
            unions: HashMap::new(),
            checked: vec![false; model.types.len()],
        };
        let symbols: HashSet<&str> = model.each().map(|(id, _)| names.ty(id)).collect();
        for (id, def) in model.each() {
            if let Shape::TaggedUnion(union) = &def.shape {
                let unmarshal = clear(format!("Unmarshal{}", names.ty(id)), |name| symbols.contains(name));
                let unknown = clear(format!("Unknown{}", names.ty(id)), |name| symbols.contains(name));
                let fields = plan.fields_of(union);
                let tag = clear(format!("{}Tag", names.ty(id)), |name| fields.contains(name));
                let getters = plan.getters(union, &fields);
                plan.unions.insert(id, Union { unmarshal, unknown, tag, getters });
            }
        }
        plan.mark_checked();
        plan
    }

    pub fn def(&self, id: TypeId) -> &'a TypeDef {
        self.model.ty(id)
    }

    pub fn name(&self, id: TypeId) -> &'a str {
        self.names.ty(id)
    }

    pub fn union(&self, id: TypeId) -> Option<&Union> {
        self.unions.get(&id)
    }

    /// The unions that a struct is a member of, with the value of its tag in each.
    pub fn unions_of(&self, id: TypeId) -> Vec<(TypeId, &'a str, &Union)> {
        let mut out = Vec::new();
        for (other, def) in self.model.each() {
            if let (Shape::TaggedUnion(union), Some(names)) = (&def.shape, self.unions.get(&other))
                && let Some(member) = union.members.iter().find(|member| member.ty == id)
            {
                out.push((other, member.value.as_str(), names));
            }
        }
        out
    }

    fn fields_of(&self, union: &TaggedUnion) -> HashSet<&'a str> {
        let mut out = HashSet::new();
        for member in &union.members {
            if let Shape::Struct(shape) = &self.def(member.ty).shape {
                out.extend((0..shape.fields.len()).map(|index| self.names.field(member.ty, index)));
                out.insert(self.names.additional(member.ty));
            }
        }
        out
    }

    /// Methods for the scalars that all members have under the same name, here optional and there required.
    fn getters(&self, union: &TaggedUnion, fields: &HashSet<&str>) -> Vec<Getter> {
        let Some((first, rest)) = union.members.split_first() else { return Vec::new() };
        let Shape::Struct(shape) = &self.def(first.ty).shape else { return Vec::new() };
        let mut out = Vec::new();
        for (index, field) in shape.fields.iter().enumerate() {
            let scalar = matches!(field.ty.kind, Kind::String | Kind::Bool | Kind::Int(_) | Kind::Float);
            let alike = |(_, other): (usize, &Field)| other.ty.kind == field.ty.kind && !other.ty.nullable;
            let shared = rest.iter().all(|member| self.field_of(member.ty, &field.wire).is_some_and(alike));
            if !scalar || field.ty.nullable || !shared {
                continue;
            }
            out.push(Getter {
                method: clear(format!("Get{}", self.names.field(first.ty, index)), |name| {
                    fields.contains(name)
                }),
                wire: field.wire.clone(),
                ty: self.base(None, &field.ty.kind),
                reader: self.base_reader(None, &field.ty.kind),
            });
        }
        out
    }

    /// The field of a struct that has a name on the wire.
    pub fn field_of(&self, id: TypeId, wire: &str) -> Option<(usize, &'a Field)> {
        let Shape::Struct(shape) = &self.def(id).shape else { return None };
        shape.fields.iter().enumerate().find(|(_, field)| field.wire == wire)
    }

    /// Finds the types whose values may break a constraint: directly, or through what they hold.
    fn mark_checked(&mut self) {
        loop {
            let marked: Vec<bool> = self.model.types.iter().map(|def| self.shape_is_checked(def)).collect();
            if marked == self.checked {
                return;
            }
            self.checked = marked;
        }
    }

    fn shape_is_checked(&self, def: &TypeDef) -> bool {
        match &def.shape {
            Shape::Struct(shape) => {
                shape.fields.iter().any(|field| self.is_checked(&field.ty))
                    || matches!(&shape.additional, Additional::Kept(ty) if self.is_checked(ty))
            }
            Shape::TaggedUnion(union) => union.members.iter().any(|member| self.checked[member.ty.0]),
            Shape::Newtype(inner) | Shape::Alias(inner) => self.is_checked(inner),
            Shape::ClosedEnum(_) => true,
            Shape::OpenEnum(_) => false,
        }
    }

    /// Whether there is anything to check in a value.
    pub fn is_checked(&self, ty: &Ty) -> bool {
        !bounding(ty).is_empty()
            || match &ty.kind {
                Kind::List(item) | Kind::Map(item) => self.is_checked(item),
                Kind::Tuple(items) => {
                    has_tuple(items.len()) && items.iter().any(|item| self.is_checked(item))
                }
                Kind::Named(id) => self.checked[id.0],
                _ => false,
            }
    }

    /// The Go type of a value inside another type. `owner` is the type that holds it in place.
    pub fn ty(&self, owner: Option<TypeId>, ty: &Ty) -> String {
        let base = self.base(if ty.nullable { None } else { owner }, &ty.kind);
        if ty.nullable { format!("*{base}") } else { base }
    }

    /// The Go type of a field.
    pub fn field_ty(&self, id: TypeId, field: &Field) -> String {
        match field.presence() {
            Presence::Required => self.ty(Some(id), &field.ty),
            Presence::Tristate => format!("Opt[{}]", self.base(Some(id), &field.ty.kind)),
            _ if self.has_nil(&field.ty.kind) => self.base(None, &field.ty.kind),
            _ => format!("*{}", self.base(None, &field.ty.kind)),
        }
    }

    /// The Go type of a kind; a pointer where the owner could not hold it in place.
    pub fn base(&self, owner: Option<TypeId>, kind: &Kind) -> String {
        match kind {
            Kind::String => "string".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int(int) => whole(*int).to_owned(),
            Kind::Float => "float64".to_owned(),
            Kind::Json => "json.RawMessage".to_owned(),
            Kind::JsonObject => "map[string]any".to_owned(),
            Kind::List(item) => format!("[]{}", self.ty(None, item)),
            Kind::Map(item) => format!("map[string]{}", self.ty(None, item)),
            Kind::Tuple(items) if has_tuple(items.len()) => {
                let items: Vec<String> = items.iter().map(|item| self.ty(owner, item)).collect();
                format!("Tuple{}[{}]", items.len(), items.join(", "))
            }
            Kind::Tuple(_) => "[]json.RawMessage".to_owned(),
            Kind::Named(id) if self.is_boxed(owner, *id) => format!("*{}", self.name(*id)),
            Kind::Named(id) => self.name(*id).to_owned(),
        }
    }

    /// Whether the Go type has a nil of its own that can say "absent" or "null".
    pub fn has_nil(&self, kind: &Kind) -> bool {
        match kind {
            Kind::List(_) | Kind::Map(_) | Kind::Json | Kind::JsonObject => true,
            Kind::Tuple(items) => !has_tuple(items.len()),
            Kind::Named(id) => match &self.def(*id).shape {
                Shape::TaggedUnion(_) => true,
                Shape::Newtype(inner) => self.is_plain(inner) && self.has_nil(&inner.kind),
                Shape::Alias(inner) => !inner.nullable && self.has_nil(&inner.kind),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a newtype can be a defined type over this one; else it is a struct around it.
    pub fn is_plain(&self, inner: &Ty) -> bool {
        let held = match &inner.kind {
            Kind::Named(_) => true,
            Kind::Tuple(items) => has_tuple(items.len()),
            _ => false,
        };
        !inner.nullable && !held
    }

    /// Whether the owner must hold a pointer, because the target holds an owner in place.
    fn is_boxed(&self, owner: Option<TypeId>, target: TypeId) -> bool {
        let Some(owner) = owner else { return false };
        if matches!(self.def(target).shape, Shape::TaggedUnion(_)) {
            return false;
        }
        let mut seen = HashSet::new();
        let mut open = vec![target];
        while let Some(id) = open.pop() {
            if id == owner {
                return true;
            }
            if seen.insert(id) {
                self.held_in_place(id, &mut open);
            }
        }
        false
    }

    fn held_in_place(&self, id: TypeId, out: &mut Vec<TypeId>) {
        fn walk(ty: &Ty, out: &mut Vec<TypeId>) {
            match &ty.kind {
                Kind::Named(id) if !ty.nullable => out.push(*id),
                Kind::Tuple(items) if !ty.nullable => items.iter().for_each(|item| walk(item, out)),
                _ => {}
            }
        }
        match &self.def(id).shape {
            Shape::Struct(shape) => {
                for field in &shape.fields {
                    match field.presence() {
                        Presence::Required => walk(&field.ty, out),
                        Presence::Tristate => walk(&Ty::plain(field.ty.kind.clone()), out),
                        _ => {}
                    }
                }
            }
            Shape::Newtype(inner) | Shape::Alias(inner) => walk(inner, out),
            _ => {}
        }
    }

    /// The function that reads a value inside another type.
    pub fn reader(&self, owner: Option<TypeId>, ty: &Ty) -> String {
        match ty.nullable {
            true => format!("asNullable({})", self.base_reader(None, &ty.kind)),
            false => self.base_reader(owner, &ty.kind),
        }
    }

    /// The function that reads a field's value.
    pub fn field_reader(&self, id: TypeId, field: &Field) -> String {
        let nil = self.has_nil(&field.ty.kind);
        let base = |owner| self.base_reader(owner, &field.ty.kind);
        match field.presence() {
            Presence::Required => self.reader(Some(id), &field.ty),
            Presence::Optional if nil => base(None),
            Presence::Optional => format!("asPointer({})", base(None)),
            Presence::Nullable if nil => format!("asNilable({})", base(None)),
            Presence::Nullable => format!("asNullable({})", base(None)),
            Presence::Tristate => format!("asOpt({})", base(Some(id))),
        }
    }

    pub fn base_reader(&self, owner: Option<TypeId>, kind: &Kind) -> String {
        match kind {
            Kind::List(item) => format!("asList({})", self.reader(None, item)),
            Kind::Map(item) => format!("asMap({})", self.reader(None, item)),
            Kind::Tuple(items) if has_tuple(items.len()) => {
                let readers: Vec<String> = items.iter().map(|item| self.reader(owner, item)).collect();
                format!("asTuple{}({})", items.len(), readers.join(", "))
            }
            Kind::Tuple(items) => format!("asArray({})", items.len()),
            Kind::Named(id) => {
                let read = match &self.def(*id).shape {
                    Shape::Alias(inner) => self.reader(Some(*id), inner),
                    _ => format!("read{}", self.name(*id)),
                };
                if self.is_boxed(owner, *id) { format!("asPointer({read})") } else { read }
            }
            scalar => format!("(*reader).{}", method(scalar)),
        }
    }

    /// The function that writes a value inside another type.
    pub fn writer(&self, owner: Option<TypeId>, ty: &Ty) -> String {
        match ty.nullable {
            true => format!("putNullable({})", self.base_writer(None, &ty.kind)),
            false => self.base_writer(owner, &ty.kind),
        }
    }

    pub fn base_writer(&self, owner: Option<TypeId>, kind: &Kind) -> String {
        match kind {
            Kind::List(item) => format!("putList({})", self.writer(None, item)),
            Kind::Map(item) => format!("putMap({})", self.writer(None, item)),
            Kind::Tuple(items) if has_tuple(items.len()) => {
                let writers: Vec<String> = items.iter().map(|item| self.writer(owner, item)).collect();
                format!("putTuple{}({})", items.len(), writers.join(", "))
            }
            Kind::Tuple(_) => "putList((*writer).raw)".to_owned(),
            Kind::Named(id) => {
                let write = match &self.def(*id).shape {
                    Shape::Alias(inner) => self.writer(Some(*id), inner),
                    _ => format!("write{}", self.name(*id)),
                };
                if self.is_boxed(owner, *id) { format!("putPointer({write})") } else { write }
            }
            scalar => format!("(*writer).{}", method(scalar)),
        }
    }

    /// The function that reads the data of a reply.
    pub fn reply_reader(&self, id: TypeId) -> String {
        self.base_reader(None, &Kind::Named(id))
    }

    /// Whether a required field is a pointer or an interface that may be nil where it must not.
    pub fn may_be_nil(&self, id: TypeId, ty: &Ty) -> bool {
        let Kind::Named(target) = ty.kind else { return false };
        let is_union = matches!(
            self.model.resolve(ty).kind,
            Kind::Named(id) if matches!(self.def(id).shape, Shape::TaggedUnion(_))
        );
        !ty.nullable && (is_union || self.is_boxed(Some(id), target))
    }
}

/// A call of a function that reads from `r`.
pub fn read_call(reader: &str) -> String {
    match reader.strip_prefix("(*reader).") {
        Some(method) => format!("r.{method}()"),
        None => format!("{reader}(r)"),
    }
}

/// A call of a function that writes `value` to `w`.
pub fn write_call(writer: &str, value: &str) -> String {
    match writer.strip_prefix("(*writer).") {
        Some(method) => format!("w.{method}({value})"),
        None => format!("{writer}(w, {value})"),
    }
}

/// Whether the support code has a tuple of that many items.
pub fn has_tuple(count: usize) -> bool {
    (2..=4).contains(&count)
}

/// The constraints that a value of the Go type may break.
pub fn bounding(ty: &Ty) -> Constraints {
    let mut rules = ty.constraints.clone();
    if let Kind::Int(int) = &ty.kind {
        let (low, high) = range(*int);
        rules.minimum = rules.minimum.filter(|bound| !matches!(bound, Number::Int(bound) if *bound <= low));
        rules.maximum = rules.maximum.filter(|bound| !matches!(bound, Number::Int(bound) if *bound >= high));
    }
    rules
}

/// The range of a whole number.
pub fn range(int: Int) -> (i128, i128) {
    match int {
        Int::I32 => (i32::MIN.into(), i32::MAX.into()),
        Int::U32 => (0, u32::MAX.into()),
        Int::Safe64 | Int::I64 => (i64::MIN.into(), i64::MAX.into()),
        Int::U64 => (0, u64::MAX.into()),
    }
}

fn whole(int: Int) -> &'static str {
    match int {
        Int::I32 => "int32",
        Int::U32 => "uint32",
        Int::Safe64 | Int::I64 => "int64",
        Int::U64 => "uint64",
    }
}

/// The method of the reader and of the writer for a scalar.
fn method(kind: &Kind) -> &'static str {
    match kind {
        Kind::String => "text",
        Kind::Bool => "boolean",
        Kind::Int(int) => whole(*int),
        Kind::Float => "float",
        Kind::JsonObject => "free",
        _ => "raw",
    }
}

fn clear(mut name: String, taken: impl Fn(&str) -> bool) -> String {
    while taken(&name) {
        name.push('_');
    }
    name
}
