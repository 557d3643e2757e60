//! How good retrieval is: labelled questions, metrics, and a local model to embed and rerank with.

pub mod compare;
pub mod corpus;
pub mod endpoint;
pub mod headings;
pub mod labelled;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod questions;
pub mod retrieval;
pub mod study;
