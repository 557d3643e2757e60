//! Cancel in every phase of a turn: the work stops, the turn ends once, the conversation is free.

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};

use crate::shop::{Shop, invoice, look_up, operator_toml, refund, verdict};

fn cancel(turn: &str) -> Value {
    json!({ "action": "cancel", "requestId": turn })
}

/// Cancels `t1`, which must end with `cancelled` and nothing after it, and sees that the conversation
/// is free.
async fn cancelled(socket: &mut Socket, session: &str) -> Result<()> {
    socket.send(cancel("t1")).await?;
    let turn = socket.turn("t1").await?;
    let last = turn.last();
    assert_eq!(last["type"], "cancelled", "{}", turn.text());
    assert_eq!(last["status"], 499);
    assert_eq!(last["data"], json!({ "status": 499, "requestId": "t1" }));
    let next = socket.whole_turn(session, "t2", "Next?").await?;
    assert_eq!(next.reply(), "Free again.");
    assert_eq!(socket.events_before_pong().await?, [] as [Value; 0], "nothing follows the end");
    Ok(())
}

fn then_free(script: Script) -> Script {
    script.when_user("Next?", Reply::text("Free again."))
}

#[tokio::test]
async fn before_the_models_first_byte() -> Result<()> {
    let script = then_free(Script::new().when_user("Start", Reply::text("x").gate_before_headers("never")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Start").await?;
    stage.gateway.wait_at("never").await?;
    cancelled(&mut socket, &session).await?;
    stage.gateway.wait_for_dropped(1).await
}

#[tokio::test]
async fn after_the_head_before_the_first_token() -> Result<()> {
    let script = then_free(Script::new().when_user("Start", Reply::default().gate("never").then("x")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Start").await?;
    stage.gateway.wait_at("never").await?;
    cancelled(&mut socket, &session).await?;
    stage.gateway.wait_for_dropped(1).await
}

#[tokio::test]
async fn among_the_tokens() -> Result<()> {
    let script =
        then_free(Script::new().when_user("Start", Reply::text("Half").gate("never").then(" whole")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "stream_token").await?;
    cancelled(&mut socket, &session).await?;
    stage.gateway.wait_for_dropped(1).await
}

#[tokio::test]
async fn while_a_tool_runs() -> Result<()> {
    let hook = Webhook::start().await?.on("/order", Answer::text(200, "ok").gate("never"));
    let script = then_free(Script::new().when_user("Start", look_up("c1", "o-1")));
    let shop = Shop::with(script, hook, |setup| setup).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Start").await?;
    shop.hook.wait_at("never", 1).await?;
    cancelled(&mut socket, &session).await?;
    shop.hook.wait_for_dropped("/order", 1).await
}

#[tokio::test]
async fn after_a_tool_while_the_model_is_asked_again() -> Result<()> {
    let script = Script::new()
        .when_user("Start", look_up("c1", "o-1"))
        .when_user("Start", Reply::text("x").gate_before_headers("never"));
    let shop = Shop::open(then_free(script)).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Start").await?;
    shop.stage.gateway.wait_at("never").await?;
    cancelled(&mut socket, &session).await?;
    shop.stage.gateway.wait_for_dropped(1).await
}

#[tokio::test]
async fn while_the_gateway_is_waited_for_after_a_429() -> Result<()> {
    let script = then_free(Script::new().when_user("Start", Reply::rate_limited("15")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Start").await?;
    stage.gateway.wait_for_chats(1).await?;
    cancelled(&mut socket, &session).await
}

#[tokio::test]
async fn while_an_approval_is_waited_for() -> Result<()> {
    let shop = Shop::open(then_free(Script::new().when_user("Start", refund("c1", "o-1")))).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "write_confirmation_required").await?;
    cancelled(&mut socket, &session).await?;
    let late = socket.error(verdict(&session, true)).await?;
    assert_eq!(late["error"]["code"], "NO_PENDING_CONFIRMATION");
    assert!(shop.hook.calls("/refund").is_empty());
    Ok(())
}

#[tokio::test]
async fn while_a_form_is_waited_for() -> Result<()> {
    let arguments = json!({ "fields": [{ "key": "name", "required": true }], "reason": "To greet you." });
    let form = Reply::tool("c1", "request_identity_intake", arguments);
    let stage = Stage::new(then_free(Script::new().when_user("Start", form))).await?;
    let (mut socket, session) = stage.session_that(json!({ "supports": ["identity_form"] })).await?;
    socket.say(&session, "t1", "Start").await?;
    let asked = socket.until_type("t1", "interaction_required").await?.last()["data"]["data"].clone();
    cancelled(&mut socket, &session).await?;
    let late = json!({ "action": "submit_interaction", "sessionId": session, "requestId": "s1",
                       "interactionId": asked["interactionId"], "values": { "name": "V" } });
    assert_eq!(socket.error(late).await?["error"]["code"], "NO_PENDING_INTERACTION");
    Ok(())
}

#[tokio::test]
async fn while_a_code_is_waited_for() -> Result<()> {
    let hook = Webhook::start().await?.on("/code", Answer::text(204, ""));
    let toml = operator_toml(&hook);
    let script = then_free(Script::new().when_user("Start", invoice("c1", "o-1")));
    let shop =
        Shop::with(script, hook, |setup| setup.operator_toml(&toml).env("SMOOTH_AGENT_AUTH_TOOLS", "show_*"))
            .await?;
    let (mut socket, session) = shop.reachable_session().await?;
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "otp_sent").await?;
    let code = shop.code(1).await?;
    cancelled(&mut socket, &session).await?;
    let late = json!({ "action": "verify_otp", "sessionId": session, "requestId": "v", "code": code });
    assert_eq!(socket.ask(late).await?["data"]["data"]["error"], "NOT_FOUND");
    assert!(shop.hook.calls("/invoice").is_empty());
    Ok(())
}

#[tokio::test]
async fn a_cancel_that_names_the_session_alone_stops_its_turn() -> Result<()> {
    let script = then_free(Script::new().when_user("Start", Reply::text("Half").gate("never")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "stream_token").await?;
    socket.send(json!({ "action": "cancel", "sessionId": session })).await?;
    assert_eq!(socket.turn("t1").await?.last()["type"], "cancelled");
    stage.gateway.wait_for_dropped(1).await
}

#[tokio::test]
async fn a_cancel_of_nothing_is_answered_by_nothing() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Half").gate("more").then(" whole"))).await?;
    let (mut socket, session) = stage.session().await?;
    socket.send(cancel("none")).await?;
    socket.send(json!({ "action": "cancel" })).await?;
    socket.send(json!({ "action": "cancel", "sessionId": session })).await?;
    assert!(socket.events_before_pong().await?.is_empty());
    // Another turn's requestId does not stop the one that runs.
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "stream_token").await?;
    socket.send(cancel("t0")).await?;
    assert!(socket.events_before_pong().await?.is_empty());
    stage.gateway.release("more");
    assert_eq!(socket.turn("t1").await?.reply(), "Half whole");
    socket.send(cancel("t1")).await?;
    assert!(socket.events_before_pong().await?.is_empty(), "a turn that ended cannot be cancelled");
    Ok(())
}

#[tokio::test]
async fn a_doubled_cancel_ends_the_turn_once() -> Result<()> {
    let script = then_free(Script::new().when_user("Start", Reply::text("Half").gate("never")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "stream_token").await?;
    socket.send(cancel("t1")).await?;
    cancelled(&mut socket, &session).await
}

#[tokio::test]
async fn a_stranger_cannot_cancel() -> Result<()> {
    let stage = Stage::new(Script::new().say(Reply::text("Half").gate("more").then(" whole"))).await?;
    let (mut socket, session) = stage.session().await?;
    let mut stranger = stage.socket().await?;
    stranger.session().await?;
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "stream_token").await?;
    stranger.send(cancel("t1")).await?;
    assert!(stranger.events_before_pong().await?.is_empty());
    stage.gateway.release("more");
    assert_eq!(socket.turn("t1").await?.reply(), "Half whole");
    Ok(())
}

#[tokio::test]
async fn a_cancel_right_behind_its_message_stops_the_turn() -> Result<()> {
    let script =
        (0..20).fold(Script::new(), |script, _| script.when_user("Start", Reply::text("Half").gate("never")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    for n in 0..20 {
        let turn = format!("t{n}");
        socket.say(&session, &turn, "Start").await?;
        socket.send(cancel(&turn)).await?;
        assert_eq!(socket.turn(&turn).await?.last()["type"], "cancelled", "turn {n}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cancel_without_a_name_stops_what_runs_on_its_connection() -> Result<()> {
    let script = then_free(Script::new().when_user("Start", Reply::text("Half").gate("never")));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Start").await?;
    socket.until_type("t1", "stream_token").await?;
    socket.send(json!({ "action": "cancel" })).await?;
    assert_eq!(socket.turn("t1").await?.last()["type"], "cancelled");
    stage.gateway.wait_for_dropped(1).await
}
