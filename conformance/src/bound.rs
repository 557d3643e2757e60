//! Every wait of the harness has a bound, and says what it waited for when the bound is reached.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// The longest that a test waits for one thing. Generous, because it is only ever reached by a failure.
pub const BOUND: Duration = Duration::from_mins(1);

/// Awaits `future` for at most [`BOUND`].
///
/// # Errors
/// When the bound is reached; the error names `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    within_for(BOUND, what, future).await
}

/// Awaits `future` for at most `bound`.
///
/// # Errors
/// When the bound is reached; the error names `what`.
pub async fn within_for<T>(bound: Duration, what: &str, future: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(bound, future).await.with_context(|| format!("waited {bound:?} for {what}"))
}
