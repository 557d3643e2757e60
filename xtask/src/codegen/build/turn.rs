//! What each action is to a turn, by its `x-turn`: it starts one, stops one, or answers the event that one waits in;
//! and what each event means to one.
use super::super::finding::{Finding, Place};
use super::super::json::Json;
use super::super::model::{
    Field, Kind, Repeat, Shape, Struct, TurnAnswer, TurnEffect, TurnException, TurnMethod, TurnPart, TypeId,
};
use super::Builder;

/// The fields of an action that name its turn.
const NAMES_THE_TURN: [&str; 2] = ["requestId", "sessionId"];

impl Builder<'_> {
    /// What an event means to its turn, and when something else.
    pub(super) fn effect(
        &mut self,
        payload: TypeId,
        root: &Json,
        place: &Place,
    ) -> (TurnEffect, Option<TurnException>) {
        let Some(said) = root.get("x-turn") else { return Default::default() };
        let word = |said: &Json| TurnEffect::ALL.iter().find(|(_, word, _)| said.as_str() == Some(word));
        let effect = |said: &Json| word(said).map(|(effect, ..)| *effect);
        if let Some(effect) = effect(said) {
            return (effect, None);
        }
        let exception = || {
            let [(name, value)] = said.get("if")?.entries() else { return None };
            let whole = |field: &Field| field.wire == *name && matches!(field.ty.kind, Kind::Int(_));
            let (path, value) = (self.path(payload, &whole)?, i64::try_from(value.as_u64()?).ok()?);
            let exception = TurnException { path, value, effect: effect(said.get("then")?)? };
            Some((effect(said.get("else")?)?, Some(exception)))
        };
        exception().unwrap_or_else(|| {
            let words: Vec<&str> = TurnEffect::ALL.iter().map(|(_, word, _)| *word).collect();
            let remedy = format!(
                "write one of {}, or {{\"if\": {{\"field\": 0}}, \"then\": …, \"else\": …}} with a whole number \
                 that the event always has",
                words.join(", ")
            );
            let problem = "it is not what an event can mean to a turn";
            self.findings.push(Finding::error("turn", &place.child("x-turn"), problem, remedy));
            Default::default()
        })
    }

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
                let same = |other: &Field| other.wire == field.wire && other.ty.kind == field.ty.kind;
                Some(Repeat { field: field.wire.clone(), path: self.path(event.payload, &same)? })
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

    /// Where an event always has a field that fits, in itself or in an object that it always has.
    fn path(&self, owner: TypeId, fits: &dyn Fn(&Field) -> bool) -> Option<Vec<String>> {
        let present = || self.fields(owner).iter().filter(|field| field.required && !field.ty.nullable);
        if let Some(field) = present().find(|field| fits(field)) {
            return Some(vec![field.wire.clone()]);
        }
        present().find_map(|field| {
            let Kind::Named(inner) = field.ty.kind else { return None };
            let mut path = vec![field.wire.clone()];
            path.extend(self.path(inner, fits)?);
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
