//! Language models over an OpenAI-compatible gateway: chat, embeddings and rerank over one shared HTTP
//! client, and the offline model that answers with the documents' own sentences.

mod chat;
mod embeddings;
mod failure;
mod gateway;
pub mod http;
mod key;
pub mod offline;
mod price;
mod rerank;
mod retry;
pub mod sse;

pub use embeddings::{Dimension, GatewayEmbedder, known_dimension};
pub use gateway::{Gateway, GatewayError, GatewaySettings, Limits};
pub use key::ApiKey;
pub use price::{Price, PriceTable};
pub use rerank::GatewayReranker;
pub use retry::Jitter;
