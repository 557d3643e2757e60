//! Strings, numbers and free JSON within their constraints, with the edges more often than chance would have them.
use super::constraint::broken;
use super::dice::Dice;
use super::sample;
use crate::codegen::json::{Json, Number};
use crate::codegen::model::{Constraints, Format, Int, JsonType};

/// Texts that have tripped somebody up.
const TEXTS: &[&str] = &[
    "",
    "text",
    "é",
    "e\u{301}",
    "日本語のテキスト",
    "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{1f1e9}\u{1f1ea}",
    "\u{202e}rtl\u{202c} \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "quote \" back \\ slash / <script>&amp;</script> */ \"\"\" ${x} {0} %s",
    "line\nfeed\r\ttab \u{0}\u{1}\u{1f}\u{7f}\u{2028}\u{2029}\u{feff}",
    "null",
    "1.0",
    "\u{10ffff}\u{fffd}\u{e000}",
];
/// The longest text that is made to reach a bound.
const LONGEST: u64 = 20_000;
const DATE_TIMES: &[&str] = &[
    "2026-01-01T09:00:00Z",
    "2026-01-01T09:00:00.5Z",
    "2026-02-28T23:59:59.123456789Z",
    "2024-02-29T00:00:00.000+05:30",
    "1970-01-01T00:00:00-23:59",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999+14:00",
    "2026-06-30T12:00:00.100-00:00",
];
const EMAILS: &[&str] = &["visitor@example.com", "a.b+c@sub.example.org"];
const URIS: &[&str] = &[
    "https://example.com/a?b=c#d",
    "data:text/plain,hi",
    "urn:isbn:0451450523",
    "https://example.com/%E2%9C%93",
];

/// A string within its constraints, most of the time. A plain one is short and easily read.
pub fn string(rules: &Constraints, plain: bool, dice: &mut Dice) -> Option<String> {
    let listed = match rules.format {
        Some(Format::Uuid) => return Some(uuid(dice)),
        Some(Format::DateTime) => DATE_TIMES,
        Some(Format::Email) => EMAILS,
        Some(Format::Uri) => URIS,
        None => TEXTS,
    };
    if let Some(pattern) = &rules.pattern {
        let text = sample::matching(pattern, dice)?;
        return Some(if dice.one_in(2) { stretched(text, rules, dice) } else { text });
    }
    let text = match plain {
        true if rules.format.is_none() => "plain text é".to_owned(),
        _ => dice.pick(listed)?.to_string(),
    };
    let length = text.chars().count() as u64;
    let fits = rules.min_length.is_none_or(|least| least <= length)
        && rules.max_length.is_none_or(|most| length <= most);
    Some(if fits && (plain || !dice.one_in(6)) { text } else { stretched(text, rules, dice) })
}

/// The text with letters beyond the first plane added or taken away, until its length is at a bound.
fn stretched(text: String, rules: &Constraints, dice: &mut Dice) -> String {
    let least = rules.min_length.unwrap_or(0);
    let most = rules.max_length.unwrap_or(least.max(300)).min(least.max(LONGEST));
    let wanted = if dice.one_in(2) { least.max(1).min(most) } else { most };
    if rules.format.is_some() && rules.max_length.is_none() {
        return text;
    }
    let filler = std::iter::repeat(if dice.one_in(2) { '\u{1f600}' } else { 'x' });
    text.chars().chain(filler).take(usize::try_from(wanted).unwrap_or_default()).collect()
}

fn uuid(dice: &mut Dice) -> String {
    let upper = dice.one_in(4);
    let digit = |at: usize| if [8, 13, 18, 23].contains(&at) { '-' } else { '0' };
    let mut out = String::new();
    for at in 0..36 {
        match digit(at) {
            '-' => out.push('-'),
            _ => out.extend(char::from_digit(u32::try_from(dice.below(16)).unwrap_or_default(), 16)),
        }
    }
    if upper { out.to_uppercase() } else { out }
}

/// What a whole number of a width can be.
pub fn range(int: Int) -> (i128, i128) {
    match int {
        Int::I32 => (i32::MIN.into(), i32::MAX.into()),
        Int::U32 => (0, u32::MAX.into()),
        Int::Safe64 => (-(1 << 53) + 1, (1 << 53) - 1),
        Int::I64 => (i64::MIN.into(), i64::MAX.into()),
        Int::U64 => (0, u64::MAX.into()),
    }
}

/// A whole number within its constraints; nothing when there is none between its bounds.
pub fn whole(int: Int, rules: &Constraints, dice: &mut Dice) -> Option<Json> {
    let (mut least, mut most) = range(int);
    let whole = |bound: Option<Number>| match bound {
        Some(Number::Int(bound)) => Some(bound),
        Some(Number::Float(bound)) => Some(bound.round() as i128),
        None => None,
    };
    least = whole(rules.minimum).map_or(least, |bound| bound.max(least));
    least = whole(rules.exclusive_minimum).map_or(least, |bound| (bound + 1).max(least));
    most = whole(rules.maximum).map_or(most, |bound| bound.min(most));
    most = whole(rules.exclusive_maximum).map_or(most, |bound| (bound - 1).min(most));
    if least > most {
        return None;
    }
    let mut value = match dice.below(6) {
        0 => least,
        1 => most,
        2 => dice.between(-1, 1),
        3 => dice.between((1 << 53) - 1, (1 << 53) + 1),
        4 => dice.between(least, most),
        _ => dice.between(0, 1000),
    };
    if let Some(step) = whole(rules.multiple_of).filter(|step| *step > 0) {
        value -= value.rem_euclid(step);
        if value < least {
            value += step;
        }
    }
    Some(Json::Number(Number::Int(value.clamp(least, most))))
}

/// A number, most of the time within its constraints.
pub fn float(rules: &Constraints, dice: &mut Dice) -> Json {
    let mut values = vec![
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        -2.5,
        0.81,
        5e-324,
        1e-7,
        1e21,
        1e300,
        9_007_199_254_740_993.0,
        1e15 / 3.0,
    ];
    for bound in
        [rules.minimum, rules.maximum, rules.exclusive_minimum, rules.exclusive_maximum].into_iter().flatten()
    {
        let bound = bound.as_f64();
        values.extend([bound, bound + 0.5, bound - 0.5, bound + 1.0, bound - 1.0]);
    }
    if let Some(step) = rules.multiple_of.map(Number::as_f64) {
        // Multiples alone: how near to one is near enough is told otherwise by every validator.
        values = [0.0, 1.0, -3.0, 7.0, 400.0].map(|times| step * times).into();
    }
    let number = |value: f64| match value {
        value
            if value.fract() == 0.0 && value.abs() < 1e15 && !(value == 0.0 && value.is_sign_negative()) =>
        {
            Number::Int(value as i128)
        }
        value => Number::Float(value),
    };
    let fitting: Vec<Json> = values
        .into_iter()
        .map(|value| Json::Number(number(value)))
        .filter(|value| broken(rules, value).is_empty())
        .collect();
    dice.pick(&fitting).cloned().unwrap_or(Json::Number(Number::Int(0)))
}

/// Any JSON value of one of the types.
pub fn json_of(types: &[JsonType], dice: &mut Dice) -> Option<Json> {
    let Some(wanted) = dice.pick(types).copied() else { return Some(free(dice, 0)) };
    Some(match wanted {
        JsonType::Null => Json::Null,
        JsonType::Boolean => Json::Bool(dice.one_in(2)),
        JsonType::Integer => Json::Number(Number::Int(dice.between(-5, (1 << 53) - 1))),
        JsonType::Number => float(&Constraints::default(), dice),
        JsonType::String => Json::String(dice.pick(TEXTS)?.to_string()),
        JsonType::Array => Json::Array(vec![free(dice, 1)]),
        JsonType::Object => Json::Object(vec![("a".to_owned(), free(dice, 1))]),
    })
}

/// Any JSON value, nested a little.
pub fn free(dice: &mut Dice, depth: usize) -> Json {
    match dice.below(if depth > 2 { 7 } else { 11 }) {
        0 => Json::Null,
        1 => Json::Bool(dice.one_in(2)),
        // Beyond this a whole number of free JSON is a double where JSON's numbers are doubles.
        2 => Json::Number(Number::Int(dice.between(-(1 << 53) + 1, (1 << 53) - 1))),
        3 => Json::Number(Number::Int(dice.between(-10, 1000))),
        4 => float(&Constraints::default(), dice),
        5 | 6 => Json::String(dice.pick(TEXTS).copied().unwrap_or_default().to_owned()),
        7 => Json::Array(Vec::new()),
        8 => Json::Object(Vec::new()),
        9 => Json::Array((0..dice.below(4)).map(|_| free(dice, depth + 1)).collect()),
        _ => {
            let keys = ["a", "__proto__", "b/c", "1", "é"];
            let member = |key: &&str| ((*key).to_owned(), free(dice, depth + 1));
            Json::Object(keys[..3].iter().map(member).collect())
        }
    }
}
