//! The WebSocket server: an axum mount of the service.
fn main() {}
