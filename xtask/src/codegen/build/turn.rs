//! What each action is to a turn, by its `x-turn`: it starts one, stops one, or answers the event that one waits in.
use super::super::finding::{Finding, Place};
use super::super::json::Json;
use super::super::model::{
    Field, Kind, Repeat, Shape, Struct, TurnAnswer, TurnEffect, TurnMethod, TurnPart, TypeId,
};
use super::Builder;

/// The fields of an action that name its turn.
const NAMES_THE_TURN: [&str; 2] = ["requestId", "sessionId"];

impl Builder<'_> {
    /// Finds the part of every action, once it is known what the events are to a turn.
    pub(super) fn turn_parts(&mut self) {
        for index in 0..self.model.actions.len() {
            let params = self.model.actions[index].params;
            let place = self.model.ty(params).place.clone();
            let root = self.source.get(&place);
            let Some(said) = root.and_then(|root| root.get("x-turn")) else { continue };
            match self.turn_part(params, said, &place.child("x-turn")) {
                Ok(part) => self.model.actions[index].turn = part,
                Err(finding) => self.findings.push(finding),
            }
        }
    }

    fn turn_part(&self, params: TypeId, said: &Json, place: &Place) -> Result<TurnPart, Finding> {
        match said.as_str() {
            Some("starts") => return Ok(TurnPart::Starts),
            Some("stops") => return Ok(TurnPart::Stops),
            _ => {}
        }
        let Some(event) = said.get("answers").and_then(Json::as_str) else {
            return Err(Finding::error(
                "turn",
                place,
                "it is not what an action can be to a turn",
                "write \"starts\", \"stops\", or an object with the event that it `answers` and its `methods`",
            ));
        };
        let parks = self.model.events.iter().find(|known| known.name == event);
        let Some(event) = parks.filter(|event| event.effect == TurnEffect::Parks) else {
            return Err(Finding::error(
                "turn",
                &place.child("answers"),
                format!("`{event}` is no event that a turn waits in"),
                "name one whose x-turn is \"parks\"",
            ));
        };
        let fields = self.fields(params);
        let repeats = fields.iter().filter(|field| !NAMES_THE_TURN.contains(&field.wire.as_str()));
        let repeats: Vec<Repeat> = repeats
            .filter_map(|field| {
                Some(Repeat { field: field.wire.clone(), path: self.path(event.payload, field)? })
            })
            .collect();
        let mut methods = Vec::new();
        for (name, method) in said.get("methods").map(Json::entries).unwrap_or_default() {
            let place = place.child("methods").child(name);
            methods.push(turn_method(name, method, fields, &repeats, &place)?);
        }
        Ok(TurnPart::Answers(TurnAnswer { event: event.payload, methods, repeats }))
    }

    fn fields(&self, id: TypeId) -> &[Field] {
        match &self.model.ty(id).shape {
            Shape::Struct(Struct { fields, .. }) => fields,
            _ => &[],
        }
    }

    /// Where an event has a value of the name and type of a field, in itself or in an object that it always has.
    fn path(&self, owner: TypeId, wanted: &Field) -> Option<Vec<String>> {
        let present = || self.fields(owner).iter().filter(|field| field.required && !field.ty.nullable);
        if let Some(field) =
            present().find(|field| field.wire == wanted.wire && field.ty.kind == wanted.ty.kind)
        {
            return Some(vec![field.wire.clone()]);
        }
        present().find_map(|field| {
            let Kind::Named(inner) = field.ty.kind else { return None };
            let mut path = vec![field.wire.clone()];
            path.extend(self.path(inner, wanted)?);
            Some(path)
        })
    }
}

fn turn_method(
    name: &str,
    said: &Json,
    fields: &[Field],
    repeats: &[Repeat],
    place: &Place,
) -> Result<TurnMethod, Finding> {
    let text = |key: &str| said.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let method = TurnMethod { name: name.to_owned(), field: text("field"), doc: text("description") };
    if !fields.iter().any(|field| field.wire == method.field) || method.doc.is_empty() {
        let problem = "it lacks a field of the action or a description";
        let remedy = "write {\"field\": \"…\", \"description\": \"…\"}";
        return Err(Finding::error("turn", place, problem, remedy));
    }
    let is_filled = |field: &Field| {
        field.wire == method.field
            || NAMES_THE_TURN.contains(&field.wire.as_str())
            || repeats.iter().any(|repeat| repeat.field == field.wire)
    };
    match fields.iter().find(|field| field.required && !is_filled(field)) {
        Some(field) => Err(Finding::error(
            "turn",
            place,
            format!("nothing gives the action its `{}`", field.wire),
            "make that optional, or let the event have it",
        )),
        None => Ok(method),
    }
}
