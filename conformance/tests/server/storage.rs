//! What outlives the process: conversations, documents and parked turns, after an orderly end and after
//! `kill -9`; and how data moves to another folder.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::bound::within;
use smooai_smooth_operator_conformance::gateway::{KEY, Reply, Script};
use smooai_smooth_operator_conformance::server_process::{Build, ServerProcess, Setup, server_binary};
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::shop::{Shop, invoice, operator_toml, refund, verdict};

/// A server without any setting of its storage but the folder.
fn on(folder: &TempDir) -> Setup {
    Setup::new().env("SMOOTH_AGENT_DATA_DIR", path(folder))
}

fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

async fn end(mut server: ServerProcess) -> Result<()> {
    server.terminate()?;
    assert!(server.ended().await?.success());
    Ok(())
}

async fn texts(socket: &mut Socket, session: &str) -> Result<Vec<String>> {
    let page = socket.data(json!({ "action": "get_conversation_messages", "sessionId": session })).await?;
    let messages = page["messages"].as_array().unwrap().iter();
    Ok(messages.map(|message| message["content"]["text"].as_str().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn the_first_command_keeps_its_data_in_the_working_directory() -> Result<()> {
    let server = Setup::default().env("SMOOTH_AGENT_PORT", "0").arg("--offline").start().await?;
    assert!(server.directory().join("smooth-operator-data/smooth-operator.db").is_file());
    let mut socket = Socket::connect(&server.ws_url()).await?;
    socket.session().await?;
    Ok(())
}

#[tokio::test]
async fn yesterdays_conversation_and_documents_are_there_after_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = on(&folder).arg("--offline").arg("--seed-kb").start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    let session = socket.session().await?;
    let first = socket.whole_turn(&session, "t1", "How long is your return window?").await?;
    assert!(first.reply().contains("17"), "{}", first.reply());
    let before = texts(&mut socket, &session).await?;
    assert_eq!(before.len(), 2);
    end(server).await?;

    // Nothing is loaded this time: the documents are those of yesterday.
    let server = on(&folder).arg("--offline").start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    assert_eq!(texts(&mut socket, &session).await?, before);
    let second = socket.whole_turn(&session, "t2", "How long is your return window?").await?;
    assert!(second.reply().contains("17"), "{}", second.reply());
    let citation = |turn: &Value| turn["citations"][0]["id"].clone();
    assert_eq!(citation(second.answer()), citation(first.answer()));
    assert_eq!(texts(&mut socket, &session).await?.len(), 4);
    Ok(())
}

#[tokio::test]
async fn the_model_is_told_what_was_said_before_the_server_was_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = Script::new()
        .when_user("My name is Ada.", Reply::text("Hello, Ada."))
        .when_user("What is my name?", Reply::text("Ada."));
    let mut stage = Stage::with(script, |setup| {
        setup.env("SMOOTH_AGENT_STORAGE", "sqlite").env("SMOOTH_AGENT_DATA_DIR", path(&folder))
    })
    .await?;
    let (mut socket, session) = stage.session().await?;
    socket.whole_turn(&session, "t1", "My name is Ada.").await?;
    stage.server.kill().await?;

    stage.server = on(&folder).gateway(&stage.gateway.url(), KEY).start().await?;
    let mut socket = stage.socket().await?;
    assert_eq!(socket.whole_turn(&session, "t2", "What is my name?").await?.reply(), "Ada.");
    let told = stage.gateway.chats()[1].body.to_string();
    assert!(told.contains("My name is Ada.") && told.contains("Hello, Ada."), "{told}");
    Ok(())
}

/// Where a shop keeps its data, and that its invoices need a code.
fn kept(setup: Setup, folder: &TempDir) -> Setup {
    setup
        .env("SMOOTH_AGENT_STORAGE", "sqlite")
        .env("SMOOTH_AGENT_DATA_DIR", path(folder))
        .env("SMOOTH_AGENT_AUTH_TOOLS", "show_*")
}

async fn shop(script: Script, folder: &TempDir) -> Result<Shop> {
    let hook = Webhook::start()
        .await?
        .on("/refund", Answer::json(json!({ "refunded": true })))
        .on("/invoice", Answer::json(json!({ "total": "42.00" })))
        .on("/code", Answer::text(204, ""));
    Shop::with(script, hook, |setup| kept(setup, folder)).await
}

/// Kills the shop's server as a crash would, and starts another one on the same data.
async fn crash(shop: &mut Shop, folder: &TempDir) -> Result<()> {
    shop.stage.server.kill().await?;
    let setup = kept(Setup::new(), folder).gateway(&shop.stage.gateway.url(), KEY);
    shop.stage.server = setup.operator_toml(&operator_toml(&shop.hook)).start().await?;
    Ok(())
}

#[tokio::test]
async fn an_approval_that_is_awaited_survives_a_killed_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = Script::new().say(refund("c1", "o-1")).say(Reply::text("Done."));
    let mut shop = shop(script, &folder).await?;
    let (mut socket, session) = shop.session().await?;
    socket.say(&session, "t1", "Refund o-1, please.").await?;
    socket.until_parked("t1").await?;
    crash(&mut shop, &folder).await?;

    let mut socket = shop.stage.socket().await?;
    socket.say(&session, "t2", "And now?").await?;
    assert_eq!(socket.event_of("t2").await?["error"]["code"], "TURN_IN_PROGRESS");
    assert!(shop.hook.calls("/refund").is_empty());
    socket.data(verdict(&session, true)).await?;
    assert_eq!(
        socket.turn("t1").await?.lines(),
        ["toolResult issue_refund", "stream_token \"Done.\"", "eventual_response \"Done.\""]
    );
    assert_eq!(shop.hook.calls("/refund").len(), 1);
    assert_eq!(texts(&mut socket, &session).await?.len(), 2);
    let again = socket.error(verdict(&session, true)).await?;
    assert_eq!(again["error"]["code"], "NO_PENDING_CONFIRMATION");
    Ok(())
}

#[tokio::test]
async fn a_code_that_is_awaited_survives_a_killed_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = Script::new().say(invoice("c1", "o-1")).say(Reply::text("It was 42.00."));
    let mut shop = shop(script, &folder).await?;
    let (mut socket, session) = shop.reachable_session().await?;
    socket.say(&session, "t1", "What was the total of o-1?").await?;
    socket.until_parked("t1").await?;
    let code = shop.code(1).await?;
    crash(&mut shop, &folder).await?;

    let mut socket = shop.stage.socket().await?;
    let verify = |request: &str, code: &str| json!({ "action": "verify_otp", "sessionId": session, "requestId": request, "code": code });
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(socket.ask(verify("v1", wrong)).await?["type"], "otp_invalid");
    socket.send(verify("v2", &code)).await?;
    assert_eq!(socket.turn("t1").await?.reply(), "It was 42.00.");
    assert_eq!(shop.hook.calls("/invoice").len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let _first = on(&folder).start().await?;
    let second = on(&folder).run_to_end().await?;
    assert!(!second.status.success());
    assert!(second.stdout.is_empty());
    assert!(second.stderr.contains("in use by another process"), "{}", second.stderr);
    Ok(())
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("taken"), "a file")?;
    let taken = folder.path().join("taken/data");
    let ended = Setup::new().env("SMOOTH_AGENT_DATA_DIR", taken.to_str().unwrap()).run_to_end().await?;
    assert!(!ended.status.success());
    assert!(ended.stderr.contains("--data-dir"), "{}", ended.stderr);
    Ok(())
}

/// Runs `export` or `import` on a folder.
async fn transfer(command: &str, folder: &Path, input: &str) -> Result<(bool, String, String)> {
    let mut child = Command::new(server_binary(Build::Debug).await?)
        .args([command, "--data-dir"])
        .arg(folder)
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().unwrap();
    let write = async {
        // A program that refuses the input does not read it to its end.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let (output, ()) = within(command, async { tokio::join!(child.wait_with_output(), write) }).await?;
    let output = output?;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ok((output.status.success(), text(output.stdout), text(output.stderr)))
}

#[tokio::test]
async fn what_one_folder_exports_another_imports_and_goes_on_with() -> Result<()> {
    let (old, new) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let server = on(&old).arg("--offline").arg("--seed-kb").start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    let session = socket.session().await?;
    socket.whole_turn(&session, "t1", "How long is your return window?").await?;
    let before = texts(&mut socket, &session).await?;
    end(server).await?;

    let (ok, exported, log) = transfer("export", old.path(), "").await?;
    assert!(ok && log.contains("exported"), "{log}");
    assert!(exported.starts_with("{\"header\""), "{exported}");
    let (ok, _, log) = transfer("import", new.path(), &exported).await?;
    assert!(ok && log.contains("imported"), "{log}");
    assert_eq!(transfer("export", new.path(), "").await?.1, exported);
    let (ok, _, log) = transfer("import", new.path(), "no export\n").await?;
    assert!(!ok && log.contains("no export"), "{log}");

    let server = on(&new).arg("--offline").start().await?;
    let mut socket = Socket::connect(&server.ws_url()).await?;
    assert_eq!(texts(&mut socket, &session).await?, before);
    let turn = socket.whole_turn(&session, "t2", "How long does shipping take?").await?;
    assert!(turn.answer()["citations"][0]["id"].as_str().unwrap().contains("shipping"));
    Ok(())
}
