//! Expressions that read and write a value.
use super::super::model::{Field, Int, Kind, Presence, Shape, Ty, TypeId};
use super::plan::Plan;
use super::text::bytes;

impl Plan<'_> {
    /// A function from a JSON element to a value: a method group, or a lambda around an expression.
    pub fn reader(&self, ty: &Ty) -> String {
        let ty = self.solid(ty);
        let read = self.base_reader(&ty.kind);
        if !ty.nullable {
            return read;
        }
        if self.is_value(&ty.kind) {
            return format!("static json => Wire.OrNull<{}?>(json, {})", self.base(&ty.kind), lifted(&read));
        }
        format!("static json => Wire.OrNull(json, {read})")
    }

    fn base_reader(&self, kind: &Kind) -> String {
        match kind {
            Kind::String => "Wire.Text".to_owned(),
            Kind::Bool => "Wire.Bool".to_owned(),
            Kind::Int(Int::I32) => "Wire.Int32".to_owned(),
            Kind::Int(Int::U32) => "Wire.UInt32".to_owned(),
            Kind::Int(Int::Safe64 | Int::I64) => "Wire.Int64".to_owned(),
            Kind::Int(Int::U64) => "Wire.UInt64".to_owned(),
            Kind::Float => "Wire.Double".to_owned(),
            Kind::Json => "Wire.Any".to_owned(),
            Kind::JsonObject => "Wire.Free".to_owned(),
            Kind::List(item) => format!("static json => Wire.List(json, {})", self.reader(item)),
            Kind::Map(item) => format!("static json => Wire.Map(json, {})", self.reader(item)),
            Kind::Tuple(items) => {
                let count = items.len();
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| format!("Wire.Item(json, {index}, {count}, {})", self.reader(item)));
                // With one place, parentheses alone make no tuple.
                let make = if count == 1 { "ValueTuple.Create" } else { "" };
                format!("static json => {make}({})", items.collect::<Vec<_>>().join(", "))
            }
            Kind::Named(id) => match &self.def(*id).shape {
                Shape::ClosedEnum(_) => format!("{}.Read", self.enum_codec(*id)),
                Shape::Alias(inner) => self.reader(inner),
                _ => format!("Wire.Read<{}>", self.name(*id)),
            },
        }
    }

    /// The expression that reads a property of `json`.
    pub fn read_field(&self, field: &Field) -> String {
        let (key, ty) = (bytes(&field.wire), self.solid(&field.ty));
        let read = self.reader(&ty);
        match self.presence(field) {
            Presence::Required | Presence::Nullable => format!("Wire.Required(json, {key}, {read})"),
            Presence::Optional => self.read_optional("Wire.Optional", "json", &key, &ty.kind),
            Presence::Tristate => {
                format!("Wire.Tristate<{}?>(json, {key}, {read})", self.base(&ty.kind))
            }
        }
    }

    /// A call of a function that reads what may be absent.
    pub fn read_optional(&self, function: &str, json: &str, key: &str, kind: &Kind) -> String {
        let read = self.base_reader(kind);
        if self.is_value(kind) {
            return format!("{function}<{}?>({json}, {key}, {})", self.base(kind), lifted(&read));
        }
        format!("{function}({json}, {key}, {read})")
    }

    /// A function that writes a value.
    pub fn writer(&self, ty: &Ty) -> String {
        let ty = self.solid(ty);
        match &ty.kind {
            Kind::Json if !ty.nullable => "Wire.WriteAny".to_owned(),
            Kind::Named(id) if !ty.nullable => self.named_writer(*id),
            _ => format!("static (writer, it) => {}", self.write(&ty, "it")),
        }
    }

    fn named_writer(&self, id: TypeId) -> String {
        match &self.def(id).shape {
            Shape::ClosedEnum(_) => format!("{}.Write", self.enum_codec(id)),
            _ => format!("Wire.Write<{}>", self.name(id)),
        }
    }

    /// The expression that writes a value to `writer`.
    pub fn write(&self, ty: &Ty, value: &str) -> String {
        let ty = self.solid(ty);
        if ty.nullable {
            let function = if self.is_value(&ty.kind) { "WriteValueOrNull" } else { "WriteOrNull" };
            let plain = self.writer(&Ty { nullable: false, ..ty });
            return format!("Wire.{function}(writer, {value}, {plain})");
        }
        match &ty.kind {
            Kind::String => format!("writer.WriteStringValue({value})"),
            Kind::Bool => format!("writer.WriteBooleanValue({value})"),
            Kind::Int(_) | Kind::Float => format!("writer.WriteNumberValue({value})"),
            Kind::Json => format!("Wire.WriteAny(writer, {value})"),
            Kind::JsonObject => format!("{value}.WriteTo(writer)"),
            Kind::List(item) => format!("Wire.WriteList(writer, {value}, {})", self.writer(item)),
            Kind::Map(item) => format!("Wire.WriteMap(writer, {value}, {})", self.writer(item)),
            Kind::Tuple(items) => {
                let item =
                    |(index, item)| format!("{};", self.write(item, &format!("{value}.Item{}", index + 1)));
                let items: Vec<String> = items.iter().enumerate().map(item).collect();
                format!("{{ writer.WriteStartArray(); {} writer.WriteEndArray(); }}", items.join(" "))
            }
            Kind::Named(id) => format!("{}(writer, {value})", self.named_writer(*id)),
        }
    }

    /// The statement that writes a property of `value`.
    pub fn write_field(&self, field: &Field, member: &str) -> String {
        let (key, ty) = (bytes(&field.wire), self.solid(&field.ty));
        let plain = Ty { nullable: false, ..ty.clone() };
        match self.presence(field) {
            Presence::Required => match &ty.kind {
                Kind::String => format!("writer.WriteString({key}, value.{member});"),
                Kind::Bool => format!("writer.WriteBoolean({key}, value.{member});"),
                Kind::Int(_) | Kind::Float => format!("writer.WriteNumber({key}, value.{member});"),
                _ => format!("Wire.WriteMember(writer, {key}, value.{member}, {});", self.writer(&ty)),
            },
            Presence::Nullable => {
                format!("Wire.WriteMember(writer, {key}, value.{member}, {});", self.writer(&ty))
            }
            Presence::Optional => {
                let function = if self.is_value(&ty.kind) { "WriteMaybeValue" } else { "WriteMaybe" };
                format!("Wire.{function}(writer, {key}, value.{member}, {});", self.writer(&plain))
            }
            Presence::Tristate => {
                format!("Wire.WriteIfPresent(writer, {key}, value.{member}, {});", self.writer(&ty))
            }
        }
    }
}

/// A reader of a value type whose result becomes nullable.
fn lifted(read: &str) -> String {
    if read.starts_with("static ") { read.to_owned() } else { format!("static json => {read}(json)") }
}
