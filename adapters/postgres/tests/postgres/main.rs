//! What needs a real server: `cargo xtask services postgres -- cargo test -p
//! smooai-smooth-operator-adapter-postgres -- --ignored`, or an address in `TEST_POSTGRES_URL`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod database;
mod faults;
mod non_interference;
#[cfg(unix)]
mod pooler;
mod records;
mod round_trips;
mod security;
mod suite;
mod tls;
