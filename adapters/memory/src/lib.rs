//! Embedded storage in memory.
