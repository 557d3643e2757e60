//! What a type is called in Go and which functions read and write it.
use std::collections::{HashMap, HashSet};

use super::super::model::{Field, Int, Kind, Model, Presence, Shape, TaggedUnion, Ty, TypeDef, TypeId};
use super::super::names::Names;
use super::super::printer::Input;
use super::super::reach::{self, Circles};
use super::super::width::{bounding, has_own_checks};

/// Everything that is known before the first line is printed.
pub struct Plan<'a> {
    pub model: &'a Model,
    pub names: &'a Names,
    pub standalone: bool,
    unions: HashMap<TypeId, Union>,
    /// By struct: the unions that it is a member of, with the value of its tag.
    memberships: HashMap<TypeId, Vec<(TypeId, &'a str)>>,
    checked: Vec<bool>,
    circles: Circles,
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
            memberships: HashMap::new(),
            checked: reach::spread(model, has_own_checks),
            circles: Circles::new(model, |id, out| held_in_place(model, id, out)),
        };
        let symbols: HashSet<&str> = model.each().map(|(id, _)| names.ty(id)).collect();
        for (id, def) in model.each() {
            if let Shape::TaggedUnion(union) = &def.shape {
                for member in &union.members {
                    plan.memberships.entry(member.ty).or_default().push((id, &member.value));
                }
                let unmarshal = clear(format!("Unmarshal{}", names.ty(id)), |name| symbols.contains(name));
                let unknown = clear(format!("Unknown{}", names.ty(id)), |name| symbols.contains(name));
                let fields = plan.fields_of(union);
                let tag = clear(format!("{}Tag", names.ty(id)), |name| fields.contains(name));
                let getters = plan.getters(union, &fields);
                plan.unions.insert(id, Union { unmarshal, unknown, tag, getters });
            }
        }
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
        let all = self.memberships.get(&id).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(|(union, value)| Some((*union, *value, self.unions.get(union)?))).collect()
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
        let Some(first) = union.members.first() else { return Vec::new() };
        let getter = |field: &Field| {
            let (index, _) = self.field_of(first.ty, &field.wire)?;
            let wish = format!("Get{}", self.names.field(first.ty, index));
            Some(Getter {
                method: clear(wish, |name| fields.contains(name)),
                wire: field.wire.clone(),
                ty: self.base(None, &field.ty.kind),
                reader: self.base_reader(None, &field.ty.kind),
            })
        };
        let shared = self.model.shared_fields(union).into_iter();
        shared.filter(|field| field.ty.kind.is_scalar()).filter_map(getter).collect()
    }

    /// The field of a struct that has a name on the wire.
    pub fn field_of(&self, id: TypeId, wire: &str) -> Option<(usize, &'a Field)> {
        let Shape::Struct(shape) = &self.def(id).shape else { return None };
        shape.fields.iter().enumerate().find(|(_, field)| field.wire == wire)
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
            Kind::Tuple(items) => {
                let items: Vec<String> = items.iter().map(|item| self.ty(owner, item)).collect();
                format!("Tuple{}[{}]", items.len(), items.join(", "))
            }
            Kind::Named(id) if self.is_boxed(owner, *id) => format!("*{}", self.name(*id)),
            Kind::Named(id) => self.name(*id).to_owned(),
        }
    }

    /// Whether the Go type has a nil of its own that can say "absent" or "null".
    pub fn has_nil(&self, kind: &Kind) -> bool {
        match kind {
            Kind::List(_) | Kind::Map(_) | Kind::Json | Kind::JsonObject => true,
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
        !inner.nullable && !matches!(inner.kind, Kind::Named(_) | Kind::Tuple(_))
    }

    /// Whether the owner must hold a pointer, because the target holds an owner in place.
    fn is_boxed(&self, owner: Option<TypeId>, target: TypeId) -> bool {
        let Some(owner) = owner else { return false };
        if matches!(self.def(target).shape, Shape::TaggedUnion(_)) {
            return false;
        }
        self.circles.join(owner, target)
    }

    /// Whether an alias has functions of its own: spelled out at each use, what it stands for could grow without end.
    pub fn has_functions(&self, inner: &Ty) -> bool {
        match &inner.kind {
            Kind::List(_) | Kind::Map(_) | Kind::Tuple(_) => true,
            Kind::Named(id) => matches!(self.def(*id).shape, Shape::Alias(_)),
            _ => false,
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
            Kind::Tuple(items) => {
                let readers: Vec<String> = items.iter().map(|item| self.reader(owner, item)).collect();
                format!("asTuple{}({})", items.len(), readers.join(", "))
            }
            Kind::Named(id) => {
                let read = match &self.def(*id).shape {
                    Shape::Alias(inner) if !self.has_functions(inner) => self.reader(Some(*id), inner),
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
            Kind::Tuple(items) => {
                let writers: Vec<String> = items.iter().map(|item| self.writer(owner, item)).collect();
                format!("putTuple{}({})", items.len(), writers.join(", "))
            }
            Kind::Named(id) => {
                let write = match &self.def(*id).shape {
                    Shape::Alias(inner) if !self.has_functions(inner) => self.writer(Some(*id), inner),
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

/// What a value of a type holds in place, without a pointer between.
fn held_in_place(model: &Model, id: TypeId, out: &mut Vec<TypeId>) {
    fn walk(ty: &Ty, out: &mut Vec<TypeId>) {
        match &ty.kind {
            Kind::Named(id) if !ty.nullable => out.push(*id),
            Kind::Tuple(items) if !ty.nullable => items.iter().for_each(|item| walk(item, out)),
            _ => {}
        }
    }
    match &model.ty(id).shape {
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
