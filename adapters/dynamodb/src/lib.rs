//! Storage in Amazon DynamoDB, with the vectors of documents in S3 Vectors. One table holds everything;
//! `keys` says under which keys. What two items must agree on is written in one transaction.

mod admin;
mod body;
mod conversations;
mod failure;
mod item;
mod keys;
mod knowledge;
mod messages;
mod open;
mod sessions;
mod table;
mod transfer;
mod turns;
mod vectors;

pub use open::{Opened, Settings, open, open_with, sdk};
pub use table::Spent;
