//! Which of its own constraints a value breaks. What it holds is looked at by whoever walks over it.
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;

use super::canon::difference;
use crate::codegen::json::{Json, Number};
use crate::codegen::model::{Constraints, Format, JsonType};

/// The keywords that `value` breaks, in the order in which every language looks at them.
pub fn broken(rules: &Constraints, value: &Json) -> Vec<&'static str> {
    let mut out = Vec::new();
    match value {
        Json::String(text) => of_string(rules, text, &mut out),
        Json::Number(number) => of_number(rules, *number, &mut out),
        Json::Array(items) => {
            size(items.len(), ("minItems", rules.min_items), ("maxItems", rules.max_items), &mut out);
            let equal = |a: &Json, rest: &[Json]| rest.iter().any(|b| difference(a, b).is_none());
            let repeats = items.iter().enumerate().any(|(index, item)| equal(item, &items[index + 1..]));
            if rules.unique_items && repeats {
                out.push("uniqueItems");
            }
        }
        Json::Object(entries) => {
            let (least, most) = (rules.min_properties, rules.max_properties);
            size(entries.len(), ("minProperties", least), ("maxProperties", most), &mut out);
        }
        Json::Null | Json::Bool(_) => {}
    }
    if let Some(allowed) = &rules.allowed
        && !allowed.iter().any(|known| difference(known, value).is_none())
    {
        out.push("enum");
    }
    if !rules.json_types.is_empty() && !rules.json_types.iter().any(|wanted| has_type(value, *wanted)) {
        out.push("type");
    }
    out
}

type Bound = (&'static str, Option<u64>);

fn size(count: usize, (low, least): Bound, (high, most): Bound, out: &mut Vec<&'static str>) {
    let count = count as u64;
    if least.is_some_and(|least| count < least) {
        out.push(low);
    }
    if most.is_some_and(|most| count > most) {
        out.push(high);
    }
}

fn of_string(rules: &Constraints, text: &str, out: &mut Vec<&'static str>) {
    let length = text.chars().count();
    size(length, ("minLength", rules.min_length), ("maxLength", rules.max_length), out);
    let pattern = rules.pattern.as_deref().and_then(compiled);
    if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
        out.push("pattern");
    }
    if rules.format == Some(Format::Uuid) && !is_uuid(text) {
        out.push("format");
    }
}

/// A pattern, compiled once: that takes far longer than to look for it.
fn compiled(pattern: &str) -> Option<Regex> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok()).clone()
}

fn is_uuid(text: &str) -> bool {
    let sizes = text.split('-').map(str::len);
    sizes.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

fn of_number(rules: &Constraints, number: Number, out: &mut Vec<&'static str>) {
    let against = |bound: Option<Number>, breaks: fn(std::cmp::Ordering) -> bool| {
        bound.and_then(|bound| order(number, bound)).is_some_and(breaks)
    };
    for (keyword, hit) in [
        ("minimum", against(rules.minimum, std::cmp::Ordering::is_lt)),
        ("maximum", against(rules.maximum, std::cmp::Ordering::is_gt)),
        ("exclusiveMinimum", against(rules.exclusive_minimum, std::cmp::Ordering::is_le)),
        ("exclusiveMaximum", against(rules.exclusive_maximum, std::cmp::Ordering::is_ge)),
        ("multipleOf", rules.multiple_of.is_some_and(|step| !is_multiple(number, step))),
    ] {
        if hit {
            out.push(keyword);
        }
    }
}

fn order(a: Number, b: Number) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        _ => a.as_f64().partial_cmp(&b.as_f64()),
    }
}

fn is_multiple(number: Number, step: Number) -> bool {
    match (number, step) {
        (Number::Int(number), Number::Int(step)) => step != 0 && number % step == 0,
        _ => {
            let times = number.as_f64() / step.as_f64();
            times.is_finite() && (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
        }
    }
}

fn has_type(value: &Json, wanted: JsonType) -> bool {
    match (wanted, value) {
        (JsonType::Integer, Json::Number(Number::Float(value))) => value.fract() == 0.0,
        (JsonType::Null, Json::Null)
        | (JsonType::Boolean, Json::Bool(_))
        | (JsonType::Integer | JsonType::Number, Json::Number(_))
        | (JsonType::String, Json::String(_))
        | (JsonType::Array, Json::Array(_))
        | (JsonType::Object, Json::Object(_)) => true,
        _ => false,
    }
}
