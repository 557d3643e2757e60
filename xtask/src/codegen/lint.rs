//! The wire profile: what our own schemas keep to, so that every language can say the same thing.
//! A finding names file and pointer, and what to do. Over the schemas of others the same findings are warnings.
use super::build::{is_unknown_arm, tag_of, tag_value};
use super::finding::{Finding, Place, Severity};
use super::json::{Json, Number};
use super::names::pascal;
use super::source::{Source, children};

/// All breaches of the wire profile.
pub fn lint(source: &Source) -> Vec<Finding> {
    let severity = if source.is_protocol() { Severity::Error } else { Severity::Warning };
    let mut lint = Lint { source, severity, findings: Vec::new() };
    for file in source.files() {
        let root = Place::root(&file.path);
        lint.file(&root, &file.root);
        lint.schema(&file.root, &root, Stands::Named);
    }
    lint.findings
}

/// Keywords that some language cannot say.
const BANNED: &[&str] = &[
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "contains",
    "$dynamicRef",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
];

/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 200;

/// 2^53 − 1.
const SAFE: i128 = super::build::SAFE;

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// As a file or a `$defs` entry: it has a name.
    Named,
    /// As a branch of a named schema's alternatives.
    Branch,
    /// Anywhere else.
    Inside,
}

struct Lint<'a> {
    source: &'a Source,
    severity: Severity,
    findings: Vec<Finding>,
}

impl Lint<'_> {
    fn report(
        &mut self,
        rule: &'static str,
        place: &Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let mut finding = Finding::error(rule, place, problem, remedy);
        finding.severity = self.severity;
        self.findings.push(finding);
    }

    /// What holds for a file as a whole.
    fn file(&mut self, place: &Place, root: &Json) {
        let stem = place.file.rsplit('/').next().unwrap_or_default();
        let stem = stem.strip_suffix(".json").unwrap_or(stem);
        let id = root.get("$id").and_then(Json::as_str);
        if !id.is_some_and(|id| id.ends_with(&format!("/{}", place.file))) {
            let remedy = format!("end it with \"/{}\"", place.file);
            self.report("id", &place.child("$id"), "it does not say where the file is", remedy);
        }
        let is_shelf = root.get("$defs").is_some()
            && root.entries().iter().all(|(key, _)| key.starts_with('$') || key == "description");
        if !is_shelf && root.get("examples").is_none_or(|list| list.items().is_empty()) {
            self.report(
                "examples",
                place,
                "there are no examples",
                "give the smallest and the fullest instance",
            );
        }
        if !stem.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            self.report("file-name", place, "the file's name is not snake_case", "rename the file");
        }
        for (folder, tag) in [("actions/", "action"), ("events/", "type")] {
            if place.file.starts_with(folder) {
                self.message(place, root, tag, stem);
            }
        }
        if let Some(target) = root.get("x-reply").and_then(Source::target) {
            let reply = self.source.get(&target);
            if reply.is_some_and(|reply| reply.get("examples").is_none_or(|list| list.items().is_empty())) {
                self.report(
                    "examples",
                    &target,
                    "a reply has no examples",
                    "give the smallest and the fullest one",
                );
            }
        }
    }

    /// What holds for an action or event.
    fn message(&mut self, place: &Place, root: &Json, tag: &str, stem: &str) {
        let property = |name: &str| root.get("properties").and_then(|properties| properties.get(name));
        let is_required = |name: &str| {
            root.get("required").is_some_and(|list| list.items().iter().any(|key| key.as_str() == Some(name)))
        };
        let value = property(tag).and_then(|schema| schema.get("const")).and_then(Json::as_str);
        if value != Some(stem) || !is_required(tag) {
            let problem = format!("`{tag}` does not name the file");
            let remedy = format!("make it required, with \"const\": \"{stem}\"");
            self.report("tag", &place.child("properties").child(tag), problem, remedy);
        }
        let request_id = property("requestId").and_then(|schema| schema.get("type")).and_then(Json::as_str);
        if request_id != Some("string") {
            let at = place.child("properties").child("requestId");
            self.report(
                "request-id",
                &at,
                "`requestId` is not a string",
                "declare it with \"type\": \"string\"",
            );
        }
        let timestamp = property("timestamp").and_then(|schema| schema.get("type")).and_then(Json::as_str);
        if tag == "type" && (timestamp != Some("integer") || !is_required("timestamp")) {
            let at = place.child("properties").child("timestamp");
            let remedy = "make it a required integer of format int64";
            self.report("timestamp", &at, "the event has no `timestamp`", remedy);
        }
    }

    /// What holds for every schema.
    fn schema(&mut self, schema: &Json, place: &Place, stands: Stands) {
        self.words(schema, place, stands);
        self.keywords(schema, place);
        if stands == Stands::Inside {
            self.nameless(schema, place);
        }
        self.alternatives(schema, place);
        self.integer(schema, place);
        self.properties(schema, place);
        for (at, child) in children(schema, place) {
            let below = at.pointer.strip_prefix(&place.pointer).unwrap_or_default();
            let named = below.starts_with("/$defs/") || below.starts_with("/definitions/");
            let branch =
                (below.starts_with("/anyOf/") || below.starts_with("/oneOf/")) && stands == Stands::Named;
            if named {
                self.definition(&at, child);
            }
            let inner = match (named, branch) {
                (true, _) => Stands::Named,
                (_, true) => Stands::Branch,
                _ => Stands::Inside,
            };
            if !is_unknown_arm(child) {
                self.schema(child, &at, inner);
            }
        }
    }

    fn definition(&mut self, place: &Place, schema: &Json) {
        let key = place.pointer.rsplit('/').next().unwrap_or_default();
        if pascal(key) != key {
            let remedy = format!("write {}", pascal(key));
            self.report("definition-name", place, "the key is not PascalCase", remedy);
        }
        if schema.get("description").is_none() {
            self.report("description", place, "there is no description", "say in a sentence what it is");
        }
    }

    fn words(&mut self, schema: &Json, place: &Place, stands: Stands) {
        let text = schema.get("description").and_then(Json::as_str);
        if text.is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION) {
            let at = place.child("description");
            let problem = format!("the description has more than {LONGEST_DESCRIPTION} characters");
            self.report("description", &at, problem, "say it shorter");
        }
        if text.is_none() && stands == Stands::Named && place.pointer.is_empty() {
            self.report("description", place, "there is no description", "say in a sentence what it is");
        }
    }

    fn keywords(&mut self, schema: &Json, place: &Place) {
        for keyword in BANNED.iter().filter(|keyword| schema.get(keyword).is_some()) {
            let problem = format!("`{keyword}` cannot be said in every language");
            self.report(
                "banned-keyword",
                &place.child(keyword),
                problem,
                "describe it in words, or split the type",
            );
        }
        if schema.get("not").is_some() {
            let remedy = "only the unknown branch of an open union may use it";
            self.report(
                "banned-keyword",
                &place.child("not"),
                "`not` cannot be said in every language",
                remedy,
            );
        }
        if schema.get("patternProperties").is_some() && schema.get("properties").is_some() {
            let at = place.child("patternProperties");
            self.report(
                "banned-keyword",
                &at,
                "properties by pattern stand beside named ones",
                "make it a map",
            );
        }
        if schema.get("prefixItems").is_some() && schema.get("items") != Some(&Json::Bool(false)) {
            let at = place.child("prefixItems");
            self.report("open-tuple", &at, "the tuple is open", "add \"items\": false and a fixed length");
        }
        if schema.get("additionalProperties") == Some(&Json::Bool(false))
            && !place.file.starts_with("actions/")
        {
            let at = place.child("additionalProperties");
            let remedy = "leave it out: what a peer does not know it ignores";
            self.report(
                "closed-object",
                &at,
                "only parameters of actions may refuse unknown properties",
                remedy,
            );
        }
    }

    /// An object, enum or union that has no name.
    fn nameless(&mut self, schema: &Json, place: &Place) {
        let strings =
            schema.get("enum").is_some_and(|list| list.items().iter().any(|value| value.as_str().is_some()));
        let union =
            (schema.get("oneOf").is_some() || schema.get("anyOf").is_some()) && !is_nullable_use(schema);
        let what = if schema.get("properties").is_some_and(|map| !map.entries().is_empty()) {
            "an object"
        } else if strings {
            "an enum"
        } else if union {
            "a union"
        } else {
            return;
        };
        let problem = format!("{what} stands inside another schema without a name");
        self.report("inline-type", place, problem, "move it to a $defs entry or a file and refer to it");
    }

    /// A union is tagged, an open one says so, and an open enum is written in the one way.
    fn alternatives(&mut self, schema: &Json, place: &Place) {
        if let Some(branches) = schema.get("oneOf") {
            let known: Vec<&Json> =
                branches.items().iter().filter(|branch| !is_unknown_arm(branch)).collect();
            let targets: Vec<Json> = known
                .iter()
                .filter_map(|branch| {
                    Source::target(branch).and_then(|target| self.source.get(&target)).cloned()
                })
                .collect();
            let tag = if targets.len() == known.len() { tag_of(&targets) } else { None };
            if tag.is_none() && !is_nullable_use(schema) {
                let at = place.child("oneOf");
                let problem = "the branches are not references to objects that one fixed string tells apart";
                let remedy = "give each object a required property with a const of its own, under one name";
                self.report("tagged-union", &at, problem, remedy);
            }
            for (index, branch) in
                branches.items().iter().enumerate().filter(|(_, branch)| is_unknown_arm(branch))
            {
                let listed =
                    tag.as_ref().and_then(|tag| branch.get("properties")?.get(tag)?.get("not")?.get("enum"));
                let listed = listed.map(Json::items).unwrap_or_default();
                let values: Vec<String> = tag
                    .iter()
                    .flat_map(|tag| targets.iter().filter_map(|target| tag_value(target, tag)))
                    .collect();
                let named = |value: &String| listed.iter().any(|listed| listed.as_str() == Some(value));
                if listed.len() != values.len() || !values.iter().all(named) {
                    let at = place.child("oneOf").child(index);
                    let problem = "the unknown branch does not exclude exactly the known tags";
                    self.report(
                        "open-union",
                        &at,
                        problem,
                        "write the tag as {\"not\": {\"enum\": [all known tags]}}",
                    );
                }
            }
        }
        let Some(branches) = schema.get("anyOf").filter(|_| !is_nullable_use(schema)) else { return };
        let open_enum = matches!(branches.items(), [listed, any]
            if listed.get("enum").is_some_and(|list| list.items().iter().all(|value| value.as_str().is_some()))
                && any.entries().len() == 1 && any.get("type").and_then(Json::as_str) == Some("string"));
        if !open_enum {
            let remedy = "write [{\"enum\": [\"…\"]}, {\"type\": \"string\"}], or a oneOf of tagged objects";
            self.report("open-enum", &place.child("anyOf"), "it is not an open enum", remedy);
        }
    }

    fn integer(&mut self, schema: &Json, place: &Place) {
        let words = match schema.get("type") {
            Some(Json::String(word)) => vec![word.as_str()],
            Some(list) => list.items().iter().filter_map(Json::as_str).collect(),
            None => return,
        };
        if !words.contains(&"integer") {
            return;
        }
        let bound = |keyword: &str| match schema.get(keyword).and_then(Json::as_number) {
            Some(Number::Int(value)) => Some(value),
            _ => None,
        };
        let safe = bound("minimum").is_some_and(|low| low >= -SAFE)
            && bound("maximum").is_some_and(|high| high <= SAFE);
        match schema.get("format").and_then(Json::as_str) {
            Some("int32" | "uint32") => {}
            Some("int64" | "uint64")
                if safe || schema.get("x-js").and_then(Json::as_str) == Some("bigint") => {}
            Some("int64" | "uint64") => {
                let problem = "the number can exceed 2^53 − 1, which JavaScript cannot hold";
                let remedy =
                    "give it minimum and maximum within ±9007199254740991, or say \"x-js\": \"bigint\"";
                self.report("integer-width", place, problem, remedy);
            }
            _ => {
                let remedy = "say \"format\": \"int32\", \"uint32\" or \"int64\"";
                self.report("integer-width", place, "the integer does not say how wide it is", remedy);
            }
        }
    }

    /// No property is both optional and nullable without saying so.
    fn properties(&mut self, schema: &Json, place: &Place) {
        let required = schema.get("required").map(Json::items).unwrap_or_default();
        for (name, property) in schema.get("properties").map(Json::entries).unwrap_or_default() {
            let list = property.get("type").map(Json::items).unwrap_or_default();
            let nullable = list.iter().any(|word| word.as_str() == Some("null")) || is_nullable_use(property);
            let optional = !required.iter().any(|key| key.as_str() == Some(name));
            if nullable && optional && property.get("x-tristate").and_then(Json::as_bool) != Some(true) {
                let at = place.child("properties").child(name);
                let remedy =
                    "make it required, or drop null, or say \"x-tristate\": true if absent and null differ";
                self.report("tristate", &at, "the property is both optional and nullable", remedy);
            }
        }
        for (index, name) in required.iter().enumerate() {
            let known = name
                .as_str()
                .is_some_and(|name| schema.get("properties").is_some_and(|p| p.get(name).is_some()));
            if !known {
                let at = place.child("required").child(index);
                self.report(
                    "required",
                    &at,
                    "the property is required but not declared",
                    "declare it or drop it",
                );
            }
        }
    }
}

/// `anyOf: [X, {"type": "null"}]`: a use of X that may be null.
fn is_nullable_use(schema: &Json) -> bool {
    ["anyOf", "oneOf"].iter().any(|keyword| {
        schema.get(keyword).is_some_and(|list| {
            let nulls = list
                .items()
                .iter()
                .filter(|branch| branch.get("type").and_then(Json::as_str) == Some("null"));
            list.items().len() == 2 && nulls.count() == 1
        })
    })
}
