//! What the TypeScript printer makes: golden output of the small protocol, and of a schema that tries everything.
//! `UPDATE_GOLDEN=1` rewrites both. That they are formatted, type-check and work is tested in typescript/.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The output for a schema, by file name.
fn generate(spec: &Path) -> BTreeMap<String, String> {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(repository())
        .args(["codegen", "--lang", "typescript", "--spec", spec.to_str().unwrap()])
        .args(["--out", out.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    files(&out.path().join("typescript"))
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

fn matches_golden(made: &BTreeMap<String, String>, golden: &Path) {
    if std::env::vars_os().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1") {
        let _ = fs::remove_dir_all(golden);
        fs::create_dir_all(golden).unwrap();
        for (name, text) in made {
            fs::write(golden.join(name), text).unwrap();
        }
    }
    let wanted = files(golden);
    assert!(made.keys().eq(wanted.keys()), "other files than before; run again with UPDATE_GOLDEN=1");
    for (name, text) in made {
        assert!(
            Some(text) == wanted.get(name),
            "{name} differs; see `git diff` after a run with UPDATE_GOLDEN=1"
        );
    }
}

#[test]
fn the_small_protocol_gives_the_golden_output() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    matches_golden(&generate(&data.join("spec")), &data.join("golden/typescript"));
}

#[test]
fn a_schema_that_tries_everything_gives_the_output_that_the_client_tests() {
    let folder = repository().join("typescript/test/hostile");
    matches_golden(&generate(&folder.join("schema.json")), &folder.join("generated"));
}

#[test]
fn no_text_of_a_schema_reaches_the_output_unescaped() {
    let made = generate(&repository().join("typescript/test/hostile/schema.json"));
    for (name, text) in &made {
        for (number, line) in text.lines().enumerate() {
            let place = format!("{name}:{}: {line:.200}", number + 1);
            for hidden in ['\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}', '\t', '\r'] {
                assert!(!line.contains(hidden), "{place}");
            }
            assert!(!line.contains("</script"), "{place}");
            assert!(!line.contains("<!--") || line.trim_start().starts_with('*'), "{place}");
            let comment =
                line.trim_start().strip_prefix("* ").or_else(|| line.trim_start().strip_prefix("/** "));
            if let Some(comment) = comment {
                let inside = comment.strip_suffix("*/").unwrap_or(comment);
                assert!(!inside.contains("*/"), "{place}");
                assert!(!inside.contains("@ts-ignore") || inside.contains("\\@ts-ignore"), "{place}");
            }
        }
    }
}
