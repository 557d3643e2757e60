//! `allOf`, and keywords beside a `$ref`: several schemas for one value merged into one.
use std::collections::HashSet;

use super::super::finding::{Finding, Place};
use super::super::json::{Json, Number};
use super::super::source::Source;
use super::rules::WHOLE;
use super::{Builder, Spot};

/// How many schemas one `allOf` may unfold into.
const MOST_PARTS: usize = 256;

impl Builder<'_> {
    /// The schema with its `allOf` and the keywords beside a `$ref` merged in. A bare reference stays one. What cannot
    /// be merged gives any JSON, with a warning.
    pub(super) fn flat(&mut self, schema: &Json, spot: &Spot) -> Json {
        let referring = schema.get("$ref").is_some();
        if schema.get("allOf").is_none() && !(referring && self.has_siblings(schema, &spot.place)) {
            return schema.clone();
        }
        if let Some(reference) = lone_reference(schema) {
            return overlay(&Json::Object(vec![("$ref".to_owned(), reference.clone())]), schema);
        }
        let mut unfolded = Unfolded::default();
        if let Err(problem) = self.unfold(schema, &mut unfolded) {
            return self.unmerged(schema, spot, &problem);
        }
        let mut merged = Json::Object(Vec::new());
        for part in &unfolded.parts {
            merged = match merge(&merged, part) {
                Ok(merged) => merged,
                Err(problem) => return self.unmerged(schema, spot, &problem),
            };
        }
        with_whole(overlay(&merged, schema), schema)
    }

    /// What cannot be merged is JSON that is checked by the schema as it stands.
    fn unmerged(&mut self, schema: &Json, spot: &Spot, problem: &str) -> Json {
        let remedy = "it is kept as JSON, which `validate` checks by all of the schema";
        self.findings.push(Finding::note("all-of", &spot.place, problem, remedy));
        with_whole(annotations(schema), schema)
    }

    /// Whether a `$ref` has keywords beside it that narrow the value. Older drafts ignore them.
    fn has_siblings(&self, schema: &Json, place: &Place) -> bool {
        let is_old = self.source.file(place).is_some_and(|file| file.is_old);
        !is_old && schema.entries().iter().any(|(key, _)| narrows(key))
    }

    /// All schemas that a value must obey at once, references followed. What was unfolded once says nothing new.
    fn unfold(&self, schema: &Json, out: &mut Unfolded) -> Result<(), String> {
        if out.parts.len() >= MOST_PARTS || out.trail.len() >= MOST_PARTS {
            return Err("`allOf` unfolds without end".to_owned());
        }
        if let Some(target) = Source::target(schema) {
            if out.trail.contains(&target) {
                return Err(format!("`allOf` leads back to {target}"));
            }
            let Some(there) = self.source.get(&target) else {
                return Err("a reference leads nowhere".to_owned());
            };
            if out.done.insert(target.clone()) {
                out.trail.push(target);
                self.unfold(there, out)?;
                out.trail.pop();
            }
        }
        for branch in schema.get("allOf").map(Json::items).unwrap_or_default() {
            match branch {
                Json::Bool(true) => {}
                Json::Bool(false) => return Err("no value is valid".to_owned()),
                branch => self.unfold(branch, out)?,
            }
        }
        let own = schema.entries().iter().filter(|(key, _)| narrows(key) && key != "allOf");
        let own = Json::Object(own.cloned().collect());
        if !own.entries().is_empty() && !out.parts.contains(&own) {
            out.parts.push(own);
        }
        Ok(())
    }
}

/// What an `allOf` unfolds into.
#[derive(Default)]
struct Unfolded {
    parts: Vec<Json>,
    /// The references that are being followed.
    trail: Vec<Place>,
    /// The references that were followed.
    done: HashSet<Place>,
}

/// The one reference that a schema consists of, itself or as the only branch of an `allOf`, so that its name is kept.
fn lone_reference(schema: &Json) -> Option<&Json> {
    let narrowing: Vec<&String> =
        schema.entries().iter().map(|(key, _)| key).filter(|key| narrows(key)).collect();
    match (schema.get("$ref"), schema.get("allOf").map(Json::items), narrowing.as_slice()) {
        (None, Some([only]), [_]) if only.entries().iter().all(|(key, _)| !narrows(key)) => only.get("$ref"),
        (Some(reference), None, []) => Some(reference),
        _ => None,
    }
}

/// Whether a keyword narrows the value, as opposed to telling about it.
fn narrows(keyword: &str) -> bool {
    !keyword.starts_with("x-")
        && !matches!(
            keyword,
            "$ref"
                | "$defs"
                | "definitions"
                | "$schema"
                | "$id"
                | "id"
                | "$anchor"
                | "$dynamicAnchor"
                | "$comment"
                | "description"
                | "title"
                | "default"
                | "deprecated"
                | "examples"
                | "example"
                | "readOnly"
                | "writeOnly"
                | "$vocabulary"
                | "$recursiveAnchor"
        )
}

/// A schema beside which the one that it was made of stands.
fn with_whole(made: Json, whole: &Json) -> Json {
    let Json::Object(mut entries) = made else { return made };
    if !entries.iter().any(|(key, _)| key == WHOLE) {
        entries.push((WHOLE.to_owned(), whole.clone()));
    }
    Json::Object(entries)
}

/// What a schema tells about its value, without what narrows it.
fn annotations(schema: &Json) -> Json {
    Json::Object(schema.entries().iter().filter(|(key, _)| !narrows(key) && key != "$ref").cloned().collect())
}

/// A merged schema with what the outer schema tells about the value.
fn overlay(merged: &Json, outer: &Json) -> Json {
    let mut out = match annotations(outer) {
        Json::Object(entries) => entries,
        _ => Vec::new(),
    };
    for (key, value) in merged.entries() {
        if !out.iter().any(|(known, _)| known == key) {
            out.push((key.clone(), value.clone()));
        }
    }
    Json::Object(out)
}

/// One schema that accepts what both accept.
fn merge(a: &Json, b: &Json) -> Result<Json, String> {
    let mut out: Vec<(String, Json)> = a.entries().to_vec();
    for (key, theirs) in b.entries() {
        if !narrows(key) {
            continue;
        }
        let Some(at) = out.iter().position(|(known, _)| known == key) else {
            out.push((key.clone(), theirs.clone()));
            continue;
        };
        let ours = out[at].1.clone();
        out[at].1 = if ours == *theirs { ours } else { merge_keyword(key, &ours, theirs)? };
    }
    relax_closed(&mut out, a, b);
    Ok(Json::Object(out))
}

fn merge_keyword(key: &str, ours: &Json, theirs: &Json) -> Result<Json, String> {
    let both = || Json::Object(vec![("allOf".to_owned(), Json::Array(vec![ours.clone(), theirs.clone()]))]);
    Ok(match key {
        "properties" | "patternProperties" => {
            let mut entries = ours.entries().to_vec();
            for (name, schema) in theirs.entries() {
                match entries.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) if known == schema || *schema == Json::Bool(true) => {}
                    Some((_, known)) if *known == Json::Bool(true) => *known = schema.clone(),
                    Some((_, known)) => {
                        let list = Json::Array(vec![known.clone(), schema.clone()]);
                        *known = Json::Object(vec![("allOf".to_owned(), list)]);
                    }
                    None => entries.push((name.clone(), schema.clone())),
                }
            }
            Json::Object(entries)
        }
        "required" => {
            let mut items = ours.items().to_vec();
            items.extend(theirs.items().iter().filter(|item| !ours.items().contains(item)).cloned());
            Json::Array(items)
        }
        "type" => merge_types(ours, theirs)?,
        "enum" => {
            let items: Vec<Json> =
                ours.items().iter().filter(|item| theirs.items().contains(item)).cloned().collect();
            Json::Array(items)
        }
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            pick(ours, theirs, true)?
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            pick(ours, theirs, false)?
        }
        "uniqueItems" => Json::Bool(ours.as_bool() == Some(true) || theirs.as_bool() == Some(true)),
        "items" | "additionalProperties" => match (ours, theirs) {
            (Json::Bool(false), _) | (_, Json::Bool(false)) => Json::Bool(false),
            (Json::Bool(true), other) | (other, Json::Bool(true)) => other.clone(),
            _ => both(),
        },
        "format" => ours.clone(),
        _ => return Err(format!("`{key}` stands twice in an `allOf` with different values")),
    })
}

/// Of two numbers the greater or the smaller.
fn pick(ours: &Json, theirs: &Json, greater: bool) -> Result<Json, String> {
    let value =
        |json: &Json| json.as_number().map(Number::as_f64).ok_or("a bound is not a number".to_owned());
    let ours_wins = if greater { value(ours)? >= value(theirs)? } else { value(ours)? <= value(theirs)? };
    Ok(if ours_wins { ours.clone() } else { theirs.clone() })
}

fn merge_types(ours: &Json, theirs: &Json) -> Result<Json, String> {
    let words = |json: &Json| match json {
        Json::Array(items) => items.clone(),
        word => vec![word.clone()],
    };
    let has = |list: &[Json], word: &str| list.iter().any(|item| item.as_str() == Some(word));
    let (a, b) = (words(ours), words(theirs));
    let mut out: Vec<Json> = a.iter().filter(|word| b.contains(word)).cloned().collect();
    let integer = (has(&a, "integer") && has(&b, "number")) || (has(&a, "number") && has(&b, "integer"));
    if integer && !has(&out, "integer") {
        out.push(Json::String("integer".to_owned()));
    }
    match out.as_slice() {
        [] => Err("`allOf` asks for two types at once".to_owned()),
        [only] => Ok(only.clone()),
        _ => Ok(Json::Array(out)),
    }
}

/// `additionalProperties: false` of one part looks only at that part's own properties. Where another part brings more,
/// the merged schema cannot say so, and accepts more instead.
fn relax_closed(out: &mut Vec<(String, Json)>, a: &Json, b: &Json) {
    let closed =
        |json: &Json| json.get("additionalProperties").is_some_and(|value| *value != Json::Bool(true));
    let brings =
        |json: &Json, other: &Json| {
            json.get("properties").map(Json::entries).unwrap_or_default().iter().any(|(name, _)| {
                other.get("properties").is_none_or(|properties| properties.get(name).is_none())
            })
        };
    if (closed(a) && brings(b, a)) || (closed(b) && brings(a, b)) {
        out.retain(|(key, _)| key != "additionalProperties");
    }
}
