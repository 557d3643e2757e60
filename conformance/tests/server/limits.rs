//! Limits: what one connection, one turn and the gateway are given, and what is told when it is too much.

use anyhow::Result;
use serde_json::json;
use smooai_smooth_operator_conformance::gateway::{Outcome, Reply, Script};
use smooai_smooth_operator_conformance::stage::Stage;

async fn limited(script: Script, toml: &str) -> Result<Stage> {
    Stage::with(script, |setup| setup.operator_toml(toml)).await
}

#[tokio::test]
async fn turns_over_the_connections_limit_are_refused_and_all_else_is_answered() -> Result<()> {
    let script = Script::new().when_user("One", Reply::text("Half").gate("more").then(" whole"));
    let stage = limited(script, "[limits]\nmax_turns_per_connection = 1\n").await?;
    let mut socket = stage.socket().await?;
    let (one, two) = (socket.session().await?, socket.session().await?);
    socket.say(&one, "t1", "One").await?;
    socket.until_type("t1", "stream_token").await?;
    assert_eq!(socket.ask(json!({ "action": "ping" })).await?["type"], "pong", "no turn, so answered");
    socket.data(json!({ "action": "get_session", "sessionId": one })).await?;
    socket.say(&two, "t2", "Two").await?;
    let refused = socket.event_of("t2").await?;
    assert_eq!(refused["error"]["code"], "RATE_LIMITED");
    assert_eq!(refused["data"]["details"]["status"], 429);
    socket.send(json!({ "action": "cancel", "requestId": "t1" })).await?;
    assert_eq!(socket.turn("t1").await?.last()["type"], "cancelled");
    Ok(())
}

#[tokio::test]
async fn a_connection_too_many_is_told_to_come_again() -> Result<()> {
    let stage = limited(Script::new(), "[limits]\nmax_connections = 2\n").await?;
    let mut first = stage.socket().await?;
    let mut second = stage.socket().await?;
    second.session().await?;
    assert_eq!(stage.socket().await?.closed().await?.code, Some(1013));
    first.close().await?;
    second.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_says_nothing_is_given_up() -> Result<()> {
    let script = Script::new().say(Reply::text("x").gate_before_headers("never"));
    let stage = limited(script, "[gateway]\nfirst_byte_ms = 300\nattempts = 1\n").await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
    assert_eq!(turn.lines(), ["immediate_response 202", "error AGENT_ERROR"]);
    // On a slow machine the time may have passed before anything was asked.
    stage.gateway.wait_until_idle().await?;
    assert!(stage.gateway.chats().iter().all(|chat| chat.outcome == Outcome::Dropped));
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_falls_silent_is_given_up() -> Result<()> {
    let script = Script::new().say(Reply::text("Half").gate("never"));
    let stage = limited(script, "[gateway]\nidle_ms = 10000\n").await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
    assert_eq!(turn.lines(), ["immediate_response 202", "stream_token \"Half\"", "error AGENT_ERROR"]);
    stage.gateway.wait_for_dropped(1).await
}

#[tokio::test]
async fn a_turn_that_takes_too_long_is_stopped() -> Result<()> {
    let script = Script::new().always(Reply::text("Half").gate("never"));
    let stage = limited(script, "[limits]\nturn_timeout_ms = 400\n").await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
    assert_eq!(turn.last()["error"]["code"], "AGENT_ERROR", "{}", turn.text());
    stage.gateway.wait_until_idle().await?;
    let again = socket.whole_turn(&session, "t2", "Again?").await?;
    assert_eq!(again.lines()[0], "immediate_response 202", "the conversation is free: {}", again.text());
    Ok(())
}

#[tokio::test]
async fn a_price_table_counts_where_the_gateway_names_no_cost() -> Result<()> {
    let script = Script::new()
        .say(Reply::text("Cheap.").usage(1_000, 500))
        .say(Reply::text("As told.").usage(1_000, 500).cost("0.5"));
    let toml = "[gateway]\nprices = [{ model = \"claude-*\", prompt = 1.0, completion = 2.0 }]\n";
    let stage = limited(script, toml).await?;
    let (mut socket, session) = stage.session().await?;
    let cost = |answer: &serde_json::Value| answer["usage"]["costUsd"].as_f64().unwrap();
    let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
    assert!((cost(turn.answer()) - 0.002).abs() < 1e-9, "{}", turn.answer());
    let turn = socket.whole_turn(&session, "t2", "And now?").await?;
    assert!((cost(turn.answer()) - 0.5).abs() < 1e-9, "{}", turn.answer());
    Ok(())
}

#[tokio::test]
async fn a_turn_that_has_spent_its_tokens_calls_no_further_model() -> Result<()> {
    let search = || Reply::tool("c1", "knowledge_search", json!({ "query": "x" })).usage(600, 10);
    let script = (0..10).fold(Script::new(), |script, _| script.say(search()));
    let stage = limited(script, "[limits]\nturn_tokens = 1000\n").await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Search and search.").await?;
    assert!(stage.gateway.chats().len() <= 3, "{} model calls: {}", stage.gateway.chats().len(), turn.text());
    stage.gateway.wait_until_idle().await?;
    assert!(stage.gateway.chats().iter().all(|chat| chat.outcome == Outcome::Served));
    Ok(())
}
