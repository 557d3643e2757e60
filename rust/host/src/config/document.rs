//! `docs/configuration.md` and `operator.schema.json`, made from the types so that they are never behind.

use super::Config;
use super::settings::SETTINGS;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// A whole file, which a test loads.
pub(super) const EXAMPLE: &str = include_str!("example.toml");

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the types in rust/host/src/config; `UPDATE_GOLDEN=1 cargo test -p smooai-smooth-operator-host` writes it anew. -->

Settings come from flags, environment variables and a file, `operator.toml`.
A flag beats a variable, a variable beats the file, and the file beats the default.
The file is the one that `--config FILE` names, or else `operator.toml` in the working directory if it is there.

An unknown key, an unknown value or an unreadable secret is an error at the start that names where it stands, the key and what is allowed.
`--check-config` prints every setting as it is in effect, with its source and with secrets hidden, and exits.

A secret in the file is `{ env = \"NAME\" }` or `{ file = \"PATH\" }`, never its text.
Paths in the file are relative to the file; paths in flags and variables are relative to the working directory.
A variable that is set to nothing counts as not set.
";

const AFTER_VARIABLES: &str = "
Lists are separated by commas.
Switches are `1`, `true`, `yes`, `on` or `0`, `false`, `no`, `off`.
`off` takes a model away that the file names.
Further flags: `--config FILE`, `--check-config`, `--version`, `--help`.
";

/// The text of `docs/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let document = Document::new();
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## Environment variables and flags\n\n");
    out.push_str("| variable | flag | key | default | meaning |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let variables: Vec<String> = setting.env.iter().map(|name| format!("`{name}`")).collect();
        let flag = setting.flag.map_or_else(String::new, |flag| format!("`{flag}`"));
        let (default, meaning) = document.default_and_meaning(setting.key);
        let variables = variables.join(", else ");
        line(&mut out, &[&variables, &flag, &format!("`{}`", setting.key), &default, &meaning]);
    }
    out.push_str(AFTER_VARIABLES);
    let _ = write!(out, "\n## operator.toml\n\n```toml\n{EXAMPLE}```\n");
    out.push_str("\n`operator.schema.json` describes the file for editors.\n");
    let (tables, single) = document.root_properties();
    let _ = write!(out, "\n### At the top\n\n{KEYS}");
    for (name, schema) in single {
        document.key(&mut out, name, schema, &shown(document.defaults.get(name)));
    }
    for (name, schema) in tables {
        document.table(&mut out, name, schema);
    }
    out
}

/// The text of `operator.schema.json`.
#[must_use]
pub fn schema_json() -> String {
    let mut text = serde_json::to_string_pretty(&sorted(schema())).unwrap_or_default();
    text.push('\n');
    text
}

fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Config>().to_value();
    schema["title"] = Value::String("operator.toml".to_owned());
    schema
}

/// With the keys of all objects in order, whatever order the JSON library keeps.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn line(out: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

const KEYS: &str = "| key | value | default | meaning |\n|---|---|---|---|\n";

type Properties<'a> = Vec<(&'a str, &'a Value)>;

struct Document {
    schema: Value,
    defaults: Value,
}

impl Document {
    fn new() -> Self {
        // The defaults hold nothing that JSON cannot.
        let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
        Self { schema: sorted(schema()), defaults }
    }

    /// The root's tables, and its single values.
    fn root_properties(&self) -> (Properties<'_>, Properties<'_>) {
        let is_table = |schema: &Value| {
            let target = self.target(schema);
            target.get("properties").is_some() || target["type"] == "array"
        };
        properties(&self.schema).into_iter().partition(|(_, schema)| is_table(schema))
    }

    fn table(&self, out: &mut String, name: &str, schema: &Value) {
        let target = self.target(schema);
        let (heading, target) = match target["type"] == "array" {
            true => (format!("`[[{name}]]`"), self.target(&target["items"])),
            false => (format!("`[{name}]`"), target),
        };
        let prefix = if heading.contains("[[") { "" } else { name };
        self.section(out, &heading, target, prefix);
        // Lists of tables inside this one, such as prices, are described below it.
        for (key, schema) in properties(target) {
            let inner = self.target(schema);
            let entry = self.target(&inner["items"]);
            let named =
                entry.get("properties").map(|_| entry).or_else(|| inner.get("properties").map(|_| inner));
            if let Some(entry) = named {
                let heading = format!("`{name}.{key}`");
                self.section(out, &heading, entry, "");
            }
        }
    }

    /// The keys of a table; one that stands for itself has its defaults under `prefix`.
    fn section(&self, out: &mut String, heading: &str, table: &Value, prefix: &str) {
        let _ = write!(out, "\n### {heading}\n\n{}\n\n", description(table));
        out.push_str(KEYS);
        let required = table["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (name, schema) in properties(table) {
            let default = match self.defaults.get(prefix) {
                Some(section) => shown(section.get(name)),
                None if required.iter().any(|required| required == name) => "required".to_owned(),
                None => shown(schema.get("default")),
            };
            self.key(out, name, schema, &default);
        }
    }

    fn key(&self, out: &mut String, name: &str, schema: &Value, default: &str) {
        line(out, &[&format!("`{name}`"), &self.kind(schema), default, &description(schema)]);
    }

    fn default_and_meaning(&self, key: &str) -> (String, String) {
        let (mut schema, mut default) = (&self.schema, Some(&self.defaults));
        for part in key.split('.') {
            schema = &self.target(schema)["properties"][part];
            default = default.and_then(|value| value.get(part));
        }
        (shown(default), description(schema))
    }

    /// The schema behind a reference, and behind "or null".
    fn target<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(pointer) = schema["$ref"].as_str().and_then(|text| text.strip_prefix('#')) {
            return self.schema.pointer(pointer).unwrap_or(schema);
        }
        let options = schema["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        match options {
            [inner, null] if null["type"] == "null" => self.target(inner),
            _ => schema,
        }
    }

    fn kind(&self, schema: &Value) -> String {
        let reference = schema["$ref"].as_str().or_else(|| schema["anyOf"][0]["$ref"].as_str());
        match reference.and_then(|text| text.rsplit('/').next()) {
            Some("Secret") => return "secret".to_owned(),
            Some("TextOrFile") => return "text or file".to_owned(),
            Some("HeaderText") => return "text or secret".to_owned(),
            _ => {}
        }
        let target = self.target(schema);
        if let Some(words) = words(target) {
            return words;
        }
        let kinds = match &target["type"] {
            Value::Array(kinds) => kinds.first().and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kinds {
            Some("array") => format!("list of {}", self.kind(&target["items"])),
            Some("object") if target.get("properties").is_some() => "table".to_owned(),
            Some("object") => "table of names and values".to_owned(),
            Some("integer") => "whole number".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some("string") => "text".to_owned(),
            Some(kind) => kind.to_owned(),
            None => "any".to_owned(),
        }
    }
}

/// The words of an enumeration.
fn words(schema: &Value) -> Option<String> {
    let named = |value: &Value| value.as_str().map(|word| format!("`{word}`"));
    let plain = schema["enum"].as_array().into_iter().flatten().filter_map(named);
    let described = schema["oneOf"].as_array().into_iter().flatten();
    let described = described.flat_map(|option| {
        let several = option["enum"].as_array().into_iter().flatten();
        several.chain(option.get("const"))
    });
    let words: Vec<String> = plain.chain(described.filter_map(named)).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn properties(schema: &Value) -> Properties<'_> {
    let fields = schema["properties"].as_object().map(Map::iter);
    let mut fields: Properties<'_> =
        fields.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema)).collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(default: Option<&Value>) -> String {
    match default {
        None | Some(Value::Null) => "unset".to_owned(),
        Some(Value::Array(items)) if items.is_empty() => "empty".to_owned(),
        Some(Value::Object(fields)) if fields.is_empty() => "empty".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(value) => format!("`{value}`"),
    }
}
