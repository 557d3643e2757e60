//! `validate()`: one call of the support code per constraint, each with the place it is about.
use super::super::constraint::Constraint;
use super::super::json::{Json, Number};
use super::super::model::{Kind, Shape, Ty};
use super::super::names::{Case, spelled};
use super::super::printer::Page;
use super::super::width::bounding;
use super::Ctx;
use super::text::{Value, WIDTH, array_within, float, quote};

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
            page.block_unless_empty(format!("if let Some(value) = {} {{", value.reference()), "}", |page| {
                self.checks(page, &inner, &Value::borrowed("value"), at, scope);
            });
            return;
        }
        for call in own_checks(ty, value, scope) {
            self.needs(&[if call.name.starts_with("rules") { "rules" } else { "violation" }]);
            self.chain(page, &call, at);
        }
        match &ty.kind {
            Kind::List(item) if self.model.is_checked(item) => {
                let index = loop_name("index", loops(at));
                page.block_unless_empty(
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
                page.block_unless_empty(
                    format!("for ({key}, value) in {} {{", value.reference()),
                    "}",
                    |page| {
                        let at: Vec<String> =
                            std::iter::once(format!(".at({key})")).chain(at.iter().cloned()).collect();
                        self.checks(page, item, &Value::borrowed("value"), &at, scope);
                    },
                );
            }
            Kind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    let at: Vec<String> =
                        std::iter::once(format!(".at({index})")).chain(at.iter().cloned()).collect();
                    let part = Value::own(&format!("{}.{index}", value.expression));
                    self.checks(page, item, &part, &at, &place_scope(scope, index));
                }
            }
            Kind::Named(id) => match &self.model.ty(*id).shape {
                Shape::Struct(_) | Shape::TaggedUnion(_) | Shape::Newtype(_) => {
                    self.chain(page, &Call::new(format!("{}.validate", value.expression)), at);
                }
                Shape::Alias(inner) => self.checks(page, inner, value, at, scope),
                Shape::ClosedEnum(_) | Shape::OpenEnum(_) => {}
            },
            _ => {}
        }
    }

    /// `call.at(…).at(…)?;` as rustfmt lays it out: on one line if it fits, else one link per line, and the arguments
    /// one per line if the call alone does not fit either. The page is put into a method later, which indents it by
    /// eight columns.
    fn chain(&self, page: &mut Page, call: &Call, links: &[String]) {
        if !links.is_empty() {
            self.needs(&["At"]);
        }
        let room = WIDTH.saturating_sub(page.column() + 8);
        let head = call.on_one_line();
        let line = format!("{head}{}?;", links.concat());
        if line.chars().count() <= room {
            page.line(line);
            return;
        }
        let end = if links.is_empty() { "?;" } else { "" };
        if head.chars().count() + end.len() <= room || call.arguments.is_empty() {
            page.line(format!("{head}{end}"));
            page.indented(|page| links_below(page, links));
            return;
        }
        page.block(format!("{}(", call.name), format!("){end}"), |page| {
            for argument in &call.arguments {
                match argument {
                    Argument::Text(text) => drop_line(page, format!("{text},")),
                    Argument::List(items) => array_within(page, "&", items, ",", WIDTH - 8),
                }
            }
        });
        links_below(page, links);
    }

    /// The patterns that the checks of a value use, as statics of the method.
    pub(super) fn print_statics(&self, page: &mut Page, ty: &Ty, scope: &[&str]) {
        if let Some(pattern) = &ty.constraints.pattern {
            self.needs(&["Pattern"]);
            let head = format!("static {}: Pattern =", pattern_name(scope));
            let value = format!("Pattern::new({});", quote(pattern));
            let room = WIDTH.saturating_sub(page.column() + 8);
            if head.len() + 1 + value.chars().count() <= room {
                page.line(format!("{head} {value}"));
            } else if value.chars().count() + 4 <= room {
                page.line(head).indented(|page| drop_line(page, value));
            } else {
                page.block(format!("{head} Pattern::new("), ");", |page| {
                    page.line(format!("{},", quote(pattern)));
                });
            }
        }
        match &ty.kind {
            Kind::List(item) | Kind::Map(item) => self.print_statics(page, item, scope),
            Kind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.print_statics(page, item, &place_scope(scope, index));
                }
            }
            _ => {}
        }
    }
}

/// One call of the support code.
struct Call {
    name: String,
    arguments: Vec<Argument>,
}

/// What a call is given.
enum Argument {
    Text(String),
    /// A reference to an array.
    List(Vec<String>),
}

impl Call {
    fn new(name: String) -> Self {
        Self { name, arguments: Vec::new() }
    }

    fn check(name: &str, value: &str) -> Self {
        Self { name: format!("violation::{name}"), arguments: vec![Argument::Text(value.to_owned())] }
    }

    fn with(mut self, text: impl Into<String>) -> Self {
        self.arguments.push(Argument::Text(text.into()));
        self
    }

    fn list(mut self, items: Vec<String>) -> Self {
        self.arguments.push(Argument::List(items));
        self
    }

    fn on_one_line(&self) -> String {
        let arguments: Vec<String> = self
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Text(text) => text.clone(),
                Argument::List(items) => format!("&[{}]", items.join(", ")),
            })
            .collect();
        format!("{}({})", self.name, arguments.join(", "))
    }
}

fn links_below(page: &mut Page, links: &[String]) {
    for (index, link) in links.iter().enumerate() {
        let end = if index + 1 == links.len() { "?;" } else { "" };
        page.line(format!("{link}{end}"));
    }
}

fn drop_line(page: &mut Page, line: String) {
    page.line(line);
}

/// The calls that check a value's own constraints.
fn own_checks(ty: &Ty, value: &Value, scope: &[&str]) -> Vec<Call> {
    let by_ref = value.reference();
    let call = |constraint: &Constraint<'_>| match *constraint {
        Constraint::Size(keyword, bound) => {
            let counted = match keyword {
                "minLength" | "maxLength" => by_ref.clone(),
                _ => format!("{}.len()", value.expression),
            };
            Call::check(&spelled(keyword, Case::Snake), &counted).with(bound.to_string())
        }
        Constraint::Pattern(_) => Call::check("pattern", &by_ref).with(format!("&{}", pattern_name(scope))),
        Constraint::Uuid => Call::check("uuid", &by_ref),
        Constraint::Number(keyword, bound) => number_check(&ty.kind, keyword, bound, &value.copy()),
        Constraint::UniqueItems => Call::check("unique_items", &by_ref),
        Constraint::Allowed(allowed) => allowed_check(&ty.kind, allowed, value),
        Constraint::JsonTypes(types) => {
            let names = types.iter().map(|kind| quote(kind.name())).collect();
            Call::check("json_type", &by_ref).list(names)
        }
        Constraint::Rule(rule) => {
            let arguments = vec![Argument::Text(by_ref.clone()), Argument::Text(rule.to_string())];
            Call { name: "rules::rule".to_owned(), arguments }
        }
    };
    bounding(ty).each().iter().map(call).collect()
}

/// The name of the static that holds a pattern: the field's, or `PATTERN` where there is none.
fn pattern_name(scope: &[&str]) -> String {
    use super::super::names::{Case, join, words};
    let words: Vec<String> = scope.iter().flat_map(|part| words(part)).collect();
    if words.is_empty() { "PATTERN".to_owned() } else { join(&words, Case::UpperSnake, &[]) }
}

/// The scope of one place of a tuple.
fn place_scope<'a>(scope: &[&'a str], index: usize) -> Vec<&'a str> {
    const ORDINALS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let mut out = scope.to_vec();
    out.extend(
        (0..=index / ORDINALS.len()).map(|turn| {
            if turn == index / ORDINALS.len() { ORDINALS[index % ORDINALS.len()] } else { "then" }
        }),
    );
    out
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

fn number_check(kind: &Kind, keyword: &str, bound: Number, value: &str) -> Call {
    let name = spelled(keyword, Case::Snake);
    match (kind, bound) {
        (Kind::Int(_), Number::Int(bound)) => Call::check(&name, value).with(bound.to_string()),
        (Kind::Int(_), Number::Float(_)) => {
            Call::check(&format!("{name}_float"), &format!("{value} as f64")).with(float(bound))
        }
        _ => Call::check(&format!("{name}_float"), value).with(float(bound)),
    }
}

fn allowed_check(kind: &Kind, allowed: &[Json], value: &Value) -> Call {
    let literal = |json: &Json| match json {
        Json::String(text) => quote(text),
        Json::Number(number @ Number::Float(_)) => float(*number),
        Json::Number(number) if *kind == Kind::Float => float(*number),
        other => other.compact(),
    };
    let list = allowed.iter().map(literal).collect();
    match kind {
        Kind::String => Call::check("one_of", &value.reference()).list(list),
        Kind::Int(_) => Call::check("one_of_numbers", &value.copy()).list(list),
        Kind::Float => Call::check("one_of_floats", &value.copy()).list(list),
        Kind::Bool => Call::check("one_of_booleans", &value.copy()).list(list),
        _ => Call::check("one_of_json", &value.reference())
            .with(quote(&Json::Array(allowed.to_vec()).compact())),
    }
}
