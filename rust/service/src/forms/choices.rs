//! `choices`: one to four questions, each with two to four options.

use super::field_error;
use serde_json::{Map, Value, json};
use smooai_smooth_operator_core::{Effect, ToolSpec, ToolSpecError};
use smooai_smooth_operator_protocol::{ChoicesSpec, ChoicesValues, FieldError};
use std::collections::BTreeSet;
use std::time::Duration;

const MAX_OTHER: usize = 500;

pub(super) fn tool() -> Result<ToolSpec, ToolSpecError> {
    ToolSpec::new(
        "request_choices",
        "Asks the person one to four questions with two to four options each, as buttons. Use it when the next \
         step depends on a decision of the person's. The headers must differ.",
        json!({
            "type": "object",
            "properties": {
                "questions": {
                    "type": "array", "minItems": 1, "maxItems": 4,
                    "items": {
                        "type": "object",
                        "properties": {
                            "question": {"type": "string", "minLength": 1, "maxLength": 300},
                            "header": {"type": "string", "minLength": 1, "maxLength": 12, "description": "A short label."},
                            "options": {
                                "type": "array", "minItems": 2, "maxItems": 4,
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "label": {"type": "string", "minLength": 1, "maxLength": 60},
                                        "description": {"type": "string", "maxLength": 200}
                                    },
                                    "required": ["label", "description"],
                                    "additionalProperties": false
                                }
                            },
                            "multiSelect": {"type": "boolean"}
                        },
                        "required": ["question", "header", "options", "multiSelect"],
                        "additionalProperties": false
                    }
                },
                "reason": {"type": "string", "minLength": 1, "maxLength": 300, "description": "Why, for the person to read."}
            },
            "required": ["questions", "reason"],
            "additionalProperties": false
        }),
        Effect::Read,
        Duration::from_secs(5),
    )
}

pub(super) fn check_spec(spec: &Value) -> Result<(), String> {
    let headers =
        spec["questions"].as_array().into_iter().flatten().map(|question| question["header"].as_str());
    let mut seen = BTreeSet::new();
    match headers.flatten().find(|header| !seen.insert(*header)) {
        None => Ok(()),
        Some(header) => Err(format!("Two questions have the header \"{header}\"; headers must differ.")),
    }
}

pub(super) fn accept(
    spec: &Value,
    values: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<FieldError>> {
    let broken = |message: String| vec![field_error("answers", message)];
    let spec: ChoicesSpec =
        serde_json::from_value(spec.clone()).map_err(|_| broken("the form cannot be read".to_owned()))?;
    let given: ChoicesValues = serde_json::from_value(Value::Object(values.clone()))
        .map_err(|_| broken("must be a list of {header, options?: [label], other?: text}".to_owned()))?;
    let mut errors = Vec::new();
    for answer in &given.answers {
        if spec.questions.iter().all(|question| question.header != answer.header) {
            errors.push(field_error(&answer.header, "was not asked"));
        }
    }
    for question in &spec.questions {
        let mut answers = given.answers.iter().filter(|answer| answer.header == question.header);
        let (Some(answer), None) = (answers.next(), answers.next()) else {
            errors.push(field_error(&question.header, "must be answered once"));
            continue;
        };
        let chosen = answer.options.as_deref().unwrap_or_default();
        let other = answer.other.as_deref().map_or("", str::trim);
        let known = |label: &String| question.options.iter().any(|option| &option.label == label);
        let distinct: BTreeSet<&String> = chosen.iter().collect();
        let fault = if chosen.is_empty() && other.is_empty() {
            Some("must be answered by an option or in own words".to_owned())
        } else if !chosen.iter().all(known) || distinct.len() != chosen.len() {
            Some("must be chosen from the options offered, each once".to_owned())
        } else if !question.multi_select && chosen.len() > 1 {
            Some("takes one option only".to_owned())
        } else if other.chars().count() > MAX_OTHER {
            Some(format!("must be at most {MAX_OTHER} characters in own words"))
        } else {
            None
        };
        errors.extend(fault.map(|message| field_error(&question.header, message)));
    }
    if errors.is_empty() { Ok(values.clone()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answers: &Value, expected: &[&str]) {
        let option = |label: &str| json!({"label": label, "description": ""});
        let spec = json!({"questions": [
            {"question": "Size?", "header": "Size", "options": [option("S"), option("L")], "multiSelect": false},
            {"question": "Extras?", "header": "Extras", "options": [option("Milk"), option("Sugar")], "multiSelect": true}
        ]});
        let values = json!({"answers": answers});
        let errors = match accept(&spec, values.as_object().unwrap()) {
            Ok(values) => {
                assert_eq!(values["answers"], *answers);
                Vec::new()
            }
            Err(errors) => errors.into_iter().map(|e| format!("{} {}", e.field, e.message)).collect(),
        };
        assert_eq!(errors, expected, "{answers}");
    }

    #[test]
    fn every_question_is_answered_once_and_from_what_was_offered() {
        let extras = json!({"header": "Extras", "options": ["Milk", "Sugar"]});
        check(&json!([{"header": "Size", "options": ["S"]}, extras]), &[]);
        check(&json!([{"header": "Size", "other": "medium"}, extras]), &[]);
        check(&json!([{"header": "Size", "options": ["S", "L"]}, extras]), &["Size takes one option only"]);
        check(
            &json!([{"header": "Size", "options": ["XL"]}, extras]),
            &["Size must be chosen from the options offered, each once"],
        );
        check(&json!([{"header": "Size"}, extras]), &["Size must be answered by an option or in own words"]);
        check(&json!([extras]), &["Size must be answered once"]);
        check(
            &json!([{"header": "Size", "options": ["S"]}, extras, {"header": "Colour", "other": "red"}]),
            &["Colour was not asked"],
        );
        check(&json!("S"), &["answers must be a list of {header, options?: [label], other?: text}"]);
    }

    #[test]
    fn headers_must_differ() {
        let twice = json!({"questions": [{"header": "Size"}, {"header": "Size"}]});
        assert!(check_spec(&twice).unwrap_err().contains("Size"));
    }
}
