//! What the C# printer makes of a schema that tries everything, alone and without our client beside it.
//! `UPDATE_GOLDEN=1` rewrites it. That it compiles and works is tested in dotnet/.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dotnet/test/SmooAI.SmoothOperator.Hostile.Tests")
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

/// The output for the schema, by file name.
fn generate() -> BTreeMap<String, String> {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["codegen", "--lang", "csharp", "--spec", project().join("everything.json").to_str().unwrap()])
        .args(["--out", out.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    files(&out.path().join("csharp"))
}

#[test]
fn a_schema_that_tries_everything_gives_the_output_that_dotnet_tests() {
    let (made, golden) = (generate(), project().join("Generated"));
    if std::env::vars_os().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1") {
        let _ = fs::remove_dir_all(&golden);
        fs::create_dir_all(&golden).unwrap();
        for (name, text) in &made {
            fs::write(golden.join(name), text).unwrap();
        }
    }
    let wanted = files(&golden);
    assert!(made.keys().eq(wanted.keys()), "other files than before; run again with UPDATE_GOLDEN=1");
    for (name, text) in &made {
        let same = Some(text) == wanted.get(name);
        assert!(same, "{name} differs; see `git diff` after a run with UPDATE_GOLDEN=1");
    }
}

#[test]
fn no_text_of_a_schema_reaches_the_output_unescaped() {
    for (name, text) in &generate() {
        for (number, line) in text.lines().enumerate() {
            let place = format!("{name}:{}: {line:.200}", number + 1);
            for hidden in ['\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}', '\t', '\r'] {
                assert!(!line.contains(hidden), "{place}");
            }
            let line = line.trim_start();
            assert!(
                !line.starts_with('#') || line == "#nullable enable" || line.starts_with("#pragma"),
                "{place}"
            );
            assert!(!line.starts_with("#pragma") || line.ends_with("CS0618"), "{place}");
            if let Some(comment) = line.strip_prefix("/// ") {
                let text = comment.strip_prefix("<summary>").unwrap_or(comment);
                let text = text.strip_suffix("</summary>").unwrap_or(text);
                assert!(!text.contains("</summary>") && !text.contains("<script>"), "{place}");
            }
        }
    }
}
