//! Objects, arrays, and which of all shapes a schema has.
use super::super::finding::{Finding, Place};
use super::super::json::{Json, quote};
use super::super::model::{Additional, Constraints, Field, Kind, Shape, Struct, Ty};
use super::super::source::Source;
use super::scalar::{count, json_type};
use super::{Builder, Spot};

/// Keywords that narrow a value in a way that no generated type or check expresses.
const UNCHECKED: &[&str] = &[
    "not",
    "if",
    "contains",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];

impl Builder<'_> {
    /// The shape of a named type.
    pub(super) fn define(&mut self, schema: &Json, spot: &Spot) -> Shape {
        let (schema, spot) = (&self.flat(schema, spot), spot);
        if Source::target(schema).is_none() {
            if let Some(shape) = self.enumeration(schema, spot) {
                return shape;
            }
            if let Some(shape) = self.tagged_union(schema, spot) {
                return shape;
            }
            if self.is_struct(schema, &spot.place) {
                self.note_unchecked(schema, &spot.place);
                self.note_partial_union(schema, &spot.place);
                return Shape::Struct(self.structure(schema, spot));
            }
        }
        let mut ty = self.value(schema, spot);
        if ty.nullable && !self.strict && spot.place.pointer.is_empty() {
            return Shape::Newtype(ty);
        }
        if std::mem::take(&mut ty.nullable) && !self.lifts_null(schema) {
            self.warn("nullable-type", &spot.place, "null is accepted only where the type is used");
        }
        if has_rules(&ty) { Shape::Newtype(ty) } else { Shape::Alias(ty) }
    }

    /// Uses of a named type that may be null say so themselves, so nothing is lost.
    fn lifts_null(&self, schema: &Json) -> bool {
        !says_null(schema) || self.strict
    }

    /// The type of a schema where it is used: a named type, or a plain one with constraints.
    pub(super) fn ty(&mut self, schema: &Json, spot: &Spot) -> Ty {
        if let (Some(target), true) = (Source::target(schema), is_bare_reference(schema)) {
            return self.reference(&target, spot);
        }
        let schema = &self.flat(schema, spot);
        if let (Some(target), true) = (Source::target(schema), is_bare_reference(schema)) {
            return self.reference(&target, spot);
        }
        self.value(schema, spot)
    }

    /// The type of the schema that a reference leads to.
    fn reference(&mut self, target: &Place, spot: &Spot) -> Ty {
        let Some(schema) = self.source.get(target).cloned() else {
            return self.give_up(&spot.place, "the reference leads nowhere");
        };
        let id = match self.by_place.get(target) {
            Some(id) => *id,
            None => {
                let segment = target.pointer.rsplit('/').next().unwrap_or_default();
                let file = Place::root(&target.file);
                let owner = self.by_place.get(&file).map(|id| self.model.ty(*id).name.clone());
                let words = super::pascal(&super::super::json::unescape(segment));
                self.name_inline(
                    &schema,
                    &Spot { place: target.clone(), owner: owner.unwrap_or_default(), words },
                )
            }
        };
        let mut ty = Ty::plain(Kind::Named(id));
        ty.nullable = self.is_nullable(&schema, 0);
        ty
    }

    /// Whether a schema accepts null, beside other values, by its own words.
    fn is_nullable(&self, schema: &Json, depth: usize) -> bool {
        if let (Some(target), true) = (Source::target(schema), depth < 64) {
            return self.source.get(&target).is_some_and(|schema| self.is_nullable(schema, depth + 1));
        }
        says_null(schema)
    }

    /// The type of a schema without a reference at its head.
    fn value(&mut self, schema: &Json, spot: &Spot) -> Ty {
        match schema {
            Json::Bool(true) => return Ty::plain(Kind::Json),
            Json::Bool(false) => {
                let constraints = Constraints { allowed: Some(Vec::new()), ..Constraints::default() };
                return Ty { constraints, ..Ty::plain(Kind::Json) };
            }
            Json::Object(_) => {}
            _ => {
                let problem =
                    format!("{} is not a schema", schema.compact().chars().take(40).collect::<String>());
                let finding =
                    Finding::error("not-a-schema", &spot.place, problem, "write an object or a boolean");
                self.findings.push(finding);
                return Ty::plain(Kind::Json);
            }
        }
        if let Some(target) = Source::target(schema) {
            return self.reference(&target, spot);
        }
        let ty = self.value_by_keywords(schema, spot);
        if ty.constraints.rule.is_none() {
            self.note_unchecked(schema, &spot.place);
        }
        ty
    }

    fn value_by_keywords(&mut self, schema: &Json, spot: &Spot) -> Ty {
        if let Some(value) = schema.get("const") {
            return self.fixed(std::slice::from_ref(value), schema, &spot.place);
        }
        if let Some(values) = schema.get("enum") {
            let values = values.items();
            let strings = values.iter().filter(|value| value.as_str().is_some()).count();
            let nulls = values.iter().filter(|value| **value == Json::Null).count();
            if strings < 2 || strings + nulls < values.len() {
                return self.fixed(values, schema, &spot.place);
            }
            return self.named(schema, spot, nulls > 0);
        }
        if schema.get("anyOf").is_some() || schema.get("oneOf").is_some() {
            return self.alternatives(schema, spot);
        }
        self.by_type(schema, spot)
    }

    /// The type that the `type` keyword, or failing that the other keywords, tell of.
    fn by_type(&mut self, schema: &Json, spot: &Spot) -> Ty {
        let words: Vec<&str> = match schema.get("type") {
            Some(Json::String(word)) => vec![word],
            Some(list) => list.items().iter().filter_map(Json::as_str).collect(),
            None => return self.untyped(schema, &spot.place),
        };
        let nullable = words.contains(&"null") && words.len() > 1;
        let rest: Vec<&str> = words.iter().copied().filter(|word| !nullable || *word != "null").collect();
        let mut ty = match rest.as_slice() {
            ["string"] => self.string(schema, &spot.place),
            ["integer"] => self.integer(schema, &spot.place),
            ["number"] => Self::number(schema),
            ["boolean"] => Ty::plain(Kind::Bool),
            ["object"] => self.object(schema, spot),
            ["array"] => self.array(schema, spot),
            ["null"] => self.fixed(&[Json::Null], schema, &spot.place),
            [word] if json_type(word).is_none() => {
                let problem = format!("{} is not a type", quote(word));
                self.give_up(&spot.place.child("type"), problem)
            }
            _ => {
                let problem = "a value of several types is kept as JSON";
                return self.checked(schema, &spot.place, "several-types", problem);
            }
        };
        ty.nullable |= nullable && ty.kind != Kind::Json;
        ty
    }

    /// A schema without `type` accepts values of every type, whatever its other keywords say about one of them: it is
    /// JSON, and that is said, since it is seldom what its author means.
    fn untyped(&mut self, schema: &Json, place: &Place) -> Ty {
        let problem = "there is no `type`, so values of every type are valid, and it is kept as JSON";
        self.checked(schema, place, "untyped", problem)
    }

    fn note_unchecked(&mut self, schema: &Json, place: &Place) {
        for keyword in UNCHECKED {
            if schema.get(keyword).is_some() {
                self.warn("unchecked", &place.child(keyword), format!("`{keyword}` is not checked"));
            }
        }
    }

    /// Whether a schema is an object with known properties. In our own spec the root of an action or event always is.
    pub(super) fn is_struct(&self, schema: &Json, place: &Place) -> bool {
        let object = match schema.get("type") {
            Some(Json::String(word)) => word == "object",
            Some(list) => {
                let words: Vec<&str> = list.items().iter().filter_map(Json::as_str).collect();
                words == ["object"]
                    || (words.len() == 2 && words.contains(&"object") && words.contains(&"null"))
            }
            None => false,
        };
        let wire = self.strict && place.pointer.is_empty() && !place.file.starts_with("types/");
        let known = schema.get("properties").is_some()
            || schema.get("required").is_some_and(|list| !list.items().is_empty())
            || (schema.get("additionalProperties") == Some(&Json::Bool(false))
                && schema.get("patternProperties").is_none());
        let fixed = schema.get("enum").is_some() || schema.get("const").is_some();
        object && (known || wire) && !fixed && !self.is_mixed(schema)
    }

    /// Whether an object's properties also depend on alternatives that bring properties of their own: a struct would
    /// lose them.
    fn is_mixed(&self, schema: &Json) -> bool {
        ["oneOf", "anyOf"].iter().any(|keyword| {
            schema.get(keyword).is_some_and(|list| {
                list.items().iter().any(|branch| {
                    ["$ref", "properties", "allOf", "oneOf", "anyOf"]
                        .iter()
                        .any(|key| branch.get(key).is_some())
                })
            })
        })
    }

    /// A type of its own for a schema that stands where it has no name.
    pub(super) fn named(&mut self, schema: &Json, spot: &Spot, nullable: bool) -> Ty {
        let id = self.name_inline(schema, spot);
        Ty { nullable, ..Ty::plain(Kind::Named(id)) }
    }

    fn object(&mut self, schema: &Json, spot: &Spot) -> Ty {
        if self.is_struct(schema, &spot.place) {
            return self.named(schema, spot, false);
        }
        let constraints = Constraints {
            min_properties: count(schema, "minProperties").filter(|least| *least > 0),
            max_properties: count(schema, "maxProperties"),
            ..Constraints::default()
        };
        if self.is_mixed(schema) {
            let problem = "properties that depend on alternatives are kept as JSON";
            return self.checked(schema, &spot.place, "mixed-object", problem);
        }
        let further = schema.get("additionalProperties").filter(|value| value.as_bool().is_none());
        let patterns = schema.get("patternProperties").map(Json::entries).unwrap_or_default();
        let kind = match (further, patterns) {
            (Some(values), []) if !values.entries().is_empty() => {
                let place = spot.place.child("additionalProperties");
                Kind::Map(Box::new(self.ty(values, &spot.child(place, "Value"))))
            }
            (None, [(pattern, values)])
                if schema.get("additionalProperties") == Some(&Json::Bool(false)) || pattern == "^.*$" =>
            {
                let place = spot.place.child("patternProperties").child(pattern);
                self.warn("key-pattern", &place, "the pattern of the keys is not checked");
                Kind::Map(Box::new(self.ty(values, &spot.child(place, "Value"))))
            }
            (_, []) if is_unchecked(schema) => {
                let problem = "an object of which no property has a name is kept as JSON";
                return self.checked(schema, &spot.place, "nameless-properties", problem);
            }
            (_, []) => Kind::JsonObject,
            _ => {
                let problem = "properties by pattern are kept as JSON";
                return self.checked(schema, &spot.place, "key-pattern", problem);
            }
        };
        Ty { kind, nullable: false, constraints }
    }

    fn note_partial_union(&mut self, schema: &Json, place: &Place) {
        for keyword in ["oneOf", "anyOf", "patternProperties", "minProperties", "maxProperties"] {
            if schema.get(keyword).is_some() {
                let problem = format!("`{keyword}` beside properties is not checked");
                self.warn("unchecked", &place.child(keyword), problem);
            }
        }
    }

    /// An object with known properties.
    pub(super) fn structure(&mut self, schema: &Json, spot: &Spot) -> Struct {
        let mut out = super::empty_struct();
        let required: Vec<&str> = schema
            .get("required")
            .map(Json::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Json::as_str)
            .collect();
        let properties = schema.get("properties").map(Json::entries).unwrap_or_default();
        for (wire, value) in properties {
            let place = spot.place.child("properties").child(wire);
            let inner = spot.child(place, wire);
            out.fields.push(self.field(wire, value, required.contains(&wire.as_str()), &inner));
        }
        for wire in required {
            if !out.fields.iter().any(|field| field.wire == wire) {
                let place = spot.place.child("required");
                out.fields.push(self.field(wire, &Json::Bool(true), true, &spot.child(place, wire)));
            }
        }
        let further = schema.get("additionalProperties");
        out.additional = match further {
            Some(Json::Bool(false)) if schema.get("patternProperties").is_none() => Additional::Refused,
            Some(values @ (Json::Object(_) | Json::Bool(true))) => {
                let place = spot.place.child("additionalProperties");
                Additional::Kept(self.ty(values, &spot.child(place, "Value")))
            }
            _ => Additional::Ignored,
        };
        out
    }

    fn field(&mut self, wire: &str, schema: &Json, required: bool, spot: &Spot) -> Field {
        let ty = self.ty(schema, spot);
        let text = |key: &str| schema.get(key).and_then(Json::as_str);
        Field {
            wire: wire.to_owned(),
            ty,
            required,
            doc: text("description").or_else(|| text("title")).unwrap_or_default().to_owned(),
            deprecated: schema.get("deprecated").and_then(Json::as_bool) == Some(true),
            default: schema.get("default").cloned(),
            place: spot.place.clone(),
        }
    }

    fn array(&mut self, schema: &Json, spot: &Spot) -> Ty {
        let mut constraints = Constraints {
            min_items: count(schema, "minItems").filter(|least| *least > 0),
            max_items: count(schema, "maxItems"),
            unique_items: schema.get("uniqueItems").and_then(Json::as_bool) == Some(true),
            ..Constraints::default()
        };
        let old_tuple = schema.get("items").filter(|items| matches!(items, Json::Array(_)));
        let (places, keyword, rest) = match (schema.get("prefixItems"), old_tuple) {
            (Some(places), _) => (places.items(), "prefixItems", schema.get("items")),
            (None, Some(places)) => (places.items(), "items", schema.get("additionalItems")),
            (None, None) => (&[][..], "items", schema.get("items")),
        };
        if places.is_empty() {
            if is_unchecked(schema) && rest.is_none_or(|items| *items == Json::Bool(true)) {
                let problem = "an array of any items is kept as JSON";
                return self.checked(schema, &spot.place, "any-items", problem);
            }
            let item = match rest {
                Some(items) => self.ty(items, &spot.child(spot.place.child(keyword), "Item")),
                None => Ty::plain(Kind::Json),
            };
            return Ty { kind: Kind::List(Box::new(item)), nullable: false, constraints };
        }
        let length = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let closed = rest == Some(&Json::Bool(false)) || constraints.max_items == Some(length);
        if !closed
            || constraints.min_items.unwrap_or(0) < length
            || constraints.max_items.is_some_and(|n| n < length)
            || places.len() > LONGEST_TUPLE
        {
            let problem = if places.len() > LONGEST_TUPLE {
                "an array with more than 12 places of their own is kept as JSON"
            } else {
                "an array with places of their own whose length is not fixed is kept as JSON"
            };
            return self.checked(schema, &spot.place, "open-tuple", problem);
        }
        let place = spot.place.child(keyword);
        let items = places.iter().enumerate();
        let items =
            items.map(|(index, item)| self.ty(item, &spot.child(place.child(index), ORDINALS[index.min(9)])));
        let kind = Kind::Tuple(items.collect());
        (constraints.min_items, constraints.max_items) = (None, None);
        Ty { kind, nullable: false, constraints }
    }
}

/// The most places of a tuple: Rust has comparisons and printing for tuples of at most twelve.
const LONGEST_TUPLE: usize = 12;

/// Whether a keyword narrows the value that no generated type or check expresses.
fn is_unchecked(schema: &Json) -> bool {
    UNCHECKED.iter().any(|keyword| schema.get(keyword).is_some())
}

/// Words for the places of a tuple.
const ORDINALS: [&str; 10] =
    ["First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Later"];

/// Whether a type has something to check that does not stand at a named type of its own.
fn has_rules(ty: &Ty) -> bool {
    !ty.constraints.is_empty()
        || match &ty.kind {
            Kind::List(item) | Kind::Map(item) => has_rules(item),
            Kind::Tuple(items) => items.iter().any(has_rules),
            _ => false,
        }
}

/// Whether a schema accepts null, beside other values, by its own keywords.
fn says_null(schema: &Json) -> bool {
    let null_type = |schema: &Json| schema.get("type").and_then(Json::as_str) == Some("null");
    let in_type =
        schema.get("type").is_some_and(|list| list.items().iter().any(|word| word.as_str() == Some("null")));
    let in_enum =
        schema.get("enum").is_some_and(|list| list.items().len() > 1 && list.items().contains(&Json::Null));
    let branches = |keyword: &str| schema.get(keyword).map(Json::items).unwrap_or_default();
    let in_branch = ["anyOf", "oneOf"].iter().any(|keyword| {
        branches(keyword).iter().any(null_type) && branches(keyword).iter().any(|branch| !null_type(branch))
    });
    in_type || in_enum || in_branch
}

/// Whether beside a `$ref` there are only words about the value, none that narrows it.
fn is_bare_reference(schema: &Json) -> bool {
    schema.entries().iter().all(|(key, _)| {
        key.starts_with("x-")
            || matches!(
                key.as_str(),
                "$ref"
                    | "description"
                    | "title"
                    | "default"
                    | "deprecated"
                    | "examples"
                    | "example"
                    | "$comment"
                    | "readOnly"
                    | "writeOnly"
                    | "$defs"
                    | "definitions"
                    | "$schema"
                    | "$id"
                    | "$anchor"
                    | "$dynamicAnchor"
            )
    })
}
