//! The table: reads, conditional writes, transactions and batches, each with its errors told apart.

mod making;
mod reading;
mod units;
mod writing;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use std::time::Duration;
use units::Units;

pub use units::Spent;

pub(crate) use reading::{ItemPage, Range, Reading};
pub(crate) use writing::{Change, Outcome, Write, unique};

/// The table's client.
pub(crate) struct Table {
    client: Client,
    name: String,
    pub(crate) units: Units,
}

impl Table {
    pub(crate) fn new(config: &SdkConfig, name: String) -> Self {
        Self { client: Client::new(config), name, units: Units::default() }
    }
}

/// A wait that grows with the attempt, up to about half a second; the salt keeps writers apart.
pub(crate) async fn back_off(attempt: u32, salt: &str) {
    let spread =
        u64::from(salt.bytes().fold(attempt, |sum, byte| sum.wrapping_mul(31) ^ u32::from(byte)) % 8);
    let base = 4_u64 << attempt.min(6);
    tokio::time::sleep(Duration::from_millis(base + base * spread / 8)).await;
}
