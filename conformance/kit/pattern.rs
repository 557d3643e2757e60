//! Values with holes: `${name.path}` in a scenario is filled in, and an expected value may say `<uuid>`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// What has been captured so far, by name.
pub type Captured = BTreeMap<String, Value>;

/// Fills every `${name}` and `${name.path}` in. A string that is nothing but one becomes the value itself.
pub fn fill(value: &Value, captured: &Captured) -> Result<Value> {
    Ok(match value {
        Value::String(text) => fill_text(text, captured)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, captured)).collect::<Result<_>>()?)
        }
        Value::Object(members) => {
            let filled = members.iter().map(|(key, value)| Ok((key.clone(), fill(value, captured)?)));
            Value::Object(filled.collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

/// Fills a text in.
pub fn fill_string(text: &str, captured: &Captured) -> Result<String> {
    Ok(match fill_text(text, captured)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

fn fill_text(text: &str, captured: &Captured) -> Result<Value> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').with_context(|| format!("an open ${{ in {text:?}"))?;
        let value = look_up(name, captured)?;
        if before.is_empty() && tail.is_empty() && out.is_empty() {
            return Ok(value);
        }
        out.push_str(before);
        match value {
            Value::String(text) => out.push_str(&text),
            other => out.push_str(&other.to_string()),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

fn look_up(name: &str, captured: &Captured) -> Result<Value> {
    let (root, path) = name.split_once('.').unwrap_or((name, ""));
    if let Some(count) = name.strip_prefix("repeat ") {
        let (count, what) = count.split_once(' ').with_context(|| format!("${{{name}}}"))?;
        return Ok(Value::String(what.repeat(count.parse()?)));
    }
    let mut value = captured.get(root).with_context(|| format!("nothing is captured as {root:?}"))?;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let found = match value {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|place| items.get(place)),
            other => other.get(step),
        };
        value = found.with_context(|| format!("{name} is not there; {root} is {}", captured[root]))?;
    }
    Ok(value.clone())
}

/// Whether a value is as expected. Objects may hold more than is asked for, arrays may not.
/// Strings of the form `<…>` stand for kinds of values.
pub fn fits(expected: &Value, found: &Value) -> Result<()> {
    fits_at(expected, Some(found), "")
}

fn fits_at(expected: &Value, found: Option<&Value>, place: &str) -> Result<()> {
    let mismatch = || {
        let found = found.map_or_else(|| "absent".to_owned(), shortened);
        format!("at {:?}: expected {}, found {found}", place, shortened(expected))
    };
    if let Some(kind) = expected.as_str().and_then(|text| text.strip_prefix('<')?.strip_suffix('>')) {
        return if is_kind(kind, found)? { Ok(()) } else { bail!(mismatch()) };
    }
    match (expected, found) {
        (Value::Object(members), Some(found @ Value::Object(_))) => members
            .iter()
            .try_for_each(|(key, value)| fits_at(value, found.get(key), &format!("{place}/{key}"))),
        (Value::Array(items), Some(Value::Array(others))) if items.len() == others.len() => {
            let mut pairs = items.iter().zip(others).enumerate();
            pairs.try_for_each(|(n, (item, other))| fits_at(item, Some(other), &format!("{place}/{n}")))
        }
        (Value::Number(a), Some(Value::Number(b))) if a.as_f64() == b.as_f64() => Ok(()),
        (expected, Some(found)) if expected == found => Ok(()),
        _ => bail!(mismatch()),
    }
}

/// Whether two values are the same JSON; `1` and `1.0` are one number.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        (a, b) => a == b,
    }
}

fn is_kind(kind: &str, found: Option<&Value>) -> Result<bool> {
    let text = found.and_then(Value::as_str);
    Ok(match kind.split_once(' ').unwrap_or((kind, "")) {
        ("absent", _) => found.is_none(),
        ("any", _) => found.is_some(),
        ("string", _) => text.is_some(),
        ("text", _) => text.is_some_and(|text| !text.is_empty()),
        ("number", _) => found.is_some_and(Value::is_number),
        ("object", _) => found.is_some_and(Value::is_object),
        ("uuid", _) => text.is_some_and(is_uuid),
        ("contains", part) => text.is_some_and(|text| text.contains(part)),
        ("without", part) => found.is_some_and(|found| !found.to_string().contains(part)),
        ("not", other) => text.is_some_and(|text| text != other),
        ("items", count) => {
            let count: usize = count.parse().context("<items N>")?;
            found.and_then(Value::as_array).is_some_and(|items| items.len() == count)
        }
        ("length", count) => {
            let count: usize = count.parse().context("<length N>")?;
            text.is_some_and(|text| text.chars().count() == count)
        }
        _ => bail!("<{kind}> is no kind of value"),
    })
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// A value's text, cut where it is long.
pub fn shortened(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(400).collect();
    if short.len() < text.len() { format!("{short}… ({} bytes)", text.len()) } else { short }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Captured, equal, fill, fits};

    #[test]
    fn numbers_are_equal_by_their_value_and_absent_is_not_null() {
        assert!(equal(&json!({ "a": [1, 0.5] }), &json!({ "a": [1.0, 0.5] })));
        assert!(!equal(&json!({ "a": 1 }), &json!({ "a": 2 })));
        assert!(!equal(&json!({ "a": null }), &json!({})));
        assert!(!equal(&json!([1]), &json!([1, 1])));
    }

    #[test]
    fn holes_are_filled_by_text_or_by_value() {
        let captured = Captured::from([("s".to_owned(), json!({ "id": "x", "n": [1, 2] }))]);
        let filled =
            fill(&json!(["${s.id}", "a ${s.id} b", "${s.n}", "${s.n.1}", "${repeat 3 é}"]), &captured);
        assert_eq!(filled.unwrap(), json!(["x", "a x b", [1, 2], 2, "ééé"]));
        assert!(fill(&json!("${s.none}"), &captured).is_err());
        assert!(fill(&json!("${t}"), &captured).is_err());
    }

    #[test]
    fn expectations_name_the_place_that_differs() {
        let found = json!({ "a": { "b": [1, "x"] }, "more": true });
        fits(&json!({ "a": { "b": [1.0, "<string>"], "c": "<absent>" } }), &found).unwrap();
        let error = fits(&json!({ "a": { "b": [1, "y"] } }), &found).unwrap_err().to_string();
        assert!(error.contains("/a/b/1"), "{error}");
        assert!(fits(&json!({ "a": { "b": [1] } }), &found).is_err(), "arrays are whole");
        assert!(fits(&json!({ "none": "<any>" }), &found).is_err());
        assert!(fits(&json!({ "more": "<nonsense>" }), &found).is_err());
    }
}
