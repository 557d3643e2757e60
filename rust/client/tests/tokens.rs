//! Where a token goes, and when it is asked for again.

use smooai_smooth_operator_client::protocol::ErrorCode;
use smooai_smooth_operator_client::testing::FakeServer;
use smooai_smooth_operator_client::{Client, Error, Options, Pacing, Token};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn at_once() -> Pacing {
    Pacing { first_pause: Duration::ZERO, ..Pacing::default() }
}

/// Options whose token is `token-1`, then `token-2` and so on, and how often it was asked for.
fn asked() -> (Options, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let token = Token::from_fn(move || {
        let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Ok::<_, io::Error>(format!("token-{number}")) }
    });
    (Options { token: Some(token), pacing: at_once(), ..Options::default() }, count)
}

fn with(token: &str) -> Options {
    Options { token: Some(Token::new(token)), ..Options::default() }
}

#[tokio::test]
async fn a_token_goes_where_it_is_told_to() {
    let server = FakeServer::start().await.unwrap();
    for token_in_subprotocol in [false, true] {
        let options = Options { token_in_subprotocol, ..with("a.b-c") };
        let (client, peer) = tokio::join!(Client::connect_with(server.url(), options), server.accept());
        let (_client, peer) = (client.unwrap(), peer.unwrap());
        assert_eq!(peer.token().unwrap(), "a.b-c");
        let header = peer.headers().get("authorization").is_some();
        let protocol = peer.headers().get("sec-websocket-protocol").is_some();
        assert_eq!([header, protocol], [!token_in_subprotocol, token_in_subprotocol]);
        assert_eq!(peer.query(), None, "addresses end up in logs");
    }
}

#[tokio::test]
async fn a_refused_token_is_asked_for_again() {
    let server = FakeServer::start().await.unwrap();
    let (options, count) = asked();
    let (client, peer) = tokio::join!(Client::connect_with(server.url(), options), async {
        assert_eq!(server.refuse(401, &[], "").await.unwrap().as_deref(), Some("token-1"));
        server.accept().await.unwrap()
    });
    client.unwrap();
    assert_eq!(peer.token().as_deref(), Some("token-2"));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_is_asked_for_at_each_connection() {
    let server = FakeServer::start().await.unwrap();
    let (options, _) = asked();
    let (client, peer) = tokio::join!(Client::connect_with(server.url(), options), server.accept());
    let _client = client.unwrap();
    let peer = peer.unwrap();
    assert_eq!(peer.token().as_deref(), Some("token-1"));
    peer.close(1001, "restarting").await.unwrap();
    let peer = server.accept().await.unwrap();
    assert_eq!(peer.token().as_deref(), Some("token-2"));
    peer.close(4401, "expired").await.unwrap();
    assert_eq!(server.accept().await.unwrap().token().as_deref(), Some("token-3"));
}

#[tokio::test]
async fn a_token_that_stays_bad_is_an_error_that_is_not_worth_a_retry() {
    let server = FakeServer::start().await.unwrap();
    let body = r#"{"error":{"code":"UNAUTHENTICATED","message":"The token has expired."}}"#;
    let (client, ()) = tokio::join!(Client::connect_with(server.url(), with("old")), async {
        for _ in 0..2 {
            server.refuse(401, &[], body).await.unwrap();
        }
    });
    let error = client.unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::Unauthenticated));
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("The token has expired."), "{error}");
}

#[tokio::test]
async fn a_token_that_cannot_be_had_or_sent_is_told() {
    let server = FakeServer::start().await.unwrap();
    let none = Token::from_fn(|| async { Err::<String, _>(io::Error::other("no vault")) });
    let options = Options { token: Some(none), ..Options::default() };
    let error = Client::connect_with(server.url(), options).await.unwrap_err();
    assert!(matches!(&error, Error::Token(cause) if cause.to_string() == "no vault"));
    let error = Client::connect_with(server.url(), with("two\r\nlines")).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if !text.contains("lines")), "{error}");
}
