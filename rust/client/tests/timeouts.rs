//! The four time limits, of a client and of one call.

use futures_util::StreamExt as _;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, events};
use smooai_smooth_operator_client::{Client, Error, Options, Phase, Timeouts};
use std::time::Duration;

/// Shorter than the other limits. No test waits for so long: each lets the clock run ahead once only timers are left.
const SHORT: Duration = Duration::from_secs(15);

fn phase(error: &Error) -> Option<Phase> {
    match error {
        Error::Timeout { phase, limit, .. } if *limit == SHORT => Some(*phase),
        _ => None,
    }
}

#[tokio::test]
async fn a_server_that_does_not_shake_hands() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let timeouts = Timeouts { connect: SHORT, ..Timeouts::default() };
    let options = Options { timeouts, ..Options::default() };
    tokio::time::pause();
    let error = Client::connect_with(url, options).await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Connect), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_call_that_is_not_answered() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let quick = client.with_timeouts(Timeouts { request: SHORT, ..client.timeouts });
    let (pinged, late) = tokio::join!(quick.ping(), async {
        let (id, _) = peer.action().await.unwrap();
        tokio::time::pause();
        id
    });
    tokio::time::resume();
    let error = pinged.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Request), "{error}");
    assert_eq!(error.to_string(), "Request took longer than 15s");

    // The late answer is nobody's, and the connection is fine.
    peer.send(events::pong(&late)).await.unwrap();
    let (patient, ()) = tokio::join!(client.ping(), async {
        let (id, _) = peer.action().await.unwrap();
        peer.send(events::pong(&id)).await.unwrap();
    });
    patient.unwrap();
}

#[tokio::test]
async fn limits_of_the_client_are_those_of_its_calls() {
    let server = FakeServer::start().await.unwrap();
    let timeouts = Timeouts { request: SHORT, ..Timeouts::default() };
    let options = Options { timeouts, ..Options::default() };
    let (client, peer) = tokio::join!(Client::connect_with(server.url(), options), server.accept());
    let (client, _peer) = (client.unwrap(), peer.unwrap());
    assert_eq!(client.timeouts, timeouts);
    tokio::time::pause();
    assert_eq!(phase(&client.ping().await.unwrap_err()), Some(Phase::Request));
    let mut turn = client.send_message(SendMessageParams::new("s", "Hello"));
    assert_eq!(phase(&turn.finish().await.unwrap_err()), Some(Phase::Request));
}

#[tokio::test]
async fn a_turn_that_falls_silent() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let quick = client.with_timeouts(Timeouts { idle: SHORT, ..client.timeouts });
    let mut turn = quick.send_message(SendMessageParams::new("s", "Hello"));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::accepted(&id)).await.unwrap();
    assert!(turn.next().await.unwrap().is_ok());
    tokio::time::pause();
    assert_eq!(phase(&turn.finish().await.unwrap_err()), Some(Phase::Idle));
}

#[tokio::test]
async fn a_turn_that_never_ends() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let quick = client.with_timeouts(Timeouts { idle: SHORT, turn: SHORT, ..client.timeouts });
    let mut turn = quick.send_message(SendMessageParams::new("s", "Hello"));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::accepted(&id)).await.unwrap();
    assert!(turn.next().await.unwrap().is_ok());
    tokio::time::pause();
    tokio::time::advance(SHORT / 3).await;
    tokio::time::resume();
    peer.send(events::token(&id, "and ")).await.unwrap();
    assert!(turn.next().await.unwrap().is_ok());
    tokio::time::pause();
    let error = turn.finish().await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Turn), "{error}");
}
