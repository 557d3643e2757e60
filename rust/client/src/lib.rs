//! The Rust client: many turns over one socket.
#![doc = include_str!("../README.md")]

mod client;
mod errors;
mod generated;
mod mux;
mod socket;
#[cfg(feature = "testing")]
pub mod testing;
mod turn;

pub use client::{Client, Options, Token};
pub use errors::{Cause, Error};
pub use generated::{Pacing, Phase, Timeouts};
/// All types of the wire, generated from the protocol's schema.
pub use smooai_smooth_operator_protocol as protocol;
pub use turn::{Turn, Verdict};
