//! Documents. A put writes a whole new version beside the old one and then turns the document's item to
//! it in one transaction, so a reader sees one version or the other; what the old one left is removed
//! afterwards. Every search ends at the document's own item, read as of all acknowledged writes: a list
//! that was changed counts from then on, in every process.

mod documents;
mod head;
mod postings;
mod search;

use crate::table::Table;
use crate::vectors::Vectors;
use async_trait::async_trait;
use head::Head;
use search::Leg;
use smooai_smooth_operator_retrieval::analyse::Analyser;
use smooai_smooth_operator_store::{
    Access, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore, OrganizationId, Passage, Put,
    Result,
};
use std::sync::Arc;

/// How often a read is repeated that a change of the same documents got in the way of.
const TRIES: u32 = 10;

pub(crate) struct Knowledge {
    table: Arc<Table>,
    vectors: Vectors,
    analyser: Analyser,
}

impl Knowledge {
    pub(crate) fn new(table: Arc<Table>, vectors: Vectors, analyser: Analyser) -> Self {
        Self { table, vectors, analyser }
    }
}

#[async_trait]
impl KnowledgeStore for Knowledge {
    async fn put(&self, document: Document) -> Result<Put> {
        self.replace(document).await
    }

    async fn content_hash(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<String>> {
        Ok(self.head(organization, id).await?.map(|head: Head| head.info.content_hash))
    }

    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        self.remove(organization, id).await
    }

    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        self.readable(access, after, limit).await
    }

    async fn keyword(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>> {
        self.search(access, Leg::Keyword(query), limit).await
    }

    async fn dense(&self, access: &Access, vector: &[f32], limit: usize) -> Result<Vec<Hit>> {
        self.search(access, Leg::Dense(vector), limit).await
    }

    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        self.read_passages(access, chunks).await
    }
}
