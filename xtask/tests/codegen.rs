//! The generator as a person runs it: golden output, stability under small changes, drift, and what it does to files.
//! `UPDATE_GOLDEN=1` rewrites the golden files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The generator's arguments, run in the repository.
fn codegen(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_xtask");
    Command::new(binary).current_dir(repository()).arg("codegen").args(arguments).output().unwrap()
}

/// The standard output of a run that must succeed.
fn run(arguments: &[&str]) -> String {
    let output = codegen(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "codegen {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// All files below a folder, by their path relative to it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                out.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut out = BTreeMap::new();
    if folder.is_dir() {
        walk(folder, folder, &mut out);
    }
    out
}

fn copy(from: &Path, to: &Path) {
    for (name, text) in files(from) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, text).unwrap();
    }
}

fn arguments<'a>(spec: &'a Path, out: &'a Path, rest: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["--spec", spec.to_str().unwrap(), "--out", out.to_str().unwrap(), "--without-support"];
    all.extend(rest);
    all
}

#[test]
fn the_small_protocol_gives_the_golden_output() {
    let out = tempfile::tempdir().unwrap();
    run(&arguments(&testdata("spec"), out.path(), &[]));
    fs::remove_file(out.path().join(".codegen-manifest")).unwrap();
    let golden = testdata("golden");
    if std::env::vars_os().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1") {
        let _ = fs::remove_dir_all(&golden);
        copy(out.path(), &golden);
    }
    let (made, wanted) = (files(out.path()), files(&golden));
    let languages = |files: &BTreeMap<String, String>| {
        let mut names: Vec<String> =
            files.keys().filter_map(|path| path.split('/').next()).map(str::to_owned).collect();
        names.dedup();
        names
    };
    let golden_languages = languages(&wanted);
    assert!(golden_languages.contains(&"rust".to_owned()) && golden_languages.contains(&"docs".to_owned()));
    for (path, text) in
        made.iter().filter(|(path, _)| golden_languages.iter().any(|l| path.starts_with(&format!("{l}/"))))
    {
        let expected =
            wanted.get(path).unwrap_or_else(|| panic!("{path} is new; run again with UPDATE_GOLDEN=1"));
        assert!(text == expected, "{path} differs; see `git diff` after a run with UPDATE_GOLDEN=1");
    }
    let gone: Vec<&String> = wanted.keys().filter(|path| !made.contains_key(*path)).collect();
    assert!(gone.is_empty(), "{gone:?} are no longer made; run again with UPDATE_GOLDEN=1");
}

#[test]
fn rustfmt_leaves_generated_rust_untouched() {
    let root = repository();
    for file in ["xtask/testdata/golden/rust/src/generated/mod.rs", "rust/protocol/src/generated/mod.rs"] {
        let output = Command::new("rustfmt")
            .current_dir(&root)
            .args(["--check", "--edition", "2024", "--config-path", "rustfmt.toml", file])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

const NEW_EVENT: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://example.com/library/events/lamp_lit.json",
  "description": "A lamp was lit.",
  "type": "object",
  "required": ["type", "timestamp", "lamp"],
  "properties": {
    "type": { "description": "Names the event.", "const": "lamp_lit" },
    "requestId": { "description": "Any string.", "type": "string" },
    "timestamp": {
      "description": "When it was sent.",
      "type": "integer",
      "format": "int64",
      "minimum": 0,
      "maximum": 9007199254740991
    },
    "lamp": { "description": "Which lamp.", "type": "string" }
  },
  "examples": [{ "type": "lamp_lit", "timestamp": 0, "lamp": "hall" }]
}
"#;

#[test]
fn a_new_event_changes_only_its_own_code_and_the_union() {
    let place = tempfile::tempdir().unwrap();
    let (spec, out) = (place.path().join("spec"), place.path().join("out"));
    copy(&testdata("spec"), &spec);
    run(&arguments(&spec, &out, &[]));
    let before = files(&out);
    fs::write(spec.join("events/lamp_lit.json"), NEW_EVENT).unwrap();
    run(&arguments(&spec, &out, &[]));
    let after = files(&out);
    let changed: Vec<&str> = after
        .iter()
        .filter(|(path, text)| before.get(*path) != Some(*text))
        .map(|(path, _)| path.as_str())
        .collect();
    // The event's code and the union stand in one file per language; the others are tables of all types for tests,
    // C#'s table for its serializer, and the reference.
    let expected = [
        ".codegen-manifest",
        "csharp/Context.cs",
        "csharp/Events.cs",
        "docs/protocol.md",
        "go/events_gen.go",
        "go/round_trip_gen_test.go",
        "python/events.py",
        "rust/src/generated/events.rs",
        "rust/tests/generated/round_trip.rs",
        "typescript/events.ts",
    ];
    assert_eq!(changed, expected);
    assert!(before.keys().all(|path| after.contains_key(path)));
    for path in &expected[1..] {
        only_the_lamp(path, &before[*path], &after[*path]);
    }
}

/// Whether every change of a file is one line or more about the new event, and nothing is lost but the end of a list.
fn only_the_lamp(path: &str, before: &str, after: &str) {
    let diff = similar::TextDiff::from_lines(before, after);
    let mut hunks = 0;
    for hunk in diff.grouped_ops(0) {
        hunks += 1;
        let changes = || hunk.iter().flat_map(|op| diff.iter_changes(op));
        let text = |tag: similar::ChangeTag| -> String {
            changes().filter(|change| change.tag() == tag).map(|change| change.value()).collect()
        };
        let (lost, gained) = (text(similar::ChangeTag::Delete), text(similar::ChangeTag::Insert));
        assert!(gained.to_lowercase().contains("lamp"), "{path} gains {gained:?} for {lost:?}");
        assert!(lost.lines().count() <= 2, "{path} loses {lost:?}");
    }
    assert!(hunks <= 12, "{path} changes in {hunks} places");
}

#[test]
fn check_tells_the_difference_and_the_command_and_writes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (spec, out) = (place.path().join("spec"), place.path().join("out"));
    copy(&testdata("spec"), &spec);
    run(&arguments(&spec, &out, &["--lang", "rust"]));
    run(&arguments(&spec, &out, &["--lang", "rust", "--check"]));
    let event = spec.join("events/pong.json");
    let text = fs::read_to_string(&event).unwrap();
    fs::write(&event, text.replace("Answers a ping.", "Answers any ping.")).unwrap();
    let before = files(&out);
    let output = codegen(&arguments(&spec, &out, &["--lang", "rust", "--check"]));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for expected in ["-/// Answers a ping.", "+/// Answers any ping.", "run `cargo xtask codegen`"] {
        assert!(shown.contains(expected), "{expected} is missing in {shown}");
    }
    assert_eq!(files(&out), before);
}

#[test]
fn it_deletes_its_orphans_and_leaves_what_others_made() {
    let place = tempfile::tempdir().unwrap();
    let (spec, out) = (place.path().join("spec"), place.path().join("out"));
    copy(&testdata("spec"), &spec);
    run(&arguments(&spec, &out, &["--lang", "rust"]));
    fs::write(out.join("rust/src/generated/mine.rs"), "// by hand\n").unwrap();
    fs::remove_file(spec.join("errors.json")).unwrap();
    fs::remove_file(spec.join("events/error.json")).unwrap();
    let said = run(&arguments(&spec, &out, &["--lang", "rust"]));
    assert!(said.contains("1 deleted"), "{said}");
    assert!(!out.join("rust/src/generated/errors.rs").exists());
    assert!(out.join("rust/src/generated/mine.rs").exists());
    let again = run(&arguments(&spec, &out, &["--lang", "rust"]));
    assert!(again.contains("0 written") && again.contains("0 deleted"), "{again}");
}

#[test]
fn it_does_not_overwrite_what_it_did_not_make() {
    let out = tempfile::tempdir().unwrap();
    let mine = out.path().join("rust/src/generated/mod.rs");
    fs::create_dir_all(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "// by hand\n").unwrap();
    let before = files(out.path());
    let output = codegen(&arguments(&testdata("spec"), out.path(), &["--lang", "rust"]));
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("mod.rs was not made by codegen; move it away"), "{said}");
    assert_eq!(files(out.path()), before);
}

#[test]
fn one_language_alone_leaves_the_others_as_they_are() {
    let out = tempfile::tempdir().unwrap();
    run(&arguments(&testdata("spec"), out.path(), &["--lang", "rust", "--lang", "docs"]));
    let before = files(out.path());
    let said = run(&arguments(&testdata("spec"), out.path(), &["--lang", "docs"]));
    assert!(said.contains("0 written, 1 unchanged, 0 deleted"), "{said}");
    assert_eq!(files(out.path()), before);
    let unknown = codegen(&arguments(&testdata("spec"), out.path(), &["--lang", "cobol"]));
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("`cobol` is not a language; there are"));
}

#[test]
fn names_that_double_at_each_step_are_not_spelled_out() {
    let place = tempfile::tempdir().unwrap();
    let steps: Vec<String> = ('A'..='Y')
        .zip('B'..='Z')
        .map(|(one, next)| {
            let place = format!(r##"{{"$ref":"#/$defs/{next}"}}"##);
            format!(
                r#""{one}":{{"type":"array","prefixItems":[{place},{place}],"items":false,"minItems":2}}"#
            )
        })
        .collect();
    let schema = format!(r#"{{"$defs":{{{},"Z":{{"type":"string","maxLength":3}}}}}}"#, steps.join(","));
    fs::write(place.path().join("double.json"), schema).unwrap();
    let out = place.path().join("out");
    run(&arguments(&place.path().join("double.json"), &out, &[]));
    for (path, text) in files(&out) {
        assert!(text.len() < 100_000, "{path} has {} bytes", text.len());
    }
}
