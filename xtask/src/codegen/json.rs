//! A JSON value that keeps its keys in declared order, and JSON pointers into it.
//! Reading refuses duplicate keys and nesting deeper than serde_json's limit of 128 levels, so that every later
//! walk over a value may recurse.
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Object keys stay in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; keys are unique and in declared order.
    Object(Vec<(String, Json)>),
}

/// A JSON number. One without a fraction is always `Int`, however it was written (`1.0` is `Int(1)`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i128),
    /// A number with a fraction, or a whole one beyond 64 bits.
    Float(f64),
}

impl Number {
    /// The nearest `f64`.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }
}

impl fmt::Display for Number {
    /// The shortest JSON text of the number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
        }
    }
}

impl Json {
    /// Reads one JSON document. The error text names line and column.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The members of an object; empty for anything else.
    pub fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Object(entries) => entries,
            _ => &[],
        }
    }

    /// The items of an array; empty for anything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a number.
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of a whole number that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(Number::Int(value)) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The value that a JSON pointer (`""`, `/a/b~1c/0`) leads to.
    pub fn at(&self, pointer: &str) -> Option<&Self> {
        let mut here = self;
        for raw in pointer.split('/').skip(1) {
            let segment = unescape(raw);
            here = match here {
                Self::Object(_) => here.get(&segment)?,
                Self::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(here)
    }

    /// The text on one line, keys in declared order, a space after `:` and `,`.
    pub fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None, 0);
        out
    }

    /// The text over several lines, two spaces per level.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(2), 0);
        out
    }

    fn write(&self, out: &mut String, indent: Option<usize>, level: usize) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => out.push_str(&value.to_string()),
            Self::String(text) => out.push_str(&quote(text)),
            Self::Array(items) => {
                let list: Vec<(Option<&str>, &Self)> = items.iter().map(|item| (None, item)).collect();
                write_list(out, ['[', ']'], &list, indent, level);
            }
            Self::Object(entries) => {
                let list: Vec<(Option<&str>, &Self)> =
                    entries.iter().map(|(key, value)| (Some(key.as_str()), value)).collect();
                write_list(out, ['{', '}'], &list, indent, level);
            }
        }
    }
}

fn write_list(
    out: &mut String,
    [open, close]: [char; 2],
    list: &[(Option<&str>, &Json)],
    indent: Option<usize>,
    level: usize,
) {
    out.push(open);
    for (index, (key, value)) in list.iter().enumerate() {
        match indent {
            Some(width) => {
                out.push_str(if index == 0 { "\n" } else { ",\n" });
                out.push_str(&" ".repeat(width * (level + 1)));
            }
            None if index > 0 => out.push_str(", "),
            None => {}
        }
        if let Some(key) = key {
            out.push_str(&quote(key));
            out.push_str(": ");
        }
        value.write(out, indent, level + 1);
    }
    if let (Some(width), false) = (indent, list.is_empty()) {
        out.push('\n');
        out.push_str(&" ".repeat(width * level));
    }
    out.push(close);
}

/// The text as a JSON string, quotes included. Everything outside printable ASCII is escaped except letters and
/// signs that are harmless in a source file.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether a character may not stand in generated source as itself: controls, line and paragraph separators,
/// marks that turn the reading direction, the byte order mark, and characters that show nothing.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

/// One pointer segment with `~` and `/` escaped.
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// One pointer segment as the key it stands for.
pub fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(Number::Int(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Number::Int(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        let whole = value.fract() == 0.0 && value.abs() < 1e18;
        Ok(Json::Number(if whole { Number::Int(value as i128) } else { Number::Float(value) }))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries: Vec<(String, Json)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format_args!("the key {} appears twice", quote(&key))));
            }
            entries.push((key, value));
        }
        Ok(Json::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_declared_order_and_finds_by_pointer() {
        let json = Json::parse(r#"{"z":1,"a/b":{"m~n":[10,20]}}"#).unwrap();
        assert_eq!(json.compact(), r#"{"z": 1, "a/b": {"m~n": [10, 20]}}"#);
        assert_eq!(json.at("/a~1b/m~0n/1"), Some(&Json::Number(Number::Int(20))));
        assert_eq!(json.at("/a~1b/x"), None);
    }

    #[test]
    fn refuses_a_key_that_appears_twice_and_endless_nesting() {
        assert!(Json::parse(r#"{"a":1,"a":2}"#).unwrap_err().to_string().contains("\"a\" appears twice"));
        let deep = "[".repeat(10_000);
        assert!(Json::parse(&deep).unwrap_err().to_string().contains("recursion limit"));
    }

    #[test]
    fn a_whole_number_is_an_integer_however_it_is_written() {
        assert_eq!(Json::parse("1.0").unwrap(), Json::parse("1").unwrap());
    }

    #[test]
    fn quotes_what_could_break_out_or_turn_the_reading_direction() {
        assert_eq!(quote("a\"b\\\n\u{202e}é\u{2028}"), "\"a\\\"b\\\\\\n\\u202eé\\u2028\"");
    }
}
