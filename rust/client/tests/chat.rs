//! The example, as a person uses it: a program with a terminal, against a server that the test plays.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, Peer, events};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const UUID: &str = "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985";

/// Runs the chat with these arguments and lines of input.
async fn chat(server: &FakeServer, arguments: &[&str], lines: &str) -> Output {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples").join("chat");
    let mut chat = Command::new(program)
        .args(["--url", server.url()])
        .args(arguments)
        .env("CHAT_TOKEN", "a.b-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = chat.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).await.unwrap();
    drop(input);
    tokio::time::timeout(Duration::from_secs(20), chat.wait_with_output()).await.unwrap().unwrap()
}

async fn accept(server: &FakeServer) -> Peer {
    let mut peer = server.accept().await.unwrap();
    let (id, action) = peer.action().await.unwrap();
    assert!(matches!(action, Action::CreateConversationSession(_)));
    let session = CreateConversationSessionReply::new(UUID, UUID, UUID, "Support", UUID, UUID);
    peer.reply(&id, &session).await.unwrap();
    peer
}

async fn question(peer: &mut Peer) -> String {
    let (id, action) = peer.action().await.unwrap();
    assert!(matches!(action, Action::SendMessage(_)));
    peer.send(events::accepted(&id)).await.unwrap();
    id
}

#[tokio::test]
async fn one_question_of_a_script_is_answered_with_its_citations() {
    let server = FakeServer::start().await.unwrap();
    let (output, token) =
        tokio::join!(chat(&server, &["--once", "How long?", "--token-env", "CHAT_TOKEN"], ""), async {
            let mut peer = accept(&server).await;
            let id = question(&mut peer).await;
            peer.send(events::token(&id, "17 ")).await.unwrap();
            peer.send(events::token(&id, "days.")).await.unwrap();
            let citation = Citation::new("policies/returns.md", "Returns policy", "within 17\ndays", 0.9);
            peer.send(events::answer_with(&id, "17 days.", vec![citation])).await.unwrap();
            let token = peer.token();
            assert_eq!(peer.closed().await.unwrap(), Some(1000));
            token
        });
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!(output.stderr, b"", "the client logs nothing where nobody listens");
    assert_eq!(said.trim(), "Agent: 17 days.\n  [1] Returns policy (policies/returns.md): within 17 days");
    assert_eq!(token.as_deref(), Some("a.b-c"));
}

#[tokio::test]
async fn a_person_is_asked_for_what_a_turn_needs() {
    let server = FakeServer::start().await.unwrap();
    let lines = "Change my address.\ny\n000000\n123456\n\nann@example.com\n2\nlater\n/quit\n";
    let (output, ()) = tokio::join!(chat(&server, &[], lines), async {
        let mut peer = accept(&server).await;
        let turn = question(&mut peer).await;

        peer.send(events::confirmation_required(&turn, "change", "Change the address.")).await.unwrap();
        let (id, action) = peer.action().await.unwrap();
        assert!(matches!(action, Action::ConfirmToolAction(params) if params.approved));
        peer.reply(&id, &ConfirmToolActionReply::new(UUID, true)).await.unwrap();

        peer.send(events::otp_required(&turn, "change", "Change the address.")).await.unwrap();
        peer.send(events::otp_sent(&turn, "a***@example.com")).await.unwrap();
        let (id, _) = peer.action().await.unwrap();
        peer.send(events::otp_invalid(&id, 4)).await.unwrap();
        let (id, action) = peer.action().await.unwrap();
        assert!(matches!(action, Action::VerifyOtp(params) if params.code == "123456"));
        peer.send(events::otp_verified(&id)).await.unwrap();

        let fields = vec![
            IdentityField::new(IdentityFieldKey::Name, false),
            IdentityField::new(IdentityFieldKey::Email, true),
        ];
        let form = IdentityIntakeSpec::new(fields);
        let kind = InteractionKind::IdentityIntake;
        peer.send(events::interaction_required(&turn, "i-1", kind, &form)).await.unwrap();
        let (id, action) = peer.action().await.unwrap();
        let Action::SubmitInteraction(params) = action else { panic!("a form's values") };
        assert_eq!(json!(params.values), json!({"email": "ann@example.com"}));
        peer.reply(&id, &SubmitInteractionReply::new(UUID, "i-1")).await.unwrap();

        let options = vec![ChoiceOption::new("Home", "At home."), ChoiceOption::new("Work", "At work.")];
        let first = ChoiceQuestion::new("Which address?", "Address", options.clone(), false);
        let form = ChoicesSpec::new(vec![first, ChoiceQuestion::new("When?", "When", options, true)]);
        peer.send(events::interaction_required(&turn, "i-2", InteractionKind::Choices, &form)).await.unwrap();
        let (id, action) = peer.action().await.unwrap();
        let Action::SubmitInteraction(params) = action else { panic!("a form's values") };
        let answers =
            json!([{"header": "Address", "options": ["Work"]}, {"header": "When", "other": "later"}]);
        assert_eq!(json!(params.values), json!({ "answers": answers }));
        peer.reply(&id, &SubmitInteractionReply::new(UUID, "i-2")).await.unwrap();
        peer.send(events::answer(&turn, "It is changed.")).await.unwrap();
        peer.closed().await.unwrap();
    });
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    for part in
        ["Change the address.", "a***@example.com", "The code is not right.", "2. Work", "It is changed."]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_one_line_and_a_status() {
    let server = FakeServer::start().await.unwrap();
    let (output, ()) = tokio::join!(chat(&server, &["--once", "How long?"], ""), async {
        let mut peer = accept(&server).await;
        let (id, _) = peer.action().await.unwrap();
        let message = "No model: set SMOOAI_GATEWAY_KEY.";
        peer.send(events::error(&id, ErrorCode::LlmUnavailable, message)).await.unwrap();
        // The program leaves without a word.
        peer.closed().await.unwrap();
    });
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap().trim(),
        "LLM_UNAVAILABLE: No model: set SMOOAI_GATEWAY_KEY."
    );
}
