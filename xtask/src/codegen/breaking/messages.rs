//! Two versions of a protocol, message by message: actions are written by clients, events and replies by servers.
use std::collections::BTreeSet;

use super::super::finding::Place;
use super::super::model::{Action, Model, Reply, Role, TurnPart, TypeDef, TypeId};
use super::report::{Breaks, Pair, Writer};
use super::types::Walk;

/// Every change from `old` to `new` that would break a peer of the other version.
pub fn compare(old: &Model, new: &Model) -> Breaks {
    let mut walk = Walk::new(old, new);
    let mut gone = actions(&mut walk);
    gone.extend(events(&mut walk));
    error_codes(&mut walk);
    rest(&mut walk, &gone);
    walk.breaks
}

/// Compares the actions, and tells the files of those that are gone.
fn actions(walk: &mut Walk<'_>) -> BTreeSet<String> {
    let mut gone = BTreeSet::new();
    for old in &walk.old.actions {
        let place = &walk.old.ty(old.params).place;
        let Some(new) = walk.new.actions.iter().find(|new| new.name == old.name) else {
            let problem = format!("the action `{}` is gone", old.name);
            walk.breaks.add("action-removed", place, problem, [Pair::OldClientNewServer].into());
            gone.insert(place.file.clone());
            continue;
        };
        let place = walk.new.ty(new.params).place.clone();
        walk.named(old.params, new.params, Writer::Client);
        let (was, is) = (part(walk.old, &old.turn), part(walk.new, &new.turn));
        if was != is {
            let problem = format!("its part in a turn was `{was}` and is now `{is}`");
            let pairs = Writer::Client.both_ways();
            walk.breaks.add("turn-changed", &place.child("x-turn"), problem, pairs);
        }
        reply(walk, old, new, &place.child("x-reply"));
    }
    gone
}

/// What an action is to a turn, in the schema's words. The methods of clients are seen by no peer.
fn part(model: &Model, part: &TurnPart) -> String {
    match part {
        TurnPart::None => "none".to_owned(),
        TurnPart::Starts => "starts".to_owned(),
        TurnPart::Stops => "stops".to_owned(),
        TurnPart::Answers(answer) => {
            let event = model.events.iter().find(|event| event.payload == answer.event);
            format!("answers {}", event.map_or("", |event| &event.name))
        }
    }
}

fn reply(walk: &mut Walk<'_>, old: &Action, new: &Action, place: &Place) {
    if let (Reply::Data(old), Reply::Data(new)) = (&old.reply, &new.reply) {
        walk.named(*old, *new, Writer::Server);
    } else if old.reply != new.reply {
        let problem = format!(
            "it was answered {} and is now answered {}",
            shown(walk.old, &old.reply),
            shown(walk.new, &new.reply)
        );
        walk.breaks.add("reply-changed", place, problem, Writer::Server.both_ways());
    }
}

fn shown(model: &Model, reply: &Reply) -> String {
    match reply {
        Reply::Data(id) => format!("by data of type {}", model.ty(*id).name),
        Reply::Events(names) => format!("by {}", names.join(", ")),
        Reply::None => "not at all".to_owned(),
    }
}

/// Compares the events, and tells the files of those that are gone.
fn events(walk: &mut Walk<'_>) -> BTreeSet<String> {
    let mut gone = BTreeSet::new();
    for old in &walk.old.events {
        let place = &walk.old.ty(old.payload).place;
        if let Some(new) = walk.new.events.iter().find(|new| new.name == old.name) {
            walk.named(old.payload, new.payload, Writer::Server);
            if (old.effect, &old.exception) != (new.effect, &new.exception) {
                let place = walk.new.ty(new.payload).place.child("x-turn");
                let problem = "it means something else to its turn".to_owned();
                walk.breaks.add("turn-changed", &place, problem, Writer::Server.both_ways());
            }
            continue;
        }
        let problem = format!("the event `{}` is gone", old.name);
        walk.breaks.add("event-removed", place, problem, Writer::Server.both_ways());
        gone.insert(place.file.clone());
    }
    gone
}

fn error_codes(walk: &mut Walk<'_>) {
    let Some(old) = &walk.old.errors else { return };
    let codes = walk.new.errors.as_ref().map(|errors| errors.codes.as_slice()).unwrap_or_default();
    for was in &old.codes {
        let Some(is) = codes.iter().find(|is| is.wire == was.wire) else {
            let place = walk.old.ty(old.ty).place.child("x-errors").child(&was.wire);
            let problem = format!("the error code `{}` is gone", was.wire);
            walk.breaks.add("error-code-removed", &place, problem, Writer::Server.both_ways());
            continue;
        };
        let Some(new) = &walk.new.errors else { continue };
        let place = walk.new.ty(new.ty).place.child("x-errors").child(&is.wire);
        if was.status != is.status {
            let problem = format!("the status {} became {}", was.status, is.status);
            let pairs = Writer::Server.both_ways();
            walk.breaks.add("error-code-changed", &place.child("status"), problem, pairs);
        }
        if was.ends_turn != is.ends_turn {
            let problem = format!("`endsTurn` became {}", is.ends_turn);
            let pairs = Writer::Server.both_ways();
            walk.breaks.add("error-code-changed", &place.child("endsTurn"), problem, pairs);
        }
        if was.retryable != is.retryable {
            let problem = format!("`retryable` became {}", is.retryable);
            let pairs = Writer::Server.both_ways();
            walk.breaks.add("error-code-changed", &place.child("retryable"), problem, pairs);
        }
    }
}

/// The types that no message led to, and the names that are gone. What belonged to a message that is gone went with
/// it and is not told again.
fn rest(walk: &mut Walk<'_>, gone: &BTreeSet<String>) {
    let (old, new) = (walk.old, walk.new);
    let data = |def: &TypeDef| def.role == Role::Data;
    for (old_id, was) in old.each().filter(|(_, def)| data(def)) {
        let same = |(_, def): &(TypeId, &TypeDef)| data(def) && def.name == was.name;
        match new.each().find(same) {
            Some((new_id, _)) if !walk.has_seen(old_id) => walk.named(old_id, new_id, Writer::Either),
            Some(_) => {}
            None if gone.contains(&was.place.file) => {}
            None => {
                let problem = format!("the type `{}` is gone", was.name);
                walk.breaks.add("type-removed", &was.place, problem, [Pair::Source].into());
            }
        }
    }
}
