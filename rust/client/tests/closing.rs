//! A client that is closed or dropped leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, events};
use smooai_smooth_operator_client::{Client, Error, Options, Pacing};
use std::time::Duration;

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Waits until no more than so many tasks are left.
async fn fall_to(count: usize) {
    let ended = async {
        while tasks() > count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
}

#[tokio::test]
async fn closing_fails_what_is_pending_and_leaves_no_task() {
    let server = FakeServer::start().await.unwrap();
    let before = tasks();
    let (client, mut peer) = server.connect().await.unwrap();
    fall_to(before + 1).await;
    let mut turn = client.send_message(SendMessageParams::new("s", "Hello"));
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::accepted(&id)).await.unwrap();
    let clone = client.clone();
    let (call, closed, ()) = tokio::join!(clone.ping(), peer.closed(), client.close());
    assert_eq!(closed.unwrap(), Some(1000), "the closing handshake");
    assert!(matches!(call, Err(Error::Closed)));
    assert!(matches!(turn.finish().await, Err(Error::Closed)));
    assert_eq!(tasks(), before, "no task is left");

    assert!(matches!(clone.ping().await, Err(Error::Closed)));
    assert!(matches!(
        clone.send_message(SendMessageParams::new("s", "Hello")).finish().await,
        Err(Error::Closed)
    ));
    assert!(matches!(clone.cancel(CancelParams::default()), Err(Error::Closed)));
    assert!(!Error::Closed.is_retryable());
    clone.close().await;
}

#[tokio::test]
async fn a_cancellation_is_sent_before_the_close() {
    let (client, mut peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    let turn = client.send_message(SendMessageParams::new("s", "Hello"));
    peer.action().await.unwrap();
    turn.cancel().unwrap();
    let ((), action) = tokio::join!(client.close(), async {
        let action = peer.action().await.unwrap().1;
        peer.closed().await.unwrap();
        action
    });
    assert!(matches!(action, Action::Cancel(_)));
}

#[tokio::test]
async fn the_last_handle_that_is_dropped_closes() {
    let server = FakeServer::start().await.unwrap();
    let before = tasks();
    let (client, mut peer) = server.connect().await.unwrap();
    let clone = client.clone();
    drop(client);
    let mut turn = clone.send_message(SendMessageParams::new("s", "Hello"));
    drop(clone);
    let (id, _) = peer.action().await.unwrap();
    peer.send(events::answer(&id, "done")).await.unwrap();
    assert_eq!(turn.text().await.unwrap(), "done", "a turn keeps its connection");
    drop(turn);
    assert_eq!(peer.closed().await.unwrap(), Some(1000));
    fall_to(before).await;
}

#[tokio::test]
async fn a_client_that_is_connecting_again_closes_at_once() {
    let server = FakeServer::start().await.unwrap();
    let hour = Duration::from_secs(3600);
    let options = Options {
        pacing: Pacing { first_pause: hour, longest_pause: hour, ..Pacing::default() },
        ..Options::default()
    };
    let before = tasks();
    let (client, peer) = tokio::join!(Client::connect_with(server.url(), options), server.accept());
    let client = client.unwrap();
    peer.unwrap().close(1001, "restarting").await.unwrap();
    let waiting = client.clone();
    let (call, ()) = tokio::join!(waiting.ping(), client.close());
    assert!(matches!(call, Err(Error::Closed | Error::Lost { .. })));
    fall_to(before).await;
}

#[tokio::test]
async fn a_server_that_does_not_close_is_not_waited_for() {
    let (client, peer) = FakeServer::start().await.unwrap().connect().await.unwrap();
    // The peer never reads, so it never answers the close.
    tokio::time::timeout(Duration::from_secs(20), client.close()).await.unwrap();
    drop(peer);
}
