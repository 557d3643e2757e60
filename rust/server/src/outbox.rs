//! The way out of a connection: bounded in frames and in bytes, so that a slow reader slows his own
//! turns and costs little.

use crate::routes::FRAME_LIMIT;
use async_trait::async_trait;
use smooai_smooth_operator::{Closed, EventSink, Service};
use smooai_smooth_operator_protocol::{ErrorCode, Event};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Frames that wait for the socket.
const QUEUE: usize = 32;
/// Bytes that wait for the socket.
const QUEUE_BYTES: u32 = 512 * 1024;

/// A frame with its share of the byte budget, given back once it is written.
pub(crate) struct Outgoing {
    pub text: Utf8Bytes,
    _share: OwnedSemaphorePermit,
}

/// Where the service puts a caller's events.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    budget: Arc<Semaphore>,
    service: Arc<Service>,
}

impl Outbox {
    pub(crate) fn new(service: Arc<Service>) -> (Self, mpsc::Receiver<Outgoing>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        (Self { queue, budget: Arc::new(Semaphore::new(QUEUE_BYTES as usize)), service }, waiting)
    }

    async fn put(&self, text: String) -> Result<(), Closed> {
        let share = u32::try_from(text.len()).unwrap_or(QUEUE_BYTES).min(QUEUE_BYTES);
        let share = Arc::clone(&self.budget).acquire_many_owned(share).await.map_err(|_| Closed)?;
        self.queue.send(Outgoing { text: text.into(), _share: share }).await.map_err(|_| Closed)
    }
}

#[async_trait]
impl EventSink for Outbox {
    async fn send(&mut self, event: Event) -> Result<(), Closed> {
        let mut text = event.to_json();
        if text.len() > FRAME_LIMIT {
            tracing::warn!(event = event.tag(), bytes = text.len(), "an event is larger than a frame");
            let request_id = event.request_id().map(str::to_owned);
            let notice = "The answer is larger than a frame of 1 MiB can carry. Ask for less at a time.";
            text = self.service.notice(request_id, ErrorCode::AgentError, notice).to_json();
        }
        self.put(text).await
    }
}
