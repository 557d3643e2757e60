//! The way out of a connection: bounded in frames and in bytes, so that a slow reader slows his own
//! turns and costs little. Tokens that wait behind each other become one frame; nothing else is merged.

use crate::routes::FRAME_LIMIT;
use async_trait::async_trait;
use smooai_smooth_operator::{Closed, EventSink, Service};
use smooai_smooth_operator_protocol::{ErrorCode, Event, StreamTokenEvent};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Frames that may wait for the socket.
const QUEUE: usize = 32;
/// Bytes that may wait for the socket; one frame more may go over it.
const QUEUE_BYTES: usize = 256 * 1024;
/// Tokens are merged into frames up to this many bytes of text.
const MERGED: usize = 4 * 1024;
/// What a token's frame has besides its text, which stands in it twice.
const TOKEN_FRAME: usize = 160;

/// Where the service puts a caller's events. A clone is the same outbox.
#[derive(Clone)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
    service: Arc<Service>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when there is something to write.
    filled: Notify,
    /// Told when there is room.
    emptied: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Frame>,
    bytes: usize,
    closed: bool,
}

/// A frame that waits. A token is written as JSON when it leaves, so that more can be added to it.
pub(crate) enum Frame {
    Token(StreamTokenEvent),
    Text(String),
}

impl Frame {
    fn bytes(&self) -> usize {
        match self {
            Self::Token(event) => TOKEN_FRAME + 2 * event.token.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// The frame's text.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Token(event) => Event::StreamToken(event).to_json(),
            Self::Text(text) => text,
        }
    }
}

impl Waiting {
    /// Takes the frame, or gives it back when there is no room.
    fn put(&mut self, frame: Frame) -> Option<Frame> {
        if let (Frame::Token(next), Some(Frame::Token(last))) = (&frame, self.frames.back_mut())
            && last.request_id == next.request_id
            && last.token.len() + next.token.len() <= MERGED
        {
            last.token.push_str(&next.token);
            last.data.token.push_str(&next.token);
            self.bytes += 2 * next.token.len();
            return None;
        }
        if self.frames.len() >= QUEUE || self.bytes >= QUEUE_BYTES {
            return Some(frame);
        }
        self.bytes += frame.bytes();
        self.frames.push_back(frame);
        None
    }

    fn take(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.bytes();
        if self.frames.is_empty() {
            // An idle connection keeps no buffer.
            self.frames = VecDeque::new();
        }
        Some(frame)
    }
}

impl Outbox {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        let shared = Shared { waiting: Mutex::default(), filled: Notify::new(), emptied: Notify::new() };
        Self { shared: Arc::new(shared), service }
    }

    /// Whether something waits to be written; returns when it does.
    pub(crate) async fn filled(&self) {
        loop {
            if !self.lock().frames.is_empty() {
                return;
            }
            self.shared.filled.notified().await;
        }
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The next frame that waits, if any.
    pub(crate) fn take(&self) -> Option<Frame> {
        let frame = self.lock().take();
        if frame.is_some() {
            self.shared.emptied.notify_waiters();
        }
        frame
    }

    /// Lets nothing more in; what waits can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.shared.emptied.notify_waiters();
    }

    async fn put(&self, mut frame: Frame) -> Result<(), Closed> {
        loop {
            let mut room = pin!(self.shared.emptied.notified());
            room.as_mut().enable();
            {
                let mut waiting = self.lock();
                if waiting.closed {
                    return Err(Closed);
                }
                match waiting.put(frame) {
                    None => break,
                    Some(back) => frame = back,
                }
            }
            room.await;
        }
        self.shared.filled.notify_one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventSink for Outbox {
    async fn send(&mut self, event: Event) -> Result<(), Closed> {
        if let Event::StreamToken(token) = event {
            return self.put(Frame::Token(token)).await;
        }
        let mut text = event.to_json();
        if text.len() > FRAME_LIMIT {
            tracing::warn!(event = event.tag(), bytes = text.len(), "an event is larger than a frame");
            let request_id = event.request_id().map(str::to_owned);
            let notice = "The answer is larger than a frame of 1 MiB can carry. Ask for less at a time.";
            text = self.service.notice(request_id, ErrorCode::AgentError, notice).to_json();
        }
        self.put(Frame::Text(text)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smooai_smooth_operator_protocol::TokenData;

    fn token(request: &str, text: &str) -> Frame {
        Frame::Token(StreamTokenEvent {
            request_id: Some(request.to_owned()),
            timestamp: 1,
            token: text.to_owned(),
            data: TokenData { request_id: request.to_owned(), token: text.to_owned() },
        })
    }

    #[test]
    fn waiting_tokens_of_one_turn_become_one_frame_and_nothing_else_is_merged() {
        let mut waiting = Waiting::default();
        let other = || Frame::Text("{}".to_owned());
        for frame in [token("a", "x"), token("a", "y"), token("b", "z"), other(), other(), token("a", "w")] {
            assert!(waiting.put(frame).is_none());
        }
        let mut shown = Vec::new();
        while let Some(frame) = waiting.take() {
            shown.push(match frame {
                Frame::Token(event) => {
                    assert_eq!(event.token, event.data.token);
                    event.token
                }
                Frame::Text(text) => text,
            });
        }
        assert_eq!(shown, ["xy", "z", "{}", "{}", "w"]);
        assert_eq!(waiting.bytes, 0);
    }

    #[test]
    fn a_full_queue_takes_nothing_more() {
        let mut waiting = Waiting::default();
        for _ in 0..QUEUE {
            assert!(waiting.put(Frame::Text(String::new())).is_none());
        }
        assert!(waiting.put(Frame::Text(String::new())).is_some());
        let mut waiting = Waiting::default();
        assert!(waiting.put(Frame::Text("x".repeat(QUEUE_BYTES))).is_none());
        assert!(waiting.put(Frame::Text("x".to_owned())).is_some(), "the byte budget is spent");
    }
}
