//! Every example of spec/ decodes, validates, and encodes back to an equal value.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use smooai_smooth_operator_protocol::*;

#[path = "generated/round_trip.rs"]
mod generated;

/// What came of a value: its text again, or why not.
type Outcome = Result<String, String>;

fn data<T: DeserializeOwned + Serialize>(
    text: &str,
    validate: impl FnOnce(&T) -> Result<(), Violation>,
) -> Outcome {
    let value: T = decode::value_from_json(text).map_err(|error| error.to_string())?;
    validate(&value).map_err(|violation| violation.to_string())?;
    Ok(decode::to_json(&value))
}

fn pascal(stem: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    stem.split('_').map(capital).collect()
}

/// The examples of a file: those of its root and of its definitions, each with the name of their type.
fn examples(path: &Path, folder: &str) -> Vec<(String, Value)> {
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let stem = pascal(path.file_stem().unwrap().to_str().unwrap());
    let root = match folder {
        "actions" => format!("{stem}Params"),
        "events" => format!("{stem}Event"),
        "types" => stem,
        _ => "ErrorCode".to_owned(),
    };
    let mut out = Vec::new();
    let mut take = |name: &str, schema: &Value| {
        for example in schema.get("examples").and_then(Value::as_array).into_iter().flatten() {
            out.push((name.to_owned(), example.clone()));
        }
    };
    take(&root, &schema);
    for (key, definition) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        take(key, definition);
    }
    out
}

fn spec_files() -> Vec<(PathBuf, &'static str)> {
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec");
    let mut files = vec![(spec.join("errors.json"), "")];
    for folder in ["actions", "events", "types"] {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(spec.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        files.extend(paths.into_iter().map(|path| (path, folder)));
    }
    files
}

fn check(place: &str, name: &str, example: &Value) {
    let entry = generated::ROUND_TRIPS.iter().find(|(known, _)| *known == name);
    let Some((_, round_trip)) = entry else { panic!("{place}: there is no type {name}") };
    let text = round_trip(&example.to_string()).unwrap_or_else(|reason| panic!("{place}: {name}: {reason}"));
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), *example, "{place}: {name}");
}

#[test]
fn every_example_comes_back_equal() {
    let mut seen = 0;
    for (path, folder) in spec_files() {
        let place = path.file_name().unwrap().to_string_lossy().into_owned();
        let found = examples(&path, folder);
        assert!(!found.is_empty(), "{place} has no examples");
        for (name, example) in found {
            check(&place, &name, &example);
            seen += 1;
        }
    }
    assert!(seen > 80, "only {seen} examples were found");
}

#[test]
fn every_example_of_an_action_or_event_comes_back_through_its_union() {
    for (path, folder) in spec_files() {
        let union = match folder {
            "actions" => "Action",
            "events" => "Event",
            _ => continue,
        };
        let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for example in schema["examples"].as_array().unwrap() {
            check(&path.to_string_lossy(), union, example);
        }
    }
}

#[test]
fn no_known_event_is_taken_for_an_unknown_one() {
    for (path, folder) in spec_files().into_iter().filter(|(_, folder)| *folder == "events") {
        for (_, example) in examples(&path, folder) {
            if let Some(tag) = example.get("type").and_then(Value::as_str) {
                let event = Event::from_json(&example.to_string()).unwrap();
                assert!(!matches!(event, Event::Unknown(_)), "{tag}");
                assert_eq!(event.tag(), tag);
                assert!(Event::TAGS.contains(&tag));
                assert!(event.to_json().starts_with(&format!("{{\"type\":\"{tag}\"")), "the tag comes first");
                assert_eq!(event.timestamp(), example["timestamp"].as_i64());
                assert_eq!(event.request_id(), example.get("requestId").and_then(Value::as_str));
            }
        }
    }
}
