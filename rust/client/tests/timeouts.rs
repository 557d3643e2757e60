//! The four time limits, of a client and of one call.

use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, events};
use smooai_smooth_operator_client::{Client, Error, Options, Phase, Timeouts};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(50);

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
    let error = Client::connect_with(url, options).await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Connect), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_call_that_is_not_answered() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let quick = client.with_timeouts(Timeouts { request: SHORT, ..client.timeouts });
    let error = quick.ping().await.unwrap_err();
    assert_eq!(phase(&error), Some(Phase::Request), "{error}");
    assert_eq!(error.to_string(), "Request took longer than 50ms");

    // The late answer is nobody's, and the connection is fine.
    let (late, _) = peer.action().await.unwrap();
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
    assert_eq!(phase(&turn.finish().await.unwrap_err()), Some(Phase::Idle));
}

#[tokio::test]
async fn a_turn_that_never_ends() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let quick = client.with_timeouts(Timeouts { turn: SHORT, ..client.timeouts });
    let mut turn = quick.send_message(SendMessageParams::new("s", "Hello"));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::accepted(&id)).await.unwrap();
    let server = async {
        while peer.send(events::token(&id, "and ")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let error = tokio::select! {
        ended = turn.finish() => ended.unwrap_err(),
        () = server => panic!("the client went away"),
    };
    assert_eq!(phase(&error), Some(Phase::Turn), "{error}");
}
