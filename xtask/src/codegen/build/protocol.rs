//! What makes a set of schemas a protocol: actions, events, error codes, the two implied unions, and tags.
use std::collections::BTreeMap;

use super::super::finding::{Finding, Place};
use super::super::json::Json;
use super::super::model::{
    Action, ErrorCode, ErrorCodes, Event, Field, Kind, Member, Reply, Role, Section, Shape, Struct, Tag,
    TaggedUnion, TurnPart, TypeDef, TypeId,
};
use super::super::source::Source;
use super::Builder;

impl Builder<'_> {
    /// Collects actions, events and error codes, and takes the tags out of the members of every union.
    pub(super) fn protocol(&mut self) {
        let roots: Vec<(TypeId, Role, Place)> =
            self.model.each().map(|(id, def)| (id, def.role, def.place.clone())).collect();
        let (mut actions, mut events) = (Vec::new(), Vec::new());
        for (id, role, place) in roots {
            let stem = place.file.rsplit('/').next().unwrap_or_default();
            let name = stem.strip_suffix(".json").unwrap_or(stem).to_owned();
            let Some(root) = self.source.get(&Place::root(&place.file)).filter(|_| role != Role::Data) else {
                continue;
            };
            match role {
                Role::Params => {
                    actions.push(Member { value: name.clone(), ty: id });
                    let reply = self.reply(root, &place);
                    self.model.actions.push(Action { name, params: id, reply, turn: TurnPart::default() });
                }
                Role::Event => {
                    events.push(Member { value: name.clone(), ty: id });
                    let (effect, exception) = self.effect(id, root, &place);
                    self.model.events.push(Event { name, payload: id, effect, exception });
                }
                Role::ErrorCode => self.error_codes(id, root, &place),
                Role::Data | Role::Actions | Role::Events => {}
            }
        }
        if !actions.is_empty() {
            let union = TaggedUnion { tag: "action".to_owned(), open: false, members: actions };
            let doc = "Everything that a client may say.";
            self.model.action_union =
                Some(self.implied_union("Action", Role::Actions, Section::Actions, doc, union));
        }
        if !events.is_empty() {
            let union = TaggedUnion { tag: "type".to_owned(), open: true, members: events };
            let doc = "Everything that a server may say.";
            self.model.event_union =
                Some(self.implied_union("Event", Role::Events, Section::Events, doc, union));
        }
        self.take_tags();
        self.turn_parts();
    }

    fn implied_union(
        &mut self,
        name: &str,
        role: Role,
        section: Section,
        doc: &str,
        union: TaggedUnion,
    ) -> TypeId {
        let place = Place::root(if role == Role::Actions { "actions" } else { "events" });
        let name = self.claim(&place, name);
        let shape = Shape::TaggedUnion(union);
        let (doc, deprecated, examples) = (doc.to_owned(), false, Vec::new());
        self.model.types.push(TypeDef { name, section, role, place, doc, deprecated, examples, shape });
        TypeId(self.model.types.len() - 1)
    }

    /// How an action is answered, by its `x-reply`.
    fn reply(&mut self, root: &Json, place: &Place) -> Reply {
        let Some(reply) = root.get("x-reply") else { return Reply::None };
        let target = Source::target(reply).and_then(|target| self.by_place.get(&target));
        if let Some(id) = target {
            return Reply::Data(*id);
        }
        let events: Vec<String> = reply
            .get("events")
            .map(Json::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect();
        let known = |name: &String| self.source.get(&Place::root(format!("events/{name}.json"))).is_some();
        if events.is_empty() || !events.iter().all(known) {
            self.findings.push(Finding::error(
                "reply",
                &place.child("x-reply"),
                "it names neither a type nor events that exist",
                "write {\"$ref\": \"#/$defs/…\"} or {\"events\": [\"…\"]}",
            ));
        }
        Reply::Events(events)
    }

    /// The error codes, by the values of the enum and `x-errors`.
    fn error_codes(&mut self, id: TypeId, root: &Json, place: &Place) {
        let values: Vec<String> = match &self.model.ty(id).shape {
            Shape::OpenEnum(shape) | Shape::ClosedEnum(shape) => {
                shape.values.iter().map(|value| value.wire.clone()).collect()
            }
            _ => Vec::new(),
        };
        let facts = root.get("x-errors");
        let mut codes = Vec::new();
        for wire in values {
            let fact = facts.and_then(|facts| facts.get(&wire));
            let text =
                |key: &str| fact.and_then(|fact| fact.get(key)).and_then(Json::as_str).map(str::to_owned);
            let status = fact.and_then(|fact| fact.get("status")).and_then(Json::as_u64);
            let status = status.and_then(|status| u16::try_from(status).ok());
            let retryable = fact.and_then(|fact| fact.get("retryable")).and_then(Json::as_bool);
            let ends_turn = fact.and_then(|fact| fact.get("endsTurn")).and_then(Json::as_bool);
            let ends_turn = ends_turn.unwrap_or_default();
            let (Some(status), Some(retryable), Some(description), Some(hint)) =
                (status, retryable, text("description"), text("hint"))
            else {
                let problem = format!("`{wire}` lacks a status, retryable, description or hint");
                let remedy = "give all four under x-errors";
                self.findings.push(Finding::error(
                    "error-code",
                    &place.child("x-errors").child(&wire),
                    problem,
                    remedy,
                ));
                continue;
            };
            codes.push(ErrorCode { wire, status, retryable, ends_turn, description, hint });
        }
        for (wire, _) in facts.map(Json::entries).unwrap_or_default() {
            if !codes.iter().any(|code| code.wire == *wire) {
                let problem = format!("`{wire}` is not a value of the enum");
                let remedy = "add it there or take it out here";
                self.findings.push(Finding::error(
                    "error-code",
                    &place.child("x-errors").child(wire),
                    problem,
                    remedy,
                ));
            }
        }
        self.model.errors = Some(ErrorCodes { ty: id, codes });
    }

    /// Moves the property by which a union tells its members apart from their fields to their tags.
    fn take_tags(&mut self) {
        let mut taken: BTreeMap<TypeId, Tag> = BTreeMap::new();
        let mut broken: Vec<usize> = Vec::new();
        for (index, def) in self.model.types.iter().enumerate() {
            let Shape::TaggedUnion(union) = &def.shape else { continue };
            let tags = union
                .members
                .iter()
                .map(|member| (member.ty, Tag { property: union.tag.clone(), value: member.value.clone() }));
            let tags: Vec<(TypeId, Tag)> = tags.collect();
            let fits = |(id, tag): &(TypeId, Tag)| {
                matches!(self.model.ty(*id).shape, Shape::Struct(_))
                    && taken.get(id).is_none_or(|other| other == tag)
            };
            if tags.iter().all(fits) {
                taken.extend(tags);
            } else {
                broken.push(index);
            }
        }
        for (id, tag) in taken {
            let place = self.model.ty(id).place.clone();
            let Shape::Struct(shape) = &mut self.model.types[id.0].shape else { continue };
            if shape.tag.as_ref() == Some(&tag) {
                continue;
            }
            if take_tag(shape, &tag) {
                shape.tag = Some(tag);
            } else {
                let problem =
                    format!("the property `{}` is not the fixed string `{}`", tag.property, tag.value);
                let remedy = format!("make it required, with \"const\": \"{}\"", tag.value);
                let place = place.child("properties").child(&tag.property);
                self.findings.push(Finding::error("tag", &place, problem, remedy));
            }
        }
        for index in broken {
            let place = self.model.types[index].place.clone();
            let ty = self.give_up(
                &place,
                "a branch of the union is not an object of its own, or has another tag elsewhere",
            );
            self.model.types[index].shape = Shape::Alias(ty);
        }
    }
}

/// Takes the field that holds a tag out of a struct; false when there is none that does.
fn take_tag(shape: &mut Struct, tag: &Tag) -> bool {
    let wanted = Json::String(tag.value.clone());
    let holds = |field: &Field| {
        field.wire == tag.property
            && field.required
            && field.ty.kind == Kind::String
            && field.ty.constraints.allowed.as_deref() == Some(std::slice::from_ref(&wanted))
    };
    let Some(at) = shape.fields.iter().position(holds) else { return false };
    shape.fields.remove(at);
    true
}
