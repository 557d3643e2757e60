//! The gateway over real HTTP, against a server that answers byte for byte as each test writes it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod chat;
mod scripted;
mod vectors;
