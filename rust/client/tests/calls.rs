//! Every action is a typed call, many at once, and what goes wrong is typed too.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::StreamExt as _;
use serde_json::json;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, events};
use smooai_smooth_operator_client::{Client, Error};
use tokio::task::JoinSet;

const UUID: &str = "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985";

/// A client whose every action is answered from a table.
async fn answered() -> (Client, JoinSet<()>) {
    let (client, peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let reply = |id: &str, action: Action| {
        let data = match action {
            Action::CreateConversationSession(params) => {
                let agent = params.user_name.unwrap_or_default();
                json!(CreateConversationSessionReply::new(UUID, UUID, UUID, agent, UUID, UUID))
            }
            Action::GetSession(params) => json!(GetSessionReply {
                session_id: params.session_id,
                conversation_id: UUID.to_owned(),
                agent_id: UUID.to_owned(),
                agent_name: "Support".to_owned(),
                user_participant_id: UUID.to_owned(),
                agent_participant_id: UUID.to_owned(),
                thread_id: UUID.to_owned(),
                status: SessionStatus::Active,
            }),
            Action::GetConversationMessages(params) => {
                json!(GetConversationMessagesReply::new(Vec::new(), params.cursor, params.limit == Some(7)))
            }
            Action::ListConversations(_) => {
                let one = ConversationSummary::new(UUID, "Returns", "2026-01-01T00:00:00Z", 4);
                json!(ListConversationsReply::new(vec![one]))
            }
            Action::RenameConversation(params) => {
                json!(RenameConversationReply::new(params.conversation_id, params.title))
            }
            Action::ConfirmToolAction(params) => {
                json!(ConfirmToolActionReply::new(params.session_id, params.approved))
            }
            Action::SubmitInteraction(params) => {
                json!(SubmitInteractionReply::new(params.session_id, params.interaction_id))
            }
            Action::Ping(_) => return vec![events::pong(id)],
            Action::VerifyOtp(params) if params.code == "1" => return vec![events::otp_verified(id)],
            Action::VerifyOtp(_) => return vec![events::otp_invalid(id, 4)],
            Action::SendMessage(params) => {
                return vec![events::accepted(id), events::answer(id, &params.message)];
            }
            Action::Cancel(_) => return Vec::new(),
        };
        vec![events::reply(id, &data)]
    };
    let mut server = JoinSet::new();
    server.spawn(peer.answer(reply));
    (client, server)
}

#[tokio::test]
async fn every_action_is_a_typed_call() {
    let (client, _server) = answered().await;
    let params = CreateConversationSessionParams {
        user_name: Some("Ann".to_owned()),
        ..CreateConversationSessionParams::default()
    };
    assert_eq!(client.create_conversation_session(params).await.unwrap().agent_name, "Ann");
    assert_eq!(client.get_session(GetSessionParams::new("s-1")).await.unwrap().session_id, "s-1");
    let page = GetConversationMessagesParams {
        limit: Some(7),
        cursor: Some("c".to_owned()),
        ..GetConversationMessagesParams::new("s-1")
    };
    let page = client.get_conversation_messages(page).await.unwrap();
    assert_eq!((page.next_cursor.as_deref(), page.has_more), (Some("c"), true));
    let list = client.list_conversations(ListConversationsParams::default()).await.unwrap();
    assert_eq!(list.conversations[0].title, "Returns");
    let renamed = client.rename_conversation(RenameConversationParams::new("c-1", "Shoes")).await.unwrap();
    assert_eq!(renamed.title, "Shoes");
    assert!(client.confirm_tool_action(ConfirmToolActionParams::new("s-1", true)).await.unwrap().approved);
    assert_eq!(
        client.verify_otp(VerifyOtpParams::new("", "s-1", "1")).await.unwrap().data.data.message,
        "Verified."
    );
    let wrong = client.verify_otp(VerifyOtpParams::new("", "s-1", "2")).await;
    assert!(matches!(wrong, Err(Error::CodeRejected(event)) if event.data.data.attempts_remaining == 4));
    let form = SubmitInteractionParams::new("", "s-1", "i-1");
    assert_eq!(client.submit_interaction(form).await.unwrap().interaction_id, "i-1");
    assert_eq!(client.ping().await.unwrap().data.timestamp, 1_700_000_000_000);
    client.cancel(CancelParams::default()).unwrap();
    assert_eq!(client.send_message(SendMessageParams::new("s-1", "Hello")).text().await.unwrap(), "Hello");
}

#[tokio::test]
async fn many_calls_and_turns_share_one_socket() {
    let (client, _server) = answered().await;
    let calls = (0..100).map(async |number| {
        let session = format!("s-{number}");
        let mut turn = client.send_message(SendMessageParams::new(&session, format!("message {number}")));
        let read = client.get_session(GetSessionParams::new(&session)).await.unwrap();
        assert_eq!(read.session_id, session);
        assert_eq!(turn.text().await.unwrap(), format!("message {number}"));
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn answers_in_another_order_find_their_calls() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let server = async {
        let (first, _) = peer.action().await.unwrap();
        let (second, _) = peer.action().await.unwrap();
        for (id, name) in [(second, "second"), (first, "first")] {
            peer.reply(&id, &RenameConversationReply::new("c", name)).await.unwrap();
        }
    };
    let rename = || client.rename_conversation(RenameConversationParams::new("c", "x"));
    let (first, second, ()) = tokio::join!(rename(), rename(), server);
    assert_eq!((first.unwrap().title.as_str(), second.unwrap().title.as_str()), ("first", "second"));
}

/// What a call gives when the server answers it with this event.
async fn answered_with(answer: impl FnOnce(&str) -> Event) -> Error {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let server = async {
        let (id, _) = peer.action().await.unwrap();
        peer.send(answer(&id)).await.unwrap();
    };
    tokio::join!(client.get_session(GetSessionParams::new("s")), server).0.unwrap_err()
}

#[tokio::test]
async fn an_error_has_its_code_and_says_whether_to_try_again() {
    let gone = answered_with(|id| events::error(id, ErrorCode::SessionNotFound, "There is none.")).await;
    assert_eq!(gone.code(), Some(&ErrorCode::SessionNotFound));
    assert_eq!(gone.to_string(), "SESSION_NOT_FOUND: There is none.");
    assert!(!gone.is_retryable());

    let busy = answered_with(|id| {
        let Event::Error(mut event) = events::error(id, ErrorCode::RateLimited, "Slowly.") else { panic!() };
        event.data.details.as_mut().unwrap().retry_after_ms = Some(1_500);
        event.into()
    })
    .await;
    assert!(busy.is_retryable());
    assert_eq!(busy.retry_after().unwrap().as_millis(), 1_500);

    let unknown = answered_with(|id| events::error(id, ErrorCode::from("NEW_CODE"), "New.")).await;
    assert_eq!(unknown.code().unwrap().as_str(), "NEW_CODE");
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_protocol_error() {
    let wrong = answered_with(|id| events::reply(id, &json!({"sessionId": 7}))).await;
    assert!(matches!(&wrong, Error::Protocol(text) if text.contains("get_session")), "{wrong}");
    let other = answered_with(events::pong).await;
    assert!(matches!(other, Error::Protocol(_)));
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_fails_its_request_alone() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let server = async {
        let (first, _) = peer.action().await.unwrap();
        let (second, _) = peer.action().await.unwrap();
        peer.send_text("no JSON").await.unwrap();
        peer.send_text(&format!(r#"{{"type":"pong","requestId":"{first}","timestamp":"x"}}"#)).await.unwrap();
        peer.send(events::pong(&second)).await.unwrap();
    };
    let (first, second, ()) = tokio::join!(client.ping(), client.ping(), server);
    assert!(matches!(first, Err(Error::Protocol(text)) if text.contains("timestamp")));
    second.unwrap();
}

#[tokio::test]
async fn what_is_not_valid_is_not_sent() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let limit =
        GetConversationMessagesParams { limit: Some(1_000), ..GetConversationMessagesParams::new("s") };
    assert!(
        matches!(client.get_conversation_messages(limit).await, Err(Error::Invalid(text)) if text.contains("limit"))
    );
    let image = ImageInput::new(format!("data:image/png;base64,{}", "A".repeat(1 << 20)));
    let large = SendMessageParams { images: Some(vec![image]), ..SendMessageParams::new("s", "Look.") };
    let mut turn = client.send_message(large);
    assert!(matches!(turn.next().await, Some(Err(Error::Invalid(_)))));
    assert!(turn.next().await.is_none());
    assert!(matches!(turn.finish().await, Err(Error::Invalid(_))));

    let (pinged, first) = tokio::join!(client.ping(), async {
        let (id, action) = peer.action().await.unwrap();
        peer.send(events::pong(&id)).await.unwrap();
        action
    });
    pinged.unwrap();
    assert!(matches!(first, Action::Ping(_)), "the first thing that was sent is the ping");
}

#[tokio::test]
async fn the_callers_own_request_id_is_used() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let params =
        SendMessageParams { request_id: Some("mine".to_owned()), ..SendMessageParams::new("s", "Hello") };
    let turn = client.send_message(params.clone());
    assert_eq!(turn.request_id(), "mine");
    assert_eq!(peer.action().await.unwrap().0, "mine");
    let mut same = client.send_message(params);
    assert!(matches!(same.finish().await, Err(Error::Invalid(_))), "it is that of a turn in flight");
}

#[tokio::test]
async fn what_is_said_to_nobody_reaches_the_subscribers() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let (mut one, mut two) = (client.events(), client.events());
    peer.send_text(r#"{"type":"maintenance_soon","timestamp":5,"minutes":3}"#).await.unwrap();
    peer.send(events::token("another's", "word")).await.unwrap();
    for events in [&mut one, &mut two] {
        let Event::Unknown(unknown) = events.next().await.unwrap().unwrap() else { panic!("it is unknown") };
        assert_eq!((unknown.tag.as_str(), &unknown.raw["minutes"]), ("maintenance_soon", &json!(3)));
        assert_eq!(events.next().await.unwrap().unwrap().request_id(), Some("another's"));
    }
    let ((), closed) = tokio::join!(client.close(), peer.closed());
    closed.unwrap();
    assert!(one.next().await.is_none());
    assert!(client.events().next().await.is_none());
}
