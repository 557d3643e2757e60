//! JSON-Schema-Test-Suite, draft 2020-12: groups of a schema and instances, with the verdict on each.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::collect::{Case, Root, VALUE};
use super::fetch::{Package, Registry};
use crate::codegen::json::{Json, quote};
use crate::codegen::names::pascal;

/// What brings the suite.
pub const PACKAGE: Package =
    Package { registry: Registry::Sdist, name: "jsonschema", version: "4.26.0", sha256: None };
/// Where it lies in that.
const TESTS: &str = "json/tests/draft2020-12";
const REMOTES: &str = "json/remotes";
/// Where the suite's schemas say that the remote ones are.
const HOST: &str = "http://localhost:1234/";
/// The file of a group's schema.
const SCHEMA_FILE: &str = "schema.json";

/// A schema with instances.
pub struct Group {
    /// The suite's file it stands in, which is named after a keyword.
    pub keyword: String,
    pub case: Case,
    pub instances: Vec<Instance>,
}

/// An instance, and whether it is valid.
pub struct Instance {
    pub what: String,
    pub text: String,
    pub valid: bool,
}

/// All groups, by file and in the order of each.
pub fn groups(package: &Path) -> Result<Vec<Group>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(package.join(TESTS))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let mut remotes = BTreeMap::new();
    read_remotes(&package.join(REMOTES), "", &mut remotes)?;
    let mut out = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path)?;
        let keyword = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        // The schemas keep the order of their keys, the instances the way their numbers are written.
        let schemas = Json::parse(&text).with_context(|| format!("{} is not JSON", path.display()))?;
        let values: serde_json::Value = serde_json::from_str(&text)?;
        for (index, group) in schemas.items().iter().enumerate() {
            let instances = instances(&values[index]["tests"])?;
            let schema = group.get("schema").context("a group has no schema")?;
            out.push(Group {
                case: case(&keyword, index, schema, &remotes),
                keyword: keyword.clone(),
                instances,
            });
        }
    }
    Ok(out)
}

fn instances(tests: &serde_json::Value) -> Result<Vec<Instance>> {
    let tests = tests.as_array().context("a group has no tests")?;
    tests
        .iter()
        .map(|test| {
            let valid = test["valid"].as_bool().context("a test has no verdict")?;
            let what = test["description"].as_str().unwrap_or_default().to_owned();
            Ok(Instance { what, text: test["data"].to_string(), valid })
        })
        .collect()
}

fn case(keyword: &str, index: usize, schema: &Json, remotes: &BTreeMap<String, Json>) -> Case {
    let text = schema.compact();
    let mut files = vec![(SCHEMA_FILE.to_owned(), text.clone())];
    let mut open = vec![text];
    while let Some(text) = open.pop() {
        for (path, remote) in remotes {
            let known = files.iter().any(|(known, _)| known == path);
            if !known && mentions(&text, path) {
                let remote = with_id(remote, path);
                files.push((path.clone(), remote.clone()));
                open.push(remote);
            }
        }
    }
    Case {
        name: format!("{keyword}/{index}"),
        prefix: format!("{}{index}", pascal(keyword)),
        files,
        roots: vec![Root { property: VALUE.to_owned(), file: SCHEMA_FILE.to_owned() }],
    }
}

/// Whether a schema of the suite's host refers to the remote one.
fn mentions(text: &str, path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    text.contains(HOST)
        && path.starts_with("draft2020-12/")
        && (text.contains(&format!("/{file}")) || text.contains(&format!("\"{file}")))
}

/// A remote schema that says where it is.
fn with_id(schema: &Json, path: &str) -> String {
    match schema {
        Json::Object(entries) if schema.get("$id").is_none() => {
            let mut entries = entries.clone();
            entries.insert(0, ("$id".to_owned(), Json::String(format!("{HOST}{path}"))));
            Json::Object(entries).compact()
        }
        other => other.compact(),
    }
}

fn read_remotes(folder: &Path, prefix: &str, out: &mut BTreeMap<String, Json>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            read_remotes(&path, &format!("{name}/"), out)?;
        } else if name.ends_with(".json") {
            let text = std::fs::read_to_string(&path)?;
            out.insert(name, Json::parse(&text).with_context(|| format!("{} is not JSON", path.display()))?);
        }
    }
    Ok(())
}

/// The message that asks a codec about an instance.
pub fn message(case: &Case, property: &str, instance: &str) -> String {
    format!("{{{}: {}, {}: {instance}}}", quote(super::collect::TAG), quote(&case.name), quote(property))
}
