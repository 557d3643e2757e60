//! The wire: generated actions, events and error codes, and their decoding.
//!
//! [`Action::from_json`] and [`Event::from_json`] read one frame, [`Action::to_json`] and [`Event::to_json`] write one.
//! `validate` on every type checks what the schema asks beyond the types. The types come from `spec/` by
//! `cargo xtask codegen`.
pub mod decode;
mod error_event;
mod generated;
pub mod locate;
pub mod others;
pub mod tri;
pub mod violation;

pub use decode::{DecodeError, DecodeErrorKind, JsonObject};
pub use generated::*;
pub use tri::Tri;
pub use violation::Violation;
