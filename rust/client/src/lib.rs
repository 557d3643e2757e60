//! The Rust client: many turns over one socket.
