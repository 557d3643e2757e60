//! How the conformance harness and a driver speak: the generated [`Command`] and [`Report`], and their framing.
//! The schema is `conformance/driver/driver.json`; the harness and the Rust client's driver both use this library.

pub mod frames;
#[expect(clippy::large_enum_variant, reason = "a report is made, sent and dropped; none is kept in number")]
mod generated;

pub use generated::*;

// What the generated code leans on stands in the protocol's crate.
use smooai_smooth_operator_protocol::{decode, violation};
