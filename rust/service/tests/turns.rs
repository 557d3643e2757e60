//! Turns through the service in process: order of events, memory, parks, verdicts, and who may do what.

mod revocation;
mod stage;

use async_trait::async_trait;
use serde_json::json;
use smooai_smooth_operator::{OtpSettings, Scope, Settings};
use smooai_smooth_operator_store::{Activity, Contact, Session, SessionId, SessionStore, StoreError};
use stage::{Reply, Stage};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn pay(amount: u32) -> Reply {
    Reply::Calls(vec![("pay", json!({"amount": amount}))])
}

#[tokio::test]
async fn a_turn_streams_and_its_answer_is_what_was_streamed() {
    let stage = Stage::new(vec![Reply::Text("Seventeen days.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "How long?");
    assert_eq!(
        client.shape("eventual_response").await,
        ["immediate_response", "stream_token", "eventual_response"]
    );

    client.say(&json!({"action": "get_conversation_messages", "requestId": "m", "sessionId": session}));
    let page = client.until("immediate_response").await["data"].clone();
    assert_eq!(page["messages"][0]["content"]["text"], "Seventeen days.");
    assert_eq!(page["messages"][0]["direction"], "outbound");
    assert_eq!(page["messages"][1]["content"]["text"], "How long?");
    assert_eq!(page["hasMore"], false);
    assert!(page["nextCursor"].is_null());

    client.say(&json!({"action": "list_conversations", "requestId": "l"}));
    let listed = client.until("immediate_response").await["data"]["conversations"].clone();
    assert_eq!((&listed[0]["title"], &listed[0]["messageCount"]), (&json!("How long?"), &json!(2)));
}

#[tokio::test]
async fn a_second_turn_remembers_the_first() {
    let stage = Stage::new(vec![Reply::Text("Hello Ada."), Reply::Text("Ada.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    for (turn, message) in [("t1", "I am Ada."), ("t2", "Who am I?")] {
        client.ask(&session, turn, message);
        client.until("eventual_response").await;
    }
    let asked = stage.script.asked.lock().unwrap();
    let shown: Vec<String> = asked[1].messages.iter().map(|message| format!("{message:?}")).collect();
    let place = |text: &str| shown.iter().position(|message| message.contains(text)).unwrap();
    assert!(place("I am Ada.") < place("Hello Ada.") && place("Hello Ada.") < place("Who am I?"));
}

#[tokio::test]
async fn an_approved_write_is_made_once_and_a_denied_one_never() {
    let stage = Stage::new(vec![pay(5), Reply::Text("Paid."), pay(6), Reply::Text("Not paid.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;

    client.ask(&session, "t1", "Pay 5.");
    let park = client.until("write_confirmation_required").await;
    assert_eq!(park["data"]["data"]["toolId"], "pay");
    assert!(park["data"]["data"]["actionDescription"].as_str().unwrap().contains("amount = 5"));
    assert_eq!(client.shape("stream_chunk").await, ["call pay"]);
    client.say(
        &json!({"action": "confirm_tool_action", "requestId": "v1", "sessionId": session, "approved": true}),
    );
    let verdict = client.next().await;
    assert_eq!((&verdict["requestId"], &verdict["data"]["approved"]), (&json!("v1"), &json!(true)));
    assert_eq!(client.shape("eventual_response").await, ["result", "stream_token", "eventual_response"]);
    assert_eq!(stage.paid.load(Ordering::SeqCst), 1);

    client.ask(&session, "t2", "Pay 6.");
    client.until("write_confirmation_required").await;
    client.say(
        &json!({"action": "confirm_tool_action", "requestId": "t2", "sessionId": session, "approved": false}),
    );
    assert_eq!(
        client.shape("eventual_response").await,
        ["call pay", "immediate_response", "refused", "stream_token", "eventual_response"]
    );
    assert_eq!(stage.paid.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_verdict_that_is_late_doubled_or_foreign_approves_nothing() {
    let stage = Stage::new(vec![pay(1), Reply::Text("One."), pay(2)]);
    let mut client = stage.client("ada");
    let mut stranger = stage.client("eve");
    let session = client.session(&[]).await;
    let confirm = |id: &str| json!({"action": "confirm_tool_action", "requestId": id, "sessionId": session, "approved": true});

    client.ask(&session, "t1", "Pay 1.");
    client.until("write_confirmation_required").await;
    stranger.say(&confirm("t1"));
    assert_eq!(stranger.until("error").await["error"]["code"], "NO_PENDING_CONFIRMATION");
    client.say(&confirm("t1"));
    client.say(&confirm("t1"));
    let (mut refused, mut answered) = (0, 0);
    while refused + answered < 2 {
        let event = client.next().await;
        refused += usize::from(event["error"]["code"] == "NO_PENDING_CONFIRMATION");
        answered += usize::from(event["type"] == "eventual_response");
    }
    assert_eq!((refused, answered), (1, 1));
    assert_eq!(stage.paid.load(Ordering::SeqCst), 1);

    // The verdict of the first turn comes again while the second one waits.
    client.ask(&session, "t2", "Pay 2.");
    client.until("write_confirmation_required").await;
    client.say(&confirm("t1"));
    assert_eq!(client.until("error").await["error"]["code"], "NO_PENDING_CONFIRMATION");
    assert_eq!(stage.paid.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_parked_turn_is_resumed_by_another_process() {
    let first = Stage::new(vec![pay(5)]);
    let mut client = first.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "Pay 5.");
    client.until("write_confirmation_required").await;

    let second = Stage::over(first.storage.clone(), Settings::default(), vec![Reply::Text("Paid.")]);
    let mut client = second.client("ada");
    client.say(
        &json!({"action": "confirm_tool_action", "requestId": "v", "sessionId": session, "approved": true}),
    );
    assert_eq!(
        client.shape("eventual_response").await,
        ["immediate_response", "result", "stream_token", "eventual_response"]
    );
    assert_eq!((first.paid.load(Ordering::SeqCst), second.paid.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn a_code_is_asked_for_counted_and_compared() {
    let settings = Settings { auth_tools: vec!["look".to_owned()], ..Settings::default() };
    let look = || Reply::Calls(vec![("look", json!({}))]);
    let stage = Stage::with(settings, vec![look(), Reply::Text("Seen."), look(), Reply::Text("Locked.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    let verify = |id: &str, code: &str| json!({"action": "verify_otp", "requestId": id, "sessionId": session, "code": code});

    client.ask(&session, "t1", "Look.");
    client.until("otp_verification_required").await;
    let sent = client.next().await;
    assert_eq!(sent["data"]["data"], json!({"channel": "email", "maskedDestination": "a***@example.org"}));
    let code = stage.post.0.lock().unwrap()[0].code.clone();
    assert_eq!(code, "004711");
    client.say(&verify("v1", "000000"));
    let invalid = client.until("otp_invalid").await;
    assert_eq!(
        (&invalid["data"]["data"]["attemptsRemaining"], &invalid["data"]["data"]["error"]),
        (&json!(4), &json!("INVALID_CODE"))
    );
    client.say(&verify("v2", &code));
    assert_eq!(
        client.shape("eventual_response").await,
        ["otp_verified", "result", "stream_token", "eventual_response"]
    );

    client.ask(&session, "t2", "Look again.");
    client.until("otp_sent").await;
    for attempt in 1..=5 {
        client.say(&verify(&format!("w{attempt}"), "111111"));
        let invalid = client.until("otp_invalid").await["data"]["data"].clone();
        let error = if attempt < 5 { "INVALID_CODE" } else { "MAX_ATTEMPTS" };
        assert_eq!((&invalid["attemptsRemaining"], &invalid["error"]), (&json!(5 - attempt), &json!(error)));
    }
    assert_eq!(client.shape("eventual_response").await, ["refused", "stream_token", "eventual_response"]);
    client.say(&verify("late", &code));
    assert_eq!(client.until("otp_invalid").await["data"]["data"]["error"], "NOT_FOUND");
}

#[tokio::test(start_paused = true)]
async fn a_park_that_nobody_answers_ends_and_the_turn_goes_on() {
    let settings = Settings { keepalive: Duration::from_secs(5), ..Settings::default() };
    let stage = Stage::with(settings, vec![pay(5), Reply::Text("Nobody answered.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "Pay 5.");
    client.until("write_confirmation_required").await;
    client.until("keepalive").await;
    stage.world.forward(Duration::from_secs(15 * 60));
    assert_eq!(client.until("eventual_response").await["requestId"], "t1");
    assert_eq!(stage.paid.load(Ordering::SeqCst), 0);
    client.silent().await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_code_is_refused_even_when_it_is_right() {
    let otp = OtpSettings { lifetime: Duration::from_secs(600), attempts: 5 };
    let settings = Settings { auth_tools: vec!["look".to_owned()], otp, ..Settings::default() };
    let stage =
        Stage::with(settings, vec![Reply::Calls(vec![("look", json!({}))]), Reply::Text("Too late.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "Look.");
    client.until("otp_sent").await;
    stage.world.forward(Duration::from_secs(600));
    client.say(&json!({"action": "verify_otp", "requestId": "v", "sessionId": session, "code": "004711"}));
    assert_eq!(client.until("otp_invalid").await["data"]["data"]["error"], "EXPIRED");
    assert_eq!(client.until("eventual_response").await["requestId"], "t1");
}

#[tokio::test]
async fn a_form_is_filled_in_corrected_and_accepted() {
    let ask = Reply::Calls(vec![(
        "request_identity_intake",
        json!({"fields": [{"key": "email", "required": true}], "reason": "To send the label."}),
    )]);
    let stage = Stage::new(vec![ask, Reply::Text("Thanks.")]);
    let mut client = stage.client("ada");
    let session = client.session(&["identity_form"]).await;
    client.ask(&session, "t1", "Send me a label.");
    let form = client.until("interaction_required").await["data"]["data"].clone();
    assert_eq!((&form["kind"], &form["reason"]), (&json!("identity_intake"), &json!("To send the label.")));
    let submit = |id: &str, interaction: &str, email: &str| {
        json!({"action": "submit_interaction", "requestId": id, "sessionId": session, "interactionId": interaction,
               "values": {"email": email}})
    };
    let interaction = form["interactionId"].as_str().unwrap();
    client.say(&submit("v1", "another", "ada@example.org"));
    assert_eq!(client.until("error").await["error"]["code"], "INTERACTION_MISMATCH");
    client.say(&submit("v2", interaction, "ada@"));
    let invalid = client.until("interaction_invalid").await["data"]["data"].clone();
    assert_eq!(invalid["errors"], json!([{"field": "email", "message": "must be a valid email address"}]));
    assert_eq!(invalid["message"], "Some fields need attention.");
    client.say(&submit("v3", interaction, "ada@Example.org"));
    let accepted = client.until("immediate_response").await;
    assert_eq!(accepted["data"]["values"], json!({"email": "ada@example.org"}));
    assert_eq!(client.shape("eventual_response").await, ["result", "stream_token", "eventual_response"]);
    client.say(&submit("v4", interaction, "ada@example.org"));
    assert_eq!(client.until("error").await["error"]["code"], "NO_PENDING_INTERACTION");
}

#[tokio::test]
async fn a_form_that_cannot_be_shown_is_asked_in_words() {
    let question = json!({"question": "Which?", "header": "Size", "multiSelect": false, "options": [
        {"label": "S", "description": ""}, {"label": "L", "description": ""}]});
    let ask =
        Reply::Calls(vec![("request_choices", json!({"questions": [question], "reason": "To order."}))]);
    let stage = Stage::new(vec![ask, Reply::Text("S or L?")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "Order one.");
    assert_eq!(
        client.shape("eventual_response").await,
        ["immediate_response", "call request_choices", "result", "stream_token", "eventual_response"]
    );
    let asked = stage.script.asked.lock().unwrap();
    assert!(format!("{:?}", asked[1].messages.last().unwrap()).contains("conversational"));
}

#[tokio::test]
async fn one_turn_per_conversation_and_cancel_frees_it() {
    let stage = Stage::new(vec![Reply::Silence, Reply::Text("Again.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "Think.");
    client.until("stream_chunk").await;
    // From here on the turn says nothing by itself.
    stage.script.asked(1).await;
    client.ask(&session, "t2", "Too early.");
    let refused = client.until("error").await;
    assert_eq!(
        (&refused["requestId"], &refused["error"]["code"]),
        (&json!("t2"), &json!("TURN_IN_PROGRESS"))
    );
    client.say(&json!({"action": "send_message", "requestId": "t3", "sessionId": session}));
    assert_eq!(
        client.until("error").await["error"]["code"],
        "TURN_IN_PROGRESS",
        "told before the missing message"
    );
    client.say(&json!({"action": "cancel", "requestId": "t2"}));
    client.silent().await;
    client.say(&json!({"action": "cancel", "requestId": "t1"}));
    let cancelled = client.until("cancelled").await;
    assert_eq!((&cancelled["requestId"], &cancelled["status"]), (&json!("t1"), &json!(499)));
    client.ask(&session, "t4", "Now.");
    assert_eq!(client.until("eventual_response").await["requestId"], "t4");
}

#[tokio::test]
async fn a_parked_turn_can_be_cancelled() {
    let stage = Stage::new(vec![pay(5), Reply::Text("Fine.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "Pay 5.");
    client.until("write_confirmation_required").await;
    client.say(&json!({"action": "cancel", "requestId": "t1"}));
    assert_eq!(client.until("cancelled").await["requestId"], "t1");
    client.say(
        &json!({"action": "confirm_tool_action", "requestId": "v", "sessionId": session, "approved": true}),
    );
    assert_eq!(client.until("error").await["error"]["code"], "NO_PENDING_CONFIRMATION");
    client.ask(&session, "t2", "Never mind.");
    client.until("eventual_response").await;
    assert_eq!(stage.paid.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn another_users_session_looks_like_one_that_does_not_exist() {
    let stage = Stage::new(vec![]);
    let mut ada = stage.client("ada");
    let mut eve = stage.client("eve");
    let session = ada.session(&[]).await;
    ada.say(&json!({"action": "get_session", "requestId": "g", "sessionId": session}));
    let conversation = ada.until("immediate_response").await["data"]["conversationId"].clone();
    let answers = |id: &str, conversation: &serde_json::Value| {
        vec![
            json!({"action": "get_session", "requestId": "x", "sessionId": id}),
            json!({"action": "get_conversation_messages", "requestId": "x", "sessionId": id}),
            json!({"action": "send_message", "requestId": "x", "sessionId": id, "message": "hi"}),
            json!({"action": "confirm_tool_action", "requestId": "x", "sessionId": id, "approved": true}),
            json!({"action": "submit_interaction", "requestId": "x", "sessionId": id, "interactionId": "i"}),
            json!({"action": "verify_otp", "requestId": "x", "sessionId": id, "code": "1"}),
            json!({"action": "rename_conversation", "requestId": "x", "conversationId": conversation, "title": "t"}),
        ]
    };
    let nowhere = "11111111-1111-4111-8111-111111111111";
    for (foreign, absent) in answers(&session, &conversation).iter().zip(answers(nowhere, &json!(nowhere))) {
        eve.say(foreign);
        let one = eve.next().await;
        eve.say(&absent);
        assert_eq!(one, eve.next().await, "{foreign}");
    }
    eve.say(&json!({"action": "cancel", "sessionId": session}));
    eve.silent().await;
}

#[tokio::test]
async fn a_failing_model_ends_the_turn_and_tells_no_secrets() {
    use smooai_smooth_operator_core::{LlmError, LlmErrorKind};
    let error = LlmError::new(LlmErrorKind::BadRequest, "provider says: sk-secret in /etc/keys");
    let stage = Stage::new(vec![Reply::Error(error), Reply::Text("Fine.")]);
    let mut client = stage.client("ada");
    let session = client.session(&[]).await;
    client.ask(&session, "t1", "Hi.");
    let failed = client.until("error").await;
    assert_eq!((&failed["requestId"], &failed["error"]["code"]), (&json!("t1"), &json!("AGENT_ERROR")));
    assert!(!failed.to_string().contains("sk-secret") && !failed.to_string().contains("/etc"));
    client.ask(&session, "t2", "Again.");
    client.until("eventual_response").await;
}

/// Sessions on a disk that is gone.
struct Gone;

impl Gone {
    fn error<T>() -> Result<T, StoreError> {
        let source = std::io::Error::other("disk /dev/secret is gone");
        Err(StoreError::Unavailable {
            context: "reading a session".to_owned(),
            source: Some(Box::new(source)),
        })
    }
}

#[async_trait]
impl SessionStore for Gone {
    async fn create(&self, _session: Session) -> Result<(), StoreError> {
        Self::error()
    }

    async fn get(&self, _scope: &Scope, _id: &SessionId) -> Result<Option<Session>, StoreError> {
        Self::error()
    }

    async fn identify(&self, _scope: &Scope, _id: &SessionId, _contact: Contact) -> Result<(), StoreError> {
        Self::error()
    }

    async fn record(&self, _scope: &Scope, _id: &SessionId, _activity: Activity) -> Result<(), StoreError> {
        Self::error()
    }
}

#[tokio::test]
async fn storage_that_does_not_answer_is_told_without_its_words_and_the_server_is_not_ready() {
    let mut storage = smooai_smooth_operator_adapter_memory::adapter();
    storage.sessions = Arc::new(Gone);
    let stage = Stage::over(storage, Settings::default(), vec![]);
    let mut client = stage.client("ada");
    for action in [
        json!({"action": "create_conversation_session", "requestId": "r"}),
        json!({"action": "get_session", "requestId": "r", "sessionId": "s"}),
        json!({"action": "send_message", "requestId": "r", "sessionId": "s", "message": "hi"}),
    ] {
        client.say(&action);
        let failed = client.until("error").await;
        assert_eq!((&failed["requestId"], &failed["error"]["code"]), (&json!("r"), &json!("STORAGE_ERROR")));
        let details = &failed["data"]["details"];
        assert_eq!((&details["status"], &details["retryable"]), (&json!(503), &json!(true)));
        assert!(!failed.to_string().contains("secret"), "{failed}");
    }
    assert!(!stage.service.is_ready().await);
}
