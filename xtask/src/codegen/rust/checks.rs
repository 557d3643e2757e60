//! `validate()`: one call of the support code per constraint, each with the place it is about.
use super::super::json::{Json, Number};
use super::super::model::{Constraints, Format, Int, JsonType, Kind, Shape, Ty};
use super::super::printer::Page;
use super::Ctx;
use super::text::{Value, WIDTH, float, quote};

impl Ctx<'_> {
    /// The `validate` method around its checks.
    pub(super) fn validate_fn(&self, page: &mut Page, body: &str) {
        self.needs(&["Violation"]);
        page.block("pub fn validate(&self) -> Result<(), Violation> {", "}", |page| {
            for line in body.lines() {
                page.line(line);
            }
            page.line("Ok(())");
        });
    }

    /// The checks of one value. `at` are the calls that put its place in front of a violation's pointer, innermost
    /// first; `scope` names the statics of its patterns.
    pub(super) fn checks(&self, page: &mut Page, ty: &Ty, value: &Value, at: &[String], scope: &[&str]) {
        if !self.model.is_checked(ty) {
            return;
        }
        if ty.nullable {
            let inner = Ty { nullable: false, ..ty.clone() };
            page.block(format!("if let Some(value) = {} {{", value.reference()), "}", |page| {
                self.checks(page, &inner, &Value::borrowed("value"), at, scope);
            });
            return;
        }
        for call in self.own_checks(ty, value, scope) {
            self.needs(&["violation"]);
            self.chain(page, &call, at);
        }
        match &ty.kind {
            Kind::List(item) if self.model.is_checked(item) => {
                let index = loop_name("index", loops(at));
                page.block(
                    format!("for ({index}, value) in {}.iter().enumerate() {{", value.expression),
                    "}",
                    |page| {
                        let at: Vec<String> =
                            std::iter::once(format!(".at({index})")).chain(at.iter().cloned()).collect();
                        self.checks(page, item, &Value::borrowed("value"), &at, scope);
                    },
                );
            }
            Kind::Map(item) if self.model.is_checked(item) => {
                let key = loop_name("key", loops(at));
                page.block(format!("for ({key}, value) in {} {{", value.reference()), "}", |page| {
                    let at: Vec<String> =
                        std::iter::once(format!(".at({key})")).chain(at.iter().cloned()).collect();
                    self.checks(page, item, &Value::borrowed("value"), &at, scope);
                });
            }
            Kind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    let at: Vec<String> =
                        std::iter::once(format!(".at({index})")).chain(at.iter().cloned()).collect();
                    let part = Value::own(&format!("{}.{index}", value.expression));
                    self.checks(page, item, &part, &at, scope);
                }
            }
            Kind::Named(id) => match &self.model.ty(*id).shape {
                Shape::Struct(_) | Shape::TaggedUnion(_) | Shape::Newtype(_) => {
                    self.chain(page, &format!("{}.validate()", value.expression), at);
                }
                Shape::Alias(inner) => self.checks(page, inner, value, at, &[self.name(*id)]),
                Shape::ClosedEnum(_) | Shape::OpenEnum(_) => {}
            },
            _ => {}
        }
    }

    /// The calls that check a value's own constraints.
    fn own_checks(&self, ty: &Ty, value: &Value, scope: &[&str]) -> Vec<String> {
        let rules = &ty.constraints;
        let mut out = Vec::new();
        let by_ref = value.reference();
        let mut call = |name: &str, value: &str, rest: String| {
            out.push(format!("violation::{name}({value}, {rest})"));
        };
        for (name, bound) in [
            ("min_length", rules.min_length),
            ("max_length", rules.max_length),
            ("min_items", rules.min_items),
            ("max_items", rules.max_items),
            ("min_properties", rules.min_properties),
            ("max_properties", rules.max_properties),
        ] {
            let Some(bound) = bound else { continue };
            let counted = match name {
                "min_length" | "max_length" => by_ref.clone(),
                _ => format!("{}.len()", value.expression),
            };
            call(name, &counted, bound.to_string());
        }
        if rules.pattern.is_some() {
            call("pattern", &by_ref, format!("&{}", pattern_name(scope)));
        }
        if rules.format == Some(Format::Uuid) {
            out.push(format!("violation::uuid({by_ref})"));
        }
        numbers(&ty.kind, rules, &value.copy(), &mut out);
        if rules.unique_items {
            out.push(format!("violation::unique_items({by_ref})"));
        }
        if let Some(allowed) = &rules.allowed {
            out.push(allowed_check(&ty.kind, allowed, value));
        }
        if !rules.json_types.is_empty() {
            let names: Vec<String> = rules.json_types.iter().map(|kind| quote(json_type(*kind))).collect();
            out.push(format!("violation::json_type({by_ref}, &[{}])", names.join(", ")));
        }
        out
    }

    /// `head.at(…).at(…)?;` on one line if it fits, else one link per line. The page is put into a method later, which
    /// indents it by eight columns.
    fn chain(&self, page: &mut Page, head: &str, links: &[String]) {
        if !links.is_empty() {
            self.needs(&["At"]);
        }
        let line = format!("{head}{}?;", links.concat());
        if page.column() + line.chars().count() + 8 <= WIDTH || links.is_empty() {
            page.line(line);
            return;
        }
        page.line(head);
        page.indented(|page| {
            for (index, link) in links.iter().enumerate() {
                let end = if index + 1 == links.len() { "?;" } else { "" };
                page.line(format!("{link}{end}"));
            }
        });
    }

    /// The statics that the checks of a value use: its compiled patterns.
    pub(super) fn print_statics(&self, page: &mut Page, ty: &Ty, scope: &[&str]) {
        if let Some(pattern) = &ty.constraints.pattern {
            self.needs(&["Pattern"]);
            let head = format!("static {}: Pattern =", pattern_name(scope));
            let value = format!("Pattern::new({});", quote(pattern));
            page.gap();
            if page.column() + head.len() + 1 + value.chars().count() <= WIDTH {
                page.line(format!("{head} {value}"));
            } else {
                page.line(head);
                page.indented(|page| {
                    page.line(value);
                });
            }
        }
        match &ty.kind {
            Kind::List(item) | Kind::Map(item) => self.print_statics(page, item, scope),
            Kind::Tuple(items) => items.iter().for_each(|item| self.print_statics(page, item, scope)),
            _ => {}
        }
    }
}

fn pattern_name(scope: &[&str]) -> String {
    use super::super::names::{Case, join, words};
    let words: Vec<String> = scope.iter().flat_map(|part| words(part)).collect();
    join(&words, Case::UpperSnake, &[])
}

/// How many loops stand around a value, by the calls that tell its place.
fn loops(at: &[String]) -> usize {
    at.iter().filter(|link| link.starts_with(".at(i") || link.starts_with(".at(k")).count()
}

fn loop_name(base: &str, depth: usize) -> String {
    match depth {
        0 => base.to_owned(),
        1 => format!("inner_{base}"),
        depth => format!("{}{base}", "inner_".repeat(depth)),
    }
}

/// The checks of a number's bounds.
fn numbers(kind: &Kind, rules: &Constraints, value: &str, out: &mut Vec<String>) {
    let bounds = [
        ("minimum", rules.minimum),
        ("maximum", rules.maximum),
        ("exclusive_minimum", rules.exclusive_minimum),
        ("exclusive_maximum", rules.exclusive_maximum),
        ("multiple_of", rules.multiple_of),
    ];
    for (name, bound) in bounds {
        let Some(bound) = bound else { continue };
        match (kind, bound) {
            (Kind::Int(int), Number::Int(bound)) if is_trivial(*int, name, bound) => {}
            (Kind::Int(_), Number::Int(bound)) => out.push(format!("violation::{name}({value}, {bound})")),
            (Kind::Int(_), Number::Float(_)) => {
                out.push(format!("violation::{name}_float({value} as f64, {})", float(bound)));
            }
            _ => out.push(format!("violation::{name}_float({value}, {})", float(bound))),
        }
    }
}

/// Whether every value of the type keeps a bound.
fn is_trivial(int: Int, name: &str, bound: i128) -> bool {
    let (low, high): (i128, i128) = match int {
        Int::I32 => (i32::MIN.into(), i32::MAX.into()),
        Int::U32 => (0, u32::MAX.into()),
        Int::Safe64 | Int::I64 => (i64::MIN.into(), i64::MAX.into()),
        Int::U64 => (0, u64::MAX.into()),
    };
    match name {
        "minimum" => bound <= low,
        "maximum" => bound >= high,
        _ => false,
    }
}

fn allowed_check(kind: &Kind, allowed: &[Json], value: &Value) -> String {
    let literal = |json: &Json| match json {
        Json::String(text) => quote(text),
        Json::Number(number @ Number::Float(_)) => float(*number),
        Json::Number(number) if *kind == Kind::Float => float(*number),
        other => other.compact(),
    };
    let list = allowed.iter().map(literal).collect::<Vec<_>>().join(", ");
    match kind {
        Kind::String => format!("violation::one_of({}, &[{list}])", value.reference()),
        Kind::Int(_) => format!("violation::one_of_numbers({}, &[{list}])", value.copy()),
        Kind::Float => format!("violation::one_of_floats({}, &[{list}])", value.copy()),
        Kind::Bool => format!("violation::one_of_booleans({}, &[{list}])", value.copy()),
        _ => {
            let list = quote(&Json::Array(allowed.to_vec()).compact());
            format!("violation::one_of_json({}, {list})", value.reference())
        }
    }
}

fn json_type(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "boolean",
        JsonType::Integer => "integer",
        JsonType::Number => "number",
        JsonType::String => "string",
        JsonType::Array => "array",
        JsonType::Object => "object",
    }
}
