//! The generated code of a small protocol that holds every construct of the wire profile: what `spec/` does not use yet
//! (null beside absent, tuples, recursion, unions inside events) works all the same.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use smooai_smooth_operator_protocol::{Tri, decode, others, tri, violation};

#[path = "../../../xtask/testdata/golden/rust/src/generated/mod.rs"]
#[expect(dead_code, reason = "the code of another protocol, used here in part")]
mod library;

use library::*;
use violation::Violation;

#[path = "../../../xtask/testdata/golden/rust/tests/generated/round_trip.rs"]
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

/// What a type makes of a text: the text again or the reason.
fn through(name: &str, text: &str) -> Outcome {
    let entry = generated::ROUND_TRIPS.iter().find(|(known, _)| *known == name);
    let Some((_, round_trip)) = entry else { panic!("there is no type {name}") };
    round_trip(text)
}

#[test]
fn valid_values_come_back_equal() {
    for (name, text) in [
        ("ChangeBookParams", r#"{"action":"change_book","isbn":"978-3-16-148410-0"}"#),
        (
            "ChangeBookParams",
            r#"{"action":"change_book","isbn":"978-3-16-148410-0","note":null,"rating":0.5}"#,
        ),
        ("FindBooksParams", r#"{"action":"find_books","query":"sea","cursor":null}"#),
        ("LendBookReply", r#"{"loanNumber":9223372036854775807,"due":null}"#),
        (
            "BookList",
            r#"[{"isbn":"978-3-16-148410-0","title":"a","kind":"unheard-of","subjects":{"a/b":0.5},"sources":[]}]"#,
        ),
        (
            "ShelfEntry",
            r#"{"kind":"crate","entries":[{"kind":"gap","width":1},{"kind":"globe","radius":[12]}]}"#,
        ),
        (
            "Event",
            r#"{"type":"shelf_scanned","timestamp":1,"shelf":"A","entries":[{"kind":"gap","width":1}],"size":[1.5,2.25]}"#,
        ),
        (
            "Event",
            r#"{"type":"book_changed","timestamp":1,"book":{"isbn":"978-3-16-148410-0","title":"a","kind":"novel"},"status":200,"before":{"note":null,"a":"b"}}"#,
        ),
        ("Event", r#"{"type":"tomorrow","x":{"y":null}}"#),
        ("ErrorCode", r#""TEAPOT""#),
        ("FindOrder", r#""by-title""#),
        ("Action", r#"{"action":"ping"}"#),
    ] {
        let again = through(name, text).unwrap_or_else(|reason| panic!("{name} {text}: {reason}"));
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&again), value(text), "{name}");
    }
}

#[test]
fn broken_values_are_refused_at_their_place() {
    for (name, text, reason) in [
        ("FindBooksParams", r#"{"action":"find_books","query":"sea"}"#, "`cursor` is required"),
        (
            "FindBooksParams",
            r#"{"action":"lend_book","query":"sea","cursor":null}"#,
            r#"`action` must be "find_books""#,
        ),
        ("FindBooksParams", r#"{"query":"sea","cursor":null}"#, "`action` is required"),
        ("FindOrder", r#""sideways""#, r#"it must be one of "newest", "by-title""#),
        ("PingParams", r#"{"action":"ping","more":1}"#, "`more` is not a property of this object"),
        ("Action", r#"{"action":"ping","more":1}"#, "`more` is not a property of this object"),
        ("Isbn", r#""x""#, "it must match ^[0-9]{3}-[0-9-]{13}$"),
        (
            "ChangeBookParams",
            r#"{"action":"change_book","isbn":"978-3-16-148410-0","rating":1.5}"#,
            "`rating` must be at most 1",
        ),
        (
            "Event",
            r#"{"type":"shelf_scanned","timestamp":1,"shelf":"A","entries":[{"kind":"crate","entries":[{"kind":"gap","width":0}]}]}"#,
            "`entries.0.entries.0.width` must be at least 1",
        ),
        (
            "Event",
            r#"{"timestamp":1,"shelf":"A","entries":[{"entries":[{"width":"1","kind":"gap"}],"kind":"crate"}],"type":"shelf_scanned"}"#,
            "`entries.0.entries.0.width` must be a whole number from 0 to 4294967295",
        ),
        (
            "Event",
            r#"{"type":"shelf_scanned","timestamp":1,"shelf":"A","entries":[]}"#,
            "`entries` must have at least 1 item",
        ),
        (
            "Event",
            r#"{"type":"shelf_scanned","timestamp":1,"shelf":"A","entries":[{"kind":"gap","width":1}],"size":[1]}"#,
            "`size` must be an array of 2 items",
        ),
        (
            "Event",
            r#"{"type":"shelf_scanned","timestamp":1,"shelf":"A","entries":[{"width":1}]}"#,
            "`entries.0.kind` is required",
        ),
        (
            "Event",
            r#"{"type":"book_changed","timestamp":1,"book":{"isbn":"978-3-16-148410-0","title":"a","kind":"novel"},"status":201,"before":{}}"#,
            "`status` must be 200",
        ),
        (
            "Book",
            r#"{"isbn":"978-3-16-148410-0","title":"a","kind":"novel","pages":3}"#,
            "`pages` must be a multiple of 2",
        ),
        (
            "Book",
            r#"{"isbn":"978-3-16-148410-0","title":"a","kind":"novel","original":{"isbn":"978-3-16-148410-0","title":"","kind":"novel"}}"#,
            "`original.title` must have at least 1 character",
        ),
        ("Book", r#"["978-3-16-148410-0","a","novel"]"#, "it must be an object"),
    ] {
        assert_eq!(through(name, text), Err(reason.to_owned()), "{name} {text}");
    }
}

#[test]
fn null_absent_and_a_value_differ() {
    let read = |text: &str| Action::from_json(text).unwrap();
    let Action::ChangeBook(params) = read(r#"{"action":"change_book","isbn":"x","note":null}"#) else {
        panic!()
    };
    assert_eq!((params.note, params.rating), (Tri::Null, Tri::Absent));
}

#[test]
fn properties_that_are_not_declared_are_kept_and_know_their_place() {
    let full =
        r#"{"title":"Atlas","place":["B",-1,7,true,"top"],"constructor":"Ada","__proto__":"old","loans":3}"#;
    assert_eq!(through("Card", full).as_deref(), Ok(full));
    assert_eq!(through("Card", r#"{"title":"a","loans":2.0}"#).as_deref(), Ok(r#"{"title":"a","loans":2}"#));
    for (text, problem) in [
        (r#"{"title":"a","loans":"3"}"#, "`loans` must be a whole number from -2147483648 to 2147483647"),
        (r#"{"title":"a","a/b":null}"#, "`a/b` must be a whole number from -2147483648 to 2147483647"),
        (r#"{"title":"a","place":["B",-1,7,true]}"#, "`place` must be an array of 5 items"),
        (
            r#"{"title":"a","place":["B",-1,-7,true,""]}"#,
            "`place.2` must be a whole number from 0 to 4294967295",
        ),
        (r#"{"loans":3}"#, "`title` is required"),
    ] {
        assert_eq!(through("Card", text).unwrap_err(), problem, "{text}");
    }
    assert!(through("Card", r#"{"title":"a","loans":-3}"#).unwrap_err().contains("loans"));
}

#[test]
fn a_whole_number_is_one_however_it_is_written() {
    for (text, again) in [("2.0", "2"), ("1e2", "100"), ("-0.0", "0"), ("20e-1", "2")] {
        let card = format!(r#"{{"title":"a","place":["B",{text},0,true,""]}}"#);
        let expected = format!(r#"{{"title":"a","place":["B",{again},0,true,""]}}"#);
        assert_eq!(through("Card", &card), Ok(expected));
    }
    for text in ["1.5", "1e-1", "1e300", "2147483648.0", "\"1\""] {
        let card = format!(r#"{{"title":"a","place":["B",{text},0,true,""]}}"#);
        assert!(
            through("Card", &card).unwrap_err().starts_with("`place.1` must be a whole number"),
            "{text}"
        );
    }
}
