//! `Validate`: a chain of checks, in the order of the other languages.
use super::super::constraint::Constraint;
use super::super::json::{Json, Number};
use super::super::model::{Additional, Int, Kind, Presence, Shape, Struct, TaggedUnion, Ty, TypeId};
use super::super::names::{Case, spelled};
use super::super::pattern::with_end_anchor;
use super::super::printer::Page;
use super::super::width::{bounding, range};
use super::plan::Plan;
use super::text::quote;

/// The static method with its chain, one operand per line.
fn method(page: &mut Page, name: &str, operands: &[String]) {
    page.gap();
    page.line("/// <summary>The first constraint of the schema that a value breaks, or null.</summary>");
    let head = format!("public static Violation? Validate({name} value) =>");
    match operands {
        [] => page.line(format!("{head} null;")),
        [only] => page.line(format!("{head} {only};")),
        [first, rest @ ..] => page.line(head).indented(|page| {
            page.line(first);
            for (index, operand) in rest.iter().enumerate() {
                let end = if index + 1 == rest.len() { ";" } else { "" };
                page.line(format!("?? {operand}{end}"));
            }
        }),
    };
}

impl Plan<'_> {
    pub fn validate_struct(&self, page: &mut Page, id: TypeId, shape: &Struct) {
        let mut operands = Vec::new();
        for (index, field) in shape.fields.iter().enumerate() {
            let ty = self.solid(&field.ty);
            let Some(check) = self.check(&Ty { nullable: false, ..ty.clone() }) else { continue };
            let function = match (self.presence(field), self.is_value(&ty.kind)) {
                (Presence::Required, _) => "At",
                (Presence::Tristate, _) => "IfPresent",
                (_, true) => "MaybeValue",
                (_, false) => "Maybe",
            };
            let check = match self.presence(field) {
                Presence::Tristate => format!("it is {{ }} some ? {} : null", rename(&check)),
                _ => check,
            };
            let (key, member) = (quote(&field.wire), self.member(id, index));
            operands.push(format!("Check.{function}({key}, value.{member}, {})", lambda(&check)));
        }
        if let Additional::Kept(ty) = &shape.additional
            && let Some(check) = self.check(ty)
        {
            operands.push(format!("Check.EachValue(value.{}, {})", self.additional(id), lambda(&check)));
        }
        method(page, self.name(id), &operands);
    }

    pub fn validate_newtype(&self, page: &mut Page, id: TypeId, inner: &Ty) {
        let operand = self.check(inner).map(|check| format!("Check.Whole(value.Value, {})", lambda(&check)));
        method(page, self.name(id), operand.as_slice());
    }

    pub fn validate_union(&self, page: &mut Page, id: TypeId, union: &TaggedUnion) {
        let checked: Vec<TypeId> = union
            .members
            .iter()
            .map(|member| member.ty)
            .filter(|ty| self.is_checked(&Ty::plain(Kind::Named(*ty))))
            .collect();
        if checked.is_empty() {
            method(page, self.name(id), &[]);
            return;
        }
        page.gap();
        page.line("/// <summary>The first constraint of the schema that a value breaks, or null.</summary>");
        page.line(format!("public static Violation? Validate({} value) => value switch", self.name(id)));
        page.block("{", "};", |page| {
            for member in checked {
                let (arm, name) = (self.arm(id, member), self.name(member));
                let value = if arm == name { "it" } else { "it.Value" };
                page.line(format!("{arm} it => {name}.Validate({value}),"));
            }
            page.line("_ => null,");
        });
    }

    /// The expression that checks `it`: its own constraints first, then what it holds. None when there is nothing.
    pub fn check(&self, ty: &Ty) -> Option<String> {
        let ty = self.solid(ty);
        if !self.is_checked(&ty) {
            return None;
        }
        if ty.nullable {
            let plain = self.check(&Ty { nullable: false, ..ty })?;
            return Some(format!("it is {{ }} some ? {} : null", rename(&plain)));
        }
        let mut operands = self.own_checks(&ty);
        match &ty.kind {
            Kind::List(item) => {
                let check = self.check(item);
                operands.extend(check.map(|check| format!("Check.Each(it, {})", lambda(&check))));
            }
            Kind::Map(item) => {
                let check = self.check(item);
                operands.extend(check.map(|check| format!("Check.EachValue(it, {})", lambda(&check))));
            }
            Kind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    let place = format!("{index}, it.Item{}", index + 1);
                    let check = self.check(item);
                    operands.extend(check.map(|check| format!("Check.Item({place}, {})", lambda(&check))));
                }
            }
            Kind::Named(id) => match self.def(*id).shape {
                Shape::ClosedEnum(_) => operands.push("Check.Defined(it)".to_owned()),
                Shape::Struct(_) | Shape::TaggedUnion(_) | Shape::Newtype(_) => {
                    operands.push(format!("{}.Validate(it)", self.name(*id)));
                }
                _ => {}
            },
            _ => {}
        }
        (!operands.is_empty()).then(|| operands.join(" ?? "))
    }

    fn own_checks(&self, ty: &Ty) -> Vec<String> {
        // Lengths and counts are of the type long here.
        let countable = |constraint: &Constraint<'_>| !matches!(constraint, Constraint::Size(_, bound) if *bound > i64::MAX as u64);
        let rules = bounding(ty);
        rules.each().iter().filter(|c| countable(c)).filter_map(|c| self.own_check(ty, c)).collect()
    }

    fn own_check(&self, ty: &Ty, constraint: &Constraint<'_>) -> Option<String> {
        Some(match constraint {
            Constraint::Size(keyword, bound) => {
                format!("Check.{}(it, {bound})", spelled(keyword, Case::Pascal))
            }
            Constraint::Pattern(pattern) => {
                format!("Check.Pattern(it, {})", quote(&with_end_anchor(pattern, "\\z")))
            }
            Constraint::Uuid => "Check.Uuid(it)".to_owned(),
            Constraint::Number(keyword, bound) => {
                let function = spelled(keyword, Case::Pascal);
                match number(*bound, &ty.kind) {
                    Some(bound) => format!("Check.{function}(it, {bound})"),
                    None => format!("Check.{function}((double)it, {})", double(*bound)),
                }
            }
            Constraint::UniqueItems => {
                let Kind::List(item) = &ty.kind else { return None };
                format!("Check.Unique(it, {})", self.writer(item))
            }
            Constraint::Allowed(allowed) => self.allowed(ty, allowed),
            Constraint::JsonTypes(types) => {
                let names: String = types.iter().map(|kind| format!(", {}", quote(kind.name()))).collect();
                format!("Check.JsonType(it{names})")
            }
            Constraint::Rule(rule) => format!("Rules.Rule(it, {rule})"),
        })
    }

    fn allowed(&self, ty: &Ty, allowed: &[Json]) -> String {
        let literal = |json: &Json| match (&ty.kind, json) {
            (Kind::String, Json::String(text)) => Some(quote(text)),
            (Kind::Bool, Json::Bool(value)) => Some(value.to_string()),
            (Kind::Float | Kind::Int(_), Json::Number(value)) => number(*value, &ty.kind),
            _ => None,
        };
        if ty.kind.is_scalar() {
            let literals: String =
                allowed.iter().filter_map(literal).map(|value| format!(", {value}")).collect();
            return format!("Check.OneOf(it{literals})");
        }
        let text = Json::Array(allowed.to_vec()).compact();
        format!("Check.OneOfJson(it, {}, {})", self.writer(ty), quote(&text))
    }
}

fn lambda(check: &str) -> String {
    let group = check.strip_suffix(".Validate(it)").filter(|name| name.chars().all(char::is_alphanumeric));
    group.map_or_else(|| format!("static it => {check}"), |name| format!("{name}.Validate"))
}

/// The same check of a value that is known not to be null, called `some`.
fn rename(check: &str) -> String {
    format!("Check.Whole(some, {})", lambda(check))
}

/// A number as a literal of the kind's type; none where that cannot hold it.
fn number(value: Number, kind: &Kind) -> Option<String> {
    match (kind, value) {
        (Kind::Int(int), Number::Int(whole)) => {
            let (low, high) = range(*int);
            let suffix = match int {
                Int::I32 => "",
                Int::U32 => "U",
                Int::Safe64 | Int::I64 => "L",
                Int::U64 => "UL",
            };
            (low..=high).contains(&whole).then(|| format!("{whole}{suffix}"))
        }
        (Kind::Int(_), Number::Float(_)) => None,
        _ => Some(double(value)),
    }
}

fn double(value: Number) -> String {
    match value {
        Number::Int(whole) => format!("{whole}D"),
        Number::Float(value) => format!("{value:?}D"),
    }
}
