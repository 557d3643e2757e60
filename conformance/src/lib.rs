//! The conformance harness: a scripted model gateway, a recording webhook, the real server as a
//! subprocess and a raw WebSocket client, with which the tests in `tests/` speak to the server.

pub mod bound;
pub mod figures;
pub mod flood;
pub mod frame_check;
pub mod gate;
pub mod gateway;
pub mod http;
pub mod relay;
pub mod server_process;
pub mod socket;
pub mod stage;
pub mod transcript;
pub mod webhook;
