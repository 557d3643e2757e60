//! The real server over a real socket, with the scripted gateway behind it. One file per theme; each
//! test reads as a transcript of what is said and what must be seen.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod approval;
mod backend;
mod cancel;
mod codes;
mod conversations;
mod errors;
mod forms;
mod frames;
mod gateway_faults;
mod knowledge;
mod limits;
mod mount;
mod postgres;
mod shop;
mod side_models;
mod storage;
mod streaming;
mod tenants;
mod together;
mod tokens;
mod tools;
