//! What the Python printer makes of schemas that try everything, under Python's own tools. The golden output itself is
//! compared in codegen.rs, and that it works is tested in python/.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A folder with the settings of python/ and the generated package of a schema.
fn package(schema: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(repository())
        .args(["codegen", "--lang", "python", "--spec", schema.to_str().unwrap()])
        .args(["--out", place.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::rename(place.path().join("python"), place.path().join("_generated")).unwrap();
    fs::copy(repository().join("python/pyproject.toml"), place.path().join("pyproject.toml")).unwrap();
    place
}

/// Schemas whose names and texts want to break out, and that have every shape there is.
fn hostile() -> (tempfile::TempDir, Vec<PathBuf>) {
    let place = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, source) in
        [("one", "xtask/tests/go/hostile.json"), ("two", "typescript/test/hostile/schema.json")]
    {
        let text = fs::read_to_string(repository().join(source)).unwrap();
        let path = place.path().join(format!("{name}.json"));
        fs::write(&path, text.replace("\"LONG\"", &format!("\"{}\"", "word ".repeat(2_000)))).unwrap();
        paths.push(path);
    }
    (place, paths)
}

/// A program of python/.venv, which must succeed.
fn run(place: &Path, program: &[&str]) {
    let output = Command::new(repository().join("python/.venv/bin").join(program[0]))
        .args(&program[1..])
        .current_dir(place)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {said}");
}

fn is_clean(schema: &Path) {
    let place = package(schema);
    run(place.path(), &["ruff", "format", "--diff", "."]);
    run(place.path(), &["ruff", "check", "."]);
    run(place.path(), &["mypy", "_generated"]);
    run(place.path(), &["pyright", "_generated"]);
    run(place.path(), &["python", "-W", "error", "-c", "import _generated"]);
}

#[test]
#[ignore = "needs Python's tools: `cargo xtask test --only python` runs it"]
fn the_small_protocol_is_clean() {
    is_clean(&repository().join("xtask/testdata/spec"));
}

#[test]
#[ignore = "needs Python's tools: `cargo xtask test --only python` runs it"]
fn schemas_that_try_everything_are_clean() {
    let (_folder, schemas) = hostile();
    schemas.iter().for_each(|schema| is_clean(schema));
}

#[test]
#[ignore = "needs Python's tools: `cargo xtask test --only python` runs it"]
fn the_small_protocol_keeps_every_example_and_refuses_every_fault() {
    let place = tempfile::tempdir().unwrap();
    let spec = repository().join("xtask/testdata/spec");
    let (source, tests) =
        (place.path().join("python/src/smooth_operator"), place.path().join("python/tests"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&tests).unwrap();
    fs::rename(package(&spec).path().join("_generated"), source.join("_generated")).unwrap();
    fs::write(source.join("__init__.py"), "from ._generated import *\n").unwrap();
    for file in ["__init__.py", "schemas.py", "test_examples.py"] {
        fs::copy(repository().join("python/tests").join(file), tests.join(file)).unwrap();
    }
    copy(&spec, &place.path().join("spec"));
    let folder = place.path().join("python");
    let program = "import sys, unittest; sys.path.insert(0, 'src'); unittest.main('tests.test_examples')";
    run(&folder, &["python", "-W", "error", "-c", program]);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn no_text_of_a_schema_reaches_the_output_unescaped() {
    let (_folder, schemas) = hostile();
    for schema in &schemas {
        let place = package(schema);
        for entry in fs::read_dir(place.path().join("_generated")).unwrap().map(Result::unwrap) {
            let text = fs::read_to_string(entry.path()).unwrap();
            for hidden in ['\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}', '\r', '\t', '\0'] {
                assert!(!text.contains(hidden), "{} has {hidden:?}", entry.path().display());
            }
            assert_eq!(text.matches("\"\"\"").count() % 2, 0, "{}", entry.path().display());
        }
    }
}
