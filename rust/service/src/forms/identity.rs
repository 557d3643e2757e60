//! `identity_intake`: a name, an e-mail address, a phone number.

use super::field_error;
use serde_json::{Map, Value, json};
use smooai_smooth_operator_core::{Effect, ToolSpec, ToolSpecError};
use smooai_smooth_operator_protocol::FieldError;
use smooai_smooth_operator_store::Contact;
use std::time::Duration;

const MAX_NAME: usize = 200;
/// The longest path of RFC 5321, 4.5.3.1.3, without its angle brackets.
const MAX_EMAIL: usize = 254;

pub(super) fn tool() -> Result<ToolSpec, ToolSpecError> {
    ToolSpec::new(
        "request_identity_intake",
        "Asks the person for his name, e-mail address or phone number by a form. Use it when one of them is \
         needed to go on, and ask for no more than is needed.",
        json!({
            "type": "object",
            "properties": {
                "fields": {
                    "type": "array", "minItems": 1, "maxItems": 3,
                    "items": {
                        "type": "object",
                        "properties": {
                            "key": {"enum": ["name", "email", "phone"]},
                            "required": {"type": "boolean"},
                            "label": {"type": "string", "maxLength": 80}
                        },
                        "required": ["key", "required"],
                        "additionalProperties": false
                    }
                },
                "reason": {"type": "string", "minLength": 1, "maxLength": 300, "description": "Why, for the person to read."}
            },
            "required": ["fields", "reason"],
            "additionalProperties": false
        }),
        Effect::Read,
        Duration::from_secs(5),
    )
}

pub(super) fn accept(
    spec: &Value,
    values: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<FieldError>> {
    let fields: Vec<(&str, bool)> = spec["fields"]
        .as_array()
        .map(|fields| {
            fields.iter().map(|f| (f["key"].as_str().unwrap_or_default(), f["required"] == true)).collect()
        })
        .unwrap_or_default();
    let mut errors = Vec::new();
    let mut accepted = Map::new();
    for key in values.keys() {
        if fields.iter().all(|(asked, _)| asked != key) {
            errors.push(field_error(key, "was not asked for"));
        }
    }
    for (key, required) in fields {
        let given = match values.get(key) {
            None => "",
            Some(Value::String(text)) => text.trim(),
            Some(_) => {
                errors.push(field_error(key, "must be text"));
                continue;
            }
        };
        if given.is_empty() {
            if required {
                errors.push(field_error(key, "is required"));
            }
            continue;
        }
        match canonical(key, given) {
            Ok(value) => drop(accepted.insert(key.to_owned(), Value::String(value))),
            Err(message) => errors.push(field_error(key, message)),
        }
    }
    if errors.is_empty() { Ok(accepted) } else { Err(errors) }
}

fn canonical(key: &str, text: &str) -> Result<String, String> {
    match key {
        "email" => email(text).ok_or_else(|| "must be a valid email address".to_owned()),
        "phone" => phone(text)
            .ok_or_else(|| "must be a phone number with its country code, like +14155550123".to_owned()),
        _ if text.chars().count() > MAX_NAME => Err(format!("must be at most {MAX_NAME} characters")),
        _ => Ok(text.to_owned()),
    }
}

/// One `@`, a local part without spaces, and a host name of at least two labels; the domain in lower
/// case. Whether mail arrives there only a message can tell.
fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !"<>()[]\\,;:\"@".contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let local_fits = !local.is_empty()
        && local.len() <= 64
        && local.chars().all(fits)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let domain_fits = domain.contains('.') && domain.split('.').all(label);
    (text.len() <= MAX_EMAIL && local_fits && domain_fits)
        .then(|| format!("{local}@{}", domain.to_lowercase()))
}

/// E.164: `+`, then 8 to 15 digits that do not begin with 0. Spaces, dots, dashes and brackets are
/// taken out, and a leading `00` is read as `+`.
fn phone(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !" .-()/\u{a0}".contains(*c)).collect();
    let digits = plain.strip_prefix('+').or_else(|| plain.strip_prefix("00"))?;
    let fits = (8..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    fits.then(|| format!("+{digits}"))
}

/// The accepted values as a contact.
pub(crate) fn contact(values: &Map<String, Value>) -> Contact {
    let text = |key: &str| values.get(key).and_then(Value::as_str).map(str::to_owned);
    Contact { name: text("name"), email: text("email"), phone: text("phone") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &Value, expected: &Value) {
        let spec = json!({"fields": [
            {"key": "name", "required": false}, {"key": "email", "required": true}, {"key": "phone", "required": false}
        ]});
        let outcome = match accept(&spec, values.as_object().unwrap()) {
            Ok(values) => Value::Object(values),
            Err(errors) => errors.into_iter().map(|e| format!("{} {}", e.field, e.message)).collect(),
        };
        assert_eq!(&outcome, expected, "{values}");
    }

    #[test]
    fn values_become_canonical_or_are_refused_by_name() {
        check(
            &json!({"name": " Ada ", "email": "Ada.L@Example.ORG", "phone": "+1 (415) 555-0123"}),
            &json!({"name": "Ada", "email": "Ada.L@example.org", "phone": "+14155550123"}),
        );
        check(
            &json!({"email": "ada@example.org", "phone": "0049 151 1234567"}),
            &json!({"email": "ada@example.org", "phone": "+491511234567"}),
        );
        check(&json!({}), &json!(["email is required"]));
        check(&json!({"email": "ada@"}), &json!(["email must be a valid email address"]));
        check(&json!({"email": "a@b@c.de"}), &json!(["email must be a valid email address"]));
        check(&json!({"email": "a b@c.de"}), &json!(["email must be a valid email address"]));
        check(&json!({"email": "ada@localhost"}), &json!(["email must be a valid email address"]));
        check(
            &json!({"email": "ada@example.org", "phone": "12345"}),
            &json!(["phone must be a phone number with its country code, like +14155550123"]),
        );
        check(&json!({"email": 7}), &json!(["email must be text"]));
        check(&json!({"email": "ada@example.org", "iban": "x"}), &json!(["iban was not asked for"]));
    }
}
