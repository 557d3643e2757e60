//! The host from outside: its settings and their documents, and whom it lets in.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod auth;
mod config;
mod generated;
mod transfer;
