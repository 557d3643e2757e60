//! What `validate` checks and how it says what is wrong. Each function checks one keyword of JSON Schema.
use std::collections::HashSet;
use std::fmt;
use std::sync::OnceLock;

use regex::Regex;
use serde::Serialize;
use serde_json::Value;

use super::locate::{one_of as in_words, pointer_segment, sentence};

/// A value that does not keep a constraint of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The JSON pointer of the value; empty for the whole.
    pub pointer: String,
    /// The keyword of JSON Schema that it breaks.
    pub keyword: &'static str,
    /// What it must be: "must be at most 100".
    pub message: String,
}

impl Violation {
    /// The violation with its place put below one more key or index.
    #[must_use]
    pub fn under(mut self, segment: impl fmt::Display) -> Self {
        self.pointer.insert_str(0, &pointer_segment(segment));
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sentence(&self.pointer, &self.message))
    }
}

impl std::error::Error for Violation {}

/// Puts the place of a value in front of the violation's pointer.
pub trait At {
    /// The same result, its place below one more key or index.
    fn at(self, segment: impl fmt::Display) -> Self;
}

impl At for Result<(), Violation> {
    fn at(self, segment: impl fmt::Display) -> Self {
        self.map_err(|violation| violation.under(segment))
    }
}

/// A regular expression that is compiled when it is first used.
#[derive(Debug)]
pub struct Pattern {
    source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// The pattern in the dialect that the generator makes; it has proved there that it compiles.
    pub const fn new(source: &'static str) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    fn is_match(&self, text: &str) -> bool {
        self.compiled
            .get_or_init(|| Regex::new(self.source).ok())
            .as_ref()
            .is_some_and(|regex| regex.is_match(text))
    }
}

fn check(holds: bool, keyword: &'static str, message: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { pointer: String::new(), keyword, message: message() }) }
}

fn count(bound: usize, one: &str, many: &str) -> String {
    format!("{bound} {}", if bound == 1 { one } else { many })
}

/// `minLength`, in Unicode code points.
///
/// # Errors
/// When the text is shorter.
pub fn min_length(text: &str, least: usize) -> Result<(), Violation> {
    let holds = text.len() >= least && text.chars().nth(least.saturating_sub(1)).is_some() || least == 0;
    check(holds, "minLength", || format!("must have at least {}", count(least, "character", "characters")))
}

/// `maxLength`, in Unicode code points.
///
/// # Errors
/// When the text is longer.
pub fn max_length(text: &str, most: usize) -> Result<(), Violation> {
    let holds = text.len() <= most || text.chars().nth(most).is_none();
    check(holds, "maxLength", || format!("must have at most {}", count(most, "character", "characters")))
}

/// `pattern`.
///
/// # Errors
/// When the pattern is not found in the text.
pub fn pattern(text: &str, pattern: &Pattern) -> Result<(), Violation> {
    check(pattern.is_match(text), "pattern", || format!("must match {}", pattern.source))
}

/// `format: uuid`.
///
/// # Errors
/// When the text is not a UUID in its hyphenated form.
pub fn uuid(text: &str) -> Result<(), Violation> {
    let fits = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    check(text.len() == 36 && text.bytes().enumerate().all(fits), "format", || "must be a UUID".to_owned())
}

/// `minimum` of a whole number.
///
/// # Errors
/// When the number is smaller.
pub fn minimum(value: impl Into<i128>, bound: i128) -> Result<(), Violation> {
    check(value.into() >= bound, "minimum", || format!("must be at least {bound}"))
}

/// `maximum` of a whole number.
///
/// # Errors
/// When the number is greater.
pub fn maximum(value: impl Into<i128>, bound: i128) -> Result<(), Violation> {
    check(value.into() <= bound, "maximum", || format!("must be at most {bound}"))
}

/// `exclusiveMinimum` of a whole number.
///
/// # Errors
/// When the number is not greater.
pub fn exclusive_minimum(value: impl Into<i128>, bound: i128) -> Result<(), Violation> {
    check(value.into() > bound, "exclusiveMinimum", || format!("must be greater than {bound}"))
}

/// `exclusiveMaximum` of a whole number.
///
/// # Errors
/// When the number is not smaller.
pub fn exclusive_maximum(value: impl Into<i128>, bound: i128) -> Result<(), Violation> {
    check(value.into() < bound, "exclusiveMaximum", || format!("must be less than {bound}"))
}

/// `multipleOf` of a whole number.
///
/// # Errors
/// When the number is no multiple of the step.
pub fn multiple_of(value: impl Into<i128>, step: i128) -> Result<(), Violation> {
    let holds = step != 0 && value.into() % step == 0;
    check(holds, "multipleOf", || format!("must be a multiple of {step}"))
}

/// `minimum` of a number.
///
/// # Errors
/// When the number is smaller.
pub fn minimum_float(value: f64, bound: f64) -> Result<(), Violation> {
    check(value >= bound, "minimum", || format!("must be at least {bound}"))
}

/// `maximum` of a number.
///
/// # Errors
/// When the number is greater.
pub fn maximum_float(value: f64, bound: f64) -> Result<(), Violation> {
    check(value <= bound, "maximum", || format!("must be at most {bound}"))
}

/// `exclusiveMinimum` of a number.
///
/// # Errors
/// When the number is not greater.
pub fn exclusive_minimum_float(value: f64, bound: f64) -> Result<(), Violation> {
    check(value > bound, "exclusiveMinimum", || format!("must be greater than {bound}"))
}

/// `exclusiveMaximum` of a number.
///
/// # Errors
/// When the number is not smaller.
pub fn exclusive_maximum_float(value: f64, bound: f64) -> Result<(), Violation> {
    check(value < bound, "exclusiveMaximum", || format!("must be less than {bound}"))
}

/// `multipleOf` of a number, within the precision of a double.
///
/// # Errors
/// When the number is no multiple of the step.
pub fn multiple_of_float(value: f64, step: f64) -> Result<(), Violation> {
    let times = value / step;
    let holds = times.is_finite() && (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0);
    check(holds, "multipleOf", || format!("must be a multiple of {step}"))
}

/// `minItems`.
///
/// # Errors
/// When there are fewer.
pub fn min_items(length: usize, least: usize) -> Result<(), Violation> {
    check(length >= least, "minItems", || format!("must have at least {}", count(least, "item", "items")))
}

/// `maxItems`.
///
/// # Errors
/// When there are more.
pub fn max_items(length: usize, most: usize) -> Result<(), Violation> {
    check(length <= most, "maxItems", || format!("must have at most {}", count(most, "item", "items")))
}

/// `uniqueItems`.
///
/// # Errors
/// When two items are equal.
pub fn unique_items<T: Serialize>(items: &[T]) -> Result<(), Violation> {
    let mut seen = HashSet::new();
    let unique = items.iter().all(|item| seen.insert(serde_json::to_string(item).unwrap_or_default()));
    check(unique, "uniqueItems", || "must have no two equal items".to_owned())
}

/// `minProperties`.
///
/// # Errors
/// When there are fewer.
pub fn min_properties(length: usize, least: usize) -> Result<(), Violation> {
    check(length >= least, "minProperties", || {
        format!("must have at least {}", count(least, "entry", "entries"))
    })
}

/// `maxProperties`.
///
/// # Errors
/// When there are more.
pub fn max_properties(length: usize, most: usize) -> Result<(), Violation> {
    check(length <= most, "maxProperties", || {
        format!("must have at most {}", count(most, "entry", "entries"))
    })
}

/// `const` or `enum` of strings.
///
/// # Errors
/// When the text is none of them.
pub fn one_of(text: &str, allowed: &[&str]) -> Result<(), Violation> {
    check(allowed.contains(&text), "enum", || format!("must be {}", in_words(allowed)))
}

/// `const` or `enum` of whole numbers.
///
/// # Errors
/// When the number is none of them.
pub fn one_of_numbers(value: impl Into<i128>, allowed: &[i128]) -> Result<(), Violation> {
    check(allowed.contains(&value.into()), "enum", || listed(allowed))
}

/// `const` or `enum` of numbers.
///
/// # Errors
/// When the number is none of them.
pub fn one_of_floats(value: f64, allowed: &[f64]) -> Result<(), Violation> {
    check(allowed.iter().any(|known| known.total_cmp(&value).is_eq()), "enum", || listed(allowed))
}

/// `const` or `enum` of booleans.
///
/// # Errors
/// When the value is none of them.
pub fn one_of_booleans(value: bool, allowed: &[bool]) -> Result<(), Violation> {
    check(allowed.contains(&value), "enum", || listed(allowed))
}

/// `const` or `enum` of any JSON, given as the text of an array.
///
/// # Errors
/// When the value is none of them.
pub fn one_of_json<T: Serialize>(value: &T, allowed: &str) -> Result<(), Violation> {
    let known: Vec<Value> = serde_json::from_str(allowed).unwrap_or_default();
    let value = serde_json::to_value(value).unwrap_or_default();
    check(known.iter().any(|known| equal(known, &value)), "enum", || format!("must be one of {allowed}"))
}

/// `type` of a value that may have several.
///
/// # Errors
/// When the value has none of the types.
pub fn json_type(value: &Value, allowed: &[&str]) -> Result<(), Violation> {
    let whole =
        |value: &Value| value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0);
    let has = |name: &&str| match *name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => whole(value),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    check(allowed.iter().any(has), "type", || format!("must be of the type {}", allowed.join(" or ")))
}

fn listed<T: fmt::Debug>(allowed: &[T]) -> String {
    match allowed {
        [only] => format!("must be {only:?}"),
        many => format!(
            "must be one of {}",
            many.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Whether two JSON values are equal as JSON Schema has it: `1` and `1.0` are.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}
