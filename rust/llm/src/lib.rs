//! Language models over an OpenAI-compatible gateway: chat, embeddings and rerank over one shared HTTP
//! client, and the offline model that answers with the documents' own sentences.

mod chat;
mod failure;
mod gateway;
pub mod http;
mod key;
mod price;
mod retry;
pub mod sse;

pub use gateway::{Gateway, GatewayError, GatewaySettings, Limits};
pub use key::ApiKey;
pub use price::{Price, PriceTable};
pub use retry::Jitter;
