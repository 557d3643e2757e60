//! The comparison of two versions of a protocol: for each rule a change that triggers exactly it, and what may be added.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A protocol with one of everything that can change.
const BASE: &[(&str, &str)] = &[
    (
        "actions/ask.json",
        r##"{"x-turn":"starts","x-reply":{"$ref":"#/$defs/AskReply"},"type":"object","required":["action","text"],"properties":{
            "action":{"const":"ask"},
            "text":{"type":"string","minLength":2,"maxLength":10,"pattern":"^a"},
            "count":{"type":"integer","format":"int32","minimum":1,"maximum":9,"default":3},
            "step":{"type":"number","multipleOf":2},
            "kind":{"$ref":"#/$defs/Kind"},
            "tags":{"type":"array","items":{"type":"string"},"maxItems":4,"uniqueItems":true},
            "version":{"type":"integer","format":"int32","const":1},
            "options":{"$ref":"#/$defs/Options"},
            "note":{"type":["string","null"],"x-tristate":true}},
          "$defs":{
            "Kind":{"enum":["a","b"]},
            "Options":{"type":"object","properties":{"x":{"type":"string"}},"additionalProperties":false},
            "AskReply":{"type":"object","required":["id"],"properties":{"id":{"type":"string","format":"uuid"}}}}}"##,
    ),
    (
        "actions/stop.json",
        r#"{"type":"object","required":["action"],"properties":{"action":{"const":"stop"}}}"#,
    ),
    (
        "events/told.json",
        r##"{"type":"object","required":["type","text","shape"],"properties":{
            "type":{"const":"told"},"text":{"type":"string"},"more":{"type":"string"},
            "mood":{"anyOf":[{"enum":["good","bad"]},{"type":"string"}]},
            "shape":{"$ref":"#/$defs/Shape"},
            "code":{"$ref":"../errors.json"},
            "when":{"type":"string","format":"date-time"},
            "rest":{"type":"object","additionalProperties":{"type":"string"}},
            "open":{"$ref":"#/$defs/OpenShape"},
            "fixed":{"$ref":"#/$defs/Fixed"}},
          "$defs":{
            "Fixed":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"string"}},
            "Shape":{"oneOf":[{"$ref":"#/$defs/Dot"},{"$ref":"#/$defs/Plus"},{"$ref":"#/$defs/Line"}]},
            "Plus":{"type":"object","required":["is"],"properties":{"is":{"const":"plus"}}},
            "Dot":{"type":"object","required":["is"],"properties":{"is":{"const":"dot"}}},
            "Line":{"type":"object","required":["is"],"properties":{"is":{"const":"line"}}},
            "OpenShape":{"oneOf":[{"$ref":"#/$defs/Ring"},{"$ref":"#/$defs/Hoop"},
              {"title":"unknown","type":"object","required":["is"],"properties":{"is":{"not":{"enum":["ring","hoop"]}}}}]},
            "Ring":{"type":"object","required":["is"],"properties":{"is":{"const":"ring"}}},
            "Hoop":{"type":"object","required":["is"],"properties":{"is":{"const":"hoop"}}}}}"##,
    ),
    (
        "events/ended.json",
        r#"{"type":"object","required":["type","left"],"properties":{
            "type":{"const":"ended"},"left":{"type":"integer","format":"uint32"}}}"#,
    ),
    ("types/alone.json", r#"{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}"#),
    (
        "errors.json",
        r#"{"anyOf":[{"enum":["LATE","LOST"]},{"type":"string"}],"x-errors":{
            "LATE":{"status":408,"retryable":true,"description":"x","hint":"x"},"LOST":{"status":404,"retryable":false,"description":"x","hint":"x"}}}"#,
    ),
];

/// A file, a text in it, and what stands there in the new version.
type Edit = (&'static str, &'static str, &'static str);

/// One or more edits, and all that must be said of them.
struct Case {
    edits: &'static [Edit],
    says: &'static [&'static str],
}

const fn case(edits: &'static [Edit], says: &'static [&'static str]) -> Case {
    Case { edits, says }
}

const ASK: &str = "actions/ask.json";
const TOLD: &str = "events/told.json";

/// Each from the old version to the new one.
const FORTH: &[Case] = &[
    case(
        &[("actions/stop.json", "", "")],
        &[
            "breaking[action-removed] actions/stop.json#: the action `stop` is gone; breaks old client → new server",
        ],
    ),
    case(
        &[("events/ended.json", "", "")],
        &["breaking[event-removed] events/ended.json#: the event `ended` is gone; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[("types/alone.json", "", "")],
        &["breaking[type-removed] types/alone.json#: the type `Alone` is gone; breaks code that names it"],
    ),
    case(
        &[(ASK, r#""x-turn":"starts","#, "")],
        &[
            "breaking[turn-changed] actions/ask.json#/x-turn: its part in a turn was `starts` and is now `none`; \
           breaks old client → new server, new client → old server",
        ],
    ),
    case(
        &[
            (ASK, r#""x-turn":"starts","#, r#""x-turn":{"answers":"ended"},"#),
            ("events/ended.json", r#"{"type":"object""#, r#"{"x-turn":"parks","type":"object""#),
        ],
        &[
            "breaking[turn-changed] actions/ask.json#/x-turn: its part in a turn was `starts` and is now \
             `answers ended`; breaks old client → new server, new client → old server",
            "breaking[turn-changed] events/ended.json#/x-turn: it means something else to its turn; \
             breaks old server → new client, new server → old client",
        ],
    ),
    case(
        &[(
            "events/ended.json",
            r#"{"type":"object""#,
            r#"{"x-turn":{"if":{"left":0},"then":"ends","else":"goes_on"},"type":"object""#,
        )],
        &["breaking[turn-changed] events/ended.json#/x-turn: it means something else to its turn; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[(TOLD, r#"{"type":"object""#, r#"{"x-turn":"parks","type":"object""#)],
        &["breaking[turn-changed] events/told.json#/x-turn: it means something else to its turn; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[(ASK, r##"{"$ref":"#/$defs/AskReply"}"##, r#"{"events":["told"]}"#)],
        &[
            "breaking[reply-changed] actions/ask.json#/x-reply: it was answered by data of type AskReply and is now \
           answered by told; breaks old server → new client, new server → old client",
        ],
    ),
    case(
        &[
            ("errors.json", r#","LOST"]"#, "]"),
            ("errors.json", r#","LOST":{"status":404,"retryable":false,"description":"x","hint":"x"}"#, ""),
        ],
        &["breaking[error-code-removed] errors.json#/x-errors/LOST: the error code `LOST` is gone; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[("errors.json", r#""retryable":true"#, r#""retryable":false"#)],
        &["breaking[error-code-changed] errors.json#/x-errors/LATE/retryable: `retryable` became false; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[("errors.json", r#""status":408,"#, r#""status":408,"endsTurn":true,"#)],
        &["breaking[error-code-changed] errors.json#/x-errors/LATE/endsTurn: `endsTurn` became true; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[("errors.json", "408", "504")],
        &["breaking[error-code-changed] errors.json#/x-errors/LATE/status: the status 408 became 504; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[(TOLD, r#""more":{"type":"string"},"#, "")],
        &["breaking[field-removed] events/told.json#/properties/more: `more` is gone; \
           breaks new server → old client"],
    ),
    case(
        &[(ASK, r#""step":{"type":"number","multipleOf":2},"#, "")],
        &["breaking[field-removed] actions/ask.json#/properties/step: `step` is gone; \
           breaks old client → new server"],
    ),
    case(
        &[
            (TOLD, r#""is":{"const":"line"}"#, r#""is":{"const":"line"},"to":{"type":"string"}"#),
            (
                TOLD,
                r#""Line":{"type":"object","required":["is"]"#,
                r#""Line":{"type":"object","required":["is","to"]"#,
            ),
        ],
        &["breaking[required-added] events/told.json#/$defs/Line/properties/to: `to` is new and required; \
           breaks old server → new client"],
    ),
    case(
        &[(ASK, r#"{"x":{"type":"string"}}"#, r#"{"x":{"type":"string"},"y":{"type":"string"}}"#)],
        &[
            "breaking[field-added] actions/ask.json#/$defs/Options/properties/y: `y` is new in an object that refused \
           what it did not know; breaks new client → old server",
        ],
    ),
    case(
        &[(TOLD, r#""required":["type","text","shape"]"#, r#""required":["type","text","shape","more"]"#)],
        &[
            "breaking[became-required] events/told.json#/properties/more: `more` was optional and is required; \
           breaks old server → new client",
        ],
    ),
    case(
        &[(TOLD, r#""required":["type","text","shape"]"#, r#""required":["type","shape"]"#)],
        &[
            "breaking[became-optional] events/told.json#/properties/text: `text` was required and is optional; \
           breaks new server → old client",
        ],
    ),
    case(
        &[(ASK, r#""default":3"#, r#""default":4"#)],
        &[
            "breaking[default-changed] actions/ask.json#/properties/count/default: absent meant 3 and now means 4; \
           breaks old client → new server, new client → old server",
        ],
    ),
    case(
        &[(ASK, r#""type":["string","null"],"x-tristate":true"#, r#""type":"string""#)],
        &["breaking[null-removed] actions/ask.json#/properties/note: it may no longer be null; \
           breaks old client → new server"],
    ),
    case(
        &[(TOLD, r#""text":{"type":"string"}"#, r#""text":{"type":["string","null"]}"#)],
        &["breaking[null-added] events/told.json#/properties/text: it may now be null; \
           breaks new server → old client"],
    ),
    case(
        &[(TOLD, r#""text":{"type":"string"}"#, r#""text":{"type":"boolean"}"#)],
        &["breaking[type-changed] events/told.json#/properties/text: a string became a boolean; \
           breaks old server → new client, new server → old client"],
    ),
    case(
        &[(ASK, r#""type":"number""#, r#""type":"integer","format":"int32""#)],
        &["breaking[type-narrowed] actions/ask.json#/properties/step: a number became an int32; \
           breaks old client → new server"],
    ),
    case(
        &[(TOLD, r#""text":{"type":"string"}"#, r#""text":{}"#)],
        &["breaking[type-widened] events/told.json#/properties/text: a string became any JSON; \
           breaks new server → old client"],
    ),
    case(
        &[(ASK, r#""enum":["a","b"]"#, r#""enum":["a"]"#)],
        &["breaking[enum-value-removed] actions/ask.json#/$defs/Kind: the value `b` is gone; \
           breaks old client → new server"],
    ),
    case(
        &[(ASK, r#""enum":["a","b"]"#, r#""enum":["a","b","c"]"#)],
        &["breaking[enum-value-added] actions/ask.json#/$defs/Kind: the value `c` is new in a closed list; \
           breaks new client → old server"],
    ),
    case(
        &[(ASK, r#"{"enum":["a","b"]}"#, r#"{"anyOf":[{"enum":["a","b"]},{"type":"string"}]}"#)],
        &["breaking[enum-opened] actions/ask.json#/$defs/Kind: the closed list of values became open; \
           breaks new client → old server"],
    ),
    case(
        &[(TOLD, r#"{"anyOf":[{"enum":["good","bad"]},{"type":"string"}]}"#, r#"{"enum":["good","bad"]}"#)],
        &["breaking[enum-closed] events/told.json#/properties/mood: the open list of values became closed; \
           breaks old server → new client"],
    ),
    case(
        &[(TOLD, r##",{"$ref":"#/$defs/Line"}]"##, "]")],
        &["breaking[member-removed] events/told.json#/$defs/Shape: the member `line` is gone; \
           breaks old server → new client"],
    ),
    case(
        &[
            (TOLD, r##",{"$ref":"#/$defs/Line"}]"##, r##",{"$ref":"#/$defs/Line"},{"$ref":"#/$defs/Box"}]"##),
            (
                TOLD,
                r#""Dot":"#,
                r#""Box":{"type":"object","required":["is"],"properties":{"is":{"const":"box"}}},"Dot":"#,
            ),
        ],
        &[
            "breaking[member-added] events/told.json#/$defs/Shape: the member `box` is new in a closed union; \
           breaks new server → old client",
        ],
    ),
    case(
        &[(
            TOLD,
            r##"{"$ref":"#/$defs/Line"}]"##,
            r##"{"$ref":"#/$defs/Line"},{"title":"unknown","type":"object","required":["is"],"properties":{"is":{"not":{"enum":["dot","plus","line"]}}}}]"##,
        )],
        &["breaking[union-opened] events/told.json#/$defs/Shape: the closed union became open; \
           breaks new server → old client"],
    ),
    case(
        &[(
            TOLD,
            r#"{"title":"unknown","type":"object","required":["is"],"properties":{"is":{"not":{"enum":["ring","hoop"]}}}}"#,
            r##"{"$ref":"#/$defs/Dot"}"##,
        )],
        &["breaking[union-closed] events/told.json#/$defs/OpenShape: the open union became closed; \
           breaks old server → new client"],
    ),
    case(
        &[
            (
                TOLD,
                r#""Ring":{"type":"object","required":["is"],"properties":{"is":{"const":"ring"}}}"#,
                r#""Ring":{"type":"object","required":["was"],"properties":{"was":{"const":"ring"}}}"#,
            ),
            (
                TOLD,
                r#""Hoop":{"type":"object","required":["is"],"properties":{"is":{"const":"hoop"}}}"#,
                r#""Hoop":{"type":"object","required":["was"],"properties":{"was":{"const":"hoop"}}}"#,
            ),
            (
                TOLD,
                r#"{"title":"unknown","type":"object","required":["is"],"properties":{"is":"#,
                r#"{"title":"unknown","type":"object","required":["was"],"properties":{"was":"#,
            ),
        ],
        &[
            "breaking[tag-changed] events/told.json#/$defs/Hoop/properties/was: the tag was `is: hoop` and is now \
             `was: hoop`; breaks old server → new client, new server → old client",
            "breaking[tag-changed] events/told.json#/$defs/Ring/properties/was: the tag was `is: ring` and is now \
             `was: ring`; breaks old server → new client, new server → old client",
        ],
    ),
    case(
        &[(ASK, r#""const":1"#, r#""const":2"#)],
        &["breaking[const-changed] actions/ask.json#/properties/version: the fixed value 1 became 2; \
           breaks old client → new server, new client → old server"],
    ),
    case(
        &[(
            TOLD,
            r#""required":["is"],"properties":{"is":{"const":"dot"}}"#,
            r#""required":["is"],"properties":{"is":{"const":"dot"}},"additionalProperties":false"#,
        )],
        &[
            "breaking[additional-refused] events/told.json#/$defs/Dot/additionalProperties: what it does not know is \
           now refused; breaks old server → new client",
        ],
    ),
    case(
        &[(ASK, r#","additionalProperties":false"#, "")],
        &[
            "breaking[additional-allowed] actions/ask.json#/$defs/Options/additionalProperties: what it does not know \
           was refused and is not now; breaks new client → old server",
        ],
    ),
    case(
        &[(
            TOLD,
            r#""properties":{"a":{"type":"string"}},"additionalProperties":{"type":"string"}"#,
            r#""properties":{"a":{"type":"string"}}"#,
        )],
        &[
            "breaking[additional-changed] events/told.json#/$defs/Fixed/additionalProperties: other properties were \
           kept and are now ignored; breaks new server → old client",
        ],
    ),
    case(
        &[(ASK, r#""maxLength":10"#, r#""maxLength":9"#)],
        &["breaking[limit-narrowed] actions/ask.json#/properties/text/maxLength: `maxLength` 10 became 9; \
           breaks old client → new server"],
    ),
    case(
        &[(ASK, r#""maxItems":4,"#, "")],
        &["breaking[limit-widened] actions/ask.json#/properties/tags/maxItems: `maxItems` 4 is gone; \
           breaks new client → old server"],
    ),
    case(
        &[(ASK, r#""pattern":"^a""#, r#""pattern":"^b""#)],
        &["breaking[limit-changed] actions/ask.json#/properties/text/pattern: `pattern` ^a became ^b; \
           breaks old client → new server, new client → old server"],
    ),
    case(
        &[(ASK, r#""format":"uuid""#, r#""format":"email""#)],
        &[
            "breaking[limit-changed] actions/ask.json#/$defs/AskReply/properties/id/format: `format` uuid became \
           email; breaks old server → new client, new server → old client",
        ],
    ),
    case(
        &[("types/alone.json", r#""required":["name"],"#, "")],
        &[
            "breaking[became-optional] types/alone.json#/properties/name: `name` was required and is optional; \
           breaks new client → old server, new server → old client",
        ],
    ),
];

/// What may be added, and what may change, without breaking anyone.
const HARMLESS: &[&[Edit]] = &[
    &[],
    &[(TOLD, r#""more":{"type":"string"}"#, r#""more":{"type":"string"},"new":{"type":"string"}"#)],
    &[(TOLD, r#"["good","bad"]"#, r#"["good","bad","mixed"]"#)],
    &[(
        TOLD,
        r#""text":{"type":"string"}"#,
        r#""text":{"type":"string","description":"x","deprecated":true}"#,
    )],
    &[
        (TOLD, r##""OpenShape":{"oneOf":["##, r##""OpenShape":{"oneOf":[{"$ref":"#/$defs/Arc"},"##),
        (TOLD, r#"{"not":{"enum":["ring","hoop"]}}"#, r#"{"not":{"enum":["arc","ring","hoop"]}}"#),
        (
            TOLD,
            r#""Dot":"#,
            r#""Arc":{"type":"object","required":["is"],"properties":{"is":{"const":"arc"}}},"Dot":"#,
        ),
    ],
    &[
        ("errors.json", r#"["LATE","LOST"]"#, r#"["LATE","LOST","MUTE"]"#),
        (
            "errors.json",
            r#""x-errors":{"#,
            r#""x-errors":{"MUTE":{"status":500,"retryable":false,"description":"x","hint":"x"},"#,
        ),
    ],
    &[(
        "events/new.json",
        "+",
        r#"{"type":"object","required":["type"],"properties":{"type":{"const":"new"}}}"#,
    )],
    &[(
        "actions/new.json",
        "+",
        r#"{"type":"object","required":["action"],"properties":{"action":{"const":"new"}}}"#,
    )],
    &[("types/new.json", "+", r#"{"type":"object","properties":{"a":{"type":"string"}}}"#)],
    // The same on the wire by another name, or without one.
    &[
        (TOLD, r#""text":{"type":"string"}"#, r##""text":{"$ref":"#/$defs/Text"}"##),
        (TOLD, r#""Dot":"#, r#""Text":{"type":"string"},"Dot":"#),
    ],
];

fn write(base: &Path, edits: &[Edit]) -> PathBuf {
    for (file, text) in BASE {
        let mut text = (*text).to_owned();
        let mut is_gone = false;
        for (_, from, to) in edits.iter().filter(|(name, ..)| name == file) {
            is_gone |= from.is_empty();
            assert!(text.contains(from), "{file} does not hold {from}");
            text = text.replacen(from, to, 1);
        }
        let path = base.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !is_gone {
            fs::write(path, text).unwrap();
        }
    }
    for (file, _, text) in edits.iter().filter(|(_, from, _)| *from == "+") {
        fs::write(base.join(file), text).unwrap();
    }
    base.to_owned()
}

fn breaking(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(["codegen", "breaking"]).args(arguments).output().unwrap()
}

/// The lines and the exit status of a comparison.
fn compare(old: &Path, new: &Path) -> (Vec<String>, Option<i32>) {
    let output = breaking(&["--against-dir", old.to_str().unwrap(), "--spec", new.to_str().unwrap()]);
    let lines = String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect();
    (lines, output.status.code())
}

#[test]
fn each_rule_is_triggered_by_its_change_and_by_it_alone() {
    let place = tempfile::tempdir().unwrap();
    let old = write(&place.path().join("old"), &[]);
    for (number, case) in FORTH.iter().enumerate() {
        let new = write(&place.path().join(number.to_string()), case.edits);
        let (lines, status) = compare(&old, &new);
        assert_eq!(lines, case.says, "{:?}", case.edits);
        assert_eq!(status, Some(1));
    }
}

#[test]
fn what_is_only_added_breaks_nobody() {
    let place = tempfile::tempdir().unwrap();
    let old = write(&place.path().join("old"), &[]);
    for (number, edits) in HARMLESS.iter().enumerate() {
        let new = write(&place.path().join(number.to_string()), edits);
        let (lines, status) = compare(&old, &new);
        assert!(lines.is_empty(), "{edits:?}: {lines:?}");
        assert_eq!(status, Some(0), "{edits:?}");
    }
}

#[test]
fn every_rule_of_the_documentation_has_a_case_and_every_case_a_rule_there() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/codegen.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Breaking changes")).unwrap();
    let told: BTreeSet<&str> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('|').nth(1).unwrap().split(',').map(|rule| rule.trim().trim_matches('`')))
        .collect();
    let says = FORTH.iter().flat_map(|case| case.says);
    let tried: BTreeSet<&str> =
        says.map(|line| line.split_once('[').unwrap().1.split_once(']').unwrap().0).collect();
    assert_eq!(told, tried);
}

#[test]
fn an_earlier_version_is_read_from_git_and_a_release_may_break_what_it_must() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(root)
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let release = |version: &str| {
        let manifest = format!("[workspace.package]\nversion = \"{version}\"\n");
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
    };
    let compare = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .current_dir(root)
            .args(["codegen", "breaking"])
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    };
    fs::create_dir(root.join("xtask")).unwrap();
    fs::write(root.join("xtask/Cargo.toml"), "").unwrap();
    release("0.1.0");
    let spec = write(&root.join("spec"), &[]);
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    let (said, _, status) = compare(&["--against-last-tag"]);
    assert_eq!(
        (said.as_str(), status),
        ("breaking: skipped, there is no version tag yet to compare with\n", Some(0))
    );
    git(&["tag", "v0.1.0"]);
    git(&["tag", "go/v9.0.0"]);
    fs::remove_file(spec.join("actions/stop.json")).unwrap();
    for against in [&["--against-last-tag"][..], &["--against", "v0.1.0"], &["--against", "HEAD"]] {
        let (said, found, status) = compare(against);
        assert!(found.starts_with("breaking[action-removed] actions/stop.json#: "), "{found}");
        assert!(said.starts_with("breaking: 1 changes break peers of "), "{said}");
        assert_eq!(status, Some(1));
    }
    release("0.2.0");
    let (said, _, status) = compare(&["--against-last-tag"]);
    assert_eq!(said, "breaking: 1 changes break peers of v0.1.0, as version 0.2.0 may\n");
    assert_eq!(status, Some(0));
    let (_, error, status) = compare(&["--against", "v9"]);
    assert!(error.starts_with("error: `v9` is no commit of the repository of "), "{error}");
    assert_eq!(status, Some(2));
}

#[test]
fn a_version_that_cannot_be_read_is_named() {
    let place = tempfile::tempdir().unwrap();
    let new = write(&place.path().join("new"), &[]);
    let old = write(&place.path().join("old"), &[]);
    fs::write(old.join("types/alone.json"), "{").unwrap();
    let (lines, status) = compare(&old, &new);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let expected = format!("error[invalid-json] types/alone.json#: in {}: ", old.display());
    assert!(lines[0].starts_with(&expected), "{lines:?}");
    assert_eq!(status, Some(1));
    assert_eq!(breaking(&[]).status.code(), Some(2));
}
