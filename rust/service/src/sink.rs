//! Where a caller's events go.

use async_trait::async_trait;
use smooai_smooth_operator_protocol::Event;

/// The reader is gone; what was being done for it is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed")]
pub struct Closed;

/// Takes a caller's events in order. Awaiting it is the back-pressure: it returns when there is room.
#[async_trait]
pub trait EventSink: Send {
    /// Hands one event over.
    ///
    /// # Errors
    /// [`Closed`] when nobody will read it.
    async fn send(&mut self, event: Event) -> Result<(), Closed>;
}
