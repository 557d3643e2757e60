//! When two JSON values are the same: whatever the order of keys and however a number is written. Absent, null and empty
//! all differ.
use crate::codegen::json::{Json, Number};

/// The pointer of the first difference, and what stands there on either side; nothing when they are the same.
pub fn difference(expected: &Json, found: &Json) -> Option<(String, String)> {
    let here = |said: String| Some((String::new(), said));
    match (expected, found) {
        (Json::Number(a), Json::Number(b)) if same_number(*a, *b) => None,
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(index, (a, b))| below(&index.to_string(), difference(a, b)))
        }
        (Json::Object(a), Json::Object(b)) => {
            let missing = a.iter().find_map(|(key, a)| match found.get(key) {
                Some(b) => below(key, difference(a, b)),
                None => below(key, here("is lost".to_owned())),
            });
            missing.or_else(|| {
                let more = b.iter().find(|(key, _)| expected.get(key).is_none());
                more.and_then(|(key, _)| below(key, here("came in".to_owned())))
            })
        }
        _ if expected == found => None,
        _ => here(format!("is {} and should be {}", short(&found.compact()), short(&expected.compact()))),
    }
}

fn below(key: &str, difference: Option<(String, String)>) -> Option<(String, String)> {
    difference.map(|(pointer, said)| (format!("/{}{pointer}", escape(key)), said))
}

/// A key as a segment of a JSON pointer.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Whole numbers digit by digit, others as the nearest double.
fn same_number(a: Number, b: Number) -> bool {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

/// The beginning of a long text, with how much is left out.
pub fn short(text: &str) -> String {
    const MOST: usize = 2000;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}… ({} bytes more)", &text[..at], text.len() - at),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(expected: &str, found: &str) -> Option<String> {
        let [expected, found] = [expected, found].map(|text| Json::parse(text).unwrap());
        difference(&expected, &found).map(|(pointer, said)| format!("{pointer} {said}"))
    }

    #[test]
    fn order_and_spelling_do_not_matter() {
        assert_eq!(compare(r#"{"a":1,"b":[1.0,1e2]}"#, r#"{"b":[1,100],"a":1.0}"#), None);
        assert_eq!(compare(r#""\u00e9\/""#, "\"é/\""), None);
        assert_eq!(compare("0.1", "1e-1"), None);
    }

    #[test]
    fn absent_null_and_empty_differ_and_the_place_is_told() {
        for (expected, found, said) in [
            (r#"{"a":null}"#, "{}", "/a is lost"),
            ("{}", r#"{"a/b":null}"#, "/a~1b came in"),
            (r#"{"a":[]}"#, r#"{"a":null}"#, "/a is null and should be []"),
            ("[[]]", "[{}]", "/0 is {} and should be []"),
            ("[1]", "[1,2]", " is [1, 2] and should be [1]"),
            ("9007199254740993", "9007199254740992", " is 9007199254740992 and should be 9007199254740993"),
            ("true", "1", " is 1 and should be true"),
        ] {
            assert_eq!(compare(expected, found).as_deref(), Some(said));
        }
    }
}
