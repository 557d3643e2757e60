//! The promises of a store, on a real DynamoDB (its local form) and a vector service: `cargo xtask services
//! postgres dynamodb s3vectors -- cargo test -p smooai-smooth-operator-adapter-dynamodb -- --ignored`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cost;
mod faults;
mod left_behind;
mod non_interference;
mod proxy;
mod servers;
mod suite;
mod transfer;
