//! `Validate`: straight-line code, one condition per constraint, in the order of the other languages.
use super::super::constraint::Constraint;
use super::super::json::{Json, Number, quote as json_quote};
use super::super::model::{Additional, Kind, Presence, Shape, Struct, TaggedUnion, Ty, TypeId};
use super::super::printer::Page;
use super::super::width::{bounding, range};
use super::Draft;
use super::codec::one_of;
use super::declare::method;
use super::text::{comment, quote};

/// A value under check.
#[derive(Clone)]
struct Spot {
    /// A Go expression for it.
    value: String,
    /// Go expressions for the keys and indices that lead to it.
    path: Vec<String>,
    /// What its pattern's variable is called.
    scope: String,
    /// How many loops are around it.
    depth: usize,
}

impl Spot {
    fn at(&self, value: String, step: String, deeper: usize) -> Self {
        let path = self.path.iter().cloned().chain([step]).collect();
        Self { value, path, scope: self.scope.clone(), depth: self.depth + deeper }
    }

    fn refuse(&self, page: &mut Page, condition: &str, keyword: &str, message: &str) {
        page.block(format!("if {condition} {{"), "}", |page| {
            let path: String = self.path.iter().map(|step| format!(", {step}")).collect();
            page.line(format!("return violation({}, {}{path})", quote(keyword), quote(message)));
        });
    }

    fn descend(&self, page: &mut Page, call: &str) {
        page.block(format!("if x := {call}; x != nil {{"), "}", |page| {
            page.line(format!("return x.under({})", self.path.join(", ")));
        });
    }
}

impl Draft<'_> {
    fn validate(&mut self, id: TypeId, checked: bool) {
        let name = self.plan.name(id);
        let body = if checked { "return verdict(v.check())" } else { "return nil" };
        let about = "Validate returns the first *Violation of what the schema asks beyond the types.";
        method(&mut self.page, about, name, "Validate() error", &[body]);
    }

    pub fn struct_checks(&mut self, id: TypeId, shape: &Struct) {
        let plan = self.plan;
        let mut body = Page::new("\t");
        for (index, field) in shape.fields.iter().enumerate() {
            let name = plan.names.field(id, index);
            let (value, path) = (format!("v.{name}"), vec![quote(&field.wire)]);
            let spot = Spot { value, path, scope: format!("{}{name}", plan.name(id)), depth: 0 };
            if field.required && plan.may_be_nil(id, &field.ty) {
                spot.refuse(&mut body, &format!("{} == nil", spot.value), "required", "is required");
            }
            if !plan.is_checked(&field.ty) {
                continue;
            }
            let plain = Ty { nullable: false, ..field.ty.clone() };
            match field.presence() {
                Presence::Required => self.check(&mut body, &field.ty, &spot),
                Presence::Tristate => {
                    body.block(format!("if value, ok := {}.Get(); ok {{", spot.value), "}", |page| {
                        self.check(page, &plain, &Spot { value: "value".to_owned(), ..spot });
                    });
                }
                _ => {
                    body.block(format!("if {} != nil {{", spot.value), "}", |page| {
                        let nil = plan.has_nil(&field.ty.kind);
                        let value = if nil { spot.value.clone() } else { self.deref(&field.ty, &spot.value) };
                        self.check(page, &plain, &Spot { value, ..spot });
                    });
                }
            }
        }
        if let Additional::Kept(ty) = &shape.additional
            && plan.is_checked(ty)
        {
            let name = plan.names.additional(id);
            let spot = Spot {
                value: format!("v.{name}"),
                path: Vec::new(),
                scope: format!("{}{name}", plan.name(id)),
                depth: 0,
            };
            self.check(&mut body, &Ty::plain(Kind::Map(Box::new(ty.clone()))), &spot);
        }
        self.check_method(id, &body.finish());
    }

    /// A pointer's value; types with methods are left as pointers, whose methods do the same.
    fn deref(&self, ty: &Ty, place: &str) -> String {
        let named =
            matches!(&ty.kind, Kind::Named(id) if !matches!(self.plan.def(*id).shape, Shape::Alias(_)));
        if named { place.to_owned() } else { format!("(*{place})") }
    }

    fn check_method(&mut self, id: TypeId, body: &str) {
        let name = self.plan.name(id);
        self.validate(id, !body.is_empty());
        if body.is_empty() {
            return;
        }
        self.page.gap();
        self.page.block(format!("func (v *{name}) check() *Violation {{"), "}", |page| {
            for line in body.lines() {
                page.line(line);
            }
            page.line("return nil");
        });
    }

    pub fn newtype_checks(&mut self, id: TypeId, inner: &Ty) {
        let plan = self.plan;
        let value = match plan.is_plain(inner) {
            true => format!("{}(*v)", plan.ty(Some(id), inner)),
            false => "v.Value".to_owned(),
        };
        let mut body = Page::new("\t");
        let spot = Spot { value, path: Vec::new(), scope: plan.name(id).to_owned(), depth: 0 };
        self.check(&mut body, inner, &spot);
        self.check_method(id, &body.finish());
    }

    /// The checks of an alias, on a variable `v`.
    pub fn alias_checks(&mut self, page: &mut Page, id: TypeId, inner: &Ty) {
        let scope = self.plan.name(id).to_owned();
        self.check(page, inner, &Spot { value: "v".to_owned(), path: Vec::new(), scope, depth: 0 });
    }

    /// The function that checks values of an alias.
    pub fn alias_function(&mut self, id: TypeId, inner: &Ty) {
        let name = self.plan.name(id);
        if !self.plan.is_checked(inner) {
            return;
        }
        let mut body = Page::new("\t");
        let spot = Spot { value: "v".to_owned(), path: Vec::new(), scope: name.to_owned(), depth: 0 };
        self.check(&mut body, inner, &spot);
        self.page.gap();
        self.page.block(format!("func check{name}(v {name}) *Violation {{"), "}", |page| {
            for line in body.finish().lines() {
                page.line(line);
            }
            page.line("return nil");
        });
    }

    pub fn union_checks(&mut self, id: TypeId, union: &TaggedUnion) {
        let (plan, name) = (self.plan, self.plan.name(id));
        let checked = |ty: TypeId| plan.is_checked(&Ty::plain(Kind::Named(ty)));
        if !checked(id) {
            return;
        }
        self.page.gap();
        self.page.block(format!("func check{name}(v {name}) *Violation {{"), "}", |page| {
            page.line("switch v := v.(type) {");
            for member in union.members.iter().filter(|member| checked(member.ty)) {
                page.line(format!("case *{}:", plan.name(member.ty))).indented(|page| {
                    page.line("return v.check()");
                });
            }
            page.line("}").line("return nil");
        });
    }

    /// The checks of one value: its own constraints first, then what it holds.
    fn check(&mut self, page: &mut Page, ty: &Ty, spot: &Spot) {
        if !self.plan.is_checked(ty) {
            return;
        }
        if ty.nullable {
            let plain = Ty { nullable: false, ..ty.clone() };
            page.block(format!("if {} != nil {{", spot.value), "}", |page| {
                let value = self.deref(ty, &spot.value);
                self.check(page, &plain, &Spot { value, ..spot.clone() });
            });
            return;
        }
        self.own_checks(page, ty, spot);
        match &ty.kind {
            Kind::List(item) if self.plan.is_checked(item) => {
                let index = loop_name('i', spot.depth);
                page.block(format!("for {index} := range {} {{", spot.value), "}", |page| {
                    let inner = spot.at(format!("{}[{index}]", spot.value), index.clone(), 1);
                    self.check(page, item, &inner);
                });
            }
            Kind::Map(item) if self.plan.is_checked(item) => {
                let key = loop_name('k', spot.depth);
                page.block(format!("for _, {key} := range sortedKeys({}) {{", spot.value), "}", |page| {
                    let value = format!("value{}", &key[1..]);
                    page.line(format!("{value} := {}[{key}]", spot.value));
                    self.check(page, item, &spot.at(value, key.clone(), 1));
                });
            }
            Kind::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(
                        page,
                        item,
                        &spot.at(format!("{}.V{index}", spot.value), index.to_string(), 0),
                    );
                }
            }
            Kind::Named(id) => self.check_named(page, *id, spot),
            _ => {}
        }
    }

    fn check_named(&mut self, page: &mut Page, id: TypeId, spot: &Spot) {
        let plan = self.plan;
        match &plan.def(id).shape {
            Shape::Alias(inner) if plan.has_functions(inner) => {
                spot.descend(page, &format!("check{}({})", plan.name(id), spot.value));
            }
            Shape::Alias(inner) => {
                self.check(page, inner, &Spot { scope: plan.name(id).to_owned(), ..spot.clone() });
            }
            Shape::ClosedEnum(shape) => {
                spot.refuse(page, &format!("!{}.IsKnown()", spot.value), "enum", &one_of(shape));
            }
            Shape::TaggedUnion(_) => {
                spot.descend(page, &format!("check{}({})", plan.name(id), spot.value));
            }
            Shape::Struct(_) | Shape::Newtype(_) => spot.descend(page, &format!("{}.check()", spot.value)),
            Shape::OpenEnum(_) => {}
        }
    }

    fn own_checks(&mut self, page: &mut Page, ty: &Ty, spot: &Spot) {
        let value = spot.value.as_str();
        for constraint in bounding(ty).each() {
            match constraint {
                Constraint::Size(keyword, bound) => size_check(page, keyword, bound, spot),
                Constraint::Pattern(pattern) => self.check_pattern(page, pattern, spot),
                Constraint::Uuid => {
                    spot.refuse(page, &format!("!isUUID({value})"), "format", "must be a UUID");
                }
                Constraint::Number(keyword, bound) => number_check(page, &ty.kind, (keyword, bound), spot),
                Constraint::UniqueItems => {
                    let Kind::List(item) = &ty.kind else { continue };
                    let condition = format!("!distinct({value}, {})", self.plan.writer(None, item));
                    spot.refuse(page, &condition, "uniqueItems", "must have no two equal items");
                }
                Constraint::Allowed(allowed) => allowed_check(page, &ty.kind, allowed, spot),
                Constraint::JsonTypes(types) => {
                    let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
                    let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
                    let condition = format!("!hasType({value}, {})", quoted.join(", "));
                    let message = format!("must be of the type {}", names.join(" or "));
                    spot.refuse(page, &condition, "type", &message);
                }
                Constraint::Rule(rule) => spot.descend(page, &format!("breaks({value}, {rule})")),
            }
        }
    }

    fn check_pattern(&mut self, page: &mut Page, text: &str, spot: &Spot) {
        if counts_beyond(text, 1000) {
            comment(page, &format!("{} is not checked: it repeats more than 1000 times.", json_quote(text)));
            return;
        }
        let mut name = format!("pattern{}", spot.scope);
        while self.patterns.iter().any(|(other, known)| *other == name && known != text) {
            name.push('_');
        }
        let message = format!("must match {text}");
        spot.refuse(page, &format!("!{name}.matches({})", spot.value), "pattern", &message);
        if !self.patterns.iter().any(|(other, _)| *other == name) {
            self.patterns.push((name, text.to_owned()));
        }
    }
}

/// Whether a pattern has a repetition count that Go's engine refuses.
fn counts_beyond(pattern: &str, limit: u64) -> bool {
    pattern.split('{').skip(1).any(|rest| {
        let inside = rest.split('}').next().unwrap_or_default();
        inside.split(',').filter_map(|number| number.parse::<u64>().ok()).any(|number| number > limit)
    })
}

fn loop_name(letter: char, depth: usize) -> String {
    if depth == 0 { letter.to_string() } else { format!("{letter}{}", depth + 1) }
}

fn size_check(page: &mut Page, keyword: &str, bound: u64, spot: &Spot) {
    if bound > i64::MAX as u64 {
        return;
    }
    let (extreme, sign) = if keyword.starts_with("min") { ("least", "<") } else { ("most", ">") };
    let (size, one, many) = match &keyword[3..] {
        "Length" => ("length", "character", "characters"),
        "Items" => ("len", "item", "items"),
        _ => ("len", "entry", "entries"),
    };
    let message = format!("must have at {extreme} {bound} {}", if bound == 1 { one } else { many });
    spot.refuse(page, &format!("{size}({}) {sign} {bound}", spot.value), keyword, &message);
}

fn number_check(page: &mut Page, kind: &Kind, (keyword, bound): (&str, Number), spot: &Spot) {
    let value = &spot.value;
    let fits = match (kind, bound) {
        (Kind::Int(int), Number::Int(whole)) => (range(*int).0..=range(*int).1).contains(&whole),
        (Kind::Int(_), Number::Float(_)) => false,
        _ => true,
    };
    let operand = if fits { value.clone() } else { format!("float64({value})") };
    let (condition, words) = match keyword {
        "minimum" => (format!("{operand} < {bound}"), "must be at least"),
        "maximum" => (format!("{operand} > {bound}"), "must be at most"),
        "exclusiveMinimum" => (format!("{operand} <= {bound}"), "must be greater than"),
        "exclusiveMaximum" => (format!("{operand} >= {bound}"), "must be less than"),
        _ if fits && matches!(kind, Kind::Int(_)) => {
            (format!("{value}%{bound} != 0"), "must be a multiple of")
        }
        _ => (format!("!isMultiple({operand}, {bound})"), "must be a multiple of"),
    };
    spot.refuse(page, &condition, keyword, &format!("{words} {bound}"));
}

fn allowed_check(page: &mut Page, kind: &Kind, allowed: &[Json], spot: &Spot) {
    let fits = |json: &&Json| match (kind, json) {
        (Kind::String, Json::String(_)) | (Kind::Bool, Json::Bool(_)) | (Kind::Float, Json::Number(_)) => {
            true
        }
        (Kind::Int(int), Json::Number(Number::Int(whole))) => (range(*int).0..=range(*int).1).contains(whole),
        (kind, _) => !kind.is_scalar(),
    };
    let scalar = kind.is_scalar();
    let literals: String = allowed
        .iter()
        .filter(fits)
        .map(|json| match json {
            Json::String(text) if scalar => format!(", {}", quote(text)),
            json if scalar => format!(", {}", json.compact()),
            json => format!(", {}", quote(&json.compact())),
        })
        .collect();
    let test = if scalar { "oneOf" } else { "oneOfJSON" };
    let names: Vec<String> = allowed.iter().map(Json::compact).collect();
    let message = match names.as_slice() {
        [] => "must not be present".to_owned(),
        [only] => format!("must be {only}"),
        _ => format!("must be one of {}", names.join(", ")),
    };
    spot.refuse(page, &format!("!{test}({}{literals})", spot.value), "enum", &message);
}
