//! What an error tells about trying again.

use crate::{ErrorData, ErrorEvent};
use std::time::Duration;

impl ErrorData {
    /// Whether the same action may succeed later without a change: by the details, and where there are none by the
    /// code.
    pub fn is_retryable(&self) -> bool {
        self.details.as_ref().map_or(self.error.code.retryable(), |details| details.retryable)
    }

    /// How long to wait before trying again, where the server says so.
    pub fn retry_after(&self) -> Option<Duration> {
        let millis = self.details.as_ref()?.retry_after_ms?;
        u64::try_from(millis).ok().map(Duration::from_millis)
    }
}

impl ErrorEvent {
    /// As [`ErrorData::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        self.data.is_retryable()
    }

    /// As [`ErrorData::retry_after`].
    pub fn retry_after(&self) -> Option<Duration> {
        self.data.retry_after()
    }
}
