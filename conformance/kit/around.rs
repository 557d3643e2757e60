//! What surrounds the client and the server: the model's gateway and the user's systems, set up for a
//! scenario and asked what they have seen.

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::Recorded;
use smooai_smooth_operator_conformance::webhook::Answer;

use crate::lane::Lane;
use crate::pattern::{Captured, fill, fill_string, fits, shortened};
use crate::proxy::Proxy;
use crate::scenario::Scenario;
use crate::step::{Asked, Called};
use crate::token;

/// Sets everything up for a scenario, and forgets what was before.
pub fn prepare(lane: &Lane, scenario: &Scenario, nonce: &str) {
    lane.gateway.play(scenario.script(nonce));
    lane.hook.forget();
    let usual = [
        ("/order", Answer::json(json!({ "status": "shipped" }))),
        ("/refund", Answer::json(json!({ "refunded": true }))),
        ("/invoice", Answer::json(json!({ "total": "42.00" }))),
        ("/code", Answer::text(204, "")),
    ];
    for (path, answer) in usual {
        if !scenario.systems.contains_key(path) {
            lane.hook.answer(path, answer);
        }
    }
    for (path, answers) in &scenario.systems {
        answers.iter().for_each(|answer| lane.hook.answer(path, answer.answer()));
    }
}

/// What every scenario may name.
pub fn captured(nonce: &str) -> Captured {
    Captured::from([
        ("nonce".to_owned(), json!(nonce)),
        ("carol".to_owned(), token::context("carol")),
        ("nowhere".to_owned(), json!("5f0c1a52-0000-4000-8000-000000000000")),
    ])
}

/// Waits until somebody has come to a gate of the model, of the systems or of the proxy.
pub async fn at(lane: &Lane, proxy: &Proxy, gate: &str) -> Result<()> {
    tokio::select! {
        Ok(()) = lane.gateway.wait_at(gate) => Ok(()),
        Ok(()) = lane.hook.wait_at(gate, 1) => Ok(()),
        Ok(()) = proxy.wait_at(gate) => Ok(()),
        else => bail!("nobody came to the gate {gate:?}"),
    }
}

/// Opens a gate everywhere.
pub fn release(lane: &Lane, proxy: &Proxy, gate: &str) {
    lane.gateway.release(gate);
    lane.hook.release(gate);
    proxy.release(gate);
}

/// The one-time code of the `nth` message.
pub async fn code(lane: &Lane, nth: usize) -> Result<Value> {
    let call = lane.hook.wait_for_call("/code", nth).await?;
    Ok(call.body["code"].clone())
}

/// Checks what the model was asked.
pub async fn asked(lane: &Lane, captured: &Captured, asked: &Asked) -> Result<()> {
    if let Some(dropped) = asked.dropped {
        lane.gateway.wait_for_dropped(dropped).await?;
    }
    let wanted = asked.nth.max(asked.times).unwrap_or(0);
    let chats = lane.gateway.wait_for_chats(wanted).await?;
    if let Some(times) = asked.times {
        ensure!(chats.len() == times, "the model was asked {} times, not {times}", chats.len());
    }
    let chat = asked.nth.map_or_else(|| chats.last(), |nth| chats.get(nth - 1));
    let looks = asked.messages.is_some() || !asked.contains.is_empty() || !asked.without.is_empty();
    let Some(chat) = chat else { return if looks { bail!("the model was not asked") } else { Ok(()) } };
    if let Some(messages) = &asked.messages {
        let found = chat.messages().iter().filter(|message| message["role"] != "system").cloned();
        fits(&fill(messages, captured)?, &found.collect())?;
    }
    let body = chat.body.to_string();
    for text in &asked.contains {
        let text = fill_string(text, captured)?;
        ensure!(
            body.contains(&text),
            "{text:?} is not in what the model was given: {}",
            shortened(&chat.body)
        );
    }
    for text in &asked.without {
        let text = fill_string(text, captured)?;
        ensure!(!body.contains(&text), "{text:?} is in what the model was given");
    }
    Ok(())
}

/// Checks what the user's systems were asked.
pub async fn called(lane: &Lane, captured: &Captured, called: &Called) -> Result<()> {
    if called.times > 0 {
        lane.hook.wait_for_call(&called.path, called.times).await?;
    }
    let calls = lane.hook.calls(&called.path);
    ensure!(calls.len() == called.times, "{} was called {} times", called.path, calls.len());
    match (&called.body, calls.last()) {
        (Some(body), Some(call)) => fits(&fill(body, captured)?, &call.body),
        _ => Ok(()),
    }
}

/// Checks that the model was asked for all that the script has, and for nothing else.
pub fn as_scripted(lane: &Lane, scenario: &Scenario) -> Result<()> {
    let unscripted: Vec<String> = lane.gateway.unscripted().iter().map(Recorded::user).collect();
    ensure!(unscripted.is_empty(), "the model was asked unscripted: {unscripted:?}");
    let maybe = |place: &usize| scenario.model.get(*place).is_some_and(|line| line.maybe);
    let unused: Vec<usize> = lane.gateway.unused().into_iter().filter(|place| !maybe(place)).collect();
    ensure!(unused.is_empty(), "the replies {unused:?} were never asked for");
    Ok(())
}
