//! Checks JSON by rules: a schema that no type expresses, put into a form that is easy to walk. A rule is `true`,
//! `false` or a list of checks, each a list that begins with a keyword of JSON Schema.
use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};

use regex::Regex;
use serde_json::{Map, Value};

use super::violation::Violation;

/// All rules. One that refers to another names its place here.
static TABLE: LazyLock<Vec<Value>> = LazyLock::new(|| serde_json::from_str("[]").unwrap_or_default());

/// The keys and places of a value that some check has looked at.
type Seen = BTreeSet<String>;

/// Checks a value by the rule at a place of the table.
///
/// # Errors
/// Names the first keyword that the value breaks.
pub fn rule(value: &Value, place: usize) -> Result<(), Violation> {
    let mut seen = Seen::new();
    let broken = match TABLE.get(place) {
        Some(Value::Array(checks)) => checks.iter().find(|check| !passes(check, value, &mut seen)),
        Some(Value::Bool(false)) => TABLE.get(place),
        _ => None,
    };
    let Some(broken) = broken else { return Ok(()) };
    let keyword = broken.get(0).and_then(Value::as_str).unwrap_or("not");
    Err(Violation {
        pointer: String::new(),
        keyword,
        message: format!("must be valid by `{keyword}` of its schema"),
    })
}

fn holds(rule: &Value, value: &Value, seen: &mut Seen) -> bool {
    match rule {
        Value::Array(checks) => checks.iter().all(|check| passes(check, value, seen)),
        other => *other != Value::Bool(false),
    }
}

/// Whether a rule for the same value holds; only then counts what it has seen.
fn also(rule: &Value, value: &Value, seen: &mut Seen) -> bool {
    let mut own = Seen::new();
    let fits = holds(rule, value, &mut own);
    if fits {
        seen.append(&mut own);
    }
    fits
}

/// Whether a rule holds for a part of the value.
fn inside(rule: &Value, part: &Value) -> bool {
    holds(rule, part, &mut Seen::new())
}

fn passes(check: &Value, value: &Value, seen: &mut Seen) -> bool {
    let Some([Value::String(keyword), arguments @ ..]) = check.as_array().map(Vec::as_slice) else {
        return true;
    };
    let same = |rule: &Value, seen: &mut Seen| also(rule, value, seen);
    match (keyword.as_str(), arguments) {
        ("ref", [place]) => {
            let rule = place.as_u64().and_then(|place| TABLE.get(usize::try_from(place).ok()?));
            rule.is_none_or(|rule| same(rule, seen))
        }
        ("type", names) => names.iter().filter_map(Value::as_str).any(|name| has_type(value, name)),
        ("enum", known) => known.iter().any(|known| equal(known, value)),
        ("allOf", rules) => rules.iter().all(|rule| same(rule, seen)),
        ("anyOf", rules) => rules.iter().filter(|rule| same(rule, seen)).count() > 0,
        ("oneOf", rules) => rules.iter().filter(|rule| same(rule, seen)).count() == 1,
        ("not", [rule]) => !inside(rule, value),
        ("if", [condition, then, otherwise]) => {
            let branch = if same(condition, seen) { then } else { otherwise };
            same(branch, seen)
        }
        (keyword, arguments) => match value {
            Value::Number(number) => number_passes(keyword, arguments, number.as_f64().unwrap_or_default()),
            Value::String(text) => text_passes(keyword, arguments, text),
            Value::Array(items) => list_passes(keyword, arguments, items, seen),
            Value::Object(map) => map_passes(keyword, arguments, map, value, seen),
            _ => true,
        },
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

fn number_passes(keyword: &str, arguments: &[Value], number: f64) -> bool {
    let Some(bound) = arguments.first().and_then(Value::as_f64) else { return true };
    match keyword {
        "minimum" => number >= bound,
        "maximum" => number <= bound,
        "exclusiveMinimum" => number > bound,
        "exclusiveMaximum" => number < bound,
        "multipleOf" => {
            let times = number / bound;
            times.is_finite() && (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
        }
        _ => true,
    }
}

fn text_passes(keyword: &str, arguments: &[Value], text: &str) -> bool {
    match (keyword, arguments) {
        ("minLength", [least]) => count_fits(text.chars().count(), Some(least), None),
        ("maxLength", [most]) => count_fits(text.chars().count(), None, Some(most)),
        ("pattern", [Value::String(pattern)]) => matches(pattern, text),
        _ => true,
    }
}

fn list_passes(keyword: &str, arguments: &[Value], items: &[Value], seen: &mut Seen) -> bool {
    let mut note = |place: usize| seen.insert(place.to_string());
    match (keyword, arguments) {
        ("minItems", [least]) => count_fits(items.len(), Some(least), None),
        ("maxItems", [most]) => count_fits(items.len(), None, Some(most)),
        ("uniqueItems", []) => {
            let texts: BTreeSet<String> = items.iter().map(|item| canonical(item).to_string()).collect();
            texts.len() == items.len()
        }
        ("prefixItems", rules) => rules.iter().zip(items).enumerate().all(|(place, (rule, item))| {
            note(place);
            inside(rule, item)
        }),
        ("items", [from, rule]) => {
            let from = from.as_u64().and_then(|from| usize::try_from(from).ok()).unwrap_or_default();
            items.iter().enumerate().skip(from).all(|(place, item)| {
                note(place);
                inside(rule, item)
            })
        }
        ("contains", [rule, least, most]) => {
            let found = items.iter().enumerate().filter(|(_, item)| inside(rule, item));
            let count = found.map(|(place, _)| note(place)).count();
            count_fits(count, Some(least), Some(most))
        }
        ("unevaluatedItems", [rule]) => {
            items.iter().enumerate().all(|(place, item)| !note(place) || inside(rule, item))
        }
        _ => true,
    }
}

fn map_passes(
    keyword: &str,
    arguments: &[Value],
    map: &Map<String, Value>,
    whole: &Value,
    seen: &mut Seen,
) -> bool {
    let named = |names: &Value| names.as_array().is_none_or(|names| names.iter().all(|name| has(map, name)));
    match (keyword, arguments) {
        ("minProperties", [least]) => count_fits(map.len(), Some(least), None),
        ("maxProperties", [most]) => count_fits(map.len(), None, Some(most)),
        ("required", names) => names.iter().all(|name| has(map, name)),
        ("properties", [Value::Object(rules)]) => rules.iter().all(|(name, rule)| {
            map.get(name).is_none_or(|part| {
                seen.insert(name.clone());
                inside(rule, part)
            })
        }),
        ("patternProperties", [Value::Object(rules)]) => rules.iter().all(|(pattern, rule)| {
            map.iter().filter(|(name, _)| matches(pattern, name)).all(|(name, part)| {
                seen.insert(name.clone());
                inside(rule, part)
            })
        }),
        ("additionalProperties", [Value::Array(names), Value::Array(patterns), rule]) => {
            let known = |name: &str| {
                names.iter().any(|known| known == name)
                    || patterns.iter().filter_map(Value::as_str).any(|pattern| matches(pattern, name))
            };
            map.iter().filter(|(name, _)| !known(name)).all(|(name, part)| {
                seen.insert(name.clone());
                inside(rule, part)
            })
        }
        ("propertyNames", [rule]) => map.keys().all(|name| inside(rule, &Value::String(name.clone()))),
        ("dependentRequired", [Value::Object(lists)]) => {
            lists.iter().all(|(name, names)| !map.contains_key(name) || named(names))
        }
        ("dependentSchemas", [Value::Object(rules)]) => {
            rules.iter().all(|(name, rule)| !map.contains_key(name) || also(rule, whole, seen))
        }
        ("unevaluatedProperties", [rule]) => {
            map.iter().all(|(name, part)| !seen.insert(name.clone()) || inside(rule, part))
        }
        _ => true,
    }
}

fn has(map: &Map<String, Value>, name: &Value) -> bool {
    name.as_str().is_none_or(|name| map.contains_key(name))
}

fn count_fits(count: usize, least: Option<&Value>, most: Option<&Value>) -> bool {
    let bound = |bound: Option<&Value>| bound.and_then(Value::as_f64);
    bound(least).is_none_or(|least| count as f64 >= least)
        && bound(most).is_none_or(|most| count as f64 <= most)
}

fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let Ok(mut compiled) = COMPILED.lock() else { return true };
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().is_none_or(|regex| regex.is_match(text))
}

fn equal(one: &Value, other: &Value) -> bool {
    canonical(one) == canonical(other)
}

/// The same value for values that are equal as JSON Schema has it: `1` and `1.0` are.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9.0e15 => Value::from(float as i64),
            _ => value.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, part)| (name.clone(), canonical(part))).collect())
        }
        other => other.clone(),
    }
}
