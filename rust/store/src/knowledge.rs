//! Documents, their chunks, and the two ways to search them. Every read takes an [`Access`], and the
//! filter runs inside the query, before ranking and limits.

use crate::{Access, AccessList, DocumentId, OrganizationId, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A piece of a document, as it is searched and cited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// The text, as it stands in the document.
    pub text: String,
    /// The headings above it, outermost first.
    pub headings: Vec<String>,
    /// Where it begins in the document's text, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// Its embedding, of unit length; empty if the document was stored without one.
    pub embedding: Vec<f32>,
}

/// A document with its chunks. It is replaced as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Where it came from, as shown to a reader.
    pub source: String,
    /// Its title.
    pub title: String,
    /// Where a reader can open it.
    pub url: Option<String>,
    /// Who may read it.
    pub acl: AccessList,
    /// A hash of everything above, of the text and of how it was cut and embedded.
    pub content_hash: String,
    /// Its pieces, in order.
    pub chunks: Vec<Chunk>,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentInfo {
    /// Its id.
    pub id: DocumentId,
    /// Where it came from.
    pub source: String,
    /// Its title.
    pub title: String,
    /// Where a reader can open it.
    pub url: Option<String>,
    /// Who may read it.
    pub acl: AccessList,
    /// See [`Document::content_hash`].
    pub content_hash: String,
    /// How many pieces it has.
    pub chunk_count: usize,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// There was no such document.
    Created,
    /// The old one is gone, chunks and all.
    Replaced,
    /// The content hash is the same; nothing was written.
    Unchanged,
}

/// A chunk's place: the document and the chunk's position in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkRef {
    /// The document.
    pub document: DocumentId,
    /// The position of the chunk in [`Document::chunks`].
    pub ordinal: u32,
}

/// A chunk that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Which chunk.
    pub chunk: ChunkRef,
    /// Larger is better: BM25 or cosine. Comparable within one search only.
    pub score: f32,
}

/// A chunk with what is needed to show and cite it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// Which chunk.
    pub chunk: ChunkRef,
    /// The document's source.
    pub source: String,
    /// The document's title.
    pub title: String,
    /// Where a reader can open it.
    pub url: Option<String>,
    /// The headings above the text, outermost first.
    pub headings: Vec<String>,
    /// The text.
    pub text: String,
    /// Where it begins in the document, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
}

/// Where documents are kept and searched.
#[async_trait]
pub trait KnowledgeStore: Send + Sync {
    /// Stores the document in place of the one with its id: readers see the old one or the new one,
    /// never a mixture.
    async fn put(&self, document: Document) -> Result<Put>;

    /// The stored hash, so that an unchanged document is not embedded again.
    async fn content_hash(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<String>>;

    /// Removes the document; `false` if there was none.
    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool>;

    /// The documents the reader may see, by id, after `after`, at most `limit`.
    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>>;

    /// The best chunks by BM25, best first, ties by [`ChunkRef`].
    async fn keyword(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>>;

    /// The nearest chunks by cosine to a unit vector, best first, ties by [`ChunkRef`].
    async fn dense(&self, access: &Access, vector: &[f32], limit: usize) -> Result<Vec<Hit>>;

    /// The named chunks that the reader may see, in the order asked.
    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>>;
}
