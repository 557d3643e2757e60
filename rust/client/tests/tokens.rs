//! Where a token goes, and when it is asked for again.

use smooai_smooth_operator_client::protocol::ErrorCode;
use smooai_smooth_operator_client::testing::FakeServer;
use smooai_smooth_operator_client::{Builder, Client, Error, TokenPlace};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A builder whose token is `token-1`, then `token-2` and so on, and how often it was asked for.
fn asked(server: &FakeServer) -> (Builder, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let builder = Client::builder(server.url())
        .token_from(move || {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Ok::<_, io::Error>(format!("token-{number}")) }
        })
        .reconnect(Duration::ZERO, Duration::from_millis(10));
    (builder, count)
}

#[tokio::test]
async fn a_token_goes_where_it_is_told_to() {
    let server = FakeServer::start().await.unwrap();
    for place in [TokenPlace::Header, TokenPlace::Subprotocol, TokenPlace::Url] {
        let client = Client::builder(server.url()).token("a.b-c").token_place(place).connect();
        let (client, peer) = tokio::join!(client, server.accept());
        let (_client, peer) = (client.unwrap(), peer.unwrap());
        assert_eq!(peer.token().unwrap(), "a.b-c");
        let header = peer.headers().get("authorization").is_some();
        let protocol = peer.headers().get("sec-websocket-protocol").is_some();
        let places = [TokenPlace::Header, TokenPlace::Subprotocol, TokenPlace::Url];
        assert_eq!([header, protocol, peer.query().is_some()], places.map(|other| other == place));
    }
}

#[tokio::test]
async fn a_refused_token_is_asked_for_again() {
    let server = FakeServer::start().await.unwrap();
    let (builder, count) = asked(&server);
    let (client, peer) = tokio::join!(builder.connect(), async {
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
    let (builder, _) = asked(&server);
    let (client, peer) = tokio::join!(builder.connect(), server.accept());
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
    let connect = Client::builder(server.url()).token("old").connect();
    let (client, refused) = tokio::join!(connect, server.refuse(401, &[], body));
    refused.unwrap();
    let error = client.unwrap_err();
    assert_eq!(error.code(), Some(&ErrorCode::Unauthenticated));
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("The token has expired."), "{error}");
}

#[tokio::test]
async fn a_token_that_cannot_be_had_or_sent_is_told() {
    let server = FakeServer::start().await.unwrap();
    let none =
        Client::builder(server.url()).token_from(|| async { Err::<String, _>(io::Error::other("no vault")) });
    let error = none.connect().await.unwrap_err();
    assert!(matches!(&error, Error::Token(cause) if cause.to_string() == "no vault"));
    let error = Client::builder(server.url()).token("two\r\nlines").connect().await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if !text.contains("lines")), "{error}");
}
