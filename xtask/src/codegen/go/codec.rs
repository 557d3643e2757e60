//! Reading and writing: one pair of functions per type.
use super::super::model::{Additional, Enum, Field, Presence, Struct, TaggedUnion, Ty, TypeId};
use super::super::printer::Page;
use super::Draft;
use super::plan::{Plan, read_call, write_call};
use super::text::quote;

impl Draft<'_> {
    pub fn object_codec(&mut self, id: TypeId, shape: &Struct) {
        self.object_reader(id, shape);
        self.object_writer(id, shape);
    }

    fn object_reader(&mut self, id: TypeId, shape: &Struct) {
        let (plan, name) = (self.plan, self.plan.name(id));
        let required: Vec<&str> = shape
            .tag
            .iter()
            .map(|tag| tag.property.as_str())
            .chain(shape.fields.iter().filter(|field| field.required).map(|field| field.wire.as_str()))
            .collect();
        let plain = shape.tag.is_none() && shape.fields.is_empty() && shape.additional == Additional::Ignored;
        self.page.gap();
        self.page.block(format!("func read{name}(r *reader) (v {name}, err error) {{"), "}", |page| {
            if !required.is_empty() {
                page.line(format!("var seen [{}]bool", required.len()));
            }
            page.block("if err = r.object(); err != nil {", "}", |page| {
                page.line("return v, err");
            });
            if plain {
                page.block("for r.more('}') {", "}", |page| {
                    page.line("r.key()").line("r.skip()");
                });
                page.line("return v, nil");
                return;
            }
            if let Additional::Kept(ty) = &shape.additional {
                let ty = plan.ty(None, ty);
                page.line(format!("v.{} = map[string]{ty}{{}}", plan.names.additional(id)));
            }
            page.block("for r.more('}') {", "}", |page| {
                page.line("key := r.key()").line("switch string(key) {");
                cases(plan, page, id, shape, &required);
                page.line("}");
                page.block("if err != nil {", "}", |page| {
                    page.line("return v, under(err, string(key))");
                });
            });
            match required.is_empty() {
                true => page.line("return v, nil"),
                false => {
                    let names: Vec<String> = required.iter().map(|wire| quote(wire)).collect();
                    page.line(format!("return v, missing(seen[:], {})", names.join(", ")))
                }
            };
        });
    }

    fn object_writer(&mut self, id: TypeId, shape: &Struct) {
        let (plan, name) = (self.plan, self.plan.name(id));
        let used = !shape.fields.is_empty() || matches!(shape.additional, Additional::Kept(_));
        self.page.gap();
        let value = if used { "v" } else { "_" };
        self.page.block(format!("func write{name}(w *writer, {value} {name}) {{"), "}", |page| {
            page.line("w.byte('{')");
            if let Some(tag) = &shape.tag {
                page.line(format!("w.key({})", quote(&tag.property)));
                page.line(format!("w.text({})", quote(&tag.value)));
            }
            for (index, field) in shape.fields.iter().enumerate() {
                let place = format!("v.{}", plan.names.field(id, index));
                write_field(plan, page, id, field, &place);
            }
            if let Additional::Kept(ty) = &shape.additional {
                let place = format!("v.{}", plan.names.additional(id));
                page.block(format!("for _, key := range sortedKeys({place}) {{"), "}", |page| {
                    page.line("w.key(key)");
                    page.line(write_call(&plan.writer(None, ty), &format!("{place}[key]")));
                });
            }
            page.line("w.byte('}')");
        });
    }

    pub fn enum_codec(&mut self, id: TypeId, shape: &Enum, open: bool) {
        let name = self.plan.name(id);
        self.page.gap();
        self.page.block(format!("func read{name}(r *reader) ({name}, error) {{"), "}", |page| {
            page.line("text, err := r.text()");
            if !open {
                page.block(format!("if err == nil && !{name}(text).IsKnown() {{"), "}", |page| {
                    page.line(format!("err = refuse({})", quote(&one_of(shape))));
                });
            }
            page.line(format!("return {name}(text), err"));
        });
        self.page.gap();
        self.page.block(format!("func write{name}(w *writer, v {name}) {{"), "}", |page| {
            page.line("w.text(string(v))");
        });
    }

    pub fn alias_codec(&mut self, id: TypeId, inner: &Ty) {
        let (plan, name) = (self.plan, self.plan.name(id));
        self.page.gap();
        self.page.block(format!("func read{name}(r *reader) ({name}, error) {{"), "}", |page| {
            page.line(format!("return {}", read_call(&plan.reader(Some(id), inner))));
        });
        self.page.gap();
        self.page.block(format!("func write{name}(w *writer, v {name}) {{"), "}", |page| {
            page.line(write_call(&plan.writer(Some(id), inner), "v"));
        });
    }

    /// `plain` is the type under a defined type; without it the newtype is a struct.
    pub fn newtype_codec(&mut self, id: TypeId, inner: &Ty, plain: Option<&str>) {
        let (plan, name) = (self.plan, self.plan.name(id));
        self.page.gap();
        self.page.block(format!("func read{name}(r *reader) ({name}, error) {{"), "}", |page| {
            page.line(format!("value, err := {}", read_call(&plan.reader(Some(id), inner))));
            let made =
                if plain.is_some() { format!("{name}(value)") } else { format!("{name}{{Value: value}}") };
            page.line(format!("return {made}, err"));
        });
        self.page.gap();
        self.page.block(format!("func write{name}(w *writer, v {name}) {{"), "}", |page| {
            let value = plain.map_or_else(|| "v.Value".to_owned(), |ty| format!("{ty}(v)"));
            page.line(write_call(&plan.writer(Some(id), inner), &value));
        });
    }

    pub fn union_codec(&mut self, id: TypeId, union: &TaggedUnion) {
        let (plan, name) = (self.plan, self.plan.name(id));
        let Some(names) = plan.union(id) else { return };
        self.page.gap();
        self.page.block(format!("func read{name}(r *reader) ({name}, error) {{"), "}", |page| {
            page.line(format!("tag, err := r.tag({})", quote(&union.tag)));
            page.block("if err != nil {", "}", |page| {
                page.line("return nil, err");
            });
            page.line("switch tag {");
            for member in &union.members {
                page.line(format!("case {}:", quote(&member.value))).indented(|page| {
                    page.line(format!("v, err := read{}(r)", plan.name(member.ty)));
                    page.line("return &v, tagged(err, tag)");
                });
            }
            page.line("}");
            if union.open {
                page.line("raw, err := r.raw()");
                page.line(format!("return &{}{{Tag: tag, Raw: raw}}, err", names.unknown));
            } else {
                page.line(format!("return nil, r.unknownTag({}, tag)", quote(&union.tag)));
            }
        });
        self.page.gap();
        self.page.block(format!("func write{name}(w *writer, v {name}) {{"), "}", |page| {
            page.line("switch v := v.(type) {");
            for member in &union.members {
                let member = plan.name(member.ty);
                page.line(format!("case *{member}:")).indented(|page| {
                    page.line(format!("write{member}(w, *v)"));
                });
            }
            if union.open {
                page.line(format!("case *{}:", names.unknown)).indented(|page| {
                    page.line("w.raw(v.Raw)");
                });
            }
            page.line("default:").indented(|page| {
                page.line("w.fail(\"an interface that the schema requires is nil\")");
            });
            page.line("}");
        });
    }
}

/// One case per property, and one for all others.
fn cases(plan: &Plan<'_>, page: &mut Page, id: TypeId, shape: &Struct, required: &[&str]) {
    let seen = |page: &mut Page, wire: &str| {
        if let Some(at) = required.iter().position(|other| *other == wire) {
            page.line(format!("seen[{at}] = true"));
        }
    };
    if let Some(tag) = &shape.tag {
        page.line(format!("case {}:", quote(&tag.property))).indented(|page| {
            seen(page, &tag.property);
            page.line(format!("err = r.constant({})", quote(&tag.value)));
        });
    }
    for (index, field) in shape.fields.iter().enumerate() {
        page.line(format!("case {}:", quote(&field.wire))).indented(|page| {
            seen(page, &field.wire);
            let call = read_call(&plan.field_reader(id, field));
            page.line(format!("v.{}, err = {call}", plan.names.field(id, index)));
        });
    }
    page.line("default:").indented(|page| {
        match &shape.additional {
            Additional::Ignored => page.line("r.skip()"),
            Additional::Refused => page.line("err = refuse(\"is not a property of this object\")"),
            Additional::Kept(ty) => {
                let call = read_call(&plan.reader(None, ty));
                page.line(format!("v.{}[string(key)], err = {call}", plan.names.additional(id)))
            }
        };
    });
}

fn write_field(plan: &Plan<'_>, page: &mut Page, id: TypeId, field: &Field, place: &str) {
    let nil = plan.has_nil(&field.ty.kind);
    let base = |owner| plan.base_writer(owner, &field.ty.kind);
    let key = format!("w.key({})", quote(&field.wire));
    match field.presence() {
        Presence::Required => {
            page.line(key).line(write_call(&plan.writer(Some(id), &field.ty), place));
        }
        Presence::Optional => {
            page.block(format!("if {place} != nil {{"), "}", |page| {
                let value = if nil { place.to_owned() } else { format!("*{place}") };
                page.line(key).line(write_call(&base(None), &value));
            });
        }
        Presence::Nullable if nil => {
            page.line(key).line(format!("if {place} == nil {{")).indented(|page| {
                page.line("w.null()");
            });
            page.block("} else {", "}", |page| {
                page.line(write_call(&base(None), place));
            });
        }
        Presence::Nullable => {
            page.line(key).line(format!("putNullable({})(w, {place})", base(None)));
        }
        Presence::Tristate => {
            page.block(format!("if !{place}.IsZero() {{"), "}", |page| {
                page.line(key).line(format!("putOpt({})(w, {place})", base(Some(id))));
            });
        }
    }
}

/// What a closed enum asks for.
pub fn one_of(shape: &Enum) -> String {
    let names: Vec<String> =
        shape.values.iter().map(|value| super::super::json::quote(&value.wire)).collect();
    format!("must be one of {}", names.join(", "))
}
