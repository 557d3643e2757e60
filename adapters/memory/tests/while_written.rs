//! Answers while documents are put and deleted are those of a state that there was.

use async_trait::async_trait;
use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_retrieval::suite::answers_while_written;
use smooai_smooth_operator_store::{
    Access, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore, OrganizationId, Passage, Put,
    Result,
};
use std::sync::Arc;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_is_of_a_state_between_question_and_answer() {
    for seed in 0..20 {
        answers_while_written(adapter().knowledge, seed).await;
    }
}

#[tokio::test]
async fn a_store_that_replaces_a_document_in_two_steps_is_found_out() {
    let mut tasks = JoinSet::new();
    tasks.spawn(answers_while_written(Arc::new(TwoSteps(adapter().knowledge)), 0));
    let ended = tasks.join_next().await.unwrap();
    assert!(ended.unwrap_err().is_panic());
}

/// Removes the old document, lets others ask, and only then stores the new one.
struct TwoSteps(Arc<dyn KnowledgeStore>);

#[async_trait]
impl KnowledgeStore for TwoSteps {
    async fn put(&self, document: Document) -> Result<Put> {
        self.0.delete(&document.organization, &document.id).await?;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.0.put(document).await
    }

    async fn content_hash(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<String>> {
        self.0.content_hash(organization, id).await
    }

    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        self.0.delete(organization, id).await
    }

    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        self.0.list(access, after, limit).await
    }

    async fn keyword(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>> {
        self.0.keyword(access, query, limit).await
    }

    async fn dense(&self, access: &Access, vector: &[f32], limit: usize) -> Result<Vec<Hit>> {
        self.0.dense(access, vector, limit).await
    }

    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        self.0.passages(access, chunks).await
    }
}
