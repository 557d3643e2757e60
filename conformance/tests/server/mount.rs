//! The mount: start, health, tokens, origins, and an end that lets running turns finish.

use anyhow::Result;
use serde_json::json;
use smooai_smooth_operator_conformance::bound::within;
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;

fn memory() -> Setup {
    Setup::new().env("SMOOTH_AGENT_STORAGE", "memory")
}

#[tokio::test]
async fn the_first_line_says_where_and_with_which_model() -> Result<()> {
    let server = memory().env("SMOOTH_AGENT_MODEL", "some-model").start().await?;
    let host = server.host().to_owned();
    assert_eq!(
        server.line(),
        format!("smooth-operator-server listening on ws://{host}/ws (model some-model)")
    );
    assert!(!host.ends_with(":0"), "the port it really has");
    Ok(())
}

#[tokio::test]
async fn with_nothing_set_but_a_free_port_it_boots() -> Result<()> {
    let server = Setup::default().arg("--port").arg("0").start().await?;
    assert!(server.line().ends_with("(model claude-haiku-4-5)"), "{}", server.line());
    let mut socket = Socket::connect(&server.ws_url()).await?;
    assert_eq!(socket.ask(json!({ "action": "ping" })).await?["type"], "pong");
    let session = socket.session().await?;
    let message = json!({ "action": "send_message", "sessionId": session, "message": "Hello?" });
    assert_eq!(socket.error(message).await?["error"]["code"], "LLM_UNAVAILABLE");
    Ok(())
}

#[tokio::test]
async fn health_and_readiness_are_answered() -> Result<()> {
    let server = memory().start().await?;
    assert_eq!(server.get("/health").await?, (200, "ok".to_owned()));
    assert_eq!(server.get("/ready").await?.0, 200);
    assert_eq!(server.get("/nothing").await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn settings_that_are_wrong_stop_the_start_and_are_named() -> Result<()> {
    for (setup, named) in [
        (memory().env("SMOOTH_AGENT_PORT", "many"), "SMOOTH_AGENT_PORT"),
        (Setup::new().env("SMOOTH_AGENT_STORAGE", "tape"), "tape"),
        (memory().operator_toml("[server]\norigin = []\n"), "origin"),
        (memory().operator_toml("[gateway]\nkey = \"sk-in-the-clear\"\n"), "key"),
        (memory().operator_toml("[gateway]\nkey = { env = \"NOT_THERE\" }\n"), "NOT_THERE"),
        (memory().env("SMOOTH_AGENT_BIND", "0.0.0.0"), "AUTH_MODE"),
        (memory().arg("--unknown-flag"), "--unknown-flag"),
        (memory().arg("--config").arg("missing.toml"), "missing.toml"),
    ] {
        let ended = setup.run_to_end().await?;
        assert!(!ended.status.success(), "{named}: {}", ended.stdout);
        assert!(ended.stderr.contains(named), "{named} in:\n{}", ended.stderr);
        assert!(!ended.stdout.contains("listening"), "{named}");
        assert!(!ended.stderr.contains("sk-in-the-clear"), "a secret is not repeated");
    }
    Ok(())
}

#[tokio::test]
async fn the_effective_settings_are_shown_without_secrets() -> Result<()> {
    let setup = memory().gateway("http://127.0.0.1:9/v1", "sk-very-secret").arg("--check-config");
    let ended = setup.run_to_end().await?;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(ended.stdout.contains("http://127.0.0.1:9/v1"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("sk-very-secret"));
    Ok(())
}

/// A server with `jwt` authentication by a shared secret.
fn guarded() -> Setup {
    memory().env("SMOOTH_AGENT_AUTH_MODE", "jwt").env("AUTH_JWT_HS256_SECRET", SECRET)
}

/// A secret of this test alone.
const SECRET: &str = "a-secret-of-this-test-that-is-long-enough";

#[tokio::test]
async fn a_bad_token_is_refused_however_it_is_sent() -> Result<()> {
    let server = guarded().start().await?;
    let url = server.ws_url();
    assert_eq!(Socket::refused(&url, &[("authorization", "Bearer bad")]).await?, 401);
    let protocols = ("sec-websocket-protocol", "smooth-operator, bearer.bad");
    assert_eq!(Socket::refused(&url, &[protocols]).await?, 401);
    assert_eq!(Socket::refused(&format!("{url}?token=bad-in-the-url"), &[]).await?, 401);
    assert!(!server.log().contains("bad-in-the-url"), "a token is never logged");
    Ok(())
}

#[tokio::test]
async fn the_subprotocol_is_answered_by_its_own_name() -> Result<()> {
    let server = memory().start().await?;
    let socket =
        Socket::connect_with(&server.ws_url(), &[("sec-websocket-protocol", "smooth-operator")]).await?;
    assert_eq!(socket.protocol(), Some("smooth-operator"));
    let plain = Socket::connect(&server.ws_url()).await?;
    assert_eq!(plain.protocol(), None);
    Ok(())
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_connect() -> Result<()> {
    let setup = memory().operator_toml("[server]\norigins = [\"https://app.example.com\"]\n");
    let server = setup.start().await?;
    let url = server.ws_url();
    let origin = |origin: &'static str| [("origin", origin)];
    assert_eq!(Socket::refused(&url, &origin("https://evil.example.com")).await?, 403);
    assert_eq!(Socket::refused(&url, &origin("https://app.example.com.evil.example")).await?, 403);
    assert_eq!(Socket::refused(&url, &origin("http://app.example.com")).await?, 403);
    assert_eq!(Socket::refused(&url, &origin("null")).await?, 403);
    Socket::connect_with(&url, &origin("https://app.example.com")).await?;
    Socket::connect(&url).await?;
    Ok(())
}

#[tokio::test]
async fn without_a_list_only_pages_of_the_same_host_may_connect() -> Result<()> {
    let server = memory().start().await?;
    let same = format!("http://{}", server.host());
    Socket::connect_with(&server.ws_url(), &[("origin", &same)]).await?;
    assert_eq!(Socket::refused(&server.ws_url(), &[("origin", "https://example.com")]).await?, 403);
    Ok(())
}

#[tokio::test]
async fn the_closing_handshake_is_completed() -> Result<()> {
    let server = memory().start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    socket.session().await?;
    assert!(socket.close().await?.properly, "a close frame comes back");
    Ok(())
}

#[tokio::test]
async fn on_sigterm_a_running_turn_ends_well_before_the_server_does() -> Result<()> {
    let mut stage = Stage::new(Script::new().say(Reply::text("Half").gate("more").then(" whole"))).await?;
    let (mut socket, session) = stage.session().await?;
    let mut idle = stage.socket().await?;
    socket.say(&session, "t1", "Hello?").await?;
    socket.until_type("t1", "stream_token").await?;
    stage.server.terminate()?;
    assert_eq!(idle.closed().await?.code, Some(1001), "whoever has no turn is let go");
    assert!(Socket::connect(&stage.server.ws_url()).await.is_err(), "nobody new is let in");
    stage.gateway.release("more");
    assert_eq!(socket.turn("t1").await?.reply(), "Half whole");
    assert_eq!(socket.closed().await?.code, Some(1001));
    assert!(stage.server.ended().await?.success());
    Ok(())
}

#[tokio::test]
async fn on_sigterm_an_idle_server_ends_at_once() -> Result<()> {
    let mut server = memory().start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    socket.session().await?;
    server.terminate()?;
    let closed = socket.closed().await?;
    let status = server.ended().await?;
    assert!(status.success(), "{status}; the log: {}", server.log());
    assert_eq!(closed.code, Some(1001), "{}", server.log());
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_work_that_was_done_for_it() -> Result<()> {
    let script = Script::new().when_user("Hello?", Reply::text("Half").gate("never"));
    let stage = Stage::new(script).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Hello?").await?;
    socket.until_type("t1", "stream_token").await?;
    drop(socket);
    stage.gateway.wait_for_dropped(1).await?;
    let mut other = stage.socket().await?;
    assert_eq!(other.ask(json!({ "action": "ping" })).await?["type"], "pong");
    Ok(())
}

#[tokio::test]
async fn a_turn_that_does_not_end_does_not_keep_the_server_for_ever() -> Result<()> {
    let script = Script::new().say(Reply::text("Half").gate("never"));
    let mut stage = Stage::with(script, |setup| setup.operator_toml("[limits]\ndrain_ms = 300\n")).await?;
    let (mut socket, session) = stage.session().await?;
    socket.say(&session, "t1", "Hello?").await?;
    socket.until_type("t1", "stream_token").await?;
    stage.server.terminate()?;
    assert!(stage.server.ended().await?.success());
    socket.closed().await?;
    Ok(())
}

#[tokio::test]
async fn what_a_client_left_behind_does_not_hold_its_conversation() -> Result<()> {
    let script = Script::new()
        .when_user("Hello?", Reply::text("Half").gate("never"))
        .when_user("Again?", Reply::text("Here."));
    let stage = Stage::new(script).await?;
    let mut socket = stage.socket().await?;
    let created = socket.data(json!({ "action": "create_conversation_session" })).await?;
    socket.say(created["sessionId"].as_str().unwrap(), "t1", "Hello?").await?;
    socket.until_type("t1", "stream_token").await?;
    drop(socket);
    stage.gateway.wait_for_dropped(1).await?;
    let mut again = stage.socket().await?;
    let session = again.session_that(json!({ "conversationId": created["conversationId"] })).await?;
    // The model's request is dropped a moment before the conversation is free.
    let answered = async {
        for n in 0.. {
            let turn = again.whole_turn(&session, &format!("t{n}"), "Again?").await?;
            if turn.last()["error"]["code"] != "TURN_IN_PROGRESS" {
                assert_eq!(turn.reply(), "Here.");
                break;
            }
        }
        Ok(())
    };
    within("the conversation to be free", answered).await?
}
