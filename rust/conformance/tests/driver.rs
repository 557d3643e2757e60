//! The driver over its pipes, against a server that the test plays.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use smooai_smooth_operator_client::protocol::{Action, CreateConversationSessionReply, ErrorCode};
use smooai_smooth_operator_client::testing::{FakeServer, Peer, events};
use smooai_smooth_operator_conformance_driver::frames;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(30);

struct Driver {
    process: Child,
    commands: Option<ChildStdin>,
    reports: ChildStdout,
}

impl Driver {
    async fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_conformance-driver-rust"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (commands, reports) = (process.stdin.take(), process.stdout.take().unwrap());
        let mut driver = Self { process, commands, reports };
        assert_eq!(driver.report().await["saw"], "ready");
        driver
    }

    async fn tell(&mut self, command: Value) {
        frames::write(self.commands.as_mut().unwrap(), &command).await.unwrap();
    }

    async fn report(&mut self) -> Value {
        timeout(BOUND, frames::read(&mut self.reports)).await.unwrap().unwrap().unwrap()
    }

    async fn reports(&mut self, count: usize) -> Vec<Value> {
        let mut reports = Vec::new();
        for _ in 0..count {
            reports.push(self.report().await);
        }
        reports
    }

    async fn open(&mut self, server: &FakeServer) -> Peer {
        let open = json!({ "do": "open", "id": 1, "client": "alice", "url": server.url(), "tokens": ["t"] });
        self.tell(open).await;
        let peer = server.accept().await.unwrap();
        assert_eq!(self.report().await, json!({ "saw": "done", "id": 1 }));
        peer
    }

    /// Waits for the end of the process, after the reports that are left.
    async fn ended(mut self) -> Vec<Value> {
        let mut rest = Vec::new();
        while let Some(report) = timeout(BOUND, frames::read(&mut self.reports)).await.unwrap().unwrap() {
            rest.push(report);
        }
        assert!(timeout(BOUND, self.process.wait()).await.unwrap().unwrap().success());
        rest
    }
}

fn turn(name: &str, read: &str) -> Value {
    let params = json!({ "sessionId": "s", "message": "Hello?", "requestId": name });
    json!({ "do": "start_turn", "id": 3, "client": "alice", "turn": name, "params": params, "read": read })
}

#[tokio::test]
async fn a_turn_is_iterated_and_awaited_and_exit_ends_the_process() {
    let server = FakeServer::start().await.unwrap();
    let mut driver = Driver::start().await;
    let mut peer = driver.open(&server).await;
    assert_eq!(peer.token().as_deref(), Some("t"));

    driver.tell(turn("t1", "both")).await;
    let (id, _) = peer.action().await.unwrap();
    assert_eq!(id, "t1");
    peer.send(events::token(&id, "Hi.")).await.unwrap();
    peer.send_text(r#"{"type":"mood","requestId":"t1","timestamp":1,"how":"good"}"#).await.unwrap();
    peer.send(events::answer(&id, "Hi.")).await.unwrap();
    let seen = driver.reports(5).await;
    assert_eq!(seen[0], json!({ "saw": "started", "id": 3, "requestId": "t1" }));
    assert_eq!((&seen[1]["event"]["token"], &seen[1]["known"]), (&json!("Hi."), &json!(true)));
    assert_eq!((&seen[2]["event"]["how"], &seen[2]["known"]), (&json!("good"), &json!(false)));
    assert_eq!(seen[3]["event"]["type"], "eventual_response");
    assert_eq!((&seen[4]["events"], &seen[4]["text"]), (&json!(3), &json!("Hi.")));
    assert_eq!(seen[4]["result"]["response"]["responseParts"], json!(["Hi."]));

    peer.send_text(r#"{"type":"mood","timestamp":1,"how":"bad"}"#).await.unwrap();
    let stray = driver.report().await;
    assert_eq!((&stray["saw"], &stray["event"]["how"]), (&json!("stray_event"), &json!("bad")));
    driver.tell(json!({ "do": "exit", "id": 9 })).await;
    peer.closed().await.unwrap();
    assert_eq!(driver.ended().await, [json!({ "saw": "done", "id": 9 })]);
}

#[tokio::test]
async fn an_error_is_told_and_a_call_that_waits_holds_nothing_up() {
    let server = FakeServer::start().await.unwrap();
    let mut driver = Driver::start().await;
    let mut peer = driver.open(&server).await;
    let call = |id: u32, action: &str, params: Value| json!({ "do": "call", "id": id, "client": "alice", "action": action, "params": params });
    driver.tell(call(2, "get_session", json!({ "sessionId": "none" }))).await;
    driver.tell(call(3, "create_conversation_session", json!({ "userName": "Alice" }))).await;
    driver.tell(call(4, "get_session", json!({}))).await;
    driver.tell(json!({ "do": "decode", "id": 5, "text": r#"{"type":"pong","timestamp":1,"data":{"timestamp":"1"}}"# })).await;
    driver.tell(json!({ "do": "cancel_turn", "id": 6, "turn": "t9" })).await;
    let mut refused = driver.reports(3).await;
    refused.sort_by_key(|report| report["id"].as_u64());
    assert_eq!((&refused[0]["error"]["kind"], &refused[0]["id"]), (&json!("invalid"), &json!(4)));
    assert_eq!(
        (&refused[1]["error"]["kind"], &refused[1]["error"]["field"]),
        (&json!("invalid"), &json!("/data/timestamp"))
    );
    assert_eq!((&refused[2]["saw"], &refused[2]["message"]), (&json!("broken"), &json!("no turn named t9")));

    // The two calls are made at the same time, and may come in either order.
    let mut calls = [peer.action().await.unwrap(), peer.action().await.unwrap()];
    calls.sort_by_key(|(_, action)| matches!(action, Action::CreateConversationSession(_)));
    let [(first, _), (second, _)] = calls;
    peer.reply(&second, &CreateConversationSessionReply::new("s", "c", "a", "Agent", "u", "p"))
        .await
        .unwrap();
    let replied = driver.report().await;
    assert_eq!((&replied["id"], &replied["reply"]["sessionId"]), (&json!(3), &json!("s")));
    peer.send(events::error(&first, ErrorCode::SessionNotFound, "no such session")).await.unwrap();
    let failed = driver.report().await;
    assert_eq!((&failed["saw"], &failed["id"]), (&json!("failed"), &json!(2)));
    assert_eq!(
        (&failed["error"]["kind"], &failed["error"]["code"]),
        (&json!("server"), &json!("SESSION_NOT_FOUND"))
    );
    drop(driver.commands.take());
    assert_eq!(driver.ended().await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_turn_is_left_alone_until_it_may_be_read_answered_and_abandoned() {
    let server = FakeServer::start().await.unwrap();
    let mut driver = Driver::start().await;
    let mut peer = driver.open(&server).await;
    driver.tell(turn("t1", "neither")).await;
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::confirmation_required(&id, "refund", "Refund it.")).await.unwrap();
    assert_eq!(driver.report().await["saw"], "started");
    driver.tell(json!({ "do": "go_on", "id": 4, "turn": "t1" })).await;
    let seen = driver.reports(2).await;
    assert_eq!(
        (&seen[0]["saw"], &seen[1]["event"]["type"]),
        (&json!("done"), &json!("write_confirmation_required"))
    );

    let confirm = json!({ "kind": "confirm", "approved": true });
    driver.tell(json!({ "do": "answer_park", "id": 5, "turn": "t1", "answer": confirm })).await;
    let (verdict, _) = peer.action().await.unwrap();
    peer.send(events::error(&verdict, ErrorCode::NoPendingConfirmation, "none waits")).await.unwrap();
    assert_eq!(driver.report().await["error"]["code"], "NO_PENDING_CONFIRMATION");
    driver.tell(json!({ "do": "abandon_turn", "id": 6, "turn": "t1" })).await;
    let seen = driver.reports(2).await;
    assert_eq!((&seen[0]["saw"], &seen[0]["error"]["kind"]), (&json!("turn_ended"), &json!("abandoned")));
    assert_eq!(seen[1], json!({ "saw": "done", "id": 6 }));
    driver.tell(json!({ "do": "close", "id": 7, "client": "alice" })).await;
    peer.closed().await.unwrap();
    assert_eq!(driver.report().await, json!({ "saw": "done", "id": 7 }));
    driver.tell(json!({ "do": "exit", "id": 8 })).await;
    assert_eq!(driver.ended().await, [json!({ "saw": "done", "id": 8 })]);
}
