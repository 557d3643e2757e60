//! `validateX`: the first constraint that a value breaks, in the order of the schema.
use super::layout::{self, Doc, call, text};
use super::{Sheet, own_checks, quoting};
use crate::codegen::constraint::Constraint;
use crate::codegen::json::{Json, Number};
use crate::codegen::model::{Additional, Int, Kind, Struct, TaggedUnion, Ty, TypeId};

impl Sheet<'_> {
    pub(super) fn validate_struct(&mut self, id: TypeId, shape: &Struct) {
        let mut operands = Vec::new();
        for field in &shape.fields {
            let Some(test) = self.test(&field.ty) else { continue };
            let key = text(quoting::string(&field.wire));
            let value = self.value_of(field);
            operands.push(call(&self.support("at"), vec![key, value, test]));
        }
        if let Additional::Kept(ty) = &shape.additional
            && let Some(test) = self.test(ty)
        {
            let every = call(&self.support("eachValue"), vec![test]);
            let kept = format!("(value.{} ?? {{}})", self.names.additional(id));
            operands.push(Doc::Parts(vec![every, text(kept)]));
        }
        self.validator(id, |sheet| {
            if operands.is_empty() {
                return false;
            }
            sheet.put(&layout::first_of(operands));
            true
        });
    }

    pub(super) fn validate_union(&mut self, id: TypeId, union: &TaggedUnion) {
        self.validator(id, |sheet| {
            if !union.members.iter().any(|member| sheet.checked[member.ty.0]) {
                return false;
            }
            sheet.page.line(format!("switch ({}) {{", quoting::member("value", &union.tag)));
            sheet.indented(|sheet| {
                for member in &union.members {
                    if sheet.checked[member.ty.0] {
                        let validate = sheet.function("validate", member.ty);
                        sheet.page.line(format!("case {}:", quoting::string(&member.value)));
                        sheet.page.indented(|page| {
                            page.line(format!("return {validate}(value);"));
                        });
                    }
                }
                sheet.page.line("default:").indented(|page| {
                    page.line("return undefined;");
                });
            });
            sheet.page.line("}");
            true
        });
    }

    pub(super) fn validate_alias(&mut self, id: TypeId, ty: &Ty) {
        let test = self.test(ty);
        self.validator(id, |sheet| {
            let Some(test) = test else { return false };
            sheet.put(&Doc::Parts(vec![text("return "), test, text("(value);")]));
            true
        });
    }

    /// `validateX` around its body; a function that finds nothing where there is no body.
    fn validator(&mut self, id: TypeId, body: impl FnOnce(&mut Self) -> bool) {
        let name = self.name(id);
        if !self.checked[id.0] {
            let check = self.support_type("Check");
            self.page.gap().line(format!("export const validate{name}: {check}<{name}> = () => undefined;"));
            return;
        }
        let violation = self.support_type("Violation");
        let result = format!("{violation} | undefined");
        self.exported(&format!("validate{name}"), format!("value: {name}"), &result, |sheet| {
            if !body(sheet) {
                sheet.page.line("return undefined;");
            }
        });
    }

    /// The function that checks a value of a use; none when there is nothing to check.
    fn test(&mut self, ty: &Ty) -> Option<Doc> {
        let mut tests = self.own_tests(ty);
        match &ty.kind {
            Kind::Named(id) if self.checked[id.0] => tests.push(text(self.function("validate", *id))),
            Kind::List(item) => {
                if let Some(test) = self.test(item) {
                    tests.push(call(&self.support("each"), vec![test]));
                }
            }
            Kind::Map(item) => {
                if let Some(test) = self.test(item) {
                    tests.push(call(&self.support("eachValue"), vec![test]));
                }
            }
            Kind::Tuple(places) if self.has_test(ty) => {
                let mut inner = Vec::new();
                for place in places {
                    let test = self.test(place).unwrap_or_else(|| text(self.support("pass")));
                    inner.push(test);
                }
                tests.push(call(&self.support("eachPlace"), inner));
            }
            _ => {}
        }
        let plain = match tests.len() {
            0 => return None,
            1 => tests.remove(0),
            _ => call(&self.support("all"), tests),
        };
        Some(if ty.nullable { call(&self.support("unlessNull"), vec![plain]) } else { plain })
    }

    fn has_test(&self, ty: &Ty) -> bool {
        let mut held = Vec::new();
        crate::codegen::reach::named(ty, &mut held);
        own_checks(ty) || held.iter().any(|id| self.checked[id.0])
    }

    /// The checks of a value's own constraints.
    fn own_tests(&mut self, ty: &Ty) -> Vec<Doc> {
        ty.constraints.each().iter().map(|constraint| self.own_test(constraint, &ty.kind)).collect()
    }

    fn own_test(&mut self, constraint: &Constraint<'_>, kind: &Kind) -> Doc {
        match constraint {
            Constraint::Size(keyword, bound) => call(&self.support(keyword), vec![text(bound.to_string())]),
            Constraint::Pattern(pattern) => {
                call(&self.support("pattern"), vec![text(quoting::regex(pattern))])
            }
            Constraint::Uuid => text(self.support("uuid")),
            Constraint::Number(keyword, bound) => {
                call(&self.support(keyword), vec![text(number(*bound, kind))])
            }
            Constraint::UniqueItems => text(self.support("uniqueItems")),
            Constraint::Allowed(allowed) => {
                let values = allowed.iter().map(|value| literal(value, kind)).collect();
                layout::enclosed(&format!("{}([", self.support("allowed")), values, "])")
            }
            Constraint::JsonTypes(types) => {
                let names = types.iter().map(|kind| text(quoting::string(kind.name()))).collect();
                call(&self.support("jsonType"), names)
            }
            Constraint::Rule(rule) => {
                self.imports.entry("rules").or_default().values.insert("rule".to_owned());
                call("rule", vec![text(rule.to_string())])
            }
        }
    }
}

/// A number as a literal: a `bigint` beside a `bigint`, and where a `number` would not hold it.
fn number(value: Number, kind: &Kind) -> String {
    let big = matches!(kind, Kind::Int(Int::I64 | Int::U64));
    match value {
        Number::Int(value) if big || value.unsigned_abs() > 1 << 53 => format!("{value}n"),
        Number::Int(value) => value.to_string(),
        // JavaScript reads what Rust writes, but prettier drops a fraction of zero.
        Number::Float(value) => {
            let written = format!("{value:?}");
            let (digits, exponent) = written.split_once('e').unwrap_or((&written, ""));
            let digits = digits.strip_suffix(".0").unwrap_or(digits);
            if exponent.is_empty() { digits.to_owned() } else { format!("{digits}e{exponent}") }
        }
    }
}

/// A JSON value as a literal.
fn literal(value: &Json, kind: &Kind) -> Doc {
    match value {
        Json::Null => text("null"),
        Json::Bool(value) => text(value.to_string()),
        Json::Number(value) => text(number(*value, kind)),
        Json::String(value) => text(quoting::string(value)),
        Json::Array(items) => {
            layout::enclosed("[", items.iter().map(|item| literal(item, kind)).collect(), "]")
        }
        Json::Object(entries) if entries.is_empty() => text("{}"),
        Json::Object(entries) => {
            let entry = |(key, value): &(String, Json)| {
                Doc::Parts(vec![text(format!("{}: ", quoting::literal_key(key))), literal(value, kind)])
            };
            layout::braces(entries.iter().map(entry).collect())
        }
    }
}
