//! A model gateway that fails: what is tried again, what ends the turn, and what nobody is told.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Piece, Reply, Script, error_body};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;
use smooai_smooth_operator_conformance::transcript::Turn;

/// One turn against a script; the turn, and how often the model was asked.
async fn turn(script: Script) -> Result<(Turn, Stage)> {
    let stage = Stage::new(script.when_user("Next?", Reply::text("Here again."))).await?;
    let (mut socket, session) = stage.session().await?;
    let turn = socket.whole_turn(&session, "t1", "Hello?").await?;
    // Whatever went wrong, the conversation is free and the socket is of use.
    assert_eq!(socket.whole_turn(&session, "t2", "Next?").await?.reply(), "Here again.");
    Ok((turn, stage))
}

fn asked(stage: &Stage) -> usize {
    stage.gateway.chats().iter().filter(|chat| chat.user() == "Hello?").count()
}

/// The turn must have ended with an `AGENT_ERROR` that tells nothing of the gateway.
fn failed(turn: &Turn) -> Value {
    let last = turn.last();
    assert_eq!(last["error"]["code"], "AGENT_ERROR", "{}", turn.text());
    assert_eq!(last["data"]["error"], last["error"]);
    let details = &last["data"]["details"];
    assert_eq!(details["status"], 502);
    assert_eq!(details["retryable"], true);
    let text = last.to_string();
    for secret in ["db-7.internal", "sk-leaky", "127.0.0.1", "9001 tokens", "scripted-gateway-key"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    last.clone()
}

fn hello(reply: Reply) -> Script {
    Script::new().when_user("Hello?", reply)
}

#[tokio::test]
async fn a_gateway_that_dies_before_its_answer_is_asked_again() -> Result<()> {
    let faults = [
        Reply::dead_before_headers(),
        Reply::server_error(500),
        Reply::server_error(503),
        Reply::server_error(502),
    ];
    for fault in faults {
        let script = hello(fault.clone()).when_user("Hello?", Reply::text("Second try."));
        let (turn, stage) = turn(script).await?;
        assert_eq!(
            turn.lines(),
            ["immediate_response 202", "stream_token \"Second try.\"", "eventual_response \"Second try.\"",],
            "{fault:?}"
        );
        assert_eq!(asked(&stage), 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_stays_dead_ends_the_turn() -> Result<()> {
    let script =
        (0..10).fold(Script::new(), |script, _| script.when_user("Hello?", Reply::dead_before_headers()));
    let (turn, stage) = turn(script).await?;
    failed(&turn);
    assert!(asked(&stage) > 1, "it was tried again before");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_nobody_answers_at_ends_the_turn() -> Result<()> {
    // A port that is taken, so that nobody else gets it, and at which nobody listens.
    let taken = tokio::net::TcpSocket::new_v4()?;
    taken.bind(([127, 0, 0, 1], 0).into())?;
    let address = taken.local_addr()?;
    let setup = Setup::new().env("SMOOTH_AGENT_STORAGE", "memory");
    let server = setup.gateway(&format!("http://{address}/v1"), "key").start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    let session = socket.session().await?;
    failed(&socket.whole_turn(&session, "t1", "Hello?").await?);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_dies_after_the_first_token_ends_the_turn_at_once() -> Result<()> {
    let (turn, stage) = turn(hello(Reply::text("Half an ans").cut())).await?;
    assert_eq!(turn.lines(), ["immediate_response 202", "stream_token \"Half an ans\"", "error AGENT_ERROR"]);
    failed(&turn);
    assert_eq!(asked(&stage), 1, "what was begun is not begun again");
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_dies_between_its_head_and_the_first_token_does_not_hang_the_turn() -> Result<()> {
    let always =
        (0..10).fold(Script::new(), |script, _| script.when_user("Hello?", Reply::dead_after_headers()));
    let (turn, _stage) = turn(always).await?;
    failed(&turn);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_dies_within_a_tool_call_does_not_call_the_tool() -> Result<()> {
    let reply = Reply::default().and_tool("c1", "knowledge_search", "{\"query\":").cut();
    let (turn, _stage) = turn(hello(reply)).await?;
    failed(&turn);
    assert!(!turn.text().contains("toolCall"), "{}", turn.text());
    Ok(())
}

#[tokio::test]
async fn a_stream_that_stops_without_its_end_is_no_answer() -> Result<()> {
    let unfinished = Reply::text("Half").piece(Piece::Error(error_body("server_error", "db-7.internal")));
    let (turn, _stage) = turn(hello(unfinished)).await?;
    failed(&turn);
    Ok(())
}

#[tokio::test]
async fn garbage_in_the_stream_ends_the_turn() -> Result<()> {
    let garbage = Reply::text("Half").piece(Piece::Data("<html>bad gateway</html>".to_owned()));
    let (turn, _stage) = turn(hello(garbage)).await?;
    failed(&turn);
    Ok(())
}

#[tokio::test]
async fn a_429_is_waited_out_as_the_gateway_asks() -> Result<()> {
    let script = hello(Reply::rate_limited("1")).when_user("Hello?", Reply::text("Now."));
    let (turn, stage) = turn(script).await?;
    assert_eq!(turn.reply(), "Now.");
    let chats = stage.gateway.chats();
    assert!(chats[1].at - chats[0].at >= Duration::from_secs(1), "{:?}", chats[1].at - chats[0].at);
    Ok(())
}

#[tokio::test]
async fn a_429_that_asks_for_an_hour_ends_the_turn_and_says_when() -> Result<()> {
    let (turn, stage) = turn(hello(Reply::rate_limited("3600"))).await?;
    let error = failed(&turn);
    assert_eq!(error["data"]["details"]["retryAfterMs"], 3_600_000);
    assert_eq!(asked(&stage), 1);
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_its_text_stays_inside() -> Result<()> {
    for refusal in [
        Reply::bad_key(),
        Reply::content_filtered(),
        Reply::refusal(404, error_body("model_not_found", "db-7.internal has no such model")),
        Reply::refusal(400, json!("sk-leaky-1234 is malformed")),
    ] {
        let (turn, stage) = turn(hello(refusal.clone())).await?;
        failed(&turn);
        assert_eq!(asked(&stage), 1, "{refusal:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_context_that_is_too_long_drops_the_oldest_messages_first() -> Result<()> {
    let script = Script::new()
        .when_user("One", Reply::text("First answer."))
        .when_user("Two", Reply::text("Second answer."))
        .when_user("Hello?", Reply::context_too_long())
        .when_user("Hello?", Reply::text("It fits now."));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.whole_turn(&session, "a", "One").await?;
    socket.whole_turn(&session, "b", "Two").await?;
    assert_eq!(socket.whole_turn(&session, "t1", "Hello?").await?.reply(), "It fits now.");
    let chats = stage.gateway.chats();
    let (before, after) = (&chats[2], &chats[3]);
    assert!(after.messages().len() < before.messages().len());
    assert!(!after.body.to_string().contains("\"One\""), "the oldest went first");
    assert_eq!(after.user(), "Hello?", "the question stays");
    Ok(())
}

#[tokio::test]
async fn a_context_that_can_never_fit_says_so() -> Result<()> {
    let script = (0..20).fold(Script::new(), |s, _| s.when_user("Hello?", Reply::context_too_long()));
    let (turn, _stage) = turn(script).await?;
    failed(&turn);
    Ok(())
}
