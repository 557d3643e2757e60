//! Connectors, and the pipeline that feeds the store.
