//! Scalars and what their values must obey.
use super::super::finding::Place;
use super::super::json::{Json, Number};
use super::super::model::{Constraints, Format, Int, JsonType, Kind, Ty};
use super::super::pattern;
use super::Builder;

/// 2^53 − 1, the greatest whole number that an IEEE double tells from its neighbours.
pub const SAFE: i128 = 9_007_199_254_740_991;

impl Builder<'_> {
    /// A string with its constraints.
    pub(super) fn string(&mut self, schema: &Json, place: &Place) -> Ty {
        let mut constraints = Constraints {
            min_length: count(schema, "minLength").filter(|least| *least > 0),
            max_length: count(schema, "maxLength"),
            ..Constraints::default()
        };
        if let Some(text) = schema.get("pattern").and_then(Json::as_str) {
            match pattern::portable(text) {
                Ok(portable) => constraints.pattern = Some(portable),
                Err(reason) => {
                    let problem = format!("the pattern is not checked: {reason}");
                    self.warn("pattern", &place.child("pattern"), problem);
                }
            }
        }
        constraints.format = match schema.get("format").and_then(Json::as_str) {
            Some("uuid") => Some(Format::Uuid),
            Some("date-time") => Some(Format::DateTime),
            Some("email") => Some(Format::Email),
            Some("uri") => Some(Format::Uri),
            _ => None,
        };
        Ty { kind: Kind::String, nullable: false, constraints }
    }

    /// A whole number with its width and constraints.
    pub(super) fn integer(&mut self, schema: &Json, place: &Place) -> Ty {
        let constraints = bounds(schema);
        let least = bound(constraints.minimum, constraints.exclusive_minimum, 1);
        let most = bound(constraints.maximum, constraints.exclusive_maximum, -1);
        let within =
            |low: i128, high: i128| least.is_some_and(|n| n >= low) && most.is_some_and(|n| n <= high);
        let wide = schema.get("x-js").and_then(Json::as_str) == Some("bigint");
        let safe = within(-SAFE, SAFE) && !wide;
        let int = match schema.get("format").and_then(Json::as_str) {
            Some("int8" | "int16" | "uint8" | "uint16" | "int32") => Int::I32,
            Some("uint32") => Int::U32,
            Some("uint64") if safe => Int::Safe64,
            Some("uint64") => Int::U64,
            Some("int64") if safe => Int::Safe64,
            Some("int64") => Int::I64,
            _ if within(i32::MIN.into(), i32::MAX.into()) => Int::I32,
            _ if within(0, u32::MAX.into()) => Int::U32,
            _ if safe => Int::Safe64,
            _ if within(0, u64::MAX.into()) && most > Some(i64::MAX.into()) => Int::U64,
            _ => {
                if !within(i64::MIN.into(), i64::MAX.into()) {
                    let problem = "an integer without a format is read as 64 bits with a sign";
                    self.warn("integer-width", place, problem);
                }
                Int::I64
            }
        };
        Ty { kind: Kind::Int(int), nullable: false, constraints }
    }

    /// A number with its constraints.
    pub(super) fn number(schema: &Json) -> Ty {
        Ty { kind: Kind::Float, nullable: false, constraints: bounds(schema) }
    }

    /// The type of one fixed value, or of one out of a list that is not all strings.
    pub(super) fn fixed(&mut self, values: &[Json], schema: &Json, place: &Place) -> Ty {
        let nullable = values.contains(&Json::Null);
        let rest: Vec<Json> = values.iter().filter(|value| **value != Json::Null).cloned().collect();
        let mut ty = if rest.is_empty() {
            let allowed = if nullable { vec![Json::Null] } else { Vec::new() };
            let constraints = Constraints { allowed: Some(allowed), ..Constraints::default() };
            return Ty { kind: Kind::Json, nullable: false, constraints };
        } else if rest.iter().all(|value| value.as_str().is_some()) {
            self.string(schema, place)
        } else if rest.iter().all(|value| value.as_bool().is_some()) {
            Ty::plain(Kind::Bool)
        } else if rest.iter().all(|value| matches!(value, Json::Number(Number::Int(_)))) {
            self.listed_integer(schema, &rest, place)
        } else if rest.iter().all(|value| value.as_number().is_some()) {
            Self::number(schema)
        } else {
            let constraints = Constraints { allowed: Some(values.to_vec()), ..Constraints::default() };
            return Ty { kind: Kind::Json, nullable: false, constraints };
        };
        ty.nullable = nullable;
        ty.constraints.allowed = Some(rest);
        ty
    }

    /// A whole number out of a list: as wide as the format says, else as the list needs.
    fn listed_integer(&mut self, schema: &Json, values: &[Json], place: &Place) -> Ty {
        if schema.get("format").is_some() {
            return self.integer(schema, place);
        }
        let numbers = || {
            values.iter().filter_map(|value| match value {
                Json::Number(Number::Int(number)) => Some(*number),
                _ => None,
            })
        };
        let (least, most) = (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0));
        let int = if least >= i32::MIN.into() && most <= i32::MAX.into() {
            Int::I32
        } else if least >= -SAFE && most <= SAFE {
            Int::Safe64
        } else if most > i64::MAX.into() {
            Int::U64
        } else {
            Int::I64
        };
        Ty { kind: Kind::Int(int), nullable: false, constraints: bounds(schema) }
    }
}

/// A keyword that counts something.
pub fn count(schema: &Json, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Json::as_u64)
}

/// The bounds of a number. Draft-04's boolean `exclusiveMinimum` makes `minimum` exclusive.
fn bounds(schema: &Json) -> Constraints {
    let number = |keyword: &str| schema.get(keyword).and_then(Json::as_number);
    let flag = |keyword: &str| schema.get(keyword).and_then(Json::as_bool) == Some(true);
    let mut out = Constraints {
        minimum: number("minimum"),
        maximum: number("maximum"),
        exclusive_minimum: number("exclusiveMinimum"),
        exclusive_maximum: number("exclusiveMaximum"),
        multiple_of: number("multipleOf").filter(|step| step.as_f64() > 0.0),
        ..Constraints::default()
    };
    if flag("exclusiveMinimum") {
        out.exclusive_minimum = out.minimum.take();
    }
    if flag("exclusiveMaximum") {
        out.exclusive_maximum = out.maximum.take();
    }
    out
}

/// The least or greatest whole number that a pair of bounds allows.
fn bound(inclusive: Option<Number>, exclusive: Option<Number>, step: i128) -> Option<i128> {
    let whole = |number: Number| match number {
        Number::Int(value) => Some(value),
        Number::Float(value) if value.abs() < 1e18 => {
            Some(if step > 0 { value.ceil() } else { value.floor() } as i128)
        }
        Number::Float(_) => None,
    };
    let inclusive = inclusive.and_then(whole);
    let exclusive = exclusive.and_then(|number| match number {
        Number::Int(value) => Some(value + step),
        float @ Number::Float(_) => whole(float),
    });
    match (inclusive, exclusive) {
        (Some(a), Some(b)) => Some(if step > 0 { a.max(b) } else { a.min(b) }),
        (a, b) => a.or(b),
    }
}

/// The JSON type a `type` keyword's word means.
pub fn json_type(word: &str) -> Option<JsonType> {
    Some(match word {
        "null" => JsonType::Null,
        "boolean" => JsonType::Boolean,
        "integer" => JsonType::Integer,
        "number" => JsonType::Number,
        "string" => JsonType::String,
        "array" => JsonType::Array,
        "object" => JsonType::Object,
        _ => return None,
    })
}
