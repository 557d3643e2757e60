//! Values that break exactly one rule of their type, each with the place where it must be refused.
use std::collections::BTreeSet;

use super::canon::escape;
use super::constraint::broken;
use super::peer::Phase;
use super::scalar;
use crate::codegen::json::{Json, Number};
use crate::codegen::model::{
    Additional, Constraints, Format, Int, Kind, Model, Role, Shape, Struct, TaggedUnion, Ty, TypeId,
};

/// A value that must be refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Mutant {
    pub value: Json,
    /// What was done to it.
    pub rule: String,
    pub phase: Phase,
    /// The JSON pointer of the place.
    pub pointer: String,
    /// The keywords that it breaks there; none when decoding refuses it.
    pub keywords: Vec<&'static str>,
}

/// The largest count that is exceeded for a mutant.
const LARGEST: u64 = 100_000;

/// All mutants of a valid value. `seen` holds the places of the schema and rules that have been broken already.
pub fn mutants(model: &Model, id: TypeId, value: &Json, seen: &mut BTreeSet<String>) -> Vec<Mutant> {
    let mut walk =
        Walk { model, root: value, seen, path: Vec::new(), schema: String::new(), found: Vec::new() };
    walk.visit(&Ty::plain(Kind::Named(id)), value);
    walk.found
}

/// A step towards a place.
#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// What happens at the place.
enum Change {
    Set(Json),
    Remove,
}

struct Walk<'a> {
    model: &'a Model,
    root: &'a Json,
    seen: &'a mut BTreeSet<String>,
    path: Vec<Step>,
    /// The place in the schema: the path with what stands for every index and key of a map.
    schema: String,
    found: Vec<Mutant>,
}

impl Walk<'_> {
    fn pointer(&self) -> String {
        let step = |step: &Step| match step {
            Step::Key(key) => format!("/{}", escape(key)),
            Step::Index(index) => format!("/{index}"),
        };
        self.path.iter().map(step).collect()
    }

    fn add(&mut self, rule: &str, change: Change, phase: Phase, keywords: Vec<&'static str>) {
        if self.seen.insert(format!("{} {rule}", self.schema)) {
            let mut value = self.root.clone();
            apply(&mut value, &self.path, change);
            let (rule, pointer) = (rule.to_owned(), self.pointer());
            self.found.push(Mutant { value, rule, phase, pointer, keywords });
        }
    }

    /// A value that has another shape.
    fn misshape(&mut self, rule: &str, value: Json) {
        self.add(rule, Change::Set(value), Phase::Decode, Vec::new());
    }

    /// A value that breaks a constraint, if it does.
    fn violate(
        &mut self,
        rules: &Constraints,
        keyword: &'static str,
        values: impl IntoIterator<Item = Json>,
    ) {
        let mut best: Option<(Vec<&'static str>, Json)> = None;
        for value in values {
            let breaks = broken(rules, &value);
            let better = best.as_ref().is_none_or(|(others, _)| breaks.len() < others.len());
            if breaks.contains(&keyword) && better {
                best = Some((breaks, value));
            }
        }
        if let Some((breaks, value)) = best {
            self.add(keyword, Change::Set(value), Phase::Validate, breaks);
        }
    }

    fn below(&mut self, step: Step, schema: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.schema.len();
        self.path.push(step);
        self.schema.push('/');
        self.schema.push_str(schema);
        visit(self);
        self.schema.truncate(length);
        self.path.pop();
    }

    fn visit(&mut self, ty: &Ty, value: &Json) {
        self.wrong_types(ty, self.may_be_null(ty));
        if *value == Json::Null && ty.kind != Kind::Json {
            return;
        }
        self.constraints(ty, value);
        match (&ty.kind, value) {
            (Kind::List(item), Json::Array(items)) => {
                for (index, value) in items.iter().enumerate().rev() {
                    self.below(Step::Index(index), "[]", |walk| walk.visit(item, value));
                }
            }
            (Kind::Map(item), Json::Object(entries)) => {
                for (key, value) in entries {
                    self.below(Step::Key(key.clone()), "{}", |walk| walk.visit(item, value));
                }
            }
            (Kind::Tuple(types), Json::Array(items)) => self.tuple(types, items),
            (Kind::Named(id), value) => self.named(*id, value),
            _ => {}
        }
    }

    /// Null may be allowed by the use or, through newtypes and aliases, by what is used.
    fn may_be_null(&self, ty: &Ty) -> bool {
        ty.nullable
            || match &ty.kind {
                Kind::Json => true,
                Kind::Named(id) => match &self.model.ty(*id).shape {
                    Shape::Newtype(inner) | Shape::Alias(inner) => self.may_be_null(inner),
                    _ => false,
                },
                _ => false,
            }
    }

    fn wrong_types(&mut self, ty: &Ty, nullable: bool) {
        let number = || Json::Number(Number::Int(1));
        let text = || Json::String("x".to_owned());
        let (array, object) = (|| Json::Array(Vec::new()), || Json::Object(Vec::new()));
        let wrong = match &ty.kind {
            Kind::String => vec![number(), Json::Bool(true), array(), object()],
            Kind::Bool => vec![number(), Json::String("true".to_owned()), array(), object()],
            Kind::Int(_) | Kind::Float => {
                vec![Json::String("1".to_owned()), Json::Bool(true), array(), object()]
            }
            Kind::List(_) | Kind::Tuple(_) => vec![number(), text(), Json::Bool(false), object()],
            Kind::JsonObject | Kind::Map(_) => vec![number(), text(), Json::Bool(false), array()],
            Kind::Json => Vec::new(),
            Kind::Named(id) => match &self.model.ty(*id).shape {
                Shape::Struct(_) | Shape::TaggedUnion(_) => {
                    vec![number(), text(), Json::Bool(false), array()]
                }
                Shape::ClosedEnum(_) | Shape::OpenEnum(_) => {
                    vec![number(), Json::Bool(true), array(), object()]
                }
                // Their inner type is visited by itself.
                Shape::Newtype(_) | Shape::Alias(_) => return,
            },
        };
        for value in wrong {
            self.misshape(&format!("is {}", kind_of(&value)), value);
        }
        if !nullable {
            self.misshape("is null", Json::Null);
        }
        if let Kind::Int(int) = ty.kind {
            self.misshape("has a fraction", Json::Number(Number::Float(1.5)));
            let (least, most) = scalar::range(int);
            // A bound of the schema keeps the others within a double; it is a constraint.
            if int != Int::Safe64 {
                self.misshape("is below the width", Json::Number(Number::Int(least - 1)));
                self.misshape("is above the width", Json::Number(Number::Int(most + 1)));
            }
        }
    }

    fn named(&mut self, id: TypeId, value: &Json) {
        let model = self.model;
        match &model.ty(id).shape {
            Shape::Struct(shape) => {
                if let Some(tag) = &shape.tag {
                    // The parameters of an action are told apart by the union of actions, where they are decoded.
                    let word = if model.ty(id).role == Role::Params { "no such tag" } else { "other" };
                    self.tag(&tag.property, &[word, &tag.value.to_uppercase()]);
                }
                self.structure(shape, value);
            }
            Shape::TaggedUnion(union) => self.union(union, value),
            Shape::ClosedEnum(values) => {
                let known = |word: &str| values.values.iter().any(|value| value.wire == word);
                let upper = values.values.first().map(|value| value.wire.to_uppercase()).unwrap_or_default();
                for word in ["no such value", "", upper.as_str()] {
                    if !known(word) {
                        self.misshape(&format!("is {word:?}"), Json::String(word.to_owned()));
                    }
                }
            }
            Shape::OpenEnum(_) => {}
            Shape::Newtype(ty) | Shape::Alias(ty) => self.visit(ty, value),
        }
    }

    /// The property that names what an object is: not there, no string, another word.
    fn tag(&mut self, property: &str, words: &[&str]) {
        self.below(Step::Key(property.to_owned()), property, |walk| {
            walk.add("is missing", Change::Remove, Phase::Decode, Vec::new());
            walk.misshape("is a number", Json::Number(Number::Int(1)));
            walk.misshape("is null", Json::Null);
            for word in words {
                walk.misshape(&format!("is {word:?}"), Json::String((*word).to_owned()));
            }
        });
    }

    fn union(&mut self, union: &TaggedUnion, value: &Json) {
        let words: &[&str] = if union.open { &[] } else { &["no such tag", ""] };
        self.tag(&union.tag, words);
        let tag = value.get(&union.tag).and_then(Json::as_str);
        let Some(member) = union.members.iter().find(|member| Some(member.value.as_str()) == tag) else {
            return;
        };
        if let Shape::Struct(shape) = &self.model.ty(member.ty).shape {
            let length = self.schema.len();
            self.schema.push('#');
            self.schema.push_str(&member.value);
            self.structure(shape, value);
            self.schema.truncate(length);
        }
    }

    fn structure(&mut self, shape: &Struct, value: &Json) {
        for field in &shape.fields {
            self.below(Step::Key(field.wire.clone()), &field.wire, |walk| {
                let Some(value) = value.get(&field.wire) else { return };
                if field.required {
                    walk.add("is missing", Change::Remove, Phase::Decode, Vec::new());
                }
                walk.visit(&field.ty, value);
            });
        }
        match &shape.additional {
            Additional::Ignored => {}
            Additional::Refused => {
                for key in ["x-unknown", "a/b~c"] {
                    self.below(Step::Key(key.to_owned()), "+", |walk| {
                        walk.misshape(&format!("{key} is not declared"), Json::Number(Number::Int(1)));
                    });
                }
            }
            Additional::Kept(ty) => {
                let declared = |key: &str| {
                    shape.fields.iter().any(|field| field.wire == key)
                        || shape.tag.as_ref().is_some_and(|tag| tag.property == key)
                };
                for (key, value) in value.entries().iter().filter(|(key, _)| !declared(key)) {
                    self.below(Step::Key(key.clone()), "{}", |walk| walk.visit(ty, value));
                }
            }
        }
    }

    fn tuple(&mut self, types: &[Ty], items: &[Json]) {
        if let Some((_, fewer)) = items.split_last() {
            self.misshape("is too short", Json::Array(fewer.to_vec()));
        }
        let more = items.iter().cloned().chain([Json::Null]).collect();
        self.misshape("is too long", Json::Array(more));
        for (index, (ty, value)) in types.iter().zip(items).enumerate() {
            self.below(Step::Index(index), &index.to_string(), |walk| walk.visit(ty, value));
        }
    }

    /// One mutant for each constraint of the use itself.
    fn constraints(&mut self, ty: &Ty, value: &Json) {
        let rules = &ty.constraints;
        match value {
            Json::String(text) => self.of_string(rules, text),
            Json::Number(_) => self.of_number(&ty.kind, rules),
            Json::Array(items) => self.of_items(rules, items),
            Json::Object(entries) => self.of_entries(rules, entries),
            Json::Null | Json::Bool(_) => {}
        }
        if rules.allowed.is_some() {
            let texts = ["no such value", ""].map(|text| Json::String(text.to_owned()));
            let numbers = [i128::from(i32::MAX), 0, 1, 499].map(|value| Json::Number(Number::Int(value)));
            let values = match &ty.kind {
                Kind::String => texts.to_vec(),
                Kind::Int(_) | Kind::Float => numbers.to_vec(),
                Kind::Bool => vec![Json::Bool(true), Json::Bool(false)],
                Kind::Json => {
                    texts.into_iter().chain(numbers).chain([Json::Null, Json::Array(vec![])]).collect()
                }
                _ => Vec::new(),
            };
            self.violate(rules, "enum", values);
        }
        if !rules.json_types.is_empty() {
            let fraction = Json::Number(Number::Float(0.5));
            let values = [Json::Null, Json::Bool(true), fraction, Json::String("x".to_owned())];
            let nested = [Json::Array(Vec::new()), Json::Object(Vec::new())];
            self.violate(rules, "type", values.into_iter().chain(nested));
        }
    }

    fn of_string(&mut self, rules: &Constraints, text: &str) {
        let count = |count: u64| usize::try_from(count).unwrap_or_default();
        if let Some(least) = rules.min_length.filter(|least| *least > 0) {
            let cut: String = text.chars().take(count(least - 1)).collect();
            let values = [cut, "x".repeat(count(least - 1)), "\u{1f600}".repeat(count(least - 1))];
            self.violate(rules, "minLength", values.map(Json::String));
        }
        if let Some(most) = rules.max_length.filter(|most| *most < LARGEST) {
            let fill = |c| text.chars().chain(std::iter::repeat(c)).take(count(most + 1)).collect::<String>();
            let last = text.chars().last().unwrap_or('x');
            self.violate(rules, "maxLength", [fill('x'), fill(last), fill('\u{1f600}')].map(Json::String));
        }
        if rules.pattern.is_some() {
            let values = [
                format!("{text}\n"),
                format!("\n{text}"),
                format!("{text} %"),
                " ".repeat(count(rules.min_length.unwrap_or(1).max(1))),
                "%".to_owned(),
                "ftp:x".to_owned(),
                String::new(),
            ];
            let breaks: Vec<Json> = values.map(Json::String).into();
            self.violate(rules, "pattern", breaks);
        }
        if rules.format == Some(Format::Uuid) {
            let wrong = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
            for (rule, text) in [
                ("is no UUID by its last digit", format!("{wrong}g")),
                ("is a UUID without hyphens", text.replace('-', "")),
                ("is a UUID in braces", format!("{{{text}}}")),
                ("is a UUID with a line break", format!("{text}\n")),
            ] {
                let value = Json::String(text);
                let breaks = broken(rules, &value);
                if !breaks.is_empty() {
                    self.add(rule, Change::Set(value), Phase::Validate, breaks);
                }
            }
        }
    }

    fn of_number(&mut self, kind: &Kind, rules: &Constraints) {
        let within = |number: &Json| match (kind, number) {
            (Kind::Int(Int::Safe64), Json::Number(Number::Int(value))) => value.abs() <= 1 << 53,
            (Kind::Int(int), Json::Number(Number::Int(value))) => {
                let (least, most) = scalar::range(*int);
                (least..=most).contains(value)
            }
            (Kind::Int(_), _) => false,
            _ => true,
        };
        for (keyword, bound) in [
            ("minimum", rules.minimum),
            ("maximum", rules.maximum),
            ("exclusiveMinimum", rules.exclusive_minimum),
            ("exclusiveMaximum", rules.exclusive_maximum),
            ("multipleOf", rules.multiple_of),
        ] {
            let Some(bound) = bound else { continue };
            let mut values = vec![bound];
            match bound {
                Number::Int(bound) => values.extend([bound - 1, bound + 1].map(Number::Int)),
                Number::Float(bound) => {
                    values.extend([bound - 0.25, bound + 0.25, bound * 1.5].map(Number::Float));
                    values.extend([bound.floor(), bound.ceil()].map(|bound| Number::Int(bound as i128)));
                }
            }
            let values = values.into_iter().map(Json::Number).filter(within).collect::<Vec<_>>();
            self.violate(rules, keyword, values);
        }
    }

    fn of_items(&mut self, rules: &Constraints, items: &[Json]) {
        let Some(first) = items.first() else { return };
        if let Some(least) = rules.min_items.filter(|least| *least > 0) {
            let fewer = items.iter().take(usize::try_from(least - 1).unwrap_or_default()).cloned().collect();
            self.violate(rules, "minItems", [Json::Array(fewer)]);
        }
        if let Some(most) = rules.max_items.filter(|most| *most < LARGEST) {
            let count = usize::try_from(most + 1).unwrap_or_default();
            let more = items.iter().cycle().take(count).cloned().collect();
            self.violate(rules, "maxItems", [Json::Array(more)]);
        }
        if rules.unique_items {
            let mut doubled = items.to_vec();
            match doubled.len() {
                1 => doubled.push(first.clone()),
                length => doubled[length - 1] = first.clone(),
            }
            self.violate(rules, "uniqueItems", [Json::Array(doubled)]);
        }
    }

    fn of_entries(&mut self, rules: &Constraints, entries: &[(String, Json)]) {
        let Some((_, first)) = entries.first() else { return };
        if let Some(least) = rules.min_properties.filter(|least| *least > 0) {
            let fewer =
                entries.iter().take(usize::try_from(least - 1).unwrap_or_default()).cloned().collect();
            self.violate(rules, "minProperties", [Json::Object(fewer)]);
        }
        if let Some(most) = rules.max_properties.filter(|most| *most < LARGEST) {
            let mut more = entries.to_vec();
            let most = usize::try_from(most).unwrap_or_default();
            more.extend((more.len()..=most).map(|number| (format!("more {number}"), first.clone())));
            self.violate(rules, "maxProperties", [Json::Object(more)]);
        }
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

fn apply(value: &mut Json, path: &[Step], change: Change) {
    match (path, value) {
        ([], value) => {
            if let Change::Set(new) = change {
                *value = new;
            }
        }
        ([Step::Key(key)], Json::Object(entries)) => match change {
            Change::Remove => entries.retain(|(name, _)| name != key),
            Change::Set(new) => match entries.iter_mut().find(|(name, _)| name == key) {
                Some((_, value)) => *value = new,
                None => entries.push((key.clone(), new)),
            },
        },
        ([Step::Key(key), rest @ ..], Json::Object(entries)) => {
            if let Some((_, value)) = entries.iter_mut().find(|(name, _)| name == key) {
                apply(value, rest, change);
            }
        }
        ([Step::Index(index), rest @ ..], Json::Array(items)) => {
            if let Some(value) = items.get_mut(*index) {
                apply(value, rest, change);
            }
        }
        _ => {}
    }
}
