//! Schemas that are not ours: what the model can say becomes a type, everything else JSON with a warning that names the
//! place; no name or description breaks out of the code; nothing makes the generator panic or run without end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What a run over one schema gave.
struct Outcome {
    status: Option<i32>,
    warnings: Vec<String>,
    /// The generated types, one line per item, without comments and attributes.
    code: String,
}

fn generate(schema: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("schema.json");
    fs::write(&spec, schema).unwrap();
    generate_from(&spec, folder.path())
}

/// Runs the generator, for two minutes at most.
fn generate_from(spec: &Path, folder: &Path) -> Outcome {
    let out = folder.join("out");
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("codegen")
        .args(["--spec", spec.to_str().unwrap(), "--out", out.to_str().unwrap()])
        .args(["--lang", "rust", "--lang", "docs", "--without-support"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    let (said, hears) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut text = String::new();
        let read = errors.read_to_string(&mut text);
        said.send(read.map(|_| text))
    });
    let Ok(said) = hears.recv_timeout(Duration::from_secs(120)) else {
        child.kill().unwrap();
        panic!("the generator ran for more than two minutes");
    };
    let warnings = said.unwrap().lines().map(str::to_owned).collect();
    let status = child.wait().unwrap().code();
    let code = fs::read_to_string(out.join("rust/src/generated/types.rs")).unwrap_or_default();
    Outcome { status, warnings, code }
}

/// The fields and aliases of the generated code, and the rule and pointer of each warning.
fn summary(outcome: &Outcome) -> Vec<String> {
    assert_eq!(outcome.status, Some(0), "{:?}", outcome.warnings);
    syn::parse_file(&outcome.code).unwrap();
    let telling = ["pub struct ", "pub enum ", "pub type ", "pub "];
    let mut out: Vec<String> = outcome
        .code
        .lines()
        .map(str::trim)
        .filter(|line| telling.iter().any(|start| line.starts_with(start)))
        .filter(|line| !line.starts_with("pub fn ") && !line.starts_with("pub const "))
        .map(|line| line.trim_start_matches("pub ").trim_end_matches([',', ';', '{', ' ']).to_owned())
        .collect();
    out.extend(outcome.warnings.iter().map(|line| line.split(": ").next().unwrap_or_default().to_owned()));
    out
}

/// A schema, and what it gives: the items and fields of the code, then the rule and pointer of each warning.
const CASES: &[(&str, &[&str])] = &[
    (r#"{"type":"string"}"#, &["type Schema = String"]),
    (r#"{"title":"a name","type":"integer","minimum":0,"maximum":9}"#, &["struct AName(pub i32)"]),
    ("true", &["type Schema = serde_json::Value"]),
    ("false", &["struct Schema(pub serde_json::Value)"]),
    (r#"{"enum":["a",1,null]}"#, &["struct Schema(pub serde_json::Value)"]),
    (r#"{"const":7}"#, &["struct Schema(pub i32)"]),
    (
        r#"{"type":"object","properties":{"a":{"type":["string","null"]},"b":{"anyOf":[{"type":"boolean"},{"type":"null"}]}},"required":["a"]}"#,
        &["struct Schema", "a: Option<String>", "b: Tri<bool>"],
    ),
    (
        r##"{"type":"object","properties":{"a b":{"$ref":"#/$defs/x~1y"}},"$defs":{"x/y":{"type":"object","properties":{"k":{}}}}}"##,
        &["struct Schema", "a_b: Option<Y>", "struct Y", "k: Option<serde_json::Value>"],
    ),
    (
        r##"{"$defs":{"A":{"$anchor":"here","type":"object","properties":{"next":{"$ref":"#here"}}}}}"##,
        &["struct A", "next: Option<Box<A>>"],
    ),
    (
        r##"{"$id":"https://a.test/root.json","$ref":"inner.json","$defs":{"In":{"$id":"inner.json","type":"array","items":{"$ref":"#"}}}}"##,
        &["type Schema = In", "struct In(pub Vec<In>)"],
    ),
    (
        r##"{"allOf":[{"$ref":"#/$defs/Base"},{"type":"object","properties":{"b":{"type":"number"}},"required":["b"]}],"$defs":{"Base":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}}}"##,
        &["struct Schema", "a: bool", "b: f64", "struct Base", "a: bool"],
    ),
    (
        r##"{"oneOf":[{"$ref":"#/$defs/Cat"},{"$ref":"#/$defs/Dog"}],"$defs":{"Cat":{"type":"object","required":["t"],"properties":{"t":{"const":"cat"}}},"Dog":{"type":"object","required":["t"],"properties":{"t":{"enum":["dog"]}}}}}"##,
        &["enum Schema", "struct Cat {}", "struct Dog {}"],
    ),
    (r#"{"oneOf":[{"const":"a","description":"first"},{"const":"b"}]}"#, &["enum Schema"]),
    (
        r#"{"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"type":"string"}}}]}"#,
        &["struct Schema(pub serde_json::Value)", "note[untagged-union] schema.json#"],
    ),
    (
        r#"{"type":["string","integer"]}"#,
        &["struct Schema(pub serde_json::Value)", "note[several-types] schema.json#"],
    ),
    (
        r#"{"properties":{"a":{"type":"string"}}}"#,
        &["struct Schema(pub serde_json::Value)", "note[untyped] schema.json#"],
    ),
    (
        r#"{"type":"array","prefixItems":[{"type":"string"},{"type":"boolean"}],"items":false,"minItems":2}"#,
        &["type Schema = (String, bool)"],
    ),
    (
        r#"{"type":"array","prefixItems":[{"type":"string"}]}"#,
        &["struct Schema(pub serde_json::Value)", "note[open-tuple] schema.json#"],
    ),
    (
        r#"{"type":"object","patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}"#,
        &[
            "type Schema = std::collections::BTreeMap<String, String>",
            "warning[key-pattern] schema.json#/patternProperties/^x",
        ],
    ),
    (
        r#"{"type":"object","additionalProperties":{"type":"array","items":{"type":"string","maxLength":3}}}"#,
        &["struct Schema(pub std::collections::BTreeMap<String, Vec<String>>)"],
    ),
    (
        r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"number"}}"#,
        &["struct Schema", "a: Option<String>", "additional: std::collections::BTreeMap<String, f64>"],
    ),
    (
        r#"{"type":"object","properties":{"a":{"type":"string"}},"if":{},"dependentRequired":{"a":["b"]},"not":{}}"#,
        &["struct Schema", "a: Option<String>"],
    ),
    (
        r#"{"type":"string","pattern":"(?<=x)y"}"#,
        &["type Schema = String", "warning[pattern] schema.json#/pattern"],
    ),
    (
        r#"{"type":"object","properties":{"a":{"$ref":"https://elsewhere.test/s.json"}}}"#,
        &["struct Schema", "a: Option<serde_json::Value>", "warning[remote-ref] schema.json#/properties/a"],
    ),
    (
        r##"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"$ref":"#/definitions/s","type":"number"}},"definitions":{"s":{"type":"string"}}}"##,
        &["struct Schema", "a: Option<S>", "type S = String"],
    ),
    (
        r##"{"type":"object","properties":{"a":{"$dynamicRef":"#node"}},"$defs":{"n":{"$dynamicAnchor":"node","type":"boolean"}}}"##,
        &["struct Schema", "a: Option<N>", "type N = bool"],
    ),
    (
        r#"{"type":"object","properties":{"pet":{"type":"object","properties":{"name":{"type":"string"},"kind":{"enum":["cat","dog"]}}}}}"#,
        &[
            "struct Schema",
            "pet: Option<SchemaPet>",
            "struct SchemaPet",
            "name: Option<String>",
            "kind: Option<SchemaPetKind>",
            "enum SchemaPetKind",
        ],
    ),
    (
        r#"{"type":"object","properties":{"a":{"title":"Wheel","type":"object","properties":{"r":{"type":"number"}}},"b":{"title":"Wheel","type":"object","properties":{"s":{"type":"number"}}}}}"#,
        &[
            "struct Schema",
            "a: Option<Wheel>",
            "b: Option<SchemaB>",
            "struct Wheel",
            "r: Option<f64>",
            "struct SchemaB",
            "s: Option<f64>",
        ],
    ),
];

#[test]
fn what_can_be_said_becomes_a_type_and_the_rest_json_with_a_warning() {
    for (schema, expected) in CASES {
        let found = summary(&generate(schema));
        let said = found.iter().map(String::as_str).filter(|line| !line.contains("warning[unchecked]"));
        assert_eq!(said.collect::<Vec<&str>>(), *expected, "{schema}");
    }
}

#[test]
fn what_no_type_says_is_checked_by_rules() {
    let outcome = generate(r#"{"not":{"type":"string","pattern":"^a\\d$"}}"#);
    assert_eq!(outcome.status, Some(0), "{:?}", outcome.warnings);
    assert!(outcome.code.contains("rules::rule(&self.0, 0)?;"), "{}", outcome.code);
}

#[test]
fn what_is_not_checked_is_said() {
    let schema = r#"{"type":"object","properties":{"a":{"type":"string"}},"if":{},"dependentRequired":{"a":["b"]},"not":{}}"#;
    let outcome = generate(schema);
    for keyword in ["if", "dependentRequired", "not"] {
        let expected = format!("warning[unchecked] schema.json#/{keyword}: `{keyword}` is not checked; ");
        assert!(outcome.warnings.iter().any(|line| line.starts_with(&expected)), "{:?}", outcome.warnings);
    }
}

#[test]
fn no_name_and_no_text_breaks_out() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile.json");
    let outcome = generate_from(&hostile, folder.path());
    assert_eq!(outcome.status, Some(0), "{:?}", outcome.warnings);
    let file = syn::parse_file(&outcome.code).unwrap();
    assert!(file.items.iter().all(|item| {
        matches!(
            item,
            syn::Item::Use(_)
                | syn::Item::Struct(_)
                | syn::Item::Enum(_)
                | syn::Item::Type(_)
                | syn::Item::Impl(_)
        )
    }));
    let docs = fs::read_to_string(folder.path().join("out/docs/protocol.md")).unwrap();
    for text in [&outcome.code, &docs] {
        assert!(!text.contains(['\u{202e}', '\u{2028}', '\u{0}', '\u{feff}', '\r']));
    }
    let prose: Vec<&str> = docs.lines().filter(|line| !line.contains('`')).collect();
    assert!(
        prose.iter().all(|line| !line.contains("<b>") && !line.contains("</script>")),
        "HTML in the reference"
    );
}

#[test]
fn a_reference_that_leads_nowhere_is_json() {
    let outcome = generate(r##"{"type":"object","properties":{"a":{"$ref":"#/definitions/b"}}}"##);
    let expected = [
        "struct Schema",
        "a: Option<serde_json::Value>",
        "warning[missing-target] schema.json#/properties/a",
    ];
    assert_eq!(summary(&outcome), expected);
}

#[test]
fn values_that_differ_only_beyond_the_longest_name_stay_apart() {
    let values: Vec<String> = (0..30).map(|at| format!("\"{}{at}\"", "long ".repeat(60))).collect();
    let outcome = generate(&format!("{{\"enum\":[{}]}}", values.join(",")));
    assert_eq!(outcome.status, Some(0), "{:?}", outcome.warnings);
    syn::parse_file(&outcome.code).unwrap();
}

#[test]
fn long_chains_of_references_end() {
    let links: Vec<String> =
        (0..10_000).map(|at| format!(r##""L{at}":{{"$ref":"#/$defs/L{}"}}"##, at + 1)).collect();
    let schema =
        format!(r##"{{"$ref":"#/$defs/L0","$defs":{{{},"L10000":{{"type":"boolean"}}}}}}"##, links.join(","));
    let outcome = generate(&schema);
    assert_eq!(outcome.status, Some(0), "{:?}", outcome.warnings.first());
    assert!(
        outcome.code.contains("pub type L9999 = L10000;") && outcome.code.contains("pub type L0 = L10000;")
    );
}

#[test]
fn circles_through_all_of_end_with_a_note() {
    let outcome = generate(
        r##"{"$defs":{"A":{"type":"object","allOf":[{"$ref":"#/$defs/B"}]},"B":{"type":"object","allOf":[{"$ref":"#/$defs/A"}]}}}"##,
    );
    assert_eq!(outcome.status, Some(0));
    assert!(outcome.warnings.iter().any(|line| line.starts_with("note[all-of]")), "{:?}", outcome.warnings);
}

#[test]
fn all_of_that_doubles_at_each_step_ends() {
    let steps: Vec<String> = (0..40)
        .map(|at| {
            let next = at + 1;
            format!(r##""D{at}":{{"type":"object","allOf":[{{"$ref":"#/$defs/D{next}"}},{{"$ref":"#/$defs/D{next}"}}]}}"##)
        })
        .collect();
    let schema = format!(r#"{{"$defs":{{{},"D40":{{"type":"object"}}}}}}"#, steps.join(","));
    assert_eq!(generate(&schema).status, Some(0));
}

#[test]
fn a_lint_of_others_schemas_warns_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#)
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["codegen", "lint", folder.path().to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("warning[integer-width] a.json#/properties/n: the integer does not say how wide it is"),
        "{said}"
    );
}
