//! What an error tells about trying again.

use crate::ErrorEvent;
use std::time::Duration;

impl ErrorEvent {
    /// Whether the same action may succeed later without a change: by the details, and where there are none by the
    /// code.
    pub fn is_retryable(&self) -> bool {
        self.data.details.as_ref().map_or(self.error.code.retryable(), |details| details.retryable)
    }

    /// How long to wait before trying again, where the server says so.
    pub fn retry_after(&self) -> Option<Duration> {
        let millis = self.data.details.as_ref()?.retry_after_ms?;
        u64::try_from(millis).ok().map(Duration::from_millis)
    }
}
