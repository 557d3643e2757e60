//! The log: to stderr, for people on a terminal, one JSON-like line per event elsewhere.

use crate::config::TelemetryConfig;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Sets the process's log up; a second call changes nothing.
pub(crate) fn init(config: &TelemetryConfig) {
    let filter = EnvFilter::builder().parse_lossy(&config.log);
    let terminal = std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    if log.try_init().is_err() {
        return;
    }
    if config.otlp_endpoint.is_some() {
        tracing::warn!("OTEL_EXPORTER_OTLP_ENDPOINT is set, but this build does not export traces");
    }
}
