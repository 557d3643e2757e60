//! Chunk, embed, search, fuse, rerank and cite: everything between a document's text and a citation.
//!
//! [`chunk`] cuts Markdown, [`analyse`] turns text into terms, [`bm25`] weighs them, [`Embedder`] into vectors, [`index`] is the search that embedded
//! stores use, and [`Retriever`] joins a store's two legs for one question.

pub mod analyse;
pub mod bm25;
pub mod chunk;
mod cite;
mod embed;
mod fuse;
pub mod index;
mod relevance;
mod rerank;
mod retriever;
#[cfg(feature = "suite")]
pub mod suite;

pub use cite::{CITATION_LIMIT, Citation, cite};
pub use embed::{DeterministicEmbedder, EmbedError, EmbedKind, Embedder, normalise};
pub use fuse::{Fused, fuse};
pub use rerank::{RerankError, Reranker};
pub use retriever::{LegError, PASSAGE_LIMIT, RetrieveError, Retrieved, Retriever, ScoredPassage};
