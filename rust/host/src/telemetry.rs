//! What the process says of itself, on stderr: lines for people on a terminal, one JSON object per line
//! elsewhere. Bearer tokens never get through, whoever wrote them into a message.

mod json;
mod redact;

use crate::config::TelemetryConfig;
use json::JsonLines;
use redact::Redacting;
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("telemetry.log (RUST_LOG) is no filter: {0}")]
    Filter(String),
}

/// Sets up the process's log, unless it has one already.
///
/// # Errors
/// When the filter cannot be read.
pub fn init(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    let filter =
        EnvFilter::try_new(&config.log).map_err(|error| TelemetryError::Filter(error.to_string()))?;
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(terminal);
    let builder = builder.with_writer(|| Redacting::new(io::stderr()));
    let outcome = match terminal {
        true => builder.finish().try_init(),
        false => builder.event_format(JsonLines).finish().try_init(),
    };
    if outcome.is_ok() && config.otlp_endpoint.is_some() {
        tracing::warn!("telemetry.otlp_endpoint is set, but this build does not send traces");
    }
    Ok(())
}
