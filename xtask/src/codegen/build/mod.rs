//! From schemas to the model. Every named schema becomes a type; a schema that has no name but needs one gets it from
//! its title or from where it stands. What the model cannot express becomes JSON that is accepted as it is, with a
//! warning that names the place: never a wrong type.
mod merge;
mod protocol;
pub mod rules;
mod scalar;
mod settings;
mod shape;
mod turn;
mod union;

pub use scalar::SAFE;
pub use union::{is_unknown_arm, tag_of, tag_value};

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::finding::{Finding, Place, Severity};
use super::json::{Json, quote};
use super::model::{Additional, Kind, Model, Role, Section, Shape, Struct, Ty, TypeDef, TypeId};
use super::names::pascal;
use super::reach;
use super::source::Source;

/// Builds the model, with the warnings found on the way.
pub fn build(source: &Source) -> Result<(Model, Vec<Finding>), Vec<Finding>> {
    let mut builder = Builder::new(source);
    builder.seed();
    builder.drain();
    builder.protocol();
    builder.settings();
    builder.settle();
    builder.open_endless_rules();
    builder.open_unsure_rules();
    builder.model.checked = reach::checked(&builder.model);
    if builder.findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(builder.findings);
    }
    Ok((builder.model, builder.findings))
}

/// How many types one run may hold: a guard against schemas that unfold without end.
const MOST_TYPES: usize = 100_000;

struct Builder<'a> {
    source: &'a Source,
    strict: bool,
    model: Model,
    findings: Vec<Finding>,
    by_place: HashMap<Place, TypeId>,
    by_name: HashMap<String, Place>,
    queue: VecDeque<(TypeId, Json)>,
    rule_by_place: HashMap<Place, usize>,
    rule_queue: Vec<(usize, Place)>,
}

/// Where a schema stands, for naming what has no name of its own.
#[derive(Debug, Clone)]
struct Spot {
    place: Place,
    /// The name of the type it belongs to.
    owner: String,
    /// The words that lead to it from there (`Item`, a property's name).
    words: String,
}

impl Spot {
    fn child(&self, place: Place, word: &str) -> Self {
        Self { place, owner: self.owner.clone(), words: format!("{}{}", self.words, pascal(word)) }
    }
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        Self {
            source,
            strict: source.is_protocol(),
            model: Model::default(),
            findings: Vec::new(),
            by_place: HashMap::new(),
            by_name: HashMap::new(),
            queue: VecDeque::new(),
            rule_by_place: HashMap::new(),
            rule_queue: Vec::new(),
        }
    }

    /// Names everything that has a name in the schemas: files, and their `$defs`.
    fn seed(&mut self) {
        let (source, strict) = (self.source, self.strict);
        let has_types = |path: &str| !strict || path != settings::FILE;
        for file in source.files().iter().filter(|file| has_types(&file.path)) {
            let root = Place::root(&file.path);
            let (name, role, section) = self.root_name(&file.path, &file.root);
            if self.strict || says_something(&file.root) {
                self.declare(&root, &name, role, section, file.root.clone());
            }
            for keyword in ["$defs", "definitions"] {
                let Some(definitions) = file.root.get(keyword) else { continue };
                for (key, schema) in definitions.entries() {
                    let place = root.child(keyword).child(key);
                    let name = if self.strict { key.clone() } else { pascal(last_segment(key)) };
                    self.declare(&place, &name, Role::Data, section, schema.clone());
                }
            }
        }
    }

    /// The name, role and section of a file's root, by the file's path.
    fn root_name(&self, path: &str, root: &Json) -> (String, Role, Section) {
        let stem = path.rsplit('/').next().unwrap_or(path);
        let stem = stem.strip_suffix(".json").unwrap_or(stem);
        let stem = stem.strip_suffix(".schema").unwrap_or(stem);
        let base = pascal(stem);
        if !self.strict {
            return (title_name(root).unwrap_or(base), Role::Data, Section::Types);
        }
        match path.split_once('/') {
            Some(("actions", _)) => (format!("{base}Params"), Role::Params, Section::Actions),
            Some(("events", _)) => (format!("{base}Event"), Role::Event, Section::Events),
            None if stem == "errors" => ("ErrorCode".to_owned(), Role::ErrorCode, Section::Errors),
            _ => (base, Role::Data, Section::Types),
        }
    }

    /// Gives a place a type of its own, to be defined later. The name is made unique in schemas of others; in ours a
    /// second use of a name is an error.
    fn declare(&mut self, place: &Place, wish: &str, role: Role, section: Section, schema: Json) -> TypeId {
        let name = self.claim(place, wish);
        let id = TypeId(self.model.types.len());
        let text = |key: &str| schema.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let doc = if schema.get("description").is_some() { text("description") } else { text("title") };
        self.model.types.push(TypeDef {
            name,
            section,
            role,
            place: place.clone(),
            doc,
            deprecated: schema.get("deprecated").and_then(Json::as_bool) == Some(true),
            examples: schema.get("examples").map(|list| list.items().to_vec()).unwrap_or_default(),
            shape: Shape::Alias(Ty::default()),
        });
        self.by_place.insert(place.clone(), id);
        self.queue.push_back((id, schema));
        id
    }

    fn claim(&mut self, place: &Place, wish: &str) -> String {
        let mut wish: String =
            if wish.is_empty() { "Value".to_owned() } else { wish.chars().take(100).collect() };
        if wish.strip_prefix("Unknown").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        {
            if self.strict {
                let problem =
                    format!("{} begins with Unknown, as the unknown arms of unions do", quote(&wish));
                self.findings.push(Finding::error("reserved-name", place, problem, "choose another name"));
            }
            wish.push_str("Value");
        }
        if let Some(other) = self.by_name.get(&wish.to_ascii_lowercase()) {
            if self.strict {
                let problem = format!("the name {} is also used at {other}", quote(&wish));
                let finding = Finding::error("name-collision", place, problem, "rename one of the two");
                self.findings.push(finding);
            } else {
                return self.other_name(place, &wish);
            }
        }
        self.by_name.insert(wish.to_ascii_lowercase(), place.clone());
        wish
    }

    /// Another name for a place whose first choice is taken: with the file or the keyword it stands under in front or
    /// behind, and with a letter only when all of these are taken.
    fn other_name(&mut self, place: &Place, wish: &str) -> String {
        let stem = place.file.rsplit('/').next().unwrap_or_default();
        let file = pascal(stem.strip_suffix(".json").unwrap_or(stem));
        let segments: Vec<String> =
            place.pointer.split('/').filter(|part| !part.is_empty()).map(super::json::unescape).collect();
        let mut wishes: Vec<String> = segments.last().map(|key| longer_names(key)).unwrap_or_default();
        wishes.push(format!("{file}{wish}"));
        for segment in segments.iter().rev().skip(1) {
            wishes.push(format!("{}{wish}", pascal(last_segment(segment))));
        }
        wishes.push(format!("{wish}Value"));
        wishes.push(format!(
            "{file}{}",
            segments.iter().map(|key| pascal(last_segment(key))).collect::<String>()
        ));
        let mut tried = 0;
        loop {
            let wish: String = match wishes.is_empty() {
                false => wishes.remove(0).chars().take(120).collect(),
                true => format!("{wish}Variant{}", letters(tried)),
            };
            tried += 1;
            if let Entry::Vacant(free) = self.by_name.entry(wish.to_ascii_lowercase()) {
                free.insert(place.clone());
                return wish;
            }
        }
    }

    /// Defines every declared type; defining one may declare more.
    fn drain(&mut self) {
        while let Some((id, schema)) = self.queue.pop_front() {
            if self.model.types.len() > MOST_TYPES {
                let place = self.model.ty(id).place.clone();
                let problem = format!("the schema unfolds into more than {MOST_TYPES} types");
                self.findings.push(Finding::error("too-large", &place, problem, "split it"));
                return;
            }
            let def = self.model.ty(id);
            let spot = Spot { place: def.place.clone(), owner: def.name.clone(), words: String::new() };
            let shape = self.define(&schema, &spot);
            self.model.types[id.0].shape = shape;
        }
    }

    /// A type for a schema that has no name in the schema files but needs one.
    fn name_inline(&mut self, schema: &Json, spot: &Spot) -> TypeId {
        if let Some(id) = self.by_place.get(&spot.place) {
            return *id;
        }
        let section = self.by_place.get(&Place::root(&spot.place.file)).map(|id| self.model.ty(*id).section);
        let title = title_name(schema).unwrap_or_default();
        let by_place = format!("{}{}", spot.owner, spot.words);
        let free = |name: &str| !name.is_empty() && !self.by_name.contains_key(&name.to_ascii_lowercase());
        let wish = if free(&title) && !self.strict { title } else { by_place };
        self.declare(&spot.place, &wish, Role::Data, section.unwrap_or(Section::Types), schema.clone())
    }

    /// After all types are defined: aliases that lead back to themselves become newtypes, so that every language can
    /// write them, and an alias of an alias names what both stand for.
    fn settle(&mut self) {
        for id in self.looping_aliases() {
            if let Shape::Alias(ty) = &mut self.model.types[id.0].shape {
                let ty = std::mem::take(ty);
                self.model.types[id.0].shape = Shape::Newtype(ty);
            }
        }
        for index in 0..self.model.types.len() {
            let Shape::Alias(ty) = &self.model.types[index].shape else { continue };
            let mut last = ty;
            while let Kind::Named(next) = last.kind {
                match &self.model.ty(next).shape {
                    Shape::Alias(inner) if matches!(inner.kind, Kind::Named(_)) => last = inner,
                    _ => break,
                }
            }
            self.model.types[index].shape = Shape::Alias(last.clone());
        }
    }

    /// The aliases on a circle of aliases, lists, maps and tuples, fewest first: once those are newtypes none is left.
    fn looping_aliases(&self) -> Vec<TypeId> {
        let uses = |id: TypeId| {
            let mut out = Vec::new();
            if let Shape::Alias(ty) = &self.model.ty(id).shape {
                named_in(ty, &mut out);
            }
            out
        };
        let mut state = vec![Visit::New; self.model.types.len()];
        let mut looping = Vec::new();
        for start in (0..state.len()).map(TypeId) {
            let mut trail = vec![(start, uses(start))];
            if state[start.0] != Visit::New {
                continue;
            }
            state[start.0] = Visit::Open;
            while let Some((id, next)) = trail.last_mut() {
                match next.pop() {
                    Some(target) if state[target.0] == Visit::New => {
                        state[target.0] = Visit::Open;
                        trail.push((target, uses(target)));
                    }
                    Some(target) if state[target.0] == Visit::Open && !looping.contains(&target) => {
                        looping.push(target);
                    }
                    Some(_) => {}
                    None => {
                        state[id.0] = Visit::Done;
                        trail.pop();
                    }
                }
            }
        }
        looping
    }

    fn warn(&mut self, rule: &'static str, place: &Place, problem: impl Into<String>) {
        let remedy = "the generated type accepts more than the schema does";
        self.findings.push(Finding::warning(rule, place, problem, remedy));
    }

    /// A type that accepts any JSON, with a warning that says why.
    fn give_up(&mut self, place: &Place, problem: impl Into<String>) -> Ty {
        self.warn("any-json", place, problem);
        Ty::plain(Kind::Json)
    }
}

/// `A` to `Z`, `AA`, `AB` and so on.
fn letters(mut number: usize) -> String {
    let mut out = Vec::new();
    loop {
        out.insert(0, b'A' + u8::try_from(number % 26).unwrap_or_default());
        number /= 26;
        if number == 0 {
            return String::from_utf8(out).unwrap_or_default();
        }
        number -= 1;
    }
}

/// The telling part of a key that is a URL or a path: its last segment, without the ending of a schema file.
fn last_segment(key: &str) -> &str {
    let key = key.trim_end_matches(['/', '#']);
    let last = key.rsplit(['/', '#']).next().unwrap_or(key);
    let last = last.strip_suffix(".json").unwrap_or(last);
    last.strip_suffix(".schema").unwrap_or(last)
}

/// Names for a key that is a URL or a path, by more and more of its segments; those without a letter say nothing.
fn longer_names(key: &str) -> Vec<String> {
    let has_letter = |part: &&str| part.contains(|c: char| c.is_ascii_alphabetic());
    let mut parts: Vec<String> = key.split('/').filter(has_letter).map(pascal).collect();
    if let Some(last) = parts.last_mut() {
        *last = pascal(last_segment(key));
    }
    (0..parts.len().saturating_sub(1)).rev().map(|from| parts[from..].concat()).collect()
}

/// How far a walk over the types is with one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done,
}

/// The named types in a type.
fn named_in(ty: &Ty, out: &mut Vec<TypeId>) {
    match &ty.kind {
        Kind::Named(id) => out.push(*id),
        Kind::List(item) | Kind::Map(item) => named_in(item, out),
        Kind::Tuple(items) => items.iter().for_each(|item| named_in(item, out)),
        _ => {}
    }
}

/// An empty struct, for a schema of ours that could not be read as one.
fn empty_struct() -> Struct {
    Struct { tag: None, fields: Vec::new(), additional: Additional::Ignored }
}

/// The name that a schema's title gives, unless the title is a sentence.
fn title_name(schema: &Json) -> Option<String> {
    const LONGEST_TITLE: usize = 40;
    let title = schema.get("title")?.as_str()?;
    let fits = title.chars().any(char::is_alphanumeric) && title.chars().count() <= LONGEST_TITLE;
    fits.then(|| pascal(title))
}

/// Whether the root of a document is a schema in its own right and not only a place for `$defs`.
fn says_something(root: &Json) -> bool {
    match root {
        Json::Object(entries) => entries.iter().any(|(key, _)| {
            !matches!(
                key.as_str(),
                "$schema"
                    | "$id"
                    | "id"
                    | "$defs"
                    | "definitions"
                    | "title"
                    | "description"
                    | "$comment"
                    | "$vocabulary"
                    | "examples"
                    | "version"
                    | "$anchor"
                    | "$dynamicAnchor"
            )
        }),
        _ => true,
    }
}
