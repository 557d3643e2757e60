//! What must hold in every scenario: each frame is what `spec/` says, each turn goes as the protocol
//! orders it, and the client, the wire and the model's gateway tell the same story.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use smooai_smooth_operator_conformance::frame_check;
use smooai_smooth_operator_conformance::transcript::{Turn, is_terminal, line};
use smooai_smooth_operator_conformance_driver::{ErrorKind, ErrorSeen, TurnEndedReport};
use smooai_smooth_operator_protocol::{Action, ErrorCode};

use crate::driver::TurnSeen;
use crate::fault::Side;
use crate::outcome::Covered;
use crate::pattern::equal;
use crate::proxy::Frame;

/// Checks what one peer sent, frame by frame; `frames` are all that were seen so far.
pub fn frame(frames: &[Frame], place: usize) -> Result<()> {
    let Some(text) = &frames[place].sent else { return Ok(()) };
    if frames[place].from == Side::Client {
        let action = Action::from_json(text).with_context(|| format!("the client sent {text}"))?;
        ensure!(action.validate().is_ok(), "the client sent {text}: {:?}", action.validate());
        return Ok(());
    }
    let event = frame_check::check(text)?;
    consistent(&event).with_context(|| format!("in {}", line(&event)))?;
    if event["type"] == "immediate_response" && event["status"] == 200 {
        let asked = frames[..place].iter().rev().find(|frame| {
            frame.from == Side::Client
                && frame.json["requestId"] == event["requestId"]
                && frame.json["action"].is_string()
        });
        let asked = asked.with_context(|| format!("a response to nothing that was asked: {event}"))?;
        frame_check::check_reply(asked.json["action"].as_str().unwrap_or_default(), &event["data"])?;
    }
    Ok(())
}

/// What an event says twice, it says alike; and an error tells what is known of its code.
fn consistent(event: &Value) -> Result<()> {
    let pairs = [
        (event.get("token"), event["data"].get("token")),
        (event.get("node"), event["data"].get("node")),
        (event.get("error"), event["data"].get("error")),
    ];
    for (outer, inner) in pairs {
        ensure!(outer.is_none() || outer == inner, "{outer:?} and {inner:?} differ");
    }
    match event["type"].as_str() {
        Some("error") => {
            let code = ErrorCode::from(event["error"]["code"].as_str().unwrap_or_default());
            let details = &event["data"]["details"];
            ensure!(!matches!(code, ErrorCode::Unknown(_)), "a code that spec/ does not have");
            ensure!(details["status"] == code.status(), "the status {} of {code:?}", details["status"]);
            ensure!(
                details["retryable"] == code.retryable(),
                "retryable={} of {code:?}",
                details["retryable"]
            );
            ensure!(event.get("status").is_none(), "an error has no status at its top");
        }
        Some("eventual_response") => ensure!(
            event["status"] == 200 && event["data"]["status"] == 200,
            "the status is {} and {}",
            event["status"],
            event["data"]["status"]
        ),
        Some("cancelled") => ensure!(event["status"] == 499, "the status is {}", event["status"]),
        Some("immediate_response") => {
            ensure!(event["status"] == 200 || event["status"] == 202, "the status is {}", event["status"]);
        }
        _ => {}
    }
    Ok(())
}

/// Checks the order of every turn's events, as far as the wire has them.
pub fn turns(frames: &[Frame]) -> Result<()> {
    let mut started: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for (place, frame) in frames.iter().enumerate() {
        if frame.from == Side::Client && frame.sent.is_some() && frame.json["action"] == "send_message" {
            let request = frame.json["requestId"].as_str().context("a turn without a requestId")?;
            let again = started.insert((frame.connection, request.to_owned()), place);
            ensure!(again.is_none(), "two turns with the requestId {request:?}");
        }
    }
    for ((connection, request), place) in started {
        let events: Vec<Value> = frames[place..]
            .iter()
            .filter(|frame| frame.connection == connection && frame.from == Side::Server)
            .filter_map(|frame| serde_json::from_str::<Value>(frame.sent.as_ref()?).ok())
            .filter(|event| event["requestId"] == request.as_str())
            .collect();
        order(&events).with_context(|| {
            let lines: Vec<String> = events.iter().map(line).collect();
            format!("the turn {request} on the wire: {lines:#?}")
        })?;
    }
    Ok(())
}

/// Checks the order of one turn's events. A turn that was cut may lack its end.
pub fn order(events: &[Value]) -> Result<()> {
    let Some(first) = events.first() else { return Ok(()) };
    let accepted = first["type"] == "immediate_response" && first["status"] == 202;
    ensure!(accepted || first["type"] == "error", "it does not begin with the 202 but with {}", line(first));
    let end = events.iter().position(is_terminal);
    if let Some(end) = end {
        ensure!(end + 1 == events.len(), "{} comes after {}", line(&events[end + 1]), line(&events[end]));
    }
    let again =
        events[1..].iter().any(|event| event["type"] == "immediate_response" && event["status"] == 202);
    ensure!(!again, "a second 202");
    let (mut open, mut parked, mut said, mut spoke) = (Vec::<String>::new(), None, String::new(), false);
    for event in events {
        let raw = &event["data"]["state"]["rawResponse"];
        let name = event["node"].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap_or_default() {
            "write_confirmation_required" | "otp_verification_required" => {
                parked = event["data"]["data"]["toolId"].as_str().map(str::to_owned);
                let shown = parked.as_ref().is_some_and(|tool| open.contains(tool));
                ensure!(!shown, "the call of {parked:?} was shown before its park");
            }
            "otp_sent" => ensure!(parked.is_some(), "otp_sent without otp_verification_required"),
            "stream_preamble" => ensure!(!spoke, "a preamble after the first token"),
            "stream_token" => {
                spoke = true;
                ensure!(open.is_empty(), "a token while the result of {open:?} is missing");
                said.push_str(event["token"].as_str().unwrap_or_default());
            }
            "stream_chunk" if raw["toolCall"].is_object() => {
                parked = None;
                open.push(name);
                said.clear();
            }
            "stream_chunk" if raw["toolResult"].is_object() => {
                let place = open.iter().position(|tool| *tool == name);
                let place = place.with_context(|| format!("a result of {name} without its call"))?;
                open.remove(place);
                said.clear();
            }
            "eventual_response" => {
                let whole =
                    event["data"]["data"]["response"]["responseParts"][0].as_str().unwrap_or_default();
                ensure!(!spoke || said == whole, "the tokens say {said:?} and the whole answer {whole:?}");
                ensure!(open.is_empty(), "it ends while the result of {open:?} is missing");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks that what a client told of a turn is what was on its wire.
pub fn agreement(name: &str, seen: &TurnSeen, frames: &[Frame], reading: &str) -> Result<()> {
    ensure!(seen.ended.len() <= 1, "the turn {name} ended {} times", seen.ended.len());
    let Some(request) = &seen.request else { return Ok(()) };
    let mut wire = events_of(request, frames);
    let mut told: Vec<Value> = seen.events.iter().map(|(event, _)| event.clone()).collect();
    let read = told.len();
    wire.retain(|event| !is_verdict_answer(event));
    told.retain(|event| !is_verdict_answer(event));
    let iterates = reading != "await";
    let ended = seen.ended.first();
    let whole = ended.is_some_and(|ended| {
        let iteration = ended.iteration_error.as_ref().filter(|error| error.code != "MISSED");
        let error = iteration.or(ended.error.as_ref());
        error.is_none_or(|error| matches!(error.kind, ErrorKind::Server | ErrorKind::Cancelled))
    });
    if ended.and_then(|ended| ended.iteration_error.as_ref()).is_some_and(|error| error.code == "MISSED") {
        return Ok(());
    }
    if iterates {
        same_events(&told, &wire, whole)
            .with_context(|| format!("what the client read of the turn {name} is not what came"))?;
    }
    for (event, known) in &seen.events {
        let of_spec = is_of_spec(event["type"].as_str().unwrap_or_default());
        ensure!(*known == of_spec, "the client says known={known} of {}", line(event));
    }
    let Some(ended) = ended else { return Ok(()) };
    let count = usize::try_from(ended.events).unwrap_or(usize::MAX);
    ensure!(count == read, "turn_ended counts {count} events, and {read} were told");
    same_end(ended, wire.last()).with_context(|| format!("how the turn {name} ended"))
}

/// The events of a turn as they were delivered, on the connection on which it was begun: two clients may
/// use the same requestId.
pub fn events_of(request: &str, frames: &[Frame]) -> Vec<Value> {
    let begun = |frame: &&Frame| frame.json["action"] == "send_message" && frame.json["requestId"] == request;
    let connections: Vec<usize> = frames.iter().filter(begun).map(|frame| frame.connection).collect();
    let delivered = frames.iter().filter(|frame| {
        frame.from == Side::Server && frame.delivered.is_some() && connections.contains(&frame.connection)
    });
    delivered.filter(|frame| frame.json["requestId"] == request).map(|frame| frame.json.clone()).collect()
}

fn is_of_spec(kind: &str) -> bool {
    crate::coverage::EVENTS.contains(&kind)
}

/// Adjacent pieces of text may have become one for a slow reader; everything else is told as it came.
fn same_events(told: &[Value], wire: &[Value], whole: bool) -> Result<()> {
    let (told, mut wire) = (joined(told), joined(wire));
    if !whole {
        wire.truncate(told.len());
        // The last piece of text may have been read in part.
        if let (Some(a), Some(b)) = (told.last(), wire.last_mut()) {
            let part = a["token"].as_str().zip(b["token"].as_str());
            if part.is_some_and(|(a, b)| b.starts_with(a)) {
                *b = a.clone();
            }
        }
    }
    for (n, (a, b)) in told.iter().zip(&wire).enumerate() {
        ensure!(equal(a, b), "event {}: told {a}, came {b}", n + 1);
    }
    if told.len() != wire.len() {
        let lines = |events: &[Value]| events.iter().map(line).collect::<Vec<_>>();
        bail!("told {:?}, came {:?}", lines(&told), lines(&wire));
    }
    Ok(())
}

/// Runs of text events as one, whose pieces are joined; the time is that of the first.
fn joined(events: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for event in events {
        let piece = event["token"].as_str();
        match (out.last_mut(), piece) {
            (Some(last), Some(piece)) if last["type"] == event["type"] => {
                let text = format!("{}{piece}", last["token"].as_str().unwrap_or_default());
                last["token"] = text.clone().into();
                last["data"]["token"] = text.into();
            }
            _ => out.push(event.clone()),
        }
    }
    out
}

fn same_end(ended: &TurnEndedReport, last: Option<&Value>) -> Result<()> {
    let error = ended.error.as_ref().or(ended.iteration_error.as_ref());
    let Some(last) = last.filter(|last| is_terminal(last)) else {
        let told = error.is_some_and(|error| !matches!(error.kind, ErrorKind::Server | ErrorKind::Cancelled));
        ensure!(
            told || error.is_none() && ended.result.is_none(),
            "no terminal event came, and yet {ended:?}"
        );
        return Ok(());
    };
    if let Some(error) = error.filter(|error| error.kind == ErrorKind::Server) {
        return same_error(error, last);
    }
    if let Some(result) = &ended.result {
        ensure!(last["type"] == "eventual_response", "a result, although {} came", line(last));
        ensure!(
            equal(result, &last["data"]["data"]),
            "the result {result} is not what came: {}",
            last["data"]["data"]
        );
        let whole = &last["data"]["data"]["response"]["responseParts"][0];
        let text = ended.text.as_ref().is_none_or(|text| text == whole.as_str().unwrap_or_default());
        ensure!(text, "the text {:?} is not the answer {whole}", ended.text);
    }
    if error.is_some_and(|error| error.kind == ErrorKind::Cancelled) {
        ensure!(last["type"] == "cancelled", "cancelled, although {} came", line(last));
    }
    Ok(())
}

/// Checks that a typed error says what the error event says.
pub fn same_error(error: &ErrorSeen, event: &Value) -> Result<()> {
    let details = &event["data"]["details"];
    ensure!(event["error"]["code"] == error.code.as_str(), "the code {} of {}", error.code, event["error"]);
    if let Some(retryable) = details["retryable"].as_bool() {
        ensure!(error.retryable == retryable, "retryable={} of {details}", error.retryable);
    }
    for (name, told) in [("field", &error.field), ("hint", &error.hint)] {
        let wanted = details[name].as_str();
        ensure!(told.as_deref() == wanted, "the {name} {told:?} of {details}");
    }
    if let Some(request) = &error.request_id {
        ensure!(event["requestId"] == request.as_str(), "the requestId {request:?} of {event}");
    }
    let wait = details["retryAfterMs"].as_i64();
    ensure!(error.retry_after_ms == wait, "retryAfter {:?} of {details}", error.retry_after_ms);
    Ok(())
}

/// Checks that what a call returned is what answered it on the wire.
pub fn same_reply(action: &str, reply: &Value, frames: &[Frame]) -> Result<()> {
    if reply.is_null() {
        return Ok(());
    }
    let asked = frames
        .iter()
        .filter(|frame| frame.from == Side::Client && frame.json["action"] == action)
        .filter_map(|frame| frame.json["requestId"].as_str());
    let requests: Vec<&str> = asked.collect();
    let answers = frames.iter().filter(|frame| frame.from == Side::Server && frame.delivered.is_some());
    let mut answers = answers
        .filter(|frame| frame.json["requestId"].as_str().is_some_and(|request| requests.contains(&request)));
    let is_it = |event: &Value| {
        [event, &event["data"], &event["data"]["data"]].into_iter().any(|part| equal(part, reply))
    };
    ensure!(answers.any(|frame| is_it(&frame.json)), "the reply {reply} to {action} is not what came");
    Ok(())
}

/// What of the protocol was on the wire.
pub fn covered(frames: &[Frame]) -> Covered {
    let mut covered = Covered::default();
    for frame in frames.iter().filter(|frame| frame.delivered.is_some()) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match frame.from {
            Side::Client => covered.actions.extend(text(&frame.json["action"])),
            Side::Server => {
                covered.events.extend(text(&frame.json["type"]));
                covered.codes.extend(text(&frame.json["error"]["code"]));
            }
        }
    }
    covered
}

/// All events of a turn as lines.
pub fn lines(events: &[Value]) -> Vec<String> {
    Turn::new(events.iter().filter(|event| !is_verdict_answer(event)).cloned().collect()).lines()
}

/// What answers a verdict. It carries the turn's requestId where the client gave the verdict no other.
fn is_verdict_answer(event: &Value) -> bool {
    let answers = ["otp_verified", "otp_invalid", "interaction_invalid"];
    answers.iter().any(|answer| event["type"] == *answer)
        || (event["type"] == "immediate_response" && event["status"] == 200)
}

/// The data of the last response to an action, for a method that returns nothing. The action may carry the
/// requestId of its turn, whose own events come all the while.
pub fn last_reply(action: &str, frames: &[Frame]) -> Option<Value> {
    let asked =
        frames.iter().rposition(|frame| frame.from == Side::Client && frame.json["action"] == action)?;
    let request = &frames[asked].json["requestId"];
    let mut answers =
        frames[asked..].iter().filter(|frame| frame.from == Side::Server && frame.delivered.is_some());
    let is_it = |frame: &&Frame| {
        let answers = is_verdict_answer(&frame.json) || frame.json["type"] == "pong";
        answers && frame.json["requestId"] == *request
    };
    answers.find(is_it).map(|frame| frame.json["data"].clone())
}
