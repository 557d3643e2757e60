//! A line that breaks: who is told, who waits, and how it comes back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use futures_util::StreamExt as _;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, Peer, events};
use smooai_smooth_operator_client::{Client, Error, Options, Pacing, Phase, Timeouts, Turn};
use std::error::Error as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn at_once() -> Pacing {
    Pacing { first_pause: Duration::ZERO, ..Pacing::default() }
}

async fn connected(server: &FakeServer) -> (Client, Peer) {
    let options = Options { pacing: at_once(), ..Options::default() };
    let (client, peer) = tokio::join!(Client::connect_with(server.url(), options), server.accept());
    (client.unwrap(), peer.unwrap())
}

async fn pings(client: &Client, peer: &mut Peer) {
    let (pinged, ()) = tokio::join!(client.ping(), async {
        let (id, _) = peer.action().await.unwrap();
        peer.send(events::pong(&id)).await.unwrap();
    });
    pinged.unwrap();
}

/// Lets timers believe that so much time has passed.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_turn_that_is_cut_says_so_and_the_client_goes_on() {
    let server = FakeServer::start().await.unwrap();
    let (client, mut peer) = connected(&server).await;
    let mut turn = client.send_message(SendMessageParams::new("s", "Hello"));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::accepted(&id)).await.unwrap();
    peer.send(events::token(&id, "half an ")).await.unwrap();
    drop(peer);
    assert!(turn.next().await.unwrap().is_ok());
    assert!(turn.next().await.unwrap().is_ok(), "what came before is read");
    let error = turn.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Lost { close_code: None, .. }), "{error}");
    assert!(error.is_retryable());
    assert!(turn.next().await.is_none());
    assert!(matches!(turn.finish().await, Err(Error::Lost { .. })));

    let mut peer = server.accept().await.unwrap();
    pings(&client, &mut peer).await;
    assert!(client.is_connected());
}

#[tokio::test]
async fn a_close_says_its_code_and_reason() {
    let server = FakeServer::start().await.unwrap();
    let (client, peer) = connected(&server).await;
    let (error, ()) = tokio::join!(client.ping(), async {
        let mut peer = peer;
        peer.action().await.unwrap();
        peer.close(1001, "going away").await.unwrap();
    });
    let error = error.unwrap_err();
    assert!(
        matches!(&error, Error::Lost { close_code: Some(1001), reason } if reason == "going away"),
        "{error}"
    );
}

#[tokio::test]
async fn a_close_says_its_code_whatever_is_being_sent() {
    for _ in 0..20 {
        // Each has a server of its own: the client before may be about to connect again.
        let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
        // The first ping is sent while the server closes.
        let mut waiting = client.send_message(SendMessageParams::new("s", "Hello"));
        peer.action().await.unwrap();
        let (closed, error) = tokio::join!(peer.close(4401, "expired"), waiting.finish());
        closed.unwrap();
        assert!(matches!(error, Err(Error::Lost { close_code: Some(4401), .. })), "{error:?}");
    }
}

#[tokio::test]
async fn a_call_made_meanwhile_waits_for_the_next_line() {
    let server = FakeServer::start().await.unwrap();
    let (client, peer) = connected(&server).await;
    drop(peer);
    server.refuse(503, &[("retry-after", "0")], "").await.unwrap();
    let mut turn = client.send_message(SendMessageParams::new("s", "Hello"));
    let (pinged, mut peer) = tokio::join!(client.ping(), async {
        let mut peer = server.accept().await.unwrap();
        let (id, action) = peer.action().await.unwrap();
        assert!(matches!(action, Action::SendMessage(_)), "in the order they were made");
        peer.send(events::answer(&id, "done")).await.unwrap();
        let (id, _) = peer.action().await.unwrap();
        peer.send(events::pong(&id)).await.unwrap();
        peer
    });
    pinged.unwrap();
    assert_eq!(turn.text().await.unwrap(), "done");
    pings(&client, &mut peer).await;
}

#[tokio::test]
async fn a_call_waits_for_a_line_only_so_long_and_is_then_not_sent() {
    let server = FakeServer::start().await.unwrap();
    let (client, peer) = connected(&server).await;
    let quick = client.with_timeouts(Timeouts { request: Duration::from_millis(60), ..client.timeouts });
    drop(peer);
    server.refuse(503, &[], "").await.unwrap();
    let error = quick.ping().await.unwrap_err();
    let Error::Timeout { phase: Phase::Request, source, .. } = error else { panic!("{error}") };
    assert!(source.is_some(), "it tells why there is no line");

    let mut peer = server.accept().await.unwrap();
    let renamed = client.rename_conversation(RenameConversationParams::new("c", "Shoes"));
    let (renamed, ()) = tokio::join!(renamed, async {
        let (id, action) = peer.action().await.unwrap();
        assert!(matches!(action, Action::RenameConversation(_)), "the ping that timed out is not sent late");
        peer.reply(&id, &RenameConversationReply::new("c", "Shoes")).await.unwrap();
    });
    renamed.unwrap();
}

#[tokio::test]
async fn what_waits_on_a_line_that_is_stuck_is_told_or_goes_out_on_the_next() {
    let server = FakeServer::start().await.unwrap();
    let (client, peer) = connected(&server).await;
    // More than the system holds for a peer who does not read.
    let image = ImageInput::new(format!("data:image/png;base64,{}", "A".repeat(1_000_000)));
    let look = SendMessageParams { images: Some(vec![image]), ..SendMessageParams::new("s", "Look.") };
    // So much takes its time on a slow machine.
    let patient = client.with_timeouts(Timeouts { request: Duration::MAX, ..client.timeouts });
    let mut turns: Vec<Turn> = (0..16).map(|_| patient.send_message(look.clone())).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(peer);
    let answering = server.accept().await.unwrap().answer(|id, _| vec![events::answer(id, "done")]);
    let reading = async {
        for turn in &mut turns {
            let end = turn.text().await;
            assert!(matches!(end, Ok(_) | Err(Error::Lost { .. })), "{end:?}");
        }
    };
    tokio::select! {
        () = answering => panic!("the client went away"),
        () = reading => {}
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let server = FakeServer::start().await.unwrap();
    let (client, mut silent) = connected(&server).await;
    pings(&client, &mut silent).await;
    // Nobody reads that connection from here on, so that nothing answers the pings.
    pass(at_once().heartbeat * 2).await;
    let mut peer = server.accept().await.unwrap();
    pings(&client, &mut peer).await;
    drop(silent);
}

#[tokio::test]
async fn pings_keep_a_quiet_line() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    peer.pinged().await.unwrap();
    for _ in 0..5 {
        pass(Pacing::default().heartbeat).await;
        peer.pinged().await.unwrap();
        // An action without an answer shows that the client was at work after the ping was answered.
        client.cancel(CancelParams::default()).unwrap();
        assert!(matches!(peer.action().await.unwrap().1, Action::Cancel(_)));
    }
    assert!(client.is_connected(), "the line stayed");
    pings(&client, &mut peer).await;
}

#[tokio::test]
async fn a_refusal_for_good_ends_the_client() {
    let server = FakeServer::start().await.unwrap();
    let (client, peer) = connected(&server).await;
    drop(peer);
    let body = r#"{"error":{"code":"ORIGIN_NOT_ALLOWED","message":"No."}}"#;
    let waiting = client.clone();
    let (waiting, refused) = tokio::join!(
        async move {
            // Either it was sent on the old line, or it waited for the next.
            loop {
                match waiting.ping().await.unwrap_err() {
                    Error::Lost { .. } => {}
                    error => return error,
                }
            }
        },
        server.refuse(403, &[], body)
    );
    refused.unwrap();
    assert_eq!(waiting.code(), Some(&ErrorCode::OriginNotAllowed), "{waiting}");
    assert!(matches!(client.ping().await, Err(Error::Refused { status: 403, .. })), "and all later calls");
    assert!(!client.is_connected());
}

#[tokio::test]
async fn a_refusal_that_says_nothing_of_the_protocol_tells_what_to_look_at() {
    let server = FakeServer::start().await.unwrap();
    let (error, refused) =
        tokio::join!(Client::connect(server.url()), server.refuse(404, &[], "<p>Not here.</p>"));
    refused.unwrap();
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server refused with HTTP 404: it does not say why; are the address of the WebSocket endpoint and the token right?"
    );
    assert_eq!((error.code(), error.is_retryable(), error.retry_after()), (None, false, None));
}

#[tokio::test]
async fn an_address_that_is_none_is_told_at_once() {
    for url in ["http://127.0.0.1/ws", "127.0.0.1:1", "ws://", ""] {
        let error = Client::connect(url).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid(_)), "{url}: {error}");
    }
    // A port that is taken, so that nobody else can get it, and on which nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let error = Client::connect(format!("ws://{}/ws", taken.local_addr().unwrap())).await.unwrap_err();
    assert!(matches!(error, Error::Connect(_)) && error.is_retryable());
    let causes: Vec<String> =
        std::iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string).collect();
    assert!(causes.last().unwrap().contains("refused"), "{causes:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_no_connection() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("wss://{}/ws", listener.local_addr().unwrap());
    let (error, ()) = tokio::join!(Client::connect(url), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Connect(_)) && error.source().is_some(), "{error:?}");
}

#[tokio::test]
async fn an_answer_to_the_handshake_that_is_none_is_told() {
    for (answer, wanted) in [
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "does not fit its key"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "could not connect"),
        ("", "could not connect"),
    ] {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let (error, ()) = tokio::join!(Client::connect(url), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_buf(&mut Vec::new()).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_is_read_to_its_end() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let body = r#"{"error":{"code":"RATE_LIMITED","message":"Slowly."}}"#;
    let (error, ()) = tokio::join!(Client::connect(url), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.read_buf(&mut Vec::new()).await.unwrap();
        let head = format!("HTTP/1.1 429 Slowly\r\nRetry-After: 7\r\nContent-Length: {}\r\n\r\n", body.len());
        for part in head.as_bytes().chunks(40).chain(body.as_bytes().chunks(7)) {
            stream.write_all(part).await.unwrap();
            tokio::task::yield_now().await;
        }
        // The line stays open: the length tells where the answer ends.
        stream.read_buf(&mut Vec::new()).await.unwrap();
    });
    let error = error.unwrap_err();
    assert!(matches!(&error, Error::Refused { status: 429, .. }), "{error:?}");
    assert_eq!(error.to_string(), "the server refused with HTTP 429: Slowly.");
    assert_eq!((error.code(), error.is_retryable()), (Some(&ErrorCode::RateLimited), true));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}
