//! The loader: reads schema files, finds every `$id` and `$anchor`, and resolves every `$ref`.
//! After loading, each `$ref` (also a `$dynamicRef`, by its static meaning) reads `file#pointer`, so that nothing
//! later has to know about URIs. Nothing is fetched from a network, and nothing outside the schema's folder is read.
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Place, Severity};
use super::json::{Json, unescape};
use super::uri;

/// All schema files of one run, references resolved.
#[derive(Debug, Default)]
pub struct Source {
    files: Vec<File>,
    by_path: HashMap<String, usize>,
    paths: HashMap<Place, Vec<u32>>,
    /// What loading found that does not stop the run: references to other hosts.
    pub findings: Vec<Finding>,
}

/// One schema file.
#[derive(Debug)]
pub struct File {
    /// The path relative to the schema's folder, with forward slashes.
    pub path: String,
    /// The document.
    pub root: Json,
    /// Whether it says that it is draft-07 or older, where what stands beside a `$ref` is ignored.
    pub is_old: bool,
}

impl Source {
    /// Loads a folder of schemas (all its `*.json`) or one file (and the files its references lead to).
    pub fn load(spec: &Path) -> Result<Self, Vec<Finding>> {
        let is_folder = spec.is_dir();
        let folder = if is_folder { spec } else { spec.parent().unwrap_or(Path::new("")) };
        let mut names = Vec::new();
        if is_folder {
            list(spec, "", &mut names).map_err(|finding| vec![finding])?;
            if names.is_empty() {
                let place = Place::root(spec.display().to_string());
                return Err(vec![Finding::error(
                    "no-schema",
                    &place,
                    "the folder holds no *.json",
                    "name another with --spec",
                )]);
            }
        } else {
            let name = spec.file_name().map(|name| name.to_string_lossy().into_owned());
            names.push(name.unwrap_or_else(|| spec.display().to_string()));
        }
        let is_foreign = !names.iter().any(|name| is_of_protocol(name));
        let mut loader = Loader { folder: folder.to_path_buf(), is_foreign, ..Loader::default() };
        for name in names {
            if !loader.read(&name) {
                let remedy = "check that the path is right";
                loader.findings.push(Finding::error(
                    "unreadable",
                    &Place::root(&name),
                    "it is not there",
                    remedy,
                ));
            }
        }
        loader.finish()
    }

    /// The schema files, in path order.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// Whether this is a protocol, with actions and events, for which the wire profile is binding.
    pub fn is_protocol(&self) -> bool {
        self.files.iter().any(|file| is_of_protocol(&file.path))
    }

    /// The file of a place.
    pub fn file(&self, place: &Place) -> Option<&File> {
        self.by_path.get(&place.file).map(|index| &self.files[*index])
    }

    /// The JSON at a place.
    pub fn get(&self, place: &Place) -> Option<&Json> {
        let root = &self.file(place)?.root;
        match self.paths.get(place) {
            Some(path) => follow(root, path),
            None => root.at(&place.pointer),
        }
    }

    /// Where the `$ref` of a schema leads.
    pub fn target(schema: &Json) -> Option<Place> {
        let (file, pointer) = schema.get("$ref")?.as_str()?.split_once('#')?;
        Some(Place { file: file.to_owned(), pointer: pointer.to_owned() })
    }
}

/// Whether a file's place says that it is an action or event.
fn is_of_protocol(path: &str) -> bool {
    path.starts_with("actions/") || path.starts_with("events/")
}

/// What a keyword of a schema holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A schema (or, in older drafts, sometimes an array of them).
    Schema,
    /// A map from names to schemas.
    Map,
    /// An array of schemas.
    Array,
    /// A plain value, never a schema.
    Value,
    /// A keyword this generator does not know.
    Unknown,
}

/// What a keyword of a schema holds.
pub fn holds(keyword: &str) -> Holds {
    match keyword {
        "additionalProperties"
        | "propertyNames"
        | "items"
        | "additionalItems"
        | "contains"
        | "not"
        | "if"
        | "then"
        | "else"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "contentSchema" => Holds::Schema,
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas"
        | "dependencies" => Holds::Map,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::Array,
        "enum" | "const" | "default" | "examples" | "example" | "required" | "type" | "title"
        | "description" | "$comment" | "$schema" | "$id" | "$ref" | "$dynamicRef" | "$recursiveRef"
        | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" | "$vocabulary" | "dependentRequired"
        | "format" | "pattern" | "minLength" | "maxLength" | "minimum" | "maximum" | "exclusiveMinimum"
        | "exclusiveMaximum" | "multipleOf" | "minItems" | "maxItems" | "uniqueItems" | "minContains"
        | "maxContains" | "minProperties" | "maxProperties" | "deprecated" | "readOnly" | "writeOnly"
        | "contentEncoding" | "contentMediaType" | "id" => Holds::Value,
        _ => Holds::Unknown,
    }
}

/// The schemas directly inside a schema, each with its place.
pub fn children<'a>(schema: &'a Json, place: &Place) -> Vec<(Place, &'a Json)> {
    let mut out = Vec::new();
    for (key, value) in schema.entries() {
        let here = place.child(key);
        match (holds(key), value) {
            (Holds::Schema, Json::Array(items)) | (Holds::Array, Json::Array(items)) => {
                out.extend(items.iter().enumerate().map(|(index, item)| (here.child(index), item)));
            }
            (Holds::Schema, value) => out.push((here, value)),
            (Holds::Map, Json::Object(entries)) => {
                out.extend(entries.iter().map(|(name, item)| (here.child(name), item)));
            }
            _ => {}
        }
    }
    out
}

/// All `*.json` below a folder, sorted, with forward slashes; hidden files and folders are left out.
fn list(folder: &Path, prefix: &str, out: &mut Vec<String>) -> Result<(), Finding> {
    let unreadable = |error: std::io::Error| {
        let place = Place::root(folder.display().to_string());
        Finding::error("unreadable", &place, error.to_string(), "check the path and its permissions")
    };
    let mut entries: Vec<_> = fs::read_dir(folder).and_then(Iterator::collect).map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.contains('#') {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            list(&entry.path(), &format!("{path}/"), out)?;
        } else if name.ends_with(".json") {
            out.push(path);
        }
    }
    Ok(())
}

#[derive(Default)]
struct Loader {
    folder: PathBuf,
    /// Whether the schemas are not a protocol of ours, so that references to other hosts are nothing unusual.
    is_foreign: bool,
    files: Vec<File>,
    /// The files that were asked for, and whether each is there.
    tried: HashMap<String, bool>,
    resources: HashMap<String, Place>,
    anchors: HashMap<(String, String), Place>,
    /// How many schemas a dynamic reference to a name may mean.
    dynamic: HashMap<String, usize>,
    paths: HashMap<Place, Vec<u32>>,
    references: VecDeque<Reference>,
    findings: Vec<Finding>,
}

/// A `$ref` as it stands in a file.
struct Reference {
    place: Place,
    path: Vec<u32>,
    keyword: &'static str,
    base: String,
    text: String,
}

/// Where the walk over a file stands.
struct Here<'a> {
    place: Place,
    path: Vec<u32>,
    base: &'a str,
}

impl Here<'_> {
    fn child(&self, index: usize, key: &str) -> Self {
        let mut path = self.path.clone();
        path.push(u32::try_from(index).unwrap_or(u32::MAX));
        Self { place: self.place.child(key), path, base: self.base }
    }
}

impl Loader {
    /// Reads one file by its path relative to the folder and notes what it declares. Tells whether it is there, even
    /// if it cannot be read.
    fn read(&mut self, name: &str) -> bool {
        if let Some(exists) = self.tried.get(name) {
            return *exists;
        }
        self.tried.insert(name.to_owned(), true);
        let place = Place::root(name);
        let text = match fs::read_to_string(self.folder.join(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.tried.insert(name.to_owned(), false);
                return false;
            }
            Err(error) => {
                let remedy = "check that the path is right and that the file is UTF-8 text";
                self.findings.push(Finding::error("unreadable", &place, error.to_string(), remedy));
                return true;
            }
        };
        let root = match Json::parse(&text) {
            Ok(root) => root,
            Err(error) => {
                let remedy = "make it one valid JSON document";
                self.findings.push(Finding::error("invalid-json", &place, error.to_string(), remedy));
                return true;
            }
        };
        let base = file_uri(name);
        self.resources.insert(base.clone(), place.clone());
        let is_old = root.get("$schema").and_then(Json::as_str).is_some_and(|dialect| {
            ["draft-07", "draft-06", "draft-04", "draft-03"].iter().any(|old| dialect.contains(old))
        });
        self.walk(&root, &Here { place, path: Vec::new(), base: &base }, is_old);
        self.files.push(File { path: name.to_owned(), root, is_old });
        true
    }

    /// Notes the ids, anchors and references of a schema and of all schemas in it.
    fn walk(&mut self, schema: &Json, here: &Here<'_>, is_old: bool) {
        self.paths.insert(here.place.clone(), here.path.clone());
        let mut base = here.base.to_owned();
        let id = schema.get("$id").or_else(|| schema.get("id").filter(|_| is_old)).and_then(Json::as_str);
        if let Some(id) = id.filter(|_| !(is_old && schema.get("$ref").is_some())) {
            let (uri_part, fragment) = uri::split(id);
            if !uri_part.is_empty() {
                base = uri::join(here.base, id);
                self.resources.entry(base.clone()).or_insert_with(|| here.place.clone());
            }
            if !fragment.is_empty() {
                self.anchors.entry((base.clone(), fragment.to_owned())).or_insert_with(|| here.place.clone());
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = schema.get(keyword).and_then(Json::as_str) {
                self.anchors.entry((base.clone(), anchor.to_owned())).or_insert_with(|| here.place.clone());
                if keyword == "$dynamicAnchor" {
                    *self.dynamic.entry(anchor.to_owned()).or_default() += 1;
                }
            }
        }
        let here = Here { place: here.place.clone(), path: here.path.clone(), base: &base };
        self.note_references(schema, &here);
        for (index, (key, value)) in schema.entries().iter().enumerate() {
            let inner = here.child(index, key);
            match (holds(key), value) {
                (Holds::Schema | Holds::Array, Json::Array(items)) => {
                    for (index, item) in items.iter().enumerate() {
                        self.walk(item, &inner.child(index, &index.to_string()), is_old);
                    }
                }
                (Holds::Schema, value) => self.walk(value, &inner, is_old),
                (Holds::Map, Json::Object(entries)) => {
                    for (index, (name, item)) in entries.iter().enumerate() {
                        self.walk(item, &inner.child(index, name), is_old);
                    }
                }
                (Holds::Unknown, value) => self.walk_unknown(value, &inner),
                _ => {}
            }
        }
    }

    /// Notes the references in the value of an unknown keyword: other schemas may point into it.
    fn walk_unknown(&mut self, value: &Json, here: &Here<'_>) {
        self.note_references(value, here);
        for (index, (key, item)) in value.entries().iter().enumerate() {
            if holds(key) != Holds::Value {
                self.walk_unknown(item, &here.child(index, key));
            }
        }
        for (index, item) in value.items().iter().enumerate() {
            self.walk_unknown(item, &here.child(index, &index.to_string()));
        }
    }

    fn note_references(&mut self, schema: &Json, here: &Here<'_>) {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(text) = schema.get(keyword).and_then(Json::as_str) {
                let (place, path) = (here.place.clone(), here.path.clone());
                let (base, text) = (here.base.to_owned(), text.to_owned());
                self.references.push_back(Reference { place, path, keyword, base, text });
            }
        }
    }

    /// Resolves all references and checks that none leads in a circle.
    fn finish(mut self) -> Result<Source, Vec<Finding>> {
        let mut resolved = Vec::new();
        while let Some(reference) = self.references.pop_front() {
            let target = self.resolve(&reference).filter(|_| !self.is_dynamic(&reference));
            resolved.push((reference, target));
        }
        for (reference, target) in resolved {
            let Some(file) = self.files.iter_mut().find(|file| file.path == reference.place.file) else {
                continue;
            };
            if let Some(Json::Object(entries)) = follow_mut(&mut file.root, &reference.path) {
                rewrite(entries, reference.keyword, target.as_ref());
            }
        }
        self.open_other_dialects();
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        let by_path = self.files.iter().enumerate().map(|(index, file)| (file.path.clone(), index)).collect();
        let mut source = Source { files: self.files, by_path, paths: self.paths, findings: Vec::new() };
        self.findings.extend(circles(&source));
        if self.findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(self.findings);
        }
        source.findings = self.findings;
        Ok(source)
    }

    /// A schema whose own dialect leaves out the vocabulary of validation asks nothing that its keywords seem to ask.
    fn open_other_dialects(&mut self) {
        for index in 0..self.files.len() {
            let dialect = self.files[index].root.get("$schema").and_then(Json::as_str);
            let Some(place) = dialect.and_then(|uri| self.resources.get(uri)) else { continue };
            let meta = self.files.iter().find(|file| file.path == place.file);
            let words = meta.and_then(|file| file.root.get("$vocabulary")).map(Json::entries);
            if words.is_none_or(|words| words.iter().any(|(uri, _)| uri.ends_with("/vocab/validation"))) {
                continue;
            }
            let place = Place::root(&self.files[index].path);
            let problem = "its dialect has no vocabulary for validation";
            let remedy = "name another dialect in `$schema`; until then any JSON is accepted";
            self.findings.push(Finding::warning("dialect", &place, problem, remedy));
            self.files[index].root = Json::Object(vec![(UNRESOLVED.to_owned(), Json::Bool(true))]);
        }
    }

    /// Whether a dynamic reference may mean one of several schemas, by who uses the one that it stands in.
    fn is_dynamic(&mut self, reference: &Reference) -> bool {
        let anchor = reference.text.rsplit('#').next().unwrap_or_default();
        let several = self.dynamic.get(anchor).is_some_and(|count| *count > 1);
        let is_dynamic = reference.keyword == "$dynamicRef" && several;
        if is_dynamic {
            let problem = format!("`{}` means several schemas, by who uses this one", reference.text);
            let remedy = "give the anchor to one schema only; until then any JSON is accepted";
            self.findings.push(Finding::warning("dynamic-ref", &reference.place, problem, remedy));
        }
        is_dynamic
    }

    /// The place a reference means, or a finding when there is none.
    fn resolve(&mut self, reference: &Reference) -> Option<Place> {
        let fragment = uri::decode(uri::split(&reference.text).1);
        let by_file = uri::join(&file_uri(&reference.place.file), &reference.text);
        let candidates = [uri::join(&reference.base, &reference.text), by_file.clone()];
        let known = candidates.iter().any(|candidate| self.resources.contains_key(candidate));
        if let Some(name) = by_file.strip_prefix("file:///").map(uri::decode).filter(|_| !known) {
            let remote = self.is_foreign && !reference.base.starts_with("file:");
            let exists = is_inside(&name) && self.read(&name);
            if !exists && !remote {
                let problem = format!("`{}` is not there", reference.text);
                let remedy = "correct the reference or add the file";
                self.findings.push(Finding::error("missing-file", &reference.place, problem, remedy));
                return None;
            }
            if exists && !self.resources.contains_key(&by_file) {
                // The file is there but broken, which is said already.
                return None;
            }
        }
        let Some((uri, root)) =
            candidates.iter().find_map(|uri| self.resources.get(uri).map(|root| (uri, root)))
        else {
            let problem = format!("`{}` is outside the schema's folder", reference.text);
            let remedy =
                "bring the file in and refer to it by a relative path; until then any JSON is accepted";
            self.findings.push(Finding::warning("remote-ref", &reference.place, problem, remedy));
            return None;
        };
        let target = if fragment.is_empty() || fragment.starts_with('/') {
            Some(Place { file: root.file.clone(), pointer: normal(&root.pointer, &fragment) })
        } else {
            self.anchors.get(&(uri.clone(), fragment)).cloned()
        };
        let file = target.as_ref().and_then(|place| self.files.iter().find(|file| file.path == place.file));
        let exists = match (&target, file) {
            (Some(place), Some(file)) => {
                self.paths.contains_key(place) || file.root.at(&place.pointer).is_some()
            }
            _ => false,
        };
        if !exists {
            let problem = format!("`{}` leads nowhere", reference.text);
            let (place, rule) = (&reference.place, "missing-target");
            self.findings.push(if self.is_foreign {
                Finding::warning(
                    rule,
                    place,
                    problem,
                    "correct the reference; until then any JSON is accepted",
                )
            } else {
                Finding::error(rule, place, problem, "correct the reference")
            });
            return None;
        }
        target
    }
}

/// Whether a path stays in the schema's folder.
fn is_inside(name: &str) -> bool {
    !name.contains(['\\', '\0']) && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The pointer of a fragment below a root, each segment escaped in the one canonical way.
fn normal(root: &str, fragment: &str) -> String {
    let mut out = root.to_owned();
    for segment in fragment.split('/').skip(1) {
        out.push('/');
        out.push_str(&super::json::escape(&unescape(segment)));
    }
    out
}

fn file_uri(name: &str) -> String {
    format!("file:///{name}")
}

/// What stands in place of a reference that leads nowhere.
pub const UNRESOLVED: &str = "x-unresolved";

/// Puts the resolved target in place of a reference; one that leads nowhere is taken out.
fn rewrite(entries: &mut [(String, Json)], keyword: &str, target: Option<&Place>) {
    let text = target.map(|place| format!("{}#{}", place.file, place.pointer));
    match text {
        Some(text) if keyword == "$ref" || !entries.iter().any(|(key, _)| key == "$ref") => {
            for (key, value) in entries.iter_mut().filter(|(key, _)| key == keyword) {
                *key = "$ref".to_owned();
                *value = Json::String(text.clone());
            }
        }
        // What is left must still be seen as a schema that accepts anything.
        _ => {
            for (key, value) in entries.iter_mut().filter(|(key, _)| key == keyword) {
                (*key, *value) = (UNRESOLVED.to_owned(), Json::Bool(true));
            }
        }
    }
}

fn follow<'a>(root: &'a Json, path: &[u32]) -> Option<&'a Json> {
    path.iter().try_fold(root, |here, index| match here {
        Json::Object(entries) => entries.get(*index as usize).map(|(_, value)| value),
        Json::Array(items) => items.get(*index as usize),
        _ => None,
    })
}

fn follow_mut<'a>(root: &'a mut Json, path: &[u32]) -> Option<&'a mut Json> {
    path.iter().try_fold(root, |here, index| match here {
        Json::Object(entries) => entries.get_mut(*index as usize).map(|(_, value)| value),
        Json::Array(items) => items.get_mut(*index as usize),
        _ => None,
    })
}

/// References that only lead to one another and never to a schema.
fn circles(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut done: HashSet<Place> = HashSet::new();
    let mut places: Vec<&Place> = source.paths.keys().collect();
    places.sort();
    for place in places {
        let mut trail = HashSet::new();
        let mut here = place.clone();
        while !done.contains(&here) && trail.insert(here.clone()) {
            let next = source.get(&here).and_then(Source::target);
            match next {
                Some(next) if trail.contains(&next) => {
                    let problem = format!("the reference leads back to itself by way of {next}");
                    findings.push(Finding::error(
                        "cyclic-ref",
                        place,
                        problem,
                        "let one of them name a real schema",
                    ));
                    break;
                }
                Some(next) => here = next,
                None => break,
            }
        }
        done.extend(trail);
    }
    findings
}
