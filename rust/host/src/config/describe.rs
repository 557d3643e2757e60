//! The text of `--check-config`: every setting as it is in effect, and where it comes from.

use super::Config;
use super::load::Origins;
use super::secret::HIDDEN;
use serde_json::Value;
use std::fmt::Write as _;

/// Where the sources begin, where a value is short enough.
const COLUMN: usize = 60;

/// The most characters of a value that are shown.
const LONGEST: usize = 80;

pub(super) fn describe(config: &Config, origins: &Origins) -> String {
    let mut out = String::new();
    // Serialising hides secrets, and a value that could not be serialised would have no text here.
    let value = serde_json::to_value(config).unwrap_or_default();
    flatten(&value, "", &mut |key, value| {
        let line = format!("{key} = {value}");
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{line:<COLUMN$}  # {}", origins.exactly(key));
    });
    out
}

fn flatten(value: &Value, key: &str, tell: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(value, &key, tell);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, value) in items.iter().enumerate() {
                flatten(value, &format!("{key}[{index}]"), tell);
            }
        }
        Value::Null => tell(key, "unset"),
        Value::String(text) if text == HIDDEN => tell(key, HIDDEN),
        other => tell(key, &short(&other.to_string())),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
