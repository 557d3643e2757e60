//! Closing handshakes: always completed, with a reason the client can act on.

use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

/// A peer has this long to answer a close frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The server ends.
    GoingAway,
    /// Nothing was heard for too long.
    Silent,
    /// A frame was larger than 1 MiB.
    TooBig,
    /// Bytes that are no WebSocket frames, or text that is not UTF-8.
    Protocol(CloseCode),
    /// Too many connections.
    Overloaded,
    /// The token's time is over.
    Expired,
}

impl Reason {
    fn frame(self) -> CloseFrame {
        let (code, reason) = match self {
            Self::GoingAway => (CloseCode::Away, "server is shutting down"),
            Self::Silent => (CloseCode::Policy, "no sign of life"),
            Self::TooBig => (CloseCode::Size, "frames may be 1 MiB at most"),
            Self::Protocol(code) => (code, "not a proper frame"),
            Self::Overloaded => (CloseCode::Again, "too many connections, try again later"),
            Self::Expired => (CloseCode::Library(4401), "authentication expired"),
        };
        CloseFrame { code, reason: reason.into() }
    }
}

/// Closes a socket and waits for the peer's answer. After a frame that could not be read the rest of
/// the stream is no longer frames: it is read and thrown away, so that the close frame arrives before
/// the connection is torn down.
pub(crate) async fn close<S>(mut socket: WebSocketStream<S>, reason: Reason)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = async {
        if socket.send(Message::Close(Some(reason.frame()))).await.is_err() {
            return;
        }
        if matches!(reason, Reason::TooBig | Reason::Protocol(_)) {
            let raw = socket.get_mut();
            if raw.shutdown().await.is_ok() {
                discard(raw).await;
            }
            return;
        }
        while let Some(Ok(_)) = socket.next().await {}
    };
    if tokio::time::timeout(PATIENCE, handshake).await.is_err() {
        tracing::debug!(?reason, "the peer did not answer a close frame");
    }
}

async fn discard(raw: &mut (impl AsyncRead + Unpin)) {
    let mut scratch = [0; 4096];
    while matches!(raw.read(&mut scratch).await, Ok(count) if count > 0) {}
}
