//! What `validate` refuses, and where it says the fault is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use smooai_smooth_operator_protocol::violation::{self, At, Pattern};
use smooai_smooth_operator_protocol::*;

/// The violation of a frame as one line.
fn broken(frame: &str) -> String {
    let violation = Action::from_json(frame).unwrap().validate().unwrap_err();
    format!("{} {} | {violation}", violation.keyword, violation.pointer)
}

#[test]
fn the_constraints_of_actions_are_checked_with_their_place() {
    let message = |rest: &str| format!(r#"{{"action":"send_message","sessionId":"s",{rest}}}"#);
    let long = "é".repeat(10_001);
    for (frame, expected) in [
        (message(r#""message":"""#), "minLength /message | `message` must have at least 1 character"),
        (message(r#""message":" \n""#), "pattern /message | `message` must match"),
        (
            message(&format!(r#""message":"{long}""#)),
            "maxLength /message | `message` must have at most 10000 characters",
        ),
        (
            message(r#""message":"hi","skill":"a b""#),
            "pattern /skill | `skill` must match ^[A-Za-z0-9_-]{1,128}$",
        ),
        (
            message(
                r#""message":"hi","files":[{"name":"a","url":"https://a.test"},{"name":"","url":"data:x"}]"#,
            ),
            "minLength /files/1/name | `files.1.name` must have at least 1 character",
        ),
        (
            r#"{"action":"get_conversation_messages","sessionId":"s","limit":0}"#.to_owned(),
            "minimum /limit | `limit` must be at least 1",
        ),
        (
            r#"{"action":"get_conversation_messages","sessionId":"s","limit":101}"#.to_owned(),
            "maximum /limit | `limit` must be at most 100",
        ),
        (
            r#"{"action":"create_conversation_session","agentId":"not-a-uuid"}"#.to_owned(),
            "format /agentId | `agentId` must be a UUID",
        ),
    ] {
        let found = broken(&frame);
        assert!(found.starts_with(expected), "{found}");
    }
    let longest = message(&format!(r#""message":"{}""#, "é".repeat(10_000)));
    assert_eq!(Action::from_json(&longest).unwrap().validate(), Ok(()));
}

#[test]
fn each_keyword_accepts_its_edge_and_refuses_what_is_beyond() {
    static DIGITS: Pattern = Pattern::new("^[0-9]+$");
    let keywords = |results: [(Result<(), Violation>, Result<(), Violation>); 15]| {
        results.map(|(good, bad)| {
            assert_eq!(good, Ok(()));
            bad.unwrap_err().keyword
        })
    };
    let found = keywords([
        (violation::min_length("é", 1), violation::min_length("é", 2)),
        (violation::max_length("éé", 2), violation::max_length("ééé", 2)),
        (violation::pattern("12", &DIGITS), violation::pattern("12\n", &DIGITS)),
        (
            violation::uuid("0A8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985"),
            violation::uuid("0a8f3c1e5-b7d-4e2a-9c46-7d1f20b3a985"),
        ),
        (violation::minimum(3_u32, 3), violation::minimum(-1_i64, 0)),
        (violation::maximum(3_u64, 3), violation::maximum(4, 3)),
        (violation::exclusive_minimum(4, 3), violation::exclusive_minimum(3, 3)),
        (violation::exclusive_maximum_float(0.5, 1.0), violation::exclusive_maximum_float(1.0, 1.0)),
        (violation::multiple_of(9, 3), violation::multiple_of(10, 3)),
        (violation::multiple_of_float(0.3, 0.1), violation::multiple_of_float(0.35, 0.1)),
        (violation::min_items(1, 1), violation::min_items(0, 1)),
        (violation::max_items(1, 1), violation::max_items(2, 1)),
        (violation::unique_items(&["a", "b"]), violation::unique_items(&["a", "a"])),
        (violation::one_of_numbers(200, &[200, 202]), violation::one_of_numbers(201, &[200, 202])),
        (
            violation::one_of_json(&serde_json::json!({"a": 1.0}), "[{\"a\": 1}]"),
            violation::one_of_json(&serde_json::json!([]), "[{\"a\": 1}]"),
        ),
    ]);
    assert_eq!(
        found,
        [
            "minLength",
            "maxLength",
            "pattern",
            "format",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "multipleOf",
            "minItems",
            "maxItems",
            "uniqueItems",
            "enum",
            "enum"
        ]
    );
}

#[test]
fn a_place_is_a_json_pointer() {
    let violation = violation::min_items(0, 1).at(3).at("a/b~c").unwrap_err();
    assert_eq!(violation.pointer, "/a~1b~0c/3");
    assert_eq!(violation.to_string(), "`a/b~c.3` must have at least 1 item");
}

#[test]
fn absent_null_and_value_differ() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Patch {
        #[serde(default, skip_serializing_if = "Tri::is_absent")]
        name: Tri<String>,
    }
    for (text, expected) in [
        ("{}", Tri::Absent),
        (r#"{"name":null}"#, Tri::Null),
        (r#"{"name":"x"}"#, Tri::Value("x".to_owned())),
    ] {
        let patch: Patch = serde_json::from_str(text).unwrap();
        assert_eq!(patch.name, expected);
        assert_eq!(serde_json::to_string(&patch).unwrap(), text);
    }
}
