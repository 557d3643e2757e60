//! One JSON Schema document of any number of definitions, made from `spec/`: the same for every generator and every run.
use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, bail};

use crate::codegen::build;
use crate::codegen::finding::Place;
use crate::codegen::json::Json;
use crate::codegen::model::{Model, Shape, TaggedUnion, TypeDef};
use crate::codegen::source::Source;

/// Words for copies of the definitions: a name with a number on its end would be the schema's own.
const DIGITS: [&str; 10] = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];

/// A document whose `$defs` are `count` definitions: those of `spec/`, then copies of them under other names, with
/// references inside each copy. The root has a property for each, so that a generator that starts there finds all.
pub fn document(spec: &Path, count: usize) -> Result<String> {
    let Ok(source) = Source::load(spec) else {
        bail!("{} cannot be loaded; run codegen first", spec.display())
    };
    let Ok((model, _)) = build::build(&source) else {
        bail!("{} is no model; run codegen first", spec.display())
    };
    let names: HashMap<Place, &str> =
        model.each().map(|(_, def)| (def.place.clone(), def.name.as_str())).collect();
    let own: Vec<(&str, Json)> =
        model.types.iter().map(|def| (def.name.as_str(), definition(&source, &model, def))).collect();
    let (mut properties, mut definitions) = (Vec::new(), Vec::new());
    for at in 0..count {
        let copy = at / own.len();
        let (name, schema) = &own[at % own.len()];
        // The last copy may be cut short: what it lacks, it takes from the first.
        let reach = |target: &str| {
            let there = own.iter().position(|(name, _)| *name == target).unwrap_or(0);
            let copy = if copy * own.len() + there < count { copy } else { 0 };
            format!("#/$defs/{}{target}", prefix(copy))
        };
        let name = format!("{}{name}", prefix(copy));
        properties.push((lower(&name), object([("$ref", Json::String(format!("#/$defs/{name}")))])));
        definitions.push((name, rewritten(schema, &names, &reach)));
    }
    let root = object([
        ("$schema", Json::String("https://json-schema.org/draft/2020-12/schema".to_owned())),
        ("title", Json::String("Protocol".to_owned())),
        ("type", Json::String("object".to_owned())),
        ("properties", Json::Object(properties)),
        ("$defs", Json::Object(definitions)),
    ]);
    Ok(root.pretty() + "\n")
}

fn prefix(copy: usize) -> String {
    let digits = copy.to_string();
    let words = digits.bytes().map(|digit| DIGITS[usize::from(digit - b'0')]);
    if copy == 0 { String::new() } else { words.collect() }
}

fn lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
}

fn object<const N: usize>(entries: [(&str, Json); N]) -> Json {
    Json::Object(entries.map(|(key, value)| (key.to_owned(), value)).to_vec())
}

/// The schema of a type; of the two unions that no file holds, the one that says the same.
fn definition(source: &Source, model: &Model, def: &TypeDef) -> Json {
    match (source.get(&def.place), &def.shape) {
        (Some(schema), _) => schema.clone(),
        (None, Shape::TaggedUnion(union)) => implied(model, union),
        (None, _) => Json::Bool(true),
    }
}

fn implied(model: &Model, union: &TaggedUnion) -> Json {
    let reference =
        |place: &Place| object([("$ref", Json::String(format!("{}#{}", place.file, place.pointer)))]);
    let mut branches: Vec<Json> =
        union.members.iter().map(|member| reference(&model.ty(member.ty).place)).collect();
    if union.open {
        let known = union.members.iter().map(|member| Json::String(member.value.clone())).collect();
        let tag = object([
            ("type", Json::String("string".to_owned())),
            ("not", object([("enum", Json::Array(known))])),
        ]);
        branches.push(object([
            ("title", Json::String("unknown".to_owned())),
            ("type", Json::String("object".to_owned())),
            ("required", Json::Array(vec![Json::String(union.tag.clone())])),
            ("properties", Json::Object(vec![(union.tag.clone(), tag)])),
        ]));
    }
    object([("oneOf", Json::Array(branches))])
}

/// A schema without what belongs to its file, its references to definitions of the one document.
fn rewritten(schema: &Json, names: &HashMap<Place, &str>, reach: &impl Fn(&str) -> String) -> Json {
    match schema {
        Json::Array(items) => Json::Array(items.iter().map(|item| rewritten(item, names, reach)).collect()),
        Json::Object(entries) => {
            let kept = entries.iter().filter(|(key, value)| match key.as_str() {
                "$schema" | "$id" | "$defs" => false,
                "examples" => value.items().is_empty(),
                key => !key.starts_with("x-"),
            });
            let each = |(key, value): &(String, Json)| {
                let target = Source::target(schema).filter(|_| key == "$ref");
                let value = match target.and_then(|target| names.get(&target).copied()) {
                    Some(name) => Json::String(reach(name)),
                    None => rewritten(value, names, reach),
                };
                (key.clone(), value)
            };
            Json::Object(kept.map(each).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_size_is_made_and_every_reference_leads_somewhere() {
        let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec");
        for count in [150, 500] {
            let text = document(&spec, count).unwrap();
            assert_eq!(text, document(&spec, count).unwrap());
            let root = Json::parse(&text).unwrap();
            let names: HashSet<&str> =
                root.get("$defs").unwrap().entries().iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((names.len(), root.get("properties").unwrap().entries().len()), (count, count));
            assert!(names.iter().all(|name| !name.ends_with(|c: char| c.is_ascii_digit())));
            for reference in text.split("\"$ref\"").skip(1) {
                let target = reference.split('"').nth(1).unwrap();
                assert!(names.contains(target.strip_prefix("#/$defs/").unwrap()), "{target}");
            }
            assert!(text.contains("\"const\": \"pong\"") && text.contains("\"title\": \"unknown\""));
        }
    }
}
