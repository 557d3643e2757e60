//! What needs a real server: `cargo xtask services postgres -- cargo test -p
//! smooai-smooth-operator-adapter-postgres -- --ignored`, or an address in `TEST_POSTGRES_URL`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod database;
mod suite;
