//! Retrieval metrics over labelled questions.
