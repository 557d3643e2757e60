//! Retrieval metrics over labelled questions, and the corpus they are asked over.

pub mod corpus;
pub mod metrics;
pub mod questions;
pub mod retrieval;
