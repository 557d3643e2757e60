//! The bench's model gateway: it answers every chat request with bytes that were encoded beforehand,
//! so that what is measured is the program between it and the client.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::gateway::{Reply, encode};
use crate::http::{self, Peer};

/// How many tokens a reply has when the message does not say `tokens=N`.
pub const TOKENS: usize = 20;

/// A reply's bytes: those up to its first token, so that they leave at once, and the rest.
#[derive(Debug)]
struct Encoded {
    first: Vec<u8>,
    rest: Vec<u8>,
}

/// The `n`th token of a reply, counted from 0.
#[must_use]
pub fn token(n: usize) -> String {
    format!("w{n} ")
}

/// Serves for ever.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener) -> Result<()> {
    let replies: HashMap<usize, Encoded> = [TOKENS, 500].map(|tokens| (tokens, encoded(tokens))).into();
    let replies = Arc::new(replies);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                connections.spawn(answer(accepted?.0, Arc::clone(&replies)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(stream: TcpStream, replies: Arc<HashMap<usize, Encoded>>) {
    let Ok(mut peer) = Peer::new(stream) else { return };
    while let Ok(Some(request)) = peer.read_request().await {
        let written = if contains(&request.body, b"\"stream\":true") {
            let tokens = if contains(&request.body, b"tokens=500") { 500 } else { TOKENS };
            stream_reply(&mut peer, &replies[&tokens]).await
        } else {
            peer.write(&title()).await
        };
        if written.is_err() {
            return;
        }
    }
}

async fn stream_reply(peer: &mut Peer, reply: &Encoded) -> std::io::Result<()> {
    peer.write(&reply.first).await?;
    peer.write(&reply.rest).await
}

fn encoded(tokens: usize) -> Encoded {
    let request = serde_json::json!({ "model": "flood", "stream_options": { "include_usage": true } });
    let reply = (0..tokens).fold(Reply::default(), |reply, n| reply.then(&token(n))).usage(10, 10);
    let headers = [("content-type".to_owned(), "text/event-stream".to_owned())];
    let mut first = http::head(200, &headers, None);
    let mut rest = Vec::new();
    for (n, piece) in encode::stream(&reply).iter().enumerate() {
        if let Some(event) = encode::event(piece, &request, reply.line_end) {
            let part = if n == 0 { &mut first } else { &mut rest };
            part.extend_from_slice(&http::chunk(&event));
        }
    }
    rest.extend_from_slice(b"0\r\n\r\n");
    Encoded { first, rest }
}

/// The answer to a request that is not streamed: a server may ask for a conversation's title.
fn title() -> Vec<u8> {
    let body =
        encode::completion(&Reply::text("A title"), &serde_json::json!({ "model": "flood" })).to_string();
    let mut bytes = http::head(200, &[("content-type".into(), "application/json".into())], Some(body.len()));
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
