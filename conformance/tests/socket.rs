//! The raw socket client, against a scripted WebSocket that is not our server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::socket::{Closed, Socket};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

/// Starts a server for one connection, and connects.
async fn against<F: Future<Output = ()> + Send + 'static>(
    play: impl FnOnce(WebSocketStream<TcpStream>) -> F + Send + 'static,
) -> (Socket, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        play(accept_async(stream).await.unwrap()).await;
    });
    (Socket::connect(&url).await.unwrap(), tasks)
}

async fn say(ws: &mut WebSocketStream<TcpStream>, event: Value) {
    ws.send(Message::text(event.to_string())).await.unwrap();
}

async fn hear(ws: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        if let Message::Text(text) = ws.next().await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn token(request: &str, text: &str) -> Value {
    json!({ "type": "stream_token", "requestId": request, "timestamp": 1, "token": text,
            "data": { "requestId": request, "token": text } })
}

fn cancelled(request: &str) -> Value {
    json!({ "type": "cancelled", "status": 499, "requestId": request, "timestamp": 1,
            "data": { "status": 499, "requestId": request } })
}

#[tokio::test]
async fn two_turns_are_told_apart_and_adjacent_tokens_are_one_line() {
    let (mut socket, _tasks) = against(async |mut ws| {
        for event in [token("b", "B"), token("a", "Hel"), token("a", "lo"), cancelled("a"), cancelled("b")] {
            say(&mut ws, event).await;
        }
        let _ = ws.next().await;
    })
    .await;
    assert_eq!(socket.turn("a").await.unwrap().lines(), ["stream_token \"Hello\"", "cancelled"]);
    assert_eq!(socket.turn("b").await.unwrap().lines(), ["stream_token \"B\"", "cancelled"]);
}

#[tokio::test]
async fn the_pong_shows_what_did_not_come() {
    let (mut socket, _tasks) = against(async |mut ws| {
        let ping = hear(&mut ws).await;
        say(&mut ws, token("x", "late")).await;
        say(
            &mut ws,
            json!({ "type": "pong", "requestId": ping["requestId"], "timestamp": 1, "data": { "timestamp": 1 } }),
        )
        .await;
        let _ = ws.next().await;
    })
    .await;
    let before = socket.events_before_pong().await.unwrap();
    assert_eq!(before.len(), 1);
    assert_eq!(before[0]["token"], "late");
}

#[tokio::test]
async fn a_frame_without_a_time_is_refused() {
    let (mut socket, _tasks) = against(async |mut ws| {
        say(&mut ws, json!({ "type": "pong", "data": { "timestamp": 1 } })).await;
        let _ = ws.next().await;
    })
    .await;
    let error = format!("{:#}", socket.event().await.unwrap_err());
    assert!(error.contains("timestamp"), "{error}");
}

#[tokio::test]
async fn the_close_code_is_seen() {
    let (mut socket, _tasks) = against(async |mut ws| {
        use tokio_tungstenite::tungstenite::protocol::CloseFrame;
        let frame = CloseFrame { code: 1001.into(), reason: "draining".into() };
        ws.close(Some(frame)).await.unwrap();
        while ws.next().await.is_some() {}
    })
    .await;
    let closed = socket.closed().await.unwrap();
    assert_eq!(closed, Closed { properly: true, code: Some(1001), reason: "draining".to_owned() });
}
