//! The bench's gateway and relay, before anything is measured with them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;
use smooai_smooth_operator_conformance::gateway::{Gateway, Reply, Script};
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::{flood, relay};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

async fn relay_of(gateway: String) -> (Socket, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { relay::serve(listener, &gateway).await.unwrap() });
    (Socket::connect(&url).await.unwrap(), tasks)
}

#[tokio::test]
async fn the_relay_forwards_every_delta_and_the_whole_reply() {
    let gateway =
        Gateway::start(Script::new().say(Reply::pieces(["Hel", "lo \"you\""]).split(&[7]))).await.unwrap();
    let (mut socket, _tasks) = relay_of(gateway.url()).await;
    let request = json!({ "action": "send_message", "sessionId": "s", "requestId": "t", "message": "hi" });
    socket.send(request).await.unwrap();
    let first = socket.event_of("t").await.unwrap();
    assert_eq!(first["token"], "Hel");
    let turn = socket.turn("t").await.unwrap();
    assert_eq!(turn.reply(), "Hello \"you\"");
    assert_eq!(gateway.chats()[0].user(), "hi");
}

#[tokio::test]
async fn the_flood_gateway_streams_as_many_tokens_as_the_message_asks_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { flood::serve(listener).await.unwrap() });
    let (mut socket, _relay) = relay_of(url).await;
    for (message, tokens) in [("tokens=500", 500), ("hello", flood::TOKENS)] {
        let turn = socket.whole_turn("s", message, message).await.unwrap();
        let expected: String = (0..tokens).map(flood::token).collect();
        assert_eq!(turn.final_tokens(), expected);
        assert_eq!(turn.reply(), expected);
        assert_eq!(turn.events().len(), tokens + 1);
    }
}
