//! `validate`: the first constraint that a value breaks, in the order of the schema.
use super::codec::literal;
use super::declare::{Missing, place_path};
use super::text::{self, Doc, bracket, call, text};
use super::{Page, Sheet};
use crate::codegen::constraint::Constraint;
use crate::codegen::json::{Json, Number};
use crate::codegen::model::{Additional, Constraints, Kind, Shape, Struct, Ty, TypeId};
use crate::codegen::names::{Case, spelled};
use crate::codegen::pattern;

impl<'a> Sheet<'a> {
    pub(super) fn validate(&mut self, page: &mut Page, id: TypeId, shape: &'a Struct) {
        for (index, field) in shape.fields.iter().enumerate() {
            if !self.model.is_checked(&field.ty) {
                continue;
            }
            let missing = self.missing(field.presence(), &field.ty);
            let value = format!("self.{}", self.names.field(id, index));
            let checks = self.checks(&field.ty, &self.path(id, index));
            let items = [literal(&field.wire), text(value.clone())].into_iter().chain(checks).collect();
            let broken = bracket("if broken := wire.at(", items, "):");
            // Mypy infers no type behind `T | None`: what is not there must be told apart here.
            let mut there = Vec::new();
            if missing == Missing::Unset {
                there.push(format!("if not isinstance({value}, wire.Unset):"));
            }
            if field.ty.nullable || missing == Missing::None {
                there.push(format!("if {value} is not None:"));
            }
            nested(page, &there, &broken);
        }
        if let Additional::Kept(ty) = &shape.additional
            && self.model.is_checked(ty)
        {
            let additional = self.names.additional(id);
            let path = super::declare::snake_path(&[self.name(id), additional]);
            let each = call("wire.each_value", self.all_checks(ty, &path));
            let items = vec![text(format!("self.{additional}")), each];
            broken_by(page, &bracket("if broken := wire.first(", items, "):"));
        }
        page.line("return None");
    }

    /// `_check_x` of a tuple.
    pub(super) fn tuple_check(&mut self, path: &str, name: &str, places: &[Ty]) {
        self.block(|sheet, page| {
            let taken = vec![text(format!("value: {name}"))];
            text::put(page, &bracket(format!("def _check_{path}("), taken, ") -> wire.Violation | None:"));
            page.indented(|page| {
                for (index, place) in places.iter().enumerate() {
                    if sheet.model.is_checked(place) {
                        let value = [text(index.to_string()), text(format!("value[{index}]"))];
                        let checks = sheet.all_checks(place, &place_path(path, index));
                        let items = value.into_iter().chain(checks).collect();
                        broken_by(page, &bracket("if broken := wire.at(", items, "):"));
                    }
                }
                page.line("return None");
            });
        });
    }

    /// The checks of a use, null included.
    fn all_checks(&mut self, ty: &Ty, path: &str) -> Vec<Doc> {
        let checks = self.checks(ty, path);
        if ty.nullable { vec![call("wire.unless_null", checks)] } else { checks }
    }

    /// The checks of a value that is not null.
    pub(super) fn checks(&mut self, ty: &Ty, path: &str) -> Vec<Doc> {
        let mut out = own_checks(&ty.constraints);
        match &ty.kind {
            Kind::Named(id) if self.model.is_checked(&Ty::plain(ty.kind.clone())) => {
                match self.model.ty(*id).shape {
                    Shape::Struct(_) | Shape::TaggedUnion(_) => out.push(text("wire.validated")),
                    Shape::Newtype(ref inner) if !self.model.is_checked(inner) => {}
                    _ => out.push(text(self.function("validate", *id))),
                }
            }
            Kind::List(item) if self.model.is_checked(item) => {
                let items = self.all_checks(item, path);
                out.push(call("wire.each", items));
            }
            Kind::Map(item) if self.model.is_checked(item) => {
                let items = self.all_checks(item, path);
                out.push(call("wire.each_value", items));
            }
            Kind::Tuple(places) if places.iter().any(|place| self.model.is_checked(place)) => {
                out.push(text(format!("_check_{path}")));
            }
            _ => {}
        }
        out
    }
}

/// The check below conditions of its own.
fn nested(page: &mut Page, conditions: &[String], broken: &Doc) {
    match conditions.split_first() {
        None => broken_by(page, broken),
        Some((first, rest)) => {
            page.line(first);
            page.indented(|page| nested(page, rest, broken));
        }
    }
}

/// `if broken := …: return broken`
fn broken_by(page: &mut Page, condition: &Doc) {
    text::put(page, condition);
    page.indented(|page| {
        page.line("return broken");
    });
}

/// The checks of a value's own constraints.
fn own_checks(rules: &Constraints) -> Vec<Doc> {
    let check = |constraint: &Constraint<'_>| match constraint {
        Constraint::Size(keyword, bound) => {
            call(&format!("wire.{}", spelled(keyword, Case::Snake)), vec![text(bound.to_string())])
        }
        Constraint::Pattern(expression) => {
            call("wire.pattern", vec![literal(&pattern::with_end_anchor(expression, "\\Z"))])
        }
        Constraint::Uuid => text("wire.uuid"),
        Constraint::Number(keyword, bound) => {
            call(&format!("wire.{}", spelled(keyword, Case::Snake)), vec![text(number(*bound))])
        }
        Constraint::UniqueItems => text("wire.unique_items"),
        Constraint::Allowed(allowed) => call("wire.allowed", allowed.iter().map(value).collect()),
        Constraint::JsonTypes(types) => {
            call("wire.json_type", types.iter().map(|kind| text(text::string(kind.name()))).collect())
        }
        Constraint::Rule(rule) => call("rules.rule", vec![text(rule.to_string())]),
    };
    rules.each().iter().map(check).collect()
}

/// A number as a literal. Python reads what Rust writes.
fn number(value: Number) -> String {
    match value {
        Number::Int(value) => value.to_string(),
        Number::Float(value) => format!("{value:?}"),
    }
}

/// A JSON value as a literal.
fn value(json: &Json) -> Doc {
    match json {
        Json::Null => text("None"),
        Json::Bool(true) => text("True"),
        Json::Bool(false) => text("False"),
        Json::Number(value) => text(number(*value)),
        Json::String(text) => literal(text),
        Json::Array(items) => bracket("[", items.iter().map(value).collect(), "]"),
        Json::Object(entries) => {
            let entry = |(key, held): &(String, Json)| {
                text::before(&format!("{}: ", text::string(key)), &value(held))
            };
            bracket("{", entries.iter().map(entry).collect(), "}")
        }
    }
}
