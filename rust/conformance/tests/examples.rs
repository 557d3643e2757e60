//! Every example of the drivers' protocol decodes, validates, and encodes back to an equal value.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use smooai_smooth_operator_conformance_driver::*;
use smooai_smooth_operator_protocol::{Violation, decode};

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

#[test]
fn examples_round_trip() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/driver/driver.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut seen = 0;
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let (_, trip) = generated::ROUND_TRIPS.iter().find(|(wire, _)| wire == name).unwrap();
        for example in definition["examples"].as_array().into_iter().flatten() {
            let again = trip(&example.to_string()).unwrap();
            assert_eq!(&serde_json::from_str::<Value>(&again).unwrap(), example, "{name}");
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} examples");
}
