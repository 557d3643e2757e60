//! The coverage rule: every action, event and error code of `spec/` is on the wire for every client.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::outcome::Covered;
use crate::place::{Mount, Place};

/// Every event of `spec/`.
pub const EVENTS: &[&str] = &[
    "cancelled",
    "error",
    "eventual_response",
    "immediate_response",
    "interaction_invalid",
    "interaction_required",
    "keepalive",
    "otp_invalid",
    "otp_sent",
    "otp_verification_required",
    "otp_verified",
    "pong",
    "stream_chunk",
    "stream_preamble",
    "stream_reasoning",
    "stream_token",
    "write_confirmation_required",
];

/// What `spec/` holds.
fn wanted(spec: &Path) -> Result<Covered> {
    let names = |folder: &str| -> Result<BTreeSet<String>> {
        let entries =
            std::fs::read_dir(spec.join(folder)).with_context(|| format!("reading spec/{folder}"))?;
        let name = |entry: std::fs::DirEntry| {
            entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned())
        };
        Ok(entries.filter_map(Result::ok).filter_map(name).collect())
    };
    let errors: Value = serde_json::from_str(&std::fs::read_to_string(spec.join("errors.json"))?)?;
    let codes = errors["x-errors"].as_object().context("the codes of spec/errors.json")?;
    Ok(Covered {
        actions: names("actions")?,
        events: names("events")?,
        codes: codes.keys().cloned().collect(),
    })
}

/// The codes that only the server's own mount says: it is there that a token is checked.
const CODES_OF_THE_SERVER: &[&str] = &["UNAUTHENTICATED"];

/// What must be on the wire in a place.
pub fn wanted_at(spec: &Path, place: Place) -> Result<Covered> {
    let mut wanted = wanted(spec)?;
    if place.mount != Mount::Server {
        wanted.codes.retain(|code| !CODES_OF_THE_SERVER.contains(&code.as_str()));
    }
    Ok(wanted)
}

/// What is wanted and was not seen.
pub fn missing(wanted: &Covered, seen: &Covered) -> Vec<String> {
    let kinds = [
        ("action", &wanted.actions, &seen.actions),
        ("event", &wanted.events, &seen.events),
        ("code", &wanted.codes, &seen.codes),
    ];
    let missing = kinds
        .iter()
        .flat_map(|(kind, wanted, seen)| wanted.difference(seen).map(move |name| format!("{kind} {name}")));
    missing.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{EVENTS, missing, wanted};
    use crate::outcome::Covered;

    #[test]
    fn the_events_are_those_of_spec_and_what_is_missing_is_named() {
        let wanted = wanted(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")).unwrap();
        assert_eq!(wanted.events.iter().map(String::as_str).collect::<Vec<_>>(), EVENTS);
        assert!(wanted.codes.contains("RATE_LIMITED"));
        let mut seen = wanted.clone();
        assert_eq!(missing(&wanted, &seen), [] as [&str; 0]);
        seen.codes.remove("RATE_LIMITED");
        seen.actions.remove("ping");
        assert_eq!(missing(&wanted, &seen), ["action ping", "code RATE_LIMITED"]);
        assert!(missing(&Covered::default(), &seen).is_empty());
    }
}
