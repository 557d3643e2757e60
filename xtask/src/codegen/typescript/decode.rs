//! `decodeX`: from parsed JSON to a value, and `encodeX` for the few types whose form in memory is not the wire's.
use super::layout::{self, Doc, call, text};
use super::types::unknown;
use super::{Sheet, put, quoting};
use crate::codegen::model::{
    Additional, Field, Int, Kind, Presence, Struct, TaggedUnion, Ty, TypeDef, TypeId,
};

impl Sheet<'_> {
    pub(super) fn decode_struct(&mut self, id: TypeId, def: &TypeDef, shape: &Struct) {
        let name = self.name(id);
        self.exported(&format!("decode{name}"), "value: unknown".to_owned(), name, |sheet| {
            let object = sheet.support("object");
            let tag = shape.tag.as_ref().filter(|_| Self::shows_tag(def));
            if tag.is_none() && shape.fields.is_empty() && shape.additional == Additional::Ignored {
                sheet.page.line(format!("{object}(value);")).line("return {};");
                return;
            }
            sheet.page.line(format!("const from = {object}(value);"));
            if shape.additional == Additional::Refused {
                let only = sheet.support("only");
                sheet.put(&Doc::Parts(vec![call(&only, vec![text("from"), known(shape)]), text(";")]));
            }
            let absent = |field: &&Field| matches!(field.presence(), Presence::Optional | Presence::Tristate);
            let (inherited, optional): (Vec<&Field>, Vec<&Field>) =
                shape.fields.iter().filter(absent).partition(|field| quoting::is_inherited(&field.wire));
            let head = if optional.is_empty() { "return".to_owned() } else { format!("const to: {name} =") };
            let mut entries = Vec::new();
            if let Some(tag) = tag {
                let literal = call(&sheet.support("literal"), vec![text(quoting::string(&tag.value))]);
                entries.push(sheet.entry(&tag.property, literal));
            }
            for field in shape.fields.iter().filter(|field| !absent(field)) {
                let reader = sheet.reader(&field.ty);
                entries.push(sheet.entry(&field.wire, reader));
            }
            // `{}` has what it inherits in place of such a property, so it is never there without its own.
            for field in inherited {
                let reader = sheet.reader(&field.ty);
                let key = text(quoting::string(&field.wire));
                let own = call(&sheet.support("present"), vec![text("from"), key, reader]);
                entries.push(Doc::Parts(vec![text("..."), own, text(",")]));
            }
            if let Additional::Kept(ty) = &shape.additional {
                let others = sheet.support("others");
                let reader = sheet.reader(ty);
                let read = call(&others, vec![text("from"), known(shape), reader]);
                let key = text(format!("{}: ", sheet.names.additional(id)));
                entries.push(Doc::Parts(vec![key, read, text(",")]));
            }
            if entries.is_empty() {
                sheet.page.line(format!("{head} {{}};"));
            } else {
                sheet.page.line(format!("{head} {{"));
                sheet.indented(|sheet| entries.iter().for_each(|entry| sheet.put(entry)));
                sheet.page.line("};");
            }
            for field in &optional {
                let reader = sheet.reader(&field.ty);
                let key = text(quoting::string(&field.wire));
                let copy = call(&sheet.support("optional"), vec![text("from"), key, reader, text("to")]);
                sheet.put(&Doc::Parts(vec![copy, text(";")]));
            }
            if !optional.is_empty() {
                sheet.page.line("return to;");
            }
        });
    }

    /// `key: required(from, "key", reader),`
    fn entry(&mut self, wire: &str, reader: Doc) -> Doc {
        let required = self.support("required");
        let read = call(&required, vec![text("from"), text(quoting::string(wire)), reader]);
        Doc::Parts(vec![text(format!("{}: ", quoting::literal_key(wire))), read, text(",")])
    }

    pub(super) fn decode_union(&mut self, id: TypeId, _def: &TypeDef, union: &TaggedUnion) {
        let name = self.name(id);
        self.exported(&format!("decode{name}"), "value: unknown".to_owned(), name, |sheet| {
            let (object, required, string) =
                (sheet.support("object"), sheet.support("required"), sheet.support("string"));
            let tag = quoting::string(&union.tag);
            sheet.page.line(format!("const tag = {required}({object}(value), {tag}, {string});"));
            sheet.page.line("switch (tag) {");
            sheet.indented(|sheet| {
                for member in &union.members {
                    let value = quoting::string(&member.value);
                    let decode = sheet.function("decode", member.ty);
                    sheet.page.line(format!("case {value}:"));
                    let read = if Self::shows_tag(sheet.model.ty(member.ty)) {
                        format!("return {decode}(value);")
                    } else {
                        let key = quoting::literal_key(&union.tag);
                        format!("return {{ ...{decode}(value), {key}: {value} }};")
                    };
                    sheet.page.indented(|page| {
                        page.line(read);
                    });
                }
                sheet.page.line("default:");
                let read = if union.open {
                    let unknown = unknown(union);
                    let entries = vec![
                        text(format!(
                            "{}: {}",
                            quoting::literal_key(&union.tag),
                            quoting::string(&unknown.marker)
                        )),
                        text(format!("{}: tag", unknown.tag)),
                        text(format!("{}: {}(value)", unknown.object, sheet.support("jsonObject"))),
                    ];
                    Doc::Parts(vec![text("return "), layout::braces(entries), text(";")])
                } else {
                    let unknown = sheet.support("unknownTag");
                    Doc::Parts(vec![text("return "), call(&unknown, vec![text(tag), text("tag")]), text(";")])
                };
                sheet.page.indented(|page| put(page, &read));
            });
            sheet.page.line("}");
        });
    }

    pub(super) fn decode_enum(&mut self, id: TypeId, open: bool) {
        let name = self.name(id);
        self.exported(&format!("decode{name}"), "value: unknown".to_owned(), name, |sheet| {
            let read = if open {
                format!("{}(value)", sheet.support("string"))
            } else {
                format!("{}({name})(value)", sheet.support("oneOf"))
            };
            sheet.page.line(format!("return {read};"));
        });
    }

    pub(super) fn decode_alias(&mut self, id: TypeId, ty: &Ty) {
        let name = self.name(id);
        self.exported(&format!("decode{name}"), "value: unknown".to_owned(), name, |sheet| {
            let reader = sheet.reader(ty);
            sheet.put(&Doc::Parts(vec![text("return "), reader, text("(value);")]));
        });
    }

    /// The function that reads a value of a use.
    pub(super) fn reader(&mut self, ty: &Ty) -> Doc {
        let name = match &ty.kind {
            Kind::String => "string",
            Kind::Bool => "boolean",
            Kind::Int(Int::I32) => "int32",
            Kind::Int(Int::U32) => "uint32",
            Kind::Int(Int::Safe64) => "integer",
            Kind::Int(Int::I64) => "int64",
            Kind::Int(Int::U64) => "uint64",
            Kind::Float => "number",
            Kind::Json => "json",
            Kind::JsonObject => "jsonObject",
            Kind::List(_) => "list",
            Kind::Map(_) => "map",
            Kind::Tuple(_) => "tuple",
            Kind::Named(_) => "",
        };
        let plain = match &ty.kind {
            Kind::Named(id) => text(self.function("decode", *id)),
            Kind::List(item) | Kind::Map(item) => call(&self.support(name), vec![self.reader(item)]),
            Kind::Tuple(items) => {
                let name = self.support(name);
                let readers = items.iter().map(|item| self.reader(item)).collect();
                call(&name, readers)
            }
            _ => text(self.support(name)),
        };
        if ty.nullable { call(&self.support("nullable"), vec![plain]) } else { plain }
    }

    pub(super) fn encode_struct(&mut self, id: TypeId, shape: &Struct) {
        if !self.rewritten[id.0] {
            return;
        }
        let name = self.name(id);
        self.exported(&format!("encode{name}"), format!("value: {name}"), "unknown", |sheet| {
            let mut own = "value".to_owned();
            let mut entries = Vec::new();
            if let Additional::Kept(ty) = &shape.additional {
                let additional = sheet.names.additional(id);
                sheet.page.line(format!("const {{ {additional}, ...own }} = value;"));
                own = "own".to_owned();
                entries.push(match sheet.writer(ty) {
                    None => text(format!("...{additional}")),
                    Some(write) => {
                        let map = call(&sheet.support("writeMap"), vec![write]);
                        Doc::Parts(vec![text("..."), map, text(format!("({additional} ?? {{}})"))])
                    }
                });
            }
            entries.push(text(format!("...{own}")));
            for field in &shape.fields {
                let Some(write) = sheet.writer(&field.ty) else { continue };
                let write = match field.presence() {
                    Presence::Optional | Presence::Tristate => call(&sheet.support("writeIf"), vec![write]),
                    _ => write,
                };
                let value = sheet.value_of(field);
                let key = quoting::literal_key(&field.wire);
                entries.push(Doc::Parts(vec![text(format!("{key}: ")), write, text("("), value, text(")")]));
            }
            sheet.put(&Doc::Parts(vec![text("return "), layout::braces(entries), text(";")]));
        });
    }

    /// The value of a field of `value`; of an optional one that every object inherits, only the object's own.
    pub(super) fn value_of(&mut self, field: &Field) -> Doc {
        if !field.required && quoting::is_inherited(&field.wire) {
            return call(&self.support("ownOf"), vec![text("value"), text(quoting::string(&field.wire))]);
        }
        let value = quoting::member("value", &field.wire);
        match value.strip_prefix("value[").and_then(|rest| rest.strip_suffix(']')) {
            Some(key) => layout::indexed("value", key.to_owned()),
            None => text(value),
        }
    }

    pub(super) fn encode_union(&mut self, id: TypeId, union: &TaggedUnion) {
        if !self.rewritten[id.0] {
            return;
        }
        let name = self.name(id);
        self.exported(&format!("encode{name}"), format!("value: {name}"), "unknown", |sheet| {
            sheet.page.line(format!("switch ({}) {{", quoting::member("value", &union.tag)));
            sheet.indented(|sheet| {
                if union.open {
                    let unknown = unknown(union);
                    sheet.page.line(format!("case {}:", quoting::string(&unknown.marker))).indented(|page| {
                        page.line(format!("return value.{};", unknown.object));
                    });
                }
                for member in &union.members {
                    if sheet.rewritten[member.ty.0] {
                        let encode = sheet.function("encode", member.ty);
                        let result = if Self::shows_tag(sheet.model.ty(member.ty)) {
                            format!("{encode}(value)")
                        } else {
                            let tag = quoting::string(&member.value);
                            format!(
                                "Object.assign({{ {}: {tag} }}, {encode}(value))",
                                quoting::literal_key(&union.tag)
                            )
                        };
                        sheet.page.line(format!("case {}:", quoting::string(&member.value)));
                        sheet.page.indented(|page| {
                            page.line(format!("return {result};"));
                        });
                    }
                }
                sheet.page.line("default:").indented(|page| {
                    page.line("return value;");
                });
            });
            sheet.page.line("}");
        });
    }

    pub(super) fn encode_alias(&mut self, id: TypeId, ty: &Ty) {
        if !self.rewritten[id.0] {
            return;
        }
        let Some(write) = self.writer(ty) else { return };
        let name = self.name(id);
        self.exported(&format!("encode{name}"), format!("value: {name}"), "unknown", |sheet| {
            sheet.put(&Doc::Parts(vec![text("return "), write, text("(value);")]));
        });
    }

    /// The function that writes a value of a use, where it is not on the wire what it is in memory.
    fn writer(&mut self, ty: &Ty) -> Option<Doc> {
        let plain = match &ty.kind {
            Kind::Named(id) if self.rewritten[id.0] => text(self.function("encode", *id)),
            Kind::List(item) => {
                let inner = self.writer(item)?;
                call(&self.support("writeList"), vec![inner])
            }
            Kind::Map(item) => {
                let inner = self.writer(item)?;
                call(&self.support("writeMap"), vec![inner])
            }
            Kind::Tuple(items) => {
                let writers: Vec<Option<Doc>> = items.iter().map(|item| self.writer(item)).collect();
                if writers.iter().all(Option::is_none) {
                    return None;
                }
                let mut all = Vec::new();
                for writer in writers {
                    all.push(writer.unwrap_or_else(|| text(self.support("same"))));
                }
                call(&self.support("writeTuple"), all)
            }
            _ => return None,
        };
        Some(if ty.nullable { call(&self.support("writeIf"), vec![plain]) } else { plain })
    }
}

/// The list of a struct's property names.
fn known(shape: &Struct) -> Doc {
    let tag = shape.tag.iter().map(|tag| tag.property.as_str());
    let names = tag.chain(shape.fields.iter().map(|field| field.wire.as_str()));
    layout::enclosed("[", names.map(|name| text(quoting::string(name))).collect(), "]")
}
