//! The clock and the sources of chance, injected so that a turn can be replayed in a test.

use jiff::Timestamp;

/// What the service may know of the world besides its stores.
pub trait World: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// A new UUID as text.
    fn uuid(&self) -> String;

    /// A uniformly random number below 1,000,000 from a cryptographic source.
    fn code(&self) -> u32;
}

/// Milliseconds since the Unix epoch, as every event carries them.
#[must_use]
pub fn millis(now: Timestamp) -> i64 {
    now.as_millisecond()
}
