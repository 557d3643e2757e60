//! Plays one reply to one peer, and says how it ended.

use std::io;

use serde_json::Value;

use super::encode;
use super::record::Outcome;
use super::reply::{Piece, Reply};
use crate::gate::Gates;
use crate::http::{self, Peer};

/// Plays a reply. After anything but [`Outcome::Served`] the connection is of no more use.
pub async fn play(reply: &Reply, request: &Value, peer: &mut Peer, gates: &Gates) -> Outcome {
    let mut stage = Stage { peer, gates, split: &reply.split, next: 0, unsent: Vec::new() };
    match stage.play(reply, request).await {
        Ok(()) => Outcome::Served,
        Err(End::Cut) => Outcome::Cut,
        Err(End::Dropped) => Outcome::Dropped,
    }
}

/// Why a reply ended early.
enum End {
    Cut,
    Dropped,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Dropped
    }
}

struct Stage<'a> {
    peer: &'a mut Peer,
    gates: &'a Gates,
    split: &'a [usize],
    /// Which of the split sizes comes next.
    next: usize,
    unsent: Vec<u8>,
}

impl Stage<'_> {
    async fn play(&mut self, reply: &Reply, request: &Value) -> Result<(), End> {
        for piece in &reply.before_headers {
            self.pause(piece).await?;
        }
        if let Some(body) = &reply.body {
            return self.object(reply, body).await;
        }
        if request["stream"] != true {
            for piece in &reply.pieces {
                self.pause(piece).await?;
            }
            return self.object(reply, &encode::completion(reply, request)).await;
        }
        let mut headers = vec![("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned())];
        headers.extend_from_slice(&reply.headers);
        self.peer.write(&http::head(reply.status, &headers, None)).await?;
        for piece in encode::stream(reply) {
            self.pause(&piece).await?;
            if let Some(event) = encode::event(&piece, request, reply.line_end) {
                self.send(&event).await?;
            }
        }
        self.flush().await?;
        self.peer.write(b"0\r\n\r\n").await?;
        Ok(())
    }

    async fn object(&mut self, reply: &Reply, body: &Value) -> Result<(), End> {
        let body = body.to_string();
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend_from_slice(&reply.headers);
        let mut bytes = http::head(reply.status, &headers, Some(body.len()));
        bytes.extend_from_slice(body.as_bytes());
        Ok(self.peer.write(&bytes).await?)
    }

    /// Stops at a gate, ends at a cut; whatever was said before is on the wire by then.
    async fn pause(&mut self, piece: &Piece) -> Result<(), End> {
        match piece {
            Piece::Gate(name) => {
                self.flush().await?;
                tokio::select! {
                    () = self.gates.pass(name) => Ok(()),
                    () = self.peer.gone() => Err(End::Dropped),
                }
            }
            Piece::Cut => {
                self.flush().await?;
                Err(End::Cut)
            }
            _ => Ok(()),
        }
    }

    /// Sends as much as the split sizes allow; without sizes each event is a write of its own.
    async fn send(&mut self, event: &[u8]) -> Result<(), End> {
        self.unsent.extend_from_slice(event);
        if self.split.is_empty() {
            return self.flush().await;
        }
        let mut from = 0;
        loop {
            let size = self.split[self.next % self.split.len()];
            let Some(piece) = self.unsent.get(from..from + size) else { break };
            self.peer.write_chunk(piece).await?;
            from += size;
            self.next += 1;
        }
        self.unsent.drain(..from);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.peer.write_chunk(&self.unsent).await?;
        self.unsent.clear();
        Ok(())
    }
}
