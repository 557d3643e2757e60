//! What the Go printer makes, under Go's own tools. The golden output itself is compared in codegen.rs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn xtask() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// A Go module in a folder of its own, with the types of a schema in the package `protocol`.
fn module(schema: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(xtask())
        .args(["codegen", "--lang", "go", "--spec", schema.to_str().unwrap()])
        .args(["--out", place.path().join("out").to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let package = place.path().join("go/protocol");
    fs::create_dir_all(package.parent().unwrap()).unwrap();
    fs::rename(place.path().join("out/go"), package).unwrap();
    fs::write(place.path().join("go/go.mod"), "module example.com/generated\n\ngo 1.25.0\n").unwrap();
    place
}

/// The schema that tries everything: names and texts that want to break out, and every shape there is.
fn hostile() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(xtask().join("tests/go/hostile.json")).unwrap();
    let path = place.path().join("hostile.json");
    fs::write(&path, text.replace("\"LONG\"", &format!("\"{}\"", "word ".repeat(2_000)))).unwrap();
    (place, path)
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let read = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

/// A program of Go's, which must succeed and say nothing, unless it says `ok`.
fn go(place: &Path, program: &[&str]) {
    let output = Command::new(program[0])
        .args(&program[1..])
        .current_dir(place.join("go"))
        .env("GOFLAGS", "-mod=mod")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let content = said.is_empty() || said.starts_with("ok ");
    assert!(output.status.success() && content, "{program:?}: {said}");
}

#[test]
#[ignore = "needs Go: `cargo xtask test --only go` runs it"]
fn the_small_protocol_is_clean_and_keeps_every_example() {
    let place = module(&xtask().join("testdata/spec"));
    fs::create_dir_all(place.path().join("spec")).unwrap();
    for folder in ["actions", "events", "types"] {
        let target = place.path().join("spec").join(folder);
        fs::create_dir(&target).unwrap();
        for (name, text) in files(&xtask().join("testdata/spec").join(folder)) {
            fs::write(target.join(name), text).unwrap();
        }
    }
    fs::copy(xtask().join("testdata/spec/errors.json"), place.path().join("spec/errors.json")).unwrap();
    for test in ["examples_test.go", "mutants_test.go"] {
        fs::copy(xtask().join("../go/protocol").join(test), place.path().join("go/protocol").join(test))
            .unwrap();
    }
    go(place.path(), &["gofmt", "-d", "."]);
    go(place.path(), &["go", "vet", "./..."]);
    go(place.path(), &["go", "test", "./..."]);
}

#[test]
#[ignore = "needs Go: `cargo xtask test --only go` runs it"]
fn a_schema_that_tries_everything_is_clean() {
    let (_folder, schema) = hostile();
    let place = module(&schema);
    go(place.path(), &["gofmt", "-d", "."]);
    go(place.path(), &["go", "vet", "./..."]);
}

#[test]
fn no_text_of_a_schema_reaches_the_output_unescaped() {
    let (_folder, schema) = hostile();
    let place = module(&schema);
    for (name, text) in files(&place.path().join("go/protocol")) {
        for hidden in ['\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}', '\r', '\0'] {
            assert!(!text.contains(hidden), "{name} has {hidden:?}");
        }
    }
}

#[test]
fn a_new_event_changes_only_its_own_code_and_the_union() {
    let place = tempfile::tempdir().unwrap();
    let spec = place.path().join("spec");
    for folder in ["", "actions", "events", "types"] {
        fs::create_dir(spec.join(folder)).unwrap();
        for entry in fs::read_dir(xtask().join("testdata/spec").join(folder)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                fs::copy(entry.path(), spec.join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    let before = files(&module(&spec).path().join("go/protocol"));
    let pong = fs::read_to_string(spec.join("events/pong.json")).unwrap();
    fs::write(spec.join("events/quiet.json"), pong.replace("pong", "quiet").replace("Pong", "Quiet"))
        .unwrap();
    let after = files(&module(&spec).path().join("go/protocol"));
    let changed: Vec<&String> = after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
    assert_eq!(changed, ["events_gen.go", "round_trip_gen_test.go"]);
    for name in changed {
        let lines: Vec<&str> = after[name].lines().collect();
        let lost: Vec<&str> = before[name].lines().filter(|line| !lines.contains(line)).collect();
        assert!(lost.is_empty(), "{name} loses {lost:?}");
    }
}
