//! A turn is read, awaited, both or neither, and ends in one way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::StreamExt as _;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, Peer, events};
use smooai_smooth_operator_client::{Client, Error, Turn};

async fn started() -> (Client, Peer, Turn, String) {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let turn = client.send_message(SendMessageParams::new("s-1", "How long?"));
    let (id, action) = peer.action().await.unwrap();
    assert!(matches!(action, Action::SendMessage(params) if params.message == "How long?"));
    peer.send(events::accepted(&id)).await.unwrap();
    (client, peer, turn, id)
}

async fn say(peer: &mut Peer, events: impl IntoIterator<Item = Event>) {
    for event in events {
        peer.send(event).await.unwrap();
    }
}

/// Comes back when the client has taken everything that the server said before.
async fn settle(client: &Client, peer: &mut Peer) {
    let (pinged, ()) = tokio::join!(client.ping(), async {
        let (id, _) = peer.action().await.unwrap();
        peer.send(events::pong(&id)).await.unwrap();
    });
    pinged.unwrap();
}

#[tokio::test]
async fn a_turn_is_read_and_then_awaited() {
    let (_client, mut peer, mut turn, id) = started().await;
    let citation = Citation::new("returns", "Returns", "17 days", 0.9);
    say(
        &mut peer,
        [
            events::token(&id, "17 "),
            events::tool_call(&id, "search", "{}"),
            events::tool_result(&id, "search", "found"),
            events::keepalive(&id),
            events::token(&id, "days"),
            events::answer_with(&id, "17 days", vec![citation]),
        ],
    )
    .await;
    let mut tags = Vec::new();
    let mut said = String::new();
    while let Some(event) = turn.next().await {
        let event = event.unwrap();
        tags.push(event.tag().to_owned());
        if let Event::StreamToken(event) = event {
            said.push_str(&event.token);
        }
    }
    assert_eq!(
        tags,
        [
            "immediate_response",
            "stream_token",
            "stream_chunk",
            "stream_chunk",
            "keepalive",
            "stream_token",
            "eventual_response"
        ]
    );
    assert_eq!(said, "17 days");
    assert!(turn.next().await.is_none());
    assert_eq!(turn.finish().await.unwrap().citations.unwrap()[0].id, "returns");
    assert_eq!(turn.text().await.unwrap(), "17 days", "the end can be asked for again");
}

#[tokio::test]
async fn a_turn_is_only_awaited() {
    let (_client, mut peer, mut turn, id) = started().await;
    let tokens = (0..5_000).map(|number| events::token(&id, &format!("{number} ")));
    let ((), result) =
        tokio::join!(say(&mut peer, tokens.chain([events::answer(&id, "done")])), turn.finish());
    assert_eq!(result.unwrap().response.response_parts, ["done"]);
}

#[tokio::test]
async fn an_unread_turn_holds_up_nothing_and_keeps_its_end() {
    let (client, mut peer, mut unread, id) = started().await;
    let flood = (0..3_000).flat_map(|_| {
        [events::token(&id, &"word ".repeat(40)), events::tool_result(&id, "search", &"x".repeat(400))]
    });
    let park = [events::confirmation_required(&id, "refund", "Refund it.")];
    say(&mut peer, park.into_iter().chain(flood).chain([events::answer(&id, "done")])).await;

    let mut other = client.send_message(SendMessageParams::new("s-2", "Hello"));
    let (other_id, _) = peer.action().await.unwrap();
    say(&mut peer, [events::accepted(&other_id), events::answer(&other_id, "quick")]).await;
    assert_eq!(other.text().await.unwrap(), "quick");

    let items: Vec<_> = unread.by_ref().collect().await;
    let bytes: usize = items.iter().flatten().map(|event| event.to_json().len()).sum();
    assert!(bytes < 2 << 20, "{bytes} bytes were kept");
    assert!(matches!(items.first(), Some(Err(Error::Missed(events))) if *events > 1_000));
    let kept = |tag| items.iter().flatten().filter(|event| event.tag() == tag).count();
    assert_eq!((kept("immediate_response"), kept("write_confirmation_required")), (1, 1));
    assert_eq!(items.last().unwrap().as_ref().unwrap().tag(), "eventual_response");
    assert_eq!(unread.text().await.unwrap(), "done");
}

#[tokio::test]
async fn a_dropped_turn_stops_the_waiting_and_not_the_work() {
    let (client, mut peer, turn, id) = started().await;
    let mut strays = client.events();
    drop(turn);
    say(&mut peer, [events::token(&id, "late"), events::answer(&id, "late")]).await;
    settle(&client, &mut peer).await;
    peer.send_text(r#"{"type":"news","timestamp":1}"#).await.unwrap();
    let first = strays.next().await.unwrap().unwrap();
    assert_eq!(first.tag(), "news", "what was given up is not news, and no cancel was sent");
}

#[tokio::test]
async fn cancel_stops_the_work() {
    let (_client, mut peer, mut turn, id) = started().await;
    turn.cancel().unwrap();
    let (named, action) = peer.action().await.unwrap();
    assert!(matches!(action, Action::Cancel(params) if params.session_id.as_deref() == Some("s-1")));
    assert_eq!(named, id);
    peer.send(events::cancelled(&id)).await.unwrap();
    assert!(matches!(turn.next().await, Some(Ok(Event::ImmediateResponse(_)))));
    assert!(matches!(turn.next().await, Some(Ok(Event::Cancelled(_)))));
    assert!(turn.next().await.is_none());
    assert!(matches!(turn.finish().await, Err(Error::Cancelled)));
}

#[tokio::test]
async fn a_turn_that_fails_says_so_once_in_the_stream_and_always_at_the_end() {
    let (_client, mut peer, mut turn, id) = started().await;
    peer.send(events::error(&id, ErrorCode::AgentError, "The model failed.")).await.unwrap();
    assert!(turn.next().await.unwrap().is_ok());
    let failed = turn.next().await.unwrap().unwrap_err();
    assert_eq!(failed.code(), Some(&ErrorCode::AgentError));
    assert!(failed.is_retryable());
    assert!(turn.next().await.is_none());
    assert_eq!(turn.finish().await.unwrap_err().code(), Some(&ErrorCode::AgentError));
}

#[tokio::test]
async fn a_refused_message_is_a_turn_that_failed() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let mut turn = client.send_message(SendMessageParams::new("s-1", "Hello"));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::error(&id, ErrorCode::TurnInProgress, "One is running.")).await.unwrap();
    assert_eq!(turn.text().await.unwrap_err().code(), Some(&ErrorCode::TurnInProgress));
}

#[tokio::test]
async fn unknown_events_are_delivered() {
    let (_client, mut peer, mut turn, id) = started().await;
    let news = format!(r#"{{"type":"stream_picture","requestId":"{id}","timestamp":1,"url":"x"}}"#);
    peer.send_text(&news).await.unwrap();
    peer.send(events::answer(&id, "done")).await.unwrap();
    turn.next().await.unwrap().unwrap();
    let Event::Unknown(unknown) = turn.next().await.unwrap().unwrap() else { panic!("it is unknown") };
    assert_eq!((unknown.tag.as_str(), unknown.raw["url"].as_str()), ("stream_picture", Some("x")));
}

#[tokio::test]
async fn clients_and_turns_go_between_threads() {
    fn goes<T: Send + Sync + 'static>(_: &T) {}
    fn is_sent<T: Send>(_: &T) {}
    let (client, _peer, mut turn, _) = started().await;
    goes(&client);
    goes(&turn);
    is_sent(&turn.confirm(true));
    is_sent(&turn.submit(&JsonObject::new()));
    is_sent(&turn.finish());
    is_sent(&client.clone().close());
}
