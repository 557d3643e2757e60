//! `decode`: from parsed JSON to a value, and `encode`: back again. Keys keep their declared order.
use super::declare::{Missing, place_path};
use super::text::{self, Doc, bracket, call, text};
use super::{Page, Sheet};
use crate::codegen::model::{Additional, Int, Kind, Shape, Struct, TaggedUnion, Ty, TypeId};

impl<'a> Sheet<'a> {
    /// The three methods of a dataclass.
    pub(super) fn methods(&mut self, page: &mut Page, id: TypeId, shape: &'a Struct) {
        let name = self.name(id);
        page.line("@staticmethod").line(format!("def decode(value: object) -> {name}:"));
        page.indented(|page| self.decode(page, id, shape));
        page.gap().line("def encode(self) -> wire.JsonObject:");
        page.indented(|page| self.encode(page, id, shape));
        page.gap().line("def validate(self) -> wire.Violation | None:");
        page.indented(|page| self.validate(page, id, shape));
    }

    fn decode(&mut self, page: &mut Page, id: TypeId, shape: &'a Struct) {
        let name = self.name(id);
        let object = match &shape.tag {
            Some(tag) => {
                let items = vec![text("value"), literal(&tag.property), literal(&tag.value)];
                bracket("wire.read_tagged(", items, ")")
            }
            None => text("wire.read_object(value)"),
        };
        if !reads_members(shape) {
            text::put(page, &object);
            page.line(format!("return {name}()"));
        } else if shape.tag.is_some() {
            let reader = self.function_name(TAGGED, id);
            text::put(page, &text::before("return ", &call(&reader, vec![object])));
        } else {
            text::put(page, &text::before("source = ", &object));
            self.members(page, id, shape);
        }
    }

    /// The function that reads an object whose tag is known: nothing looks at a tag twice.
    pub(super) fn tagged_reader(&mut self, id: TypeId, shape: &'a Struct) {
        let (name, function) = (self.name(id), self.function_name(TAGGED, id));
        self.block(|sheet, page| {
            let head = bracket(
                format!("def {function}("),
                vec![text("source: dict[str, object]")],
                format!(") -> {name}:"),
            );
            text::put(page, &head);
            page.indented(|page| sheet.members(page, id, shape));
        });
    }

    /// From an object to a value.
    fn members(&mut self, page: &mut Page, id: TypeId, shape: &'a Struct) {
        let name = self.name(id);
        if shape.additional == Additional::Refused {
            let known = std::iter::once(text("source")).chain(known(shape)).collect();
            text::put(page, &call("wire.only", known));
        }
        let mut arguments = Vec::new();
        for (index, field) in shape.fields.iter().enumerate() {
            let is_text = field.ty.kind == Kind::String && !field.ty.nullable;
            let is_whole = matches!(field.ty.kind, Kind::Int(Int::Safe64 | Int::I64)) && !field.ty.nullable;
            let (read, reader) = match self.missing(field.presence(), &field.ty) {
                Missing::Never if is_text => ("required_string", None),
                Missing::Never if is_whole => ("required_int64", None),
                Missing::None if is_text => ("optional_string", None),
                Missing::Never => ("required", Some(self.reader(&field.ty, &self.path(id, index)))),
                Missing::None => ("optional", Some(self.reader(&field.ty, &self.path(id, index)))),
                Missing::Unset => ("unless_absent", Some(self.reader(&field.ty, &self.path(id, index)))),
            };
            let items = [text("source"), literal(&field.wire)].into_iter().chain(reader).collect();
            let open = format!("{}=wire.{read}(", self.names.field(id, index));
            arguments.push(bracket(open, items, ")"));
        }
        if let Additional::Kept(ty) = &shape.additional {
            let additional = self.names.additional(id);
            let reader = self.reader(ty, &super::declare::snake_path(&[name, additional]));
            let items = [text("source"), reader].into_iter().chain(known(shape)).collect();
            arguments.push(bracket(format!("{additional}=wire.others("), items, ")"));
        }
        let make = if arguments.is_empty() { name.to_owned() } else { self.function_name("_make", id) };
        text::put(page, &Doc::broken(format!("return {make}("), arguments, ")"));
    }

    /// What `decode` makes a value by.
    pub(super) fn maker(&mut self, id: TypeId) {
        let (name, make) = (self.name(id), self.function_name("_make", id));
        self.block(|_, page| {
            let line = format!("{make} = wire.maker({name})");
            if line.chars().count() <= super::WIDTH {
                page.line(line);
            } else {
                page.block(format!("{make} = wire.maker("), ")", |page| {
                    page.line(name);
                });
            }
        });
    }

    fn encode(&mut self, page: &mut Page, id: TypeId, shape: &'a Struct) {
        let tag = shape.tag.as_ref().map(|tag| {
            let entry = format!("{}: {}", text::string(&tag.property), text::string(&tag.value));
            bracket("{", vec![text(entry)], "}")
        });
        let start = tag.unwrap_or_else(|| text("{}"));
        let kept = matches!(shape.additional, Additional::Kept(_));
        if shape.fields.is_empty() && !kept {
            text::put(page, &text::before("return ", &start));
            return;
        }
        text::put(page, &text::before("to: wire.JsonObject = ", &start));
        for (index, field) in shape.fields.iter().enumerate() {
            let value = format!("self.{}", self.names.field(id, index));
            let missing = self.missing(field.presence(), &field.ty);
            // A value that is asked for None here is not None where it is written.
            let ty = if missing == Missing::None {
                Ty { nullable: false, ..field.ty.clone() }
            } else {
                field.ty.clone()
            };
            let written = self.written(&ty, &value, &self.path(id, index));
            let set = assigned(&text::string(&field.wire), &written);
            match missing {
                Missing::Never => set(page),
                Missing::None => {
                    page.line(format!("if {value} is not None:")).indented(set);
                }
                Missing::Unset => {
                    page.line(format!("if not isinstance({value}, wire.Unset):"));
                    page.indented(set);
                }
            }
        }
        if let Additional::Kept(ty) = &shape.additional {
            let additional = self.names.additional(id);
            let path = super::declare::snake_path(&[self.name(id), additional]);
            let writer = self.writer(ty, &path).unwrap_or_else(|| text("wire.same"));
            page.line(format!("for key, value in self.{additional}.items():"));
            page.indented(|page| {
                let items = vec![text("key"), call("wire.write", vec![text("value"), writer])];
                text::put(page, &call("to.setdefault", items));
            });
        }
        page.line("return to");
    }

    /// The expression that writes a value.
    fn written(&mut self, ty: &Ty, value: &str, path: &str) -> Doc {
        if let (Kind::Named(id), false) = (&ty.kind, ty.nullable)
            && matches!(self.model.ty(*id).shape, Shape::Struct(_) | Shape::TaggedUnion(_))
        {
            return text(format!("{value}.encode()"));
        }
        match self.writer(ty, path) {
            None => text(value),
            Some(writer) => call("wire.write", vec![text(value), writer]),
        }
    }

    /// The function that reads a value of a use.
    fn reader(&mut self, ty: &Ty, path: &str) -> Doc {
        let plain = match &ty.kind {
            Kind::String => text("wire.string"),
            Kind::Bool => text("wire.boolean"),
            Kind::Int(Int::I32) => text("wire.int32"),
            Kind::Int(Int::U32) => text("wire.uint32"),
            Kind::Int(Int::Safe64 | Int::I64) => text("wire.int64"),
            Kind::Int(Int::U64) => text("wire.uint64"),
            Kind::Float => text("wire.number"),
            Kind::Json => text("wire.json_value"),
            Kind::JsonObject => text("wire.json_object"),
            Kind::List(item) => call("wire.read_list", vec![self.reader(item, path)]),
            Kind::Map(item) => call("wire.read_map", vec![self.reader(item, path)]),
            Kind::Tuple(_) => text(format!("_read_{path}")),
            Kind::Named(id) => match self.model.ty(*id).shape {
                Shape::Struct(_) => text(format!("{}.decode", self.type_name(*id))),
                _ => text(self.function("decode", *id)),
            },
        };
        if ty.nullable { call("wire.nullable", vec![plain]) } else { plain }
    }

    /// The function that writes a value of a use; none where a value is JSON as it is.
    fn writer(&mut self, ty: &Ty, path: &str) -> Option<Doc> {
        if !self.is_rewritten(ty) {
            return None;
        }
        let plain = match &ty.kind {
            Kind::List(item) | Kind::Map(item) => {
                let inner = self.writer(item, path).unwrap_or_else(|| text("wire.same"));
                call(
                    if matches!(ty.kind, Kind::List(_)) { "wire.write_list" } else { "wire.write_map" },
                    vec![inner],
                )
            }
            Kind::Tuple(_) => text(format!("_write_{path}")),
            Kind::Named(id) => match self.model.ty(*id).shape {
                Shape::Struct(_) | Shape::TaggedUnion(_) => text("wire.encoded"),
                _ => text(self.function("encode", *id)),
            },
            _ => return None,
        };
        Some(if ty.nullable { call("wire.unless_none", vec![plain]) } else { plain })
    }

    /// Whether a value of a use is not, to a type checker, JSON as it is.
    fn is_rewritten(&self, ty: &Ty) -> bool {
        let mut here = ty;
        for _ in 0..=self.model.types.len() {
            match &here.kind {
                Kind::List(_) | Kind::Map(_) | Kind::Tuple(_) => return true,
                Kind::Named(id) => match &self.model.ty(*id).shape {
                    Shape::Struct(_) | Shape::TaggedUnion(_) => return true,
                    Shape::ClosedEnum(_) | Shape::OpenEnum(_) => return false,
                    Shape::Newtype(inner) | Shape::Alias(inner) => here = inner,
                },
                _ => return false,
            }
        }
        false
    }

    pub(super) fn decode_union(&mut self, id: TypeId, union: &TaggedUnion, unknown: Option<&str>) {
        let name = self.name(id);
        let function = self.function("decode", id);
        self.offers.push(function.clone());
        let readers = (!union.members.is_empty()).then(|| self.readers_by_tag(id, union));
        self.block(|_, page| {
            page.line(format!("def {function}(value: object) -> {name}:"));
            page.indented(|page| {
                let tag = vec![text("value"), literal(&union.tag)];
                let source = if readers.is_some() || unknown.is_some() { "source" } else { "_" };
                text::put(page, &bracket(format!("tag, {source} = wire.read_tag("), tag, ")"));
                if let Some(readers) = readers {
                    page.line(format!("if read := {readers}.get(tag):")).indented(|page| {
                        page.line("return read(source)");
                    });
                }
                match unknown {
                    Some(unknown) => {
                        page.line(format!("return {unknown}(tag=tag, raw=wire.json_object(source))"));
                    }
                    None => {
                        let items = vec![literal(&union.tag), text("tag")];
                        text::put(page, &bracket("raise wire.unknown_tag(", items, ")"));
                    }
                }
            });
        });
    }

    /// The name of a table of a union's readers. It stands behind all of them: at the end, if one is further down.
    fn readers_by_tag(&mut self, id: TypeId, union: &TaggedUnion) -> String {
        let name = self.name(id);
        let table = format!("_{}_READERS", super::snake(name).to_ascii_uppercase());
        let open = format!("{table}: {}[dict[str, wire.ObjectReader[{name}]]] = {{", self.typing("Final"));
        let mut entries = Vec::new();
        for member in &union.members {
            let here = self.merged || self.model.ty(member.ty).section == self.section;
            let reader = match &self.model.ty(member.ty).shape {
                Shape::Struct(shape) if here && reads_members(shape) => self.function_name(TAGGED, member.ty),
                _ => format!("{}.decode", self.type_name(member.ty)),
            };
            entries.push(text(format!("{}: {reader}", text::string(&member.value))));
        }
        let blocks = if union.members.iter().any(|member| self.is_later(member.ty, id)) {
            &mut self.last
        } else {
            &mut self.blocks
        };
        let mut page = Page::new("    ");
        text::put(&mut page, &Doc::broken(open, entries, "}"));
        blocks.push(page.finish());
        table
    }

    /// `encode_x` and `validate_x` of a union, for symmetry with its `decode_x`.
    pub(super) fn union_functions(&mut self, id: TypeId) {
        let name = self.name(id);
        for (verb, result, method) in
            [("encode", "wire.JsonObject", "encode"), ("validate", "wire.Violation | None", "validate")]
        {
            let function = self.function(verb, id);
            self.offers.push(function.clone());
            self.define(&function, name, result, &text(format!("value.{method}()")));
        }
    }

    pub(super) fn decode_enum(&mut self, id: TypeId, known: Vec<Doc>, open: bool) {
        let name = self.name(id);
        let function = self.function("decode", id);
        self.offers.push(function.clone());
        let read = if open {
            text("wire.string(value)")
        } else {
            call("wire.one_of", std::iter::once(text("value")).chain(known).collect())
        };
        self.define(&function, "object", name, &read);
    }

    /// The functions of an alias or newtype.
    pub(super) fn alias_functions(&mut self, id: TypeId, ty: &'a Ty) {
        let name = self.name(id);
        let path = super::snake(name);
        let function = self.function("decode", id);
        self.offers.push(function.clone());
        let reader = self.reader(ty, &path);
        self.define(&function, "object", name, &call("wire.read", vec![text("value"), reader]));
        if let Some(writer) = self.writer(ty, &path) {
            let function = self.function("encode", id);
            self.offers.push(function.clone());
            self.define(&function, name, "wire.Json", &call("wire.write", vec![text("value"), writer]));
        }
        if self.model.is_checked(ty) {
            let function = self.function("validate", id);
            self.offers.push(function.clone());
            let checks = self.checks(ty, &path);
            let checks = if ty.nullable { vec![call("wire.unless_null", checks)] } else { checks };
            let items = std::iter::once(text("value")).chain(checks).collect();
            self.define(&function, name, "wire.Violation | None", &call("wire.first", items));
        }
    }

    /// The functions of a tuple: readers and checks of other uses cannot tell its places apart.
    pub(super) fn tuple_functions(&mut self, path: &str, ty: &Ty) {
        let Kind::Tuple(places) = &ty.kind else { return };
        let name = self.ty(&Ty::plain(ty.kind.clone()));
        let count = places.len().to_string();
        let read: Vec<Doc> = places
            .iter()
            .enumerate()
            .map(|(index, place)| {
                let reader = self.reader(place, &place_path(path, index));
                let items = vec![text("value"), text(count.clone()), text(index.to_string()), reader];
                call("wire.place", items)
            })
            .collect();
        let read = match read.len() {
            0 => text("wire.nothing(value)"),
            1 if read[0].flat().chars().count() + "    return (,)".len() <= super::WIDTH => {
                bracket("(", read, ",)")
            }
            _ => Doc::broken("(", read, ")"),
        };
        self.define(&format!("_read_{path}"), "object", &name, &read);
        let mut written = Vec::new();
        for (index, place) in places.iter().enumerate() {
            written.push(self.written(place, &format!("value[{index}]"), &place_path(path, index)));
        }
        self.define(&format!("_write_{path}"), &name, "wire.Json", &bracket("[", written, "]"));
        if places.iter().any(|place| self.model.is_checked(place)) {
            self.tuple_check(path, &name, places);
        }
    }
}

/// `to[key] = value`. Ruff breaks at the key where the value cannot be broken.
fn assigned(key: &str, value: &Doc) -> impl FnOnce(&mut Page) + use<> {
    let whole = text::before(&format!("to[{key}] = "), value);
    let (key, flat) = (key.to_owned(), value.flat());
    move |page: &mut Page| {
        let width = page.column() + whole.flat().chars().count();
        if width <= super::WIDTH
            || flat.ends_with(')') && page.column() + key.chars().count() + 40 <= super::WIDTH
        {
            text::put(page, &whole);
        } else {
            page.block("to[", format!("] = {flat}"), |page| {
                page.line(&key);
            });
        }
    }
}

/// What the names of the functions begin with that read an object whose tag is known.
const TAGGED: &str = "_tagged";

/// Whether there is anything to read in an object but its tag.
pub(super) fn reads_members(shape: &Struct) -> bool {
    !shape.fields.is_empty() || shape.additional != Additional::Ignored
}

/// A string as an argument.
pub(super) fn literal(value: &str) -> Doc {
    text(text::string(value))
}

/// A struct's property names.
fn known(shape: &Struct) -> impl Iterator<Item = Doc> {
    let tag = shape.tag.iter().map(|tag| tag.property.as_str());
    tag.chain(shape.fields.iter().map(|field| field.wire.as_str())).map(literal)
}
