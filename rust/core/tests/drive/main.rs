//! Drives over a scripted model and real tools: what is said, in which order, and what happens when
//! tools fail, people are asked, readers leave and turns are cancelled.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod cancelling;
mod model;
mod people;
mod reading;
mod script;
mod tools;
