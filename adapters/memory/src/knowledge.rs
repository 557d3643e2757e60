//! Documents, one snapshot per organisation. Readers take the current snapshot and are never stopped;
//! writers of one organisation come one after another.

use crate::shard::Sharded;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use smooai_smooth_operator_retrieval::analyse::{Analyser, Language};
use smooai_smooth_operator_retrieval::index::Snapshot;
use smooai_smooth_operator_store::{
    Access, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore, OrganizationId, Passage, Put,
    Result, StoreError,
};
use std::sync::Arc;
use tokio::sync::Mutex;

/// From so many chunks on, a search takes long enough to leave the threads that serve sockets.
const ASIDE_FROM: usize = 4_096;

/// One organisation's documents.
#[derive(Default)]
struct Shelf {
    current: ArcSwap<Snapshot>,
    writer: Mutex<()>,
}

/// The documents of all organisations.
pub(crate) struct Knowledge {
    analyser: Arc<Analyser>,
    shelves: Sharded<Arc<Shelf>>,
}

impl Knowledge {
    pub(crate) fn new(language: Language) -> Self {
        Self { analyser: Arc::new(Analyser::new(language)), shelves: Sharded::default() }
    }

    /// The first documents after a place, whoever may read them; for moving data only.
    pub(crate) fn all_after(&self, after: Option<(&str, &DocumentId)>, limit: usize) -> Vec<Document> {
        let mut found = Vec::new();
        let mut place = after.map(|(organization, id)| (Box::<str>::from(organization), Some(id.clone())));
        loop {
            if let Some((organization, id)) = &place {
                let snapshot = self.snapshot(&OrganizationId::new(&**organization));
                found.extend(snapshot.all_after(id.as_ref(), limit - found.len()));
            }
            if found.len() == limit {
                return found;
            }
            let next = self.shelves.keys_after(place.as_ref().map(|(organization, _)| &**organization), 1);
            match next.into_iter().next() {
                Some(organization) => place = Some((organization, None)),
                None => return found,
            }
        }
    }

    fn snapshot(&self, organization: &OrganizationId) -> Arc<Snapshot> {
        self.shelves.read(organization.as_str(), |shelf| shelf.current.load_full()).unwrap_or_default()
    }

    /// Searches here, or aside when there is much to search.
    async fn search(
        &self,
        access: &Access,
        search: impl FnOnce(&Snapshot, &Access, &Analyser) -> Vec<Hit> + Send + 'static,
    ) -> Result<Vec<Hit>> {
        let snapshot = self.snapshot(&access.organization);
        if snapshot.chunk_count() < ASIDE_FROM {
            return Ok(search(&snapshot, access, &self.analyser));
        }
        let (access, analyser) = (access.clone(), Arc::clone(&self.analyser));
        aside(move || search(&snapshot, &access, &analyser)).await
    }
}

#[async_trait]
impl KnowledgeStore for Knowledge {
    async fn put(&self, document: Document) -> Result<Put> {
        let shelf = self.shelves.entry(document.organization.as_str(), |shelf| Arc::clone(shelf));
        let _writing = shelf.writer.lock().await;
        let before = shelf.current.load_full();
        let analyser = Arc::clone(&self.analyser);
        let (after, put) = aside(move || before.with(document, &analyser)).await?;
        if put != Put::Unchanged {
            shelf.current.store(Arc::new(after));
        }
        Ok(put)
    }

    async fn content_hash(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<String>> {
        Ok(self.snapshot(organization).content_hash(id).map(str::to_owned))
    }

    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        let Some(shelf) = self.shelves.read(organization.as_str(), Arc::clone) else { return Ok(false) };
        let _writing = shelf.writer.lock().await;
        let (before, id) = (shelf.current.load_full(), id.clone());
        let after = aside(move || before.without(&id)).await?;
        let there = after.is_some();
        if let Some(after) = after {
            shelf.current.store(Arc::new(after));
        }
        Ok(there)
    }

    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        Ok(self.snapshot(&access.organization).list(access, after, limit))
    }

    async fn keyword(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>> {
        let query = query.to_owned();
        self.search(access, move |snapshot, access, analyser| {
            snapshot.keyword(access, analyser, &query, limit)
        })
        .await
    }

    async fn dense(&self, access: &Access, vector: &[f32], limit: usize) -> Result<Vec<Hit>> {
        let vector = vector.to_vec();
        self.search(access, move |snapshot, access, _| snapshot.dense(access, &vector, limit)).await
    }

    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        Ok(self.snapshot(&access.organization).passages(access, chunks))
    }
}

/// Runs work that takes a while beside the threads that serve sockets.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Unavailable {
        context: "the index did not finish".to_owned(),
        source: Some(Box::new(error)),
    })
}
