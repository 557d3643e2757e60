//! The composition root: configuration, backend choice, authentication, telemetry.

pub mod config;
