//! The server on PostgreSQL: what it was told outlives it, however it ends. The tests run where
//! `TEST_POSTGRES_URL` names a server: `cargo xtask services postgres -- cargo test -p
//! smooai-smooth-operator-conformance --test server postgres -- --ignored`.

use anyhow::{Context as _, Result};
use serde_json::json;
use smooai_smooth_operator_conformance::gateway::{Gateway, KEY, Reply, Script};
use smooai_smooth_operator_conformance::server_process::{ServerProcess, Setup};
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};

use crate::shop::{operator_toml, refund, verdict};

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no Config: the environment says where the server is"
)]
fn database() -> Result<String> {
    std::env::var("TEST_POSTGRES_URL").context("TEST_POSTGRES_URL names no server")
}

async fn server(gateway: &Gateway, operator_toml: &str) -> Result<ServerProcess> {
    Setup::new()
        .env("SMOOTH_AGENT_STORAGE", "postgres")
        .env("DATABASE_URL", &database()?)
        .env("SMOOTH_AGENT_SEED_KB", "1")
        .gateway(&gateway.url(), KEY)
        .operator_toml(operator_toml)
        .start()
        .await
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_conversation_goes_on_after_a_restart() -> Result<()> {
    let script = Script::new()
        .when_user("My name is Ada.", Reply::text("Hello, Ada."))
        .when_user("What is my name?", Reply::text("Ada."))
        .when_user("Until when can I return it?", Reply::text("17 days."));
    let gateway = Gateway::start(script).await?;
    let mut first = server(&gateway, "").await?;
    let mut socket = Socket::connect(&first.ws_url()).await?;
    let made = socket.data(json!({ "action": "create_conversation_session" })).await?;
    let session = made["sessionId"].as_str().context("a session")?;
    socket.whole_turn(session, "t1", "My name is Ada.").await?;
    first.terminate()?;
    first.ended().await?;

    let second = server(&gateway, "").await?;
    let mut socket = Socket::connect(&second.ws_url()).await?;
    assert_eq!(socket.whole_turn(session, "t2", "What is my name?").await?.reply(), "Ada.");
    assert!(gateway.chats()[1].body.to_string().contains("My name is Ada."));
    let resume = json!({ "action": "create_conversation_session", "conversationId": made["conversationId"] });
    assert_eq!(socket.data(resume).await?["conversationId"], made["conversationId"]);
    let page = socket.data(json!({ "action": "get_conversation_messages", "sessionId": session })).await?;
    let texts: Vec<_> = page["messages"].as_array().context("messages")?.iter().collect();
    assert_eq!(texts.len(), 4, "{page}");
    // The documents of the first start are there as well, and are cited.
    let turn = socket.whole_turn(session, "t3", "Until when can I return it?").await?;
    assert_eq!(turn.answer()["citations"][0]["id"], "policies/returns.md", "{}", turn.answer());
    Ok(())
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_parked_turn_survives_kill_9() -> Result<()> {
    let hook = Webhook::start().await?.on("/refund", Answer::json(json!({ "refunded": true })));
    let toml = operator_toml(&hook);
    let gateway = Gateway::start(Script::new().say(refund("c1", "o-1")).say(Reply::text("Done."))).await?;
    let mut first = server(&gateway, &toml).await?;
    let mut socket = Socket::connect(&first.ws_url()).await?;
    let session = socket.session().await?;
    socket.say(&session, "t1", "Refund o-1, please.").await?;
    socket.until_parked("t1").await?;
    first.kill().await?;

    let second = server(&gateway, &toml).await?;
    let mut socket = Socket::connect(&second.ws_url()).await?;
    socket.data(verdict(&session, true)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "Done.");
    assert_eq!(hook.calls("/refund").len(), 1);
    let again = socket.error(verdict(&session, true)).await?;
    assert_eq!(again["error"]["code"], "NO_PENDING_CONFIRMATION", "{again}");
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_not_there_stops_the_start_and_is_told_without_its_password() -> Result<()> {
    let address = "postgres://ada:hunter2@127.0.0.1:1/shop?acquire_timeout_ms=200";
    let setup = Setup::new().env("SMOOTH_AGENT_STORAGE", "postgres").env("DATABASE_URL", address);
    let ended = setup.run_to_end().await?;
    assert!(!ended.status.success(), "{}", ended.stdout);
    for part in ["127.0.0.1:1/shop", "cannot be reached", "SMOOTH_AGENT_DATABASE_URL"] {
        assert!(ended.stderr.contains(part), "{part} is not in: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    Ok(())
}
