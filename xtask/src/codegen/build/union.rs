//! Enums and unions: `enum`, `oneOf`, `anyOf`.
use super::super::finding::Place;
use super::super::json::Json;
use super::super::model::{Enum, EnumValue, Kind, Member, Shape, TaggedUnion, Ty};
use super::super::names::pascal;
use super::super::source::Source;
use super::{Builder, Spot};

impl Builder<'_> {
    /// A string out of a list, when the schema is one: `enum`, alternatives of `const`, or either of them beside
    /// `type: string`.
    pub(super) fn enumeration(&mut self, schema: &Json, spot: &Spot) -> Option<Shape> {
        if let Some(values) = schema.get("enum") {
            let mut strings: Vec<EnumValue> = Vec::new();
            for value in values.items().iter().filter(|value| **value != Json::Null) {
                let wire = value.as_str()?.to_owned();
                if !strings.iter().any(|known| known.wire == wire) {
                    strings.push(EnumValue { wire, doc: String::new() });
                }
            }
            return (!strings.is_empty()).then_some(Shape::ClosedEnum(Enum { values: strings }));
        }
        let branches = alternatives(schema)?;
        let mut values = Vec::new();
        let mut open = false;
        for branch in branches {
            if is_null(branch) {
                continue;
            } else if is_any_string(branch) {
                open = true;
            } else {
                for value in listed(branch)? {
                    if !values.iter().any(|known: &EnumValue| known.wire == value.wire) {
                        values.push(value);
                    }
                }
            }
        }
        if values.is_empty() {
            return None;
        }
        self.note_null_branch(branches, &spot.place);
        let shape = Enum { values };
        Some(if open { Shape::OpenEnum(shape) } else { Shape::ClosedEnum(shape) })
    }

    fn note_null_branch(&mut self, branches: &[Json], place: &Place) {
        if branches.iter().any(is_null) && self.strict {
            self.warn("nullable-type", place, "null is accepted only where the type is used");
        }
    }

    /// One of several structs told apart by a tag, when the schema is such a union.
    pub(super) fn tagged_union(&mut self, schema: &Json, spot: &Spot) -> Option<Shape> {
        if schema.get("properties").is_some() {
            return None;
        }
        let keyword = if schema.get("oneOf").is_some() { "oneOf" } else { "anyOf" };
        let branches = alternatives(schema)?;
        let known: Vec<(usize, &Json)> = branches
            .iter()
            .enumerate()
            .filter(|(_, branch)| !is_null(branch) && !is_unknown_arm(branch))
            .collect();
        if known.len() < 2 {
            return None;
        }
        let targets: Vec<Json> = known.iter().map(|(_, branch)| self.pointed(branch)).collect();
        let tag = tag_of(&targets)?;
        let mut members = Vec::new();
        for ((index, branch), target) in known.into_iter().zip(&targets) {
            let value = tag_value(target, &tag)?;
            let place = spot.place.child(keyword).child(index);
            let ty = self.ty(branch, &spot.child(place, &pascal(&value)));
            let Kind::Named(id) = ty.kind else { return None };
            members.push(Member { value, ty: id });
        }
        let open = branches.iter().any(is_unknown_arm);
        Some(Shape::TaggedUnion(TaggedUnion { tag, open, members }))
    }

    /// The schema that a branch leads to, references followed and `allOf` merged.
    fn pointed(&mut self, branch: &Json) -> Json {
        let mut here = branch.clone();
        for _ in 0..64 {
            let Some(target) = Source::target(&here) else { break };
            let Some(schema) = self.source.get(&target) else { break };
            here = schema.clone();
        }
        if here.get("allOf").is_some() {
            let spot = Spot { place: Place::default(), owner: String::new(), words: String::new() };
            let before = self.findings.len();
            here = self.flat(&here, &spot);
            self.findings.truncate(before);
        }
        here
    }

    /// The type of a schema with alternatives, where it is used.
    pub(super) fn alternatives(&mut self, schema: &Json, spot: &Spot) -> Ty {
        let keyword = if schema.get("oneOf").is_some() { "oneOf" } else { "anyOf" };
        let branches = schema.get(keyword).map(Json::items).unwrap_or_default();
        let nullable = branches.iter().any(is_null);
        let rest: Vec<usize> = (0..branches.len()).filter(|index| !is_null(&branches[*index])).collect();
        if let ([only], false) = (rest.as_slice(), is_narrowed(schema)) {
            let place = spot.place.child(keyword).child(only);
            let mut ty = self.ty(&branches[*only], &Spot { place, ..spot.clone() });
            ty.nullable |= nullable && ty.kind != Kind::Json;
            return ty;
        }
        if self.is_struct(schema, &spot.place) {
            return self.named(schema, spot, nullable);
        }
        if !is_narrowed(schema) {
            let declares = self.enumeration(schema, spot).is_some();
            let unites = !declares && {
                let targets: Vec<Json> = rest
                    .iter()
                    .map(|index| &branches[*index])
                    .filter(|branch| !is_unknown_arm(branch))
                    .cloned()
                    .collect();
                let targets: Vec<Json> = targets.iter().map(|branch| self.pointed(branch)).collect();
                targets.len() > 1 && tag_of(&targets).is_some()
            };
            if declares || (unites && !self.is_defining(spot)) {
                return self.named(schema, spot, nullable);
            }
        }
        let problem = "alternatives that no tag tells apart are kept as JSON";
        self.checked(schema, &spot.place, "untagged-union", problem)
    }

    /// Whether the spot is the very type that is being defined, so that naming it again would lead back here.
    fn is_defining(&self, spot: &Spot) -> bool {
        self.by_place
            .get(&spot.place)
            .is_some_and(|id| self.model.ty(*id).name == spot.owner && spot.words.is_empty())
    }
}

/// The branches of a schema that is nothing but alternatives.
fn alternatives(schema: &Json) -> Option<&[Json]> {
    let branches = match (schema.get("oneOf"), schema.get("anyOf")) {
        (Some(branches), None) | (None, Some(branches)) => branches.items(),
        _ => return None,
    };
    (!branches.is_empty() && !is_narrowed(schema)).then_some(branches)
}

/// Whether beside alternatives a schema says more about the value.
fn is_narrowed(schema: &Json) -> bool {
    let both = schema.get("oneOf").is_some() && schema.get("anyOf").is_some();
    let type_matters = match schema.get("type").and_then(Json::as_str) {
        Some("object") | None => schema.get("type").is_some_and(|list| !list.items().is_empty()),
        Some(_) => schema.get("properties").is_none() && !all_strings(schema),
    };
    both || type_matters
        || [
            "properties",
            "required",
            "items",
            "not",
            "if",
            "pattern",
            "allOf",
            "additionalProperties",
            "enum",
            "const",
        ]
        .iter()
        .any(|key| schema.get(key).is_some())
}

/// Whether a schema is `type: string` with alternatives that are all listed strings.
fn all_strings(schema: &Json) -> bool {
    let branches = schema.get("oneOf").or_else(|| schema.get("anyOf")).map(Json::items).unwrap_or_default();
    schema.get("type").and_then(Json::as_str) == Some("string")
        && branches.iter().all(|branch| listed(branch).is_some() || is_any_string(branch))
}

fn is_null(branch: &Json) -> bool {
    branch.get("type").and_then(Json::as_str) == Some("null")
        || branch.get("const") == Some(&Json::Null)
        || branch.get("enum").is_some_and(|list| list.items() == [Json::Null])
}

/// `{"type": "string"}` with nothing that narrows it.
fn is_any_string(branch: &Json) -> bool {
    branch.get("type").and_then(Json::as_str) == Some("string")
        && branch
            .entries()
            .iter()
            .all(|(key, _)| matches!(key.as_str(), "type" | "description" | "title" | "$comment"))
}

/// The strings of a branch that is an `enum` or a `const`.
fn listed(branch: &Json) -> Option<Vec<EnumValue>> {
    let text = |key: &str| branch.get(key).and_then(Json::as_str);
    if let Some(value) = branch.get("const") {
        let doc = text("description").or_else(|| text("title")).unwrap_or_default().to_owned();
        return Some(vec![EnumValue { wire: value.as_str()?.to_owned(), doc }]);
    }
    let values = branch.get("enum")?.items();
    values
        .iter()
        .map(|value| Some(EnumValue { wire: value.as_str()?.to_owned(), doc: String::new() }))
        .collect()
}

/// The branch that makes a union open: titled `unknown`.
pub fn is_unknown_arm(branch: &Json) -> bool {
    branch.get("title").and_then(Json::as_str) == Some("unknown")
}

/// The required property that holds a different fixed string in each of the objects.
pub fn tag_of(objects: &[Json]) -> Option<String> {
    let (first, rest) = objects.split_first()?;
    let properties = first.get("properties")?.entries();
    properties.iter().map(|(name, _)| name).find_map(|name| {
        let mut seen = vec![tag_value(first, name)?];
        for object in rest {
            let value = tag_value(object, name)?;
            if seen.contains(&value) {
                return None;
            }
            seen.push(value);
        }
        Some(name.clone())
    })
}

/// The fixed string of a required property.
pub fn tag_value(object: &Json, name: &str) -> Option<String> {
    let required =
        object.get("required").is_some_and(|list| list.items().iter().any(|key| key.as_str() == Some(name)));
    let property = object.get("properties")?.get(name)?;
    let value = match (property.get("const"), property.get("enum").map(Json::items)) {
        (Some(value), _) | (None, Some([value])) => value.as_str()?,
        _ => return None,
    };
    required.then(|| value.to_owned())
}
