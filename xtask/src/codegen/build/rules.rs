//! Schemas that no type expresses, as rules: a form of the schema that a small interpreter in every language checks over
//! the JSON value as it came. A rule is `true`, `false`, or a list of checks, each a list that begins with its keyword;
//! `["ref", n]` stands for the rule at place n of [`super::super::model::Model::rules`]. What depends on neighbouring
//! keywords has them beside it, so that every check stands alone; those on what the others left over come last.
use std::collections::HashMap;

use super::super::finding::{Finding, Place};
use super::super::json::{Json, Number};
use super::super::model::{Constraints, JsonType, Kind, Model, Ty};
use super::super::pattern;
use super::super::source::{Source, UNRESOLVED};
use super::Builder;
use super::scalar::json_type;

/// Where the schema as it was written stands in one that was merged.
pub(super) const WHOLE: &str = "x-whole";

/// Keywords whose rule is the keyword and its value.
const PLAIN: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];

impl Builder<'_> {
    /// JSON that `validate()` checks by all of a schema; a note tells why it has no better type.
    pub(super) fn checked(&mut self, schema: &Json, place: &Place, rule: &'static str, problem: &str) -> Ty {
        let whole = schema.get(WHOLE).unwrap_or(schema).clone();
        let made = self.rule(&whole, place);
        self.compile_queued();
        let asks = |check: &Json| check.items() != [text(UNKNOWN)];
        if made == Json::Bool(true) || (!made.items().is_empty() && !made.items().iter().any(asks)) {
            return Ty::plain(Kind::Json);
        }
        self.findings.push(Finding::note(rule, place, problem, "`validate` checks it by all of the schema"));
        let constraints = match only_types(&made) {
            Some(json_types) => Constraints { json_types, ..Constraints::default() },
            None => {
                self.model.rules.push(made);
                Constraints { rule: Some(self.model.rules.len() - 1), ..Constraints::default() }
            }
        };
        Ty { constraints, ..Ty::plain(Kind::Json) }
    }

    fn compile_queued(&mut self) {
        while let Some((index, target)) = self.rule_queue.pop() {
            let schema = self.source.get(&target).cloned().unwrap_or(Json::Bool(true));
            self.model.rules[index] = self.rule(&schema, &target);
        }
    }

    /// The rule that a reference leads to.
    fn referred(&mut self, target: Place) -> Json {
        let index = match self.rule_by_place.get(&target) {
            Some(index) => *index,
            None => {
                let index = self.model.rules.len();
                self.model.rules.push(Json::Bool(true));
                self.rule_by_place.insert(target.clone(), index);
                self.rule_queue.push((index, target));
                index
            }
        };
        Json::Array(vec![text("ref"), number(index)])
    }

    /// The rule of a schema.
    fn rule(&mut self, schema: &Json, place: &Place) -> Json {
        if !matches!(schema, Json::Object(_)) {
            return Json::Bool(*schema != Json::Bool(false));
        }
        let mut out = Vec::new();
        if schema.get(UNRESOLVED).is_some() {
            out.push(check(UNKNOWN, Vec::new()));
        }
        if let Some(target) = Source::target(schema) {
            out.push(self.referred(target));
            if self.source.file(place).is_some_and(|file| file.is_old) {
                return Json::Array(out);
            }
        }
        self.value_rules(schema, place, &mut out);
        self.array_rules(schema, place, &mut out);
        self.object_rules(schema, place, &mut out);
        self.combining_rules(schema, place, &mut out);
        for keyword in ["unevaluatedItems", "unevaluatedProperties"] {
            if let Some(inner) = schema.get(keyword) {
                let inner = self.rule(inner, &place.child(keyword));
                out.push(check(keyword, vec![inner]));
            }
        }
        if out.is_empty() { Json::Bool(true) } else { Json::Array(out) }
    }

    fn value_rules(&mut self, schema: &Json, place: &Place, out: &mut Vec<Json>) {
        match schema.get("type") {
            Some(Json::Array(words)) => out.push(check("type", words.clone())),
            Some(word) => out.push(check("type", vec![word.clone()])),
            None => {}
        }
        if let Some(value) = schema.get("const") {
            out.push(check("enum", vec![value.clone()]));
        }
        if let Some(values) = schema.get("enum") {
            out.push(check("enum", values.items().to_vec()));
        }
        for keyword in PLAIN {
            let Some(bound) = schema.get(keyword).filter(|bound| bound.as_number().is_some()) else {
                continue;
            };
            let exclusive = match *keyword {
                "minimum" => Some("exclusiveMinimum"),
                "maximum" => Some("exclusiveMaximum"),
                _ => None,
            };
            // Draft-04 says by a flag that a bound is exclusive.
            let flag = exclusive.filter(|flag| schema.get(flag).and_then(Json::as_bool) == Some(true));
            out.push(check(flag.unwrap_or(keyword), vec![bound.clone()]));
        }
        if let Some(source) = schema.get("pattern").and_then(Json::as_str) {
            let portable = self.portable(source, &place.child("pattern"));
            out.push(
                portable.map_or(check(UNKNOWN, Vec::new()), |source| check("pattern", vec![text(&source)])),
            );
        }
    }

    fn portable(&mut self, source: &str, place: &Place) -> Option<String> {
        match pattern::portable(source) {
            Ok(portable) => Some(portable),
            Err(reason) => {
                self.warn("pattern", place, format!("the pattern is not checked: {reason}"));
                None
            }
        }
    }

    fn array_rules(&mut self, schema: &Json, place: &Place, out: &mut Vec<Json>) {
        if schema.get("uniqueItems").and_then(Json::as_bool) == Some(true) {
            out.push(check("uniqueItems", Vec::new()));
        }
        let old = schema.get("items").filter(|items| matches!(items, Json::Array(_)));
        let (places, rest) = match old {
            Some(places) => {
                (Some((places, "items")), schema.get("additionalItems").map(|rest| (rest, "additionalItems")))
            }
            None => (
                schema.get("prefixItems").map(|places| (places, "prefixItems")),
                schema.get("items").map(|rest| (rest, "items")),
            ),
        };
        let count = places.map_or(0, |(places, _)| places.items().len());
        if let Some((places, keyword)) = places {
            let rules = self.rules(places, &place.child(keyword));
            out.push(check("prefixItems", rules));
        }
        if let Some((rest, keyword)) = rest {
            let rule = self.rule(rest, &place.child(keyword));
            out.push(check("items", vec![number(count), rule]));
        }
        if let Some(wanted) = schema.get("contains") {
            let rule = self.rule(wanted, &place.child("contains"));
            let least = schema.get("minContains").cloned().unwrap_or(number(1));
            let most = schema.get("maxContains").cloned().unwrap_or(Json::Null);
            out.push(check("contains", vec![rule, least, most]));
        }
    }

    fn object_rules(&mut self, schema: &Json, place: &Place, out: &mut Vec<Json>) {
        if let Some(names) = schema.get("required").filter(|names| !names.items().is_empty()) {
            out.push(check("required", names.items().to_vec()));
        }
        let names = schema.get("properties").map(Json::entries).unwrap_or_default();
        if !names.is_empty() {
            let rules = self.rules_by_name(names, &place.child("properties"));
            out.push(check("properties", vec![rules]));
        }
        let mut patterns = Vec::new();
        let mut all_known = true;
        for (source, inner) in schema.get("patternProperties").map(Json::entries).unwrap_or_default() {
            let here = place.child("patternProperties").child(source);
            match self.portable(source, &here) {
                Some(portable) => patterns.push((portable, self.rule(inner, &here))),
                None => all_known = false,
            }
        }
        if !all_known {
            out.push(check(UNKNOWN, Vec::new()));
        }
        let sources = patterns.iter().map(|(source, _)| text(source)).collect();
        if !patterns.is_empty() {
            out.push(check("patternProperties", vec![Json::Object(patterns)]));
        }
        if let Some(rest) = schema.get("additionalProperties").filter(|_| all_known) {
            let rule = self.rule(rest, &place.child("additionalProperties"));
            let names = names.iter().map(|(name, _)| text(name)).collect();
            out.push(check("additionalProperties", vec![Json::Array(names), Json::Array(sources), rule]));
        }
        if let Some(inner) = schema.get("propertyNames") {
            let rule = self.rule(inner, &place.child("propertyNames"));
            out.push(check("propertyNames", vec![rule]));
        }
        if let Some(wanted) = schema.get("dependentRequired") {
            out.push(check("dependentRequired", vec![wanted.clone()]));
        }
        if let Some(inner) = schema.get("dependentSchemas") {
            let rules = self.rules_by_name(inner.entries(), &place.child("dependentSchemas"));
            out.push(check("dependentSchemas", vec![rules]));
        }
        self.old_dependencies(schema, place, out);
    }

    /// Draft-07's `dependencies`: lists of names, and schemas.
    fn old_dependencies(&mut self, schema: &Json, place: &Place, out: &mut Vec<Json>) {
        let Some(both) = schema.get("dependencies") else { return };
        let (lists, schemas): (Vec<_>, Vec<_>) =
            both.entries().iter().cloned().partition(|(_, value)| matches!(value, Json::Array(_)));
        if !lists.is_empty() {
            out.push(check("dependentRequired", vec![Json::Object(lists)]));
        }
        if !schemas.is_empty() {
            let rules = self.rules_by_name(&schemas, &place.child("dependencies"));
            out.push(check("dependentSchemas", vec![rules]));
        }
    }

    fn combining_rules(&mut self, schema: &Json, place: &Place, out: &mut Vec<Json>) {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            if let Some(branches) = schema.get(keyword) {
                let rules = self.rules(branches, &place.child(keyword));
                out.push(check(keyword, rules));
            }
        }
        if let Some(inner) = schema.get("not") {
            let rule = self.rule(inner, &place.child("not"));
            out.push(check("not", vec![rule]));
        }
        if let Some(condition) = schema.get("if") {
            let mut rules = vec![self.rule(condition, &place.child("if"))];
            for keyword in ["then", "else"] {
                let branch = schema.get(keyword).cloned().unwrap_or(Json::Bool(true));
                rules.push(self.rule(&branch, &place.child(keyword)));
            }
            out.push(check("if", rules));
        }
    }

    fn rules(&mut self, schemas: &Json, place: &Place) -> Vec<Json> {
        let each = schemas.items().iter().enumerate();
        each.map(|(index, schema)| self.rule(schema, &place.child(index))).collect()
    }

    fn rules_by_name(&mut self, schemas: &[(String, Json)], place: &Place) -> Json {
        let each = schemas.iter();
        Json::Object(
            each.map(|(name, schema)| (name.clone(), self.rule(schema, &place.child(name)))).collect(),
        )
    }

    /// Some schemas are not known: those of other hosts, and patterns that not every engine reads. Where accepting more
    /// inside means accepting less outside (`not`, `oneOf` and the like), the check is left out with them.
    pub(super) fn open_unsure_rules(&mut self) {
        let mut unsure = vec![false; self.model.rules.len()];
        loop {
            let next: Vec<bool> = self.model.rules.iter().map(|rule| is_unsure(rule, &unsure)).collect();
            if next == unsure {
                break;
            }
            unsure = next;
        }
        for rule in &mut self.model.rules {
            open_unsure(rule, &unsure);
        }
    }

    /// Rules that lead back to themselves without going into the value would never end: such a rule asks nothing.
    pub(super) fn open_endless_rules(&mut self) {
        let places: HashMap<usize, Place> =
            self.rule_by_place.iter().map(|(place, index)| (*index, place.clone())).collect();
        for index in endless(&self.model.rules) {
            self.model.rules[index] = Json::Bool(true);
            let place = places.get(&index).cloned().unwrap_or_default();
            self.warn("endless-rule", &place, "the schema leads back to itself, and is not checked");
        }
    }
}

/// The types that a rule asks for, if it asks for nothing else.
fn only_types(rule: &Json) -> Option<Vec<JsonType>> {
    let [only] = rule.items() else { return None };
    let [keyword, words @ ..] = only.items() else { return None };
    let word = |word: &Json| json_type(word.as_str()?);
    if keyword.as_str() == Some("type") { words.iter().map(word).collect() } else { None }
}

/// Rules on the circles of rules about the same value: without those no circle is left.
fn endless(rules: &[Json]) -> Vec<usize> {
    let uses = |index: usize| {
        let mut out = Vec::new();
        within(&rules[index], &mut out);
        out
    };
    let (mut met, mut done, mut out) = (vec![false; rules.len()], vec![false; rules.len()], Vec::new());
    for start in 0..rules.len() {
        if std::mem::replace(&mut met[start], true) {
            continue;
        }
        let mut trail = vec![(start, uses(start))];
        while let Some((index, next)) = trail.last_mut() {
            match next.pop() {
                Some(target) if !std::mem::replace(&mut met[target], true) => {
                    trail.push((target, uses(target)));
                }
                Some(target) if !done[target] && !out.contains(&target) => out.push(target),
                Some(_) => {}
                None => {
                    done[*index] = true;
                    trail.pop();
                }
            }
        }
    }
    out
}

/// What stands for a check that cannot be made.
const UNKNOWN: &str = "$unknown";
/// Keywords whose arguments are no rules.
const DATA: &[&str] = &["enum", "type", "required", "dependentRequired"];

/// Whether a rule, or a part of one, holds something unknown. `unsure` says so of the rules that it may refer to.
fn is_unsure(rule: &Json, unsure: &[bool]) -> bool {
    let refers = |items: &[Json]| match items {
        [Json::String(word), Json::Number(Number::Int(index))] if word == "ref" => {
            usize::try_from(*index).is_ok_and(|index| unsure.get(index).copied().unwrap_or_default())
        }
        [Json::String(word)] => word == UNKNOWN,
        _ => false,
    };
    match rule {
        Json::Array(items) if is_data(items) => false,
        Json::Array(items) => refers(items) || items.iter().any(|item| is_unsure(item, unsure)),
        Json::Object(entries) => entries.iter().any(|(_, item)| is_unsure(item, unsure)),
        _ => false,
    }
}

fn is_data(check: &[Json]) -> bool {
    matches!(check, [Json::String(word), ..] if DATA.contains(&word.as_str()))
}

/// Takes out the checks that cannot be made, and those that turn them around.
fn open_unsure(rule: &mut Json, unsure: &[bool]) {
    let all_unsure = is_unsure(rule, unsure);
    match rule {
        Json::Array(items) if is_data(items) => {}
        Json::Array(items) if matches!(items.as_slice(), [Json::String(_), ..]) => {
            items.iter_mut().for_each(|argument| open_unsure(argument, unsure));
        }
        Json::Array(checks) => {
            checks.retain(|check| match check.items() {
                [Json::String(word)] if word == UNKNOWN => false,
                [Json::String(word), ..] => match word.as_str() {
                    "unevaluatedItems" | "unevaluatedProperties" => !all_unsure,
                    "not" | "oneOf" | "if" | "contains" => !is_unsure(check, unsure),
                    _ => true,
                },
                _ => true,
            });
            checks.iter_mut().for_each(|check| open_unsure(check, unsure));
        }
        Json::Object(entries) => entries.iter_mut().for_each(|(_, inner)| open_unsure(inner, unsure)),
        _ => {}
    }
}

/// The rules that a rule asks about the same value.
fn within(rule: &Json, out: &mut Vec<usize>) {
    for check in rule.items() {
        let [keyword, arguments @ ..] = check.items() else { continue };
        match keyword.as_str() {
            Some("ref") => {
                out.extend(
                    arguments.first().and_then(Json::as_u64).and_then(|index| usize::try_from(index).ok()),
                );
            }
            Some("allOf" | "anyOf" | "oneOf" | "not" | "if") => {
                arguments.iter().for_each(|rule| within(rule, out));
            }
            Some("dependentSchemas") => {
                arguments.iter().flat_map(Json::entries).for_each(|(_, rule)| within(rule, out));
            }
            _ => {}
        }
    }
}

/// All rules of a model as the text of a JSON array, with every pattern in them spelled for a language's engine.
pub fn table(model: &Model, spell: &dyn Fn(&str) -> String) -> String {
    Json::Array(model.rules.iter().map(|rule| rewritten(rule, 0, spell)).collect()).compact()
}

/// The same rule with every pattern in it written anew, and every reference moved by `offset` places.
pub fn rewritten(rule: &Json, offset: usize, spell: &dyn Fn(&str) -> String) -> Json {
    let Json::Array(checks) = rule else { return rule.clone() };
    let inner = |rule: &Json| rewritten(rule, offset, spell);
    let by_name = |rules: &Json, spelled: bool| {
        let each = rules.entries().iter();
        let name = |name: &String| if spelled { spell(name) } else { name.clone() };
        Json::Object(each.map(|(key, rule)| (name(key), inner(rule))).collect())
    };
    let one = |check: &Json| {
        let [keyword, arguments @ ..] = check.items() else { return check.clone() };
        let mut out = vec![keyword.clone()];
        match (keyword.as_str().unwrap_or_default(), arguments) {
            ("ref", [Json::Number(Number::Int(index))]) => {
                out.push(number(offset + usize::try_from(*index).unwrap_or_default()));
            }
            ("pattern", [Json::String(source)]) => out.push(text(&spell(source))),
            ("properties" | "dependentSchemas", [rules]) => out.push(by_name(rules, false)),
            ("patternProperties", [rules]) => out.push(by_name(rules, true)),
            ("additionalProperties", [names, patterns, rest]) => {
                let patterns =
                    patterns.items().iter().filter_map(Json::as_str).map(|source| text(&spell(source)));
                out.extend([names.clone(), Json::Array(patterns.collect()), inner(rest)]);
            }
            ("items", [from, rest]) => out.extend([from.clone(), inner(rest)]),
            ("contains", [wanted, bounds @ ..]) => {
                out.push(inner(wanted));
                out.extend_from_slice(bounds);
            }
            (
                "prefixItems"
                | "allOf"
                | "anyOf"
                | "oneOf"
                | "not"
                | "if"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties",
                rules,
            ) => out.extend(rules.iter().map(inner)),
            (_, arguments) => out.extend_from_slice(arguments),
        }
        Json::Array(out)
    };
    Json::Array(checks.iter().map(one).collect())
}

fn check(keyword: &str, arguments: Vec<Json>) -> Json {
    let mut out = vec![text(keyword)];
    out.extend(arguments);
    Json::Array(out)
}

fn text(text: &str) -> Json {
    Json::String(text.to_owned())
}

fn number(index: usize) -> Json {
    Json::Number(Number::Int(i128::try_from(index).unwrap_or_default()))
}
