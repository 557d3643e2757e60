//! The plane itself: its values are valid and its mutants are not, by a validator that is not ours; and it fails when a
//! process lies, loses something, or refuses at the wrong place.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use super::case::{Case, Expected, cases};
use super::peer::{Answer, Peer, Refusal};
use super::plane::ask_all;
use super::text::render;
use crate::codegen::finding::Place;
use crate::codegen::json::Json;
use crate::codegen::model::{Model, Shape, TypeDef};
use crate::codegen::registry::Schemas;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every schema of a folder or file, by an address of its own.
fn resources(spec: &Path) -> Vec<(String, Value)> {
    let places: Vec<PathBuf> = match spec.is_dir() {
        true => ["", "actions", "events", "types"].map(|place| spec.join(place)).into(),
        false => vec![spec.to_owned()],
    };
    let mut out = Vec::new();
    for place in places {
        let entries: Vec<PathBuf> = match place.is_dir() {
            true => std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect(),
            false => vec![place],
        };
        for path in entries.into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")) {
            let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            schema.as_object_mut().unwrap().remove("$id");
            let name = path.strip_prefix(spec).ok().filter(|name| !name.as_os_str().is_empty());
            let name = name.or_else(|| path.file_name().map(Path::new)).unwrap().to_str().unwrap();
            out.push((format!("test:///{name}"), schema));
        }
    }
    out
}

fn address(place: &Place) -> Value {
    json!({ "$ref": format!("test:///{}#{}", place.file, place.pointer) })
}

/// The schema of a type. The unions of all actions and of all events have none of their own.
fn schema(model: &Model, def: &TypeDef) -> Value {
    let implied = [model.action_union, model.event_union].into_iter().flatten();
    match &def.shape {
        Shape::TaggedUnion(union) if implied.map(|id| &model.ty(id).name).any(|name| *name == def.name) => {
            let mut arms: Vec<Value> =
                union.members.iter().map(|member| address(&model.ty(member.ty).place)).collect();
            if union.open {
                let tags: Vec<&String> = union.members.iter().map(|member| &member.value).collect();
                let tag = json!({ "type": "string", "not": { "enum": tags } });
                let tag = json!({ &union.tag: tag });
                arms.push(json!({ "type": "object", "required": [union.tag], "properties": tag }));
            }
            json!({ "oneOf": arms })
        }
        _ => address(&def.place),
    }
}

/// What the validator thinks otherwise of.
fn doubts(spec: &Path) -> (usize, Vec<String>) {
    let schemas = Schemas::load(spec).unwrap();
    let registry = Registry::new().extend(resources(spec)).unwrap().prepare().unwrap();
    let (mut count, mut out) = (0, Vec::new());
    for def in &schemas.model.types {
        let validator: Validator = jsonschema::options()
            .with_registry(&registry)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            // With a pattern beside it a text is made for the pattern; the format only documents.
            .with_format("uri", |_: &str| true)
            .build(&schema(&schemas.model, def))
            .unwrap();
        for case in cases(&schemas.model, 1, std::slice::from_ref(&def.name)) {
            let Ok(value) = serde_json::from_str::<Value>(&case.text) else {
                assert!(case.what.starts_with("mutant"), "{case:?}");
                continue;
            };
            // A width is a format, which a validator does not look at.
            if case.what.ends_with(" the width") {
                continue;
            }
            count += 1;
            let is_valid = validator.is_valid(&value);
            if is_valid != matches!(case.expected, Expected::Same(_)) {
                let reason = validator.iter_errors(&value).next().map(|error| error.to_string());
                out.push(format!("{} {}: {} {reason:?}", def.name, case.what, case.text));
            }
        }
    }
    (count, out)
}

#[test]
fn a_validator_that_is_not_ours_accepts_every_value_and_refuses_every_mutant() {
    let mut wrong = Vec::new();
    for (spec, least) in [("../spec", 25_000), ("testdata/spec", 5_000), ("testdata/shapes.json", 4_000)] {
        let (count, doubts) = doubts(&folder(spec));
        assert!(count > least, "{spec}: only {count} cases");
        wrong.extend(doubts.into_iter().map(|doubt| format!("{spec} {doubt:.900}")));
    }
    assert!(wrong.is_empty(), "{}: {:#?}", wrong.len(), wrong.iter().take(6).collect::<Vec<_>>());
}

#[test]
fn there_are_two_hundred_values_of_every_type_and_they_differ() {
    for spec in ["../spec", "testdata/spec", "testdata/shapes.json"] {
        let schemas = Schemas::load(&folder(spec)).unwrap();
        for def in &schemas.model.types {
            let cases = cases(&schemas.model, 7, std::slice::from_ref(&def.name));
            let values: Vec<&Case> = cases.iter().filter(|case| case.what.starts_with("value ")).collect();
            assert_eq!(values.len(), 200, "{}", def.name);
            let texts: BTreeSet<&String> = values.iter().map(|case| &case.text).collect();
            let least = if matches!(def.shape, Shape::Struct(_)) { 10 } else { 2 };
            assert!(texts.len() >= least, "{}: {texts:?}", def.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_cases_and_another_seed_others() {
    let schemas = Schemas::load(&folder("testdata/spec")).unwrap();
    let texts = |seed, only: &[String]| -> Vec<String> {
        cases(&schemas.model, seed, only).into_iter().map(|case| case.text).collect()
    };
    let some = ["FindBooksParams", "Isbn", "GapEntry"].map(str::to_owned);
    let all = texts(3, &some);
    assert_eq!(all, texts(3, &some));
    assert_ne!(all, texts(4, &some));
    let one = texts(3, &some[1..2]);
    assert!(all.windows(one.len()).any(|window| window == one));
}

/// A process that knows the right answers and says what a test makes of them.
struct Liar<'a> {
    cases: std::slice::Iter<'a, Case>,
    lie: Lie,
}

impl Peer for Liar<'_> {
    fn ask(&mut self, _: &str, instance: &str) -> anyhow::Result<Answer> {
        let truth = match &self.cases.next().unwrap().expected {
            Expected::Same(value) => Answer::Text(render(value, &mut None)),
            Expected::Refused { phase, pointer, keywords } => Answer::Refused(Refusal {
                phase: *phase,
                pointer: pointer.clone(),
                keyword: keywords.first().map(ToString::to_string),
                message: "no".to_owned(),
            }),
        };
        Ok((self.lie)(truth, instance))
    }
}

/// What a process makes of the right answer to an instance.
type Lie = fn(Answer, &str) -> Answer;

/// How many types of the small protocol pass, and how many there are; and the complaints.
fn verdict(lie: Lie) -> (usize, usize, Vec<String>) {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        let schemas = Schemas::load(&folder("testdata/spec")).unwrap();
        cases(&schemas.model, 1, &[])
    });
    let mut liar = Liar { cases: CASES.iter(), lie };
    let types = ask_all("liar", &mut liar, &CASES).unwrap();
    let passed = types.values().filter(|(_, complaints)| complaints.is_empty()).count();
    (passed, types.len(), types.into_values().flat_map(|(_, complaints)| complaints).collect())
}

#[test]
fn a_process_that_is_right_passes_everything() {
    let (passed, all, complaints) = verdict(|truth, _| truth);
    assert_eq!((passed, complaints), (all, Vec::new()));
}

#[test]
fn a_process_that_says_ok_to_everything_scores_nothing() {
    let (passed, all, complaints) = verdict(|_, _| Answer::Text("{}".to_owned()));
    assert_eq!((passed, all), (0, 26));
    assert!(complaints[0].contains("again: cargo xtask codec --lang liar --type "), "{}", complaints[0]);
    // One that echoes what it was given is caught by the mutants alone.
    assert_eq!(verdict(|_, instance| Answer::Text(instance.to_owned())).0, 0);
    assert_eq!(verdict(|_, _| Answer::NoSuchType).0, 0);
}

fn edited(answer: Answer, edit: impl Fn(&mut Vec<(String, Json)>)) -> Answer {
    let Answer::Text(text) = answer else { return answer };
    let mut value = Json::parse(&text).unwrap();
    if let Json::Object(entries) = &mut value {
        edit(entries);
    }
    Answer::Text(render(&value, &mut None))
}

#[test]
fn a_process_that_loses_adds_or_changes_something_is_caught() {
    let lies: [(Lie, &str); 6] = [
        (|truth, _| edited(truth, |entries| drop(entries.pop())), "is lost"),
        (|truth, _| edited(truth, |entries| entries.push(("more".to_owned(), Json::Null))), "/more came in"),
        (
            |truth, _| match truth {
                Answer::Text(text) => Answer::Text(text.replace("[]", "null")),
                other => other,
            },
            "is null and should be []",
        ),
        (
            |truth, _| match truth {
                Answer::Refused(refusal) => {
                    Answer::Refused(Refusal { pointer: refusal.pointer + "/x", ..refusal })
                }
                other => other,
            },
            "/x",
        ),
        (
            |truth, _| match truth {
                Answer::Refused(refusal) if refusal.keyword.is_some() => {
                    Answer::Refused(Refusal { keyword: Some("other".to_owned()), ..refusal })
                }
                other => other,
            },
            "for other",
        ),
        (
            |truth, instance| match truth {
                Answer::Refused(_) if instance.contains("null") => Answer::Text("null".to_owned()),
                other => other,
            },
            "got: accepted",
        ),
    ];
    for (lie, said) in lies {
        let (_, _, complaints) = verdict(lie);
        assert!(complaints.iter().any(|complaint| complaint.contains(said)), "{said}: {complaints:#?}");
    }
}
