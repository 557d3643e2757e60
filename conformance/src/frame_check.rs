//! Checks a frame that the server sent: a JSON object with a type and a time, within the limit.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The longest frame that a server may send, in bytes.
pub const FRAME_LIMIT: usize = 1 << 20;

/// Decodes a frame and checks it.
///
/// # Errors
/// When it is not what the protocol allows.
pub fn check(text: &str) -> Result<Value> {
    ensure!(text.len() <= FRAME_LIMIT, "a frame of {} bytes", text.len());
    let event: Value = serde_json::from_str(text).context("a frame that is no JSON")?;
    ensure!(event["type"].is_string(), "an event without a type: {event}");
    ensure!(event["timestamp"].is_u64(), "an event without a time in milliseconds: {event}");
    Ok(event)
}
