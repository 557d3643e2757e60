//! What the generator says about schemas that are wrong: one line with file, pointer and remedy, and no file touched.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// The small protocol with one file changed or added.
struct Spec {
    folder: tempfile::TempDir,
}

impl Spec {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/spec"), &folder.path().join("spec"));
        Self { folder }
    }

    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("spec")).unwrap();
        Self { folder }
    }

    fn write(self, file: &str, text: &str) -> Self {
        let path = self.folder.path().join("spec").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn replace(self, file: &str, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.folder.path().join("spec").join(file)).unwrap();
        assert!(text.contains(from), "{file} does not hold {from}");
        self.write(file, &text.replacen(from, to, 1))
    }

    /// The exit status and the findings of a run; there must be no output then.
    fn findings(&self) -> (Option<i32>, Vec<String>) {
        let out = self.folder.path().join("out");
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("codegen")
            .args(["--spec", self.folder.path().join("spec").to_str().unwrap()])
            .args(["--out", out.to_str().unwrap(), "--lang", "rust", "--lang", "docs"])
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stderr).unwrap().lines().map(str::to_owned).collect();
        if output.status.code() != Some(0) {
            assert!(!out.exists(), "a failed run wrote files");
        }
        (output.status.code(), lines)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

const NAME_READER: &str = "actions/name_reader.json";

/// Runs a broken protocol and compares the one line that it gives.
fn gives(spec: &Spec, expected: &str) {
    let (status, lines) = spec.findings();
    assert_eq!(lines, [expected]);
    assert_eq!(status, Some(1));
}

#[test]
fn invalid_json() {
    gives(
        &Spec::new().write("types/isbn.json", "{\"type\": \"string\",}"),
        "error[invalid-json] types/isbn.json#: trailing comma at line 1 column 19; make it one valid JSON document",
    );
}

#[test]
fn a_missing_file() {
    gives(
        &Spec::new().replace("types/book.json", "\"isbn.json\"", "\"issn.json\""),
        "error[missing-file] types/book.json#/properties/isbn: `issn.json` is not there; \
         correct the reference or add the file",
    );
}

#[test]
fn a_reference_that_leads_nowhere() {
    gives(
        &Spec::new().replace("types/book.json", "#/$defs/BookKind", "#/$defs/Kind"),
        "error[missing-target] types/book.json#/properties/kind: `#/$defs/Kind` leads nowhere; correct the reference",
    );
}

#[test]
fn an_event_that_means_something_unheard_of_to_its_turn() {
    gives(
        &Spec::new().replace("events/error.json", "\"x-turn\": \"ends\"", "\"x-turn\": \"explodes\""),
        "error[turn] events/error.json#/x-turn: it is not what an event can mean to a turn; \
         write one of goes_on, streams, parks, informs, passes, ends, or {\"if\": {\"field\": 0}, \"then\": …, \"else\": …} \
         with a whole number that the event always has",
    );
}

#[test]
fn an_event_whose_meaning_to_its_turn_hangs_on_what_it_may_lack() {
    for condition in ["{\n      \"shelf\": 0\n    }", "{\n      \"width\": 0\n    }", "{}"] {
        let spec =
            Spec::new().replace("events/shelf_scanned.json", "{\n      \"timestamp\": 0\n    }", condition);
        gives(
            &spec,
            "error[turn] events/shelf_scanned.json#/x-turn: it is not what an event can mean to a turn; \
             write one of goes_on, streams, parks, informs, passes, ends, or {\"if\": {\"field\": 0}, \"then\": …, \
             \"else\": …} with a whole number that the event always has",
        );
    }
}

#[test]
fn a_setting_of_clients_without_a_default() {
    gives(
        &Spec::new().replace("client.json", "\"default\": 1500", "\"default\": \"1.5 s\""),
        "error[client-settings] client.json#/$defs/Timeouts/properties/knock: the setting has no default, \
         in milliseconds; write \"default\": 10000, or what is right for most",
    );
}

#[test]
fn settings_of_clients_that_lack_a_group() {
    let start = "\"pacing\": {\n      \"$ref\"";
    gives(
        &Spec::new().replace("client.json", &format!(",\n    {start}: \"#/$defs/Pacing\"\n    }}"), ""),
        "error[client-settings] client.json#: a client needs both groups, `timeouts` and `pacing`; declare them under \
         properties",
    );
}

#[test]
fn a_group_of_settings_that_no_client_has() {
    gives(
        &Spec::new().replace("client.json", "\"pacing\": {", "\"manners\": {"),
        "error[client-settings] client.json#/properties/manners: it is neither of the groups of settings that a client \
         has; put it into `timeouts` or `pacing`, or teach the printers another group",
    );
}

#[test]
fn an_action_that_is_something_unheard_of_to_its_turn() {
    gives(
        &Spec::new().replace("actions/lend_book.json", "\"x-turn\": \"starts\"", "\"x-turn\": true"),
        "error[turn] actions/lend_book.json#/x-turn: it is not what an action can be to a turn; \
         write \"starts\", \"stops\", or an object with the event that it `answers` and its `methods`",
    );
}

#[test]
fn an_action_that_answers_an_event_in_which_no_turn_waits() {
    gives(
        &Spec::new().replace(NAME_READER, "\"answers\": \"reader_wanted\"", "\"answers\": \"shelf_scanned\""),
        "error[turn] actions/name_reader.json#/x-turn/answers: `shelf_scanned` is no event that a turn waits in; \
         name one whose x-turn is \"parks\"",
    );
}

#[test]
fn a_method_of_a_turn_that_fills_no_field_of_its_action() {
    gives(
        &Spec::new().replace(NAME_READER, "\"field\": \"kept\"", "\"field\": \"keeps\""),
        "error[turn] actions/name_reader.json#/x-turn/methods/keep: it lacks a field of the action or a description; \
         write {\"field\": \"…\", \"description\": \"…\"}",
    );
}

#[test]
fn a_method_of_a_turn_that_leaves_a_required_field_empty() {
    let required = "\"sessionId\",\n    \"slipNumber\"";
    gives(
        &Spec::new().replace(NAME_READER, required, &format!("{required},\n    \"reader\"")),
        "error[turn] actions/name_reader.json#/x-turn/methods/describe: nothing gives the action its `reader`; \
         make that optional, or let the event have it",
    );
}

#[test]
fn a_cyclic_reference() {
    let cyclic = r##"{"$id":"https://example.com/library/types/loop.json","description":"x","examples":[1],"$ref":"#/$defs/There",
        "$defs":{"There":{"description":"x","$ref":"loop.json"}}}"##;
    gives(
        &Spec::new().write("types/loop.json", cyclic),
        "error[cyclic-ref] types/loop.json#: the reference leads back to itself by way of types/loop.json#; \
         let one of them name a real schema",
    );
}

#[test]
fn a_collision_names_both_places() {
    let (status, lines) = Spec::new()
        .replace(
            "types/book.json",
            "\"BookKind\": {",
            "\"Isbn\": {\"description\": \"x\", \"type\": \"string\"}, \"BookKind\": {",
        )
        .findings();
    assert_eq!(status, Some(1));
    assert_eq!(
        lines,
        [
            "error[name-collision] types/isbn.json#: the name \"Isbn\" is also used at types/book.json#/$defs/Isbn; \
          rename one of the two"
        ]
    );
}

#[test]
fn fields_that_fall_together_in_a_language() {
    let spec = Spec::new().replace(
        "types/book.json",
        "\"pages\": {",
        "\"sub_jects\": {\"type\": \"string\"}, \"subJects\": {\"type\": \"string\"}, \"pages\": {",
    );
    let (status, lines) = spec.findings();
    assert_eq!(status, Some(1));
    assert!(
        lines.iter().any(|line| line.starts_with(
            "error[name-collision] types/book.json#/properties/subJects: \"subJects\" becomes `sub_jects` in rust, \
             and so does types/book.json#/properties/sub_jects"
        )),
        "{lines:?}"
    );
}

#[test]
fn each_rule_of_the_wire_profile() {
    for (file, from, to, rule, pointer) in [
        (
            "types/book.json",
            "\"minLength\": 1",
            "\"properties\": {\"a\": {}}",
            "inline-type",
            "/properties/title",
        ),
        (
            "types/book.json",
            "\"minLength\": 1",
            "\"enum\": [\"a\", \"b\"]",
            "inline-type",
            "/properties/title",
        ),
        ("types/book.json", "\"minLength\": 1", "\"not\": {}", "banned-keyword", "/properties/title/not"),
        ("types/book.json", "\"multipleOf\": 2", "\"if\": {}", "banned-keyword", "/properties/pages/if"),
        ("types/book.json", "\"format\": \"int32\",", "", "integer-width", "/properties/pages"),
        ("types/book.json", "\"int32\"", "\"int64\"", "integer-width", "/properties/pages"),
        ("types/book.json", "\"isbn\",", "\"isbn\", \"ghost\",", "required", "/required/1"),
        ("types/book.json", "\"examples\"", "\"x-examples\"", "examples", ""),
        ("types/book.json", "types/book.json", "types/tome.json", "id", "/$id"),
        ("types/book.json", "\"BookKind\": {", "\"bookKind\": {", "missing-target", "/properties/kind"),
        ("types/isbn.json", "The number", &"long ".repeat(50), "description", "/description"),
        (
            "actions/change_book.json",
            "\"x-tristate\": true",
            "\"x-bistate\": true",
            "tristate",
            "/properties/note",
        ),
        ("actions/ping.json", "\"const\": \"ping\"", "\"const\": \"pang\"", "tag", "/properties/action"),
        ("actions/ping.json", "\"pong\"", "\"pang\"", "reply", "/x-reply"),
        (
            "events/pong.json",
            "\"type\": \"object\"",
            "\"type\": \"object\", \"additionalProperties\": false",
            "closed-object",
            "/additionalProperties",
        ),
        (
            "events/shelf_scanned.json",
            "\"items\": false",
            "\"items\": true",
            "open-tuple",
            "/properties/size/prefixItems",
        ),
        ("types/shelf_entry.json", "\"const\": \"gap\"", "\"type\": \"string\"", "tagged-union", "/oneOf"),
        ("types/shelf_entry.json", "\"gap\"\n", "\"hole\"\n", "open-union", "/oneOf/3"),
        ("errors.json", "\"hint\": \"Look", "\"tip\": \"Look", "error-code", "/x-errors/NO_SUCH_BOOK"),
        ("types/isbn.json", "^\\\\d", "(?<=a)\\\\d", "pattern", "/pattern"),
    ] {
        let spec = Spec::new().replace(file, from, to);
        let (status, lines) = spec.findings();
        let expected = format!("error[{rule}] {file}#{pointer}: ");
        assert!(lines.iter().any(|line| line.starts_with(&expected)), "{expected} is not in {lines:#?}");
        assert!(lines.iter().all(|line| line.contains("; ")), "a finding without a remedy: {lines:#?}");
        assert_eq!(status, Some(1), "{expected}");
    }
}

#[test]
fn nesting_without_end_is_an_error() {
    let deep = "{\"items\":".repeat(10_000) + "{}" + &"}".repeat(10_000);
    let (status, lines) = Spec::new().write("types/deep.json", &deep).findings();
    assert_eq!(status, Some(1));
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("error[invalid-json] types/deep.json#: recursion limit exceeded"),
        "{lines:?}"
    );
}

#[test]
fn a_key_that_appears_twice() {
    let (status, lines) =
        Spec::new().write("types/isbn.json", "{\"type\":\"string\",\"type\":\"number\"}").findings();
    assert_eq!((status, lines.len()), (Some(1), 1));
    assert!(
        lines[0].starts_with("error[invalid-json] types/isbn.json#: the key \"type\" appears twice"),
        "{lines:?}"
    );
}

#[test]
fn a_folder_without_schemas_and_one_that_is_not_there() {
    let (status, lines) = Spec::empty().findings();
    assert_eq!((status, lines.len()), (Some(1), 1));
    assert!(lines[0].contains("the folder holds no *.json; name another with --spec"), "{lines:?}");
    let spec = Spec::empty();
    fs::remove_dir(spec.folder.path().join("spec")).unwrap();
    let (status, lines) = spec.findings();
    assert_eq!((status, lines.len()), (Some(1), 1));
    assert!(lines[0].starts_with("error[unreadable]"), "{lines:?}");
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let spec = Spec::new().replace("types/book.json", "\"isbn.json\"", "\"../../outside.json\"");
    fs::write(spec.folder.path().join("outside.json"), "{\"type\":\"string\"}").unwrap();
    let (status, lines) = spec.findings();
    assert_eq!(status, Some(1));
    assert!(lines.iter().all(|line| line.contains("types/book.json#/properties/isbn")), "{lines:?}");
}

#[test]
fn a_finding_is_one_line_whatever_the_schema_holds() {
    let (status, lines) = Spec::new()
        .replace("types/book.json", "\"#/$defs/BookKind\"", "\"#/a\\n\\u001b[31m\\u202eb\"")
        .findings();
    assert_eq!((status, lines.len()), (Some(1), 1), "{lines:?}");
    assert!(lines[0].contains("#/a\\u{a}\\u{1b}[31m\\u{202e}b"), "{lines:?}");
}

/// Every file of the output with its text and the time of its last change.
fn state(folder: &Path) -> Vec<(std::path::PathBuf, String, std::time::SystemTime)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            out.extend(state(&path));
        } else {
            let changed = entry.metadata().unwrap().modified().unwrap();
            out.push((path.clone(), fs::read_to_string(path).unwrap(), changed));
        }
    }
    out.sort();
    out
}

#[test]
fn a_bad_input_gives_one_line_and_touches_no_file() {
    let run = |spec: &Spec| {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["codegen", "--spec", spec.folder.path().join("spec").to_str().unwrap()])
            .args(["--out", spec.folder.path().join("out").to_str().unwrap()])
            .output()
            .unwrap()
    };
    let cyclic = r##"{"$id":"https://example.com/library/types/loop.json","description":"x","examples":[1],"$ref":"#/$defs/There","$defs":{"There":{"description":"x","$ref":"loop.json"}}}"##;
    let isbn = "\"Isbn\": {\"description\": \"x\", \"type\": \"string\"}, \"BookKind\": {";
    type Break = fn(Spec, &str) -> Spec;
    let bad: [(&str, Break, &str, &str); 5] = [
        (
            "a breach of the profile",
            |spec, _| spec.replace("types/book.json", "\"minLength\": 1", "\"not\": {}"),
            "",
            "error[banned-keyword] types/book.json#/properties/title/not: ",
        ),
        (
            "a missing file",
            |spec, _| spec.replace("types/book.json", "\"isbn.json\"", "\"issn.json\""),
            "",
            "error[missing-file] types/book.json#/properties/isbn: ",
        ),
        (
            "a cyclic reference",
            |spec, text| spec.write("types/loop.json", text),
            cyclic,
            "error[cyclic-ref] types/loop.json#: ",
        ),
        (
            "a collision",
            |spec, text| spec.replace("types/book.json", "\"BookKind\": {", text),
            isbn,
            "error[name-collision] types/isbn.json#: ",
        ),
        (
            "invalid JSON",
            |spec, _| spec.write("types/isbn.json", "{\"type\": \"string\",}"),
            "",
            "error[invalid-json] types/isbn.json#: ",
        ),
    ];
    for (what, spoil, text, expected) in bad {
        let spec = Spec::new();
        assert!(run(&spec).status.success());
        let before = state(&spec.folder.path().join("out"));
        let spec = spoil(spec, text);
        let output = run(&spec);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(said.lines().count() == 1 && said.starts_with(expected), "{what}: {said}");
        assert!(output.stdout.is_empty(), "{what}");
        assert!(state(&spec.folder.path().join("out")) == before, "{what} has touched a file");
    }
}
