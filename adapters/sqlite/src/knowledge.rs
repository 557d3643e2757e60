//! Documents: kept in the file, searched in memory. A change reaches the disk first and readers next; a
//! reader holds an immutable snapshot and is never stopped.

mod rows;

pub(crate) use rows::documents_after;

use crate::database::Database;
use crate::error::{OpenError, unavailable};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension as _};
use smooai_smooth_operator_retrieval::analyse::{Analyser, Language};
use smooai_smooth_operator_retrieval::index::Snapshot;
use smooai_smooth_operator_store::{
    Access, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore, OrganizationId, Passage, Put,
    Result,
};
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// From so many chunks on, a search takes long enough to leave the threads that serve sockets.
const ASIDE_FROM: usize = 4_096;

/// One organisation's documents.
#[derive(Default)]
struct Shelf {
    current: ArcSwap<Snapshot>,
    writer: Arc<Mutex<()>>,
}

type Shelves = HashMap<OrganizationId, Arc<Shelf>>;

/// How far reading the file has come.
#[derive(Clone)]
enum Loading {
    Going,
    Done,
    Failed(String),
}

/// The documents of all organisations.
pub(crate) struct Knowledge {
    database: Arc<Database>,
    analyser: Arc<Analyser>,
    shelves: RwLock<Shelves>,
    loading: watch::Receiver<Loading>,
}

impl Knowledge {
    /// Begins to read the documents of the file, on a thread of its own.
    pub(crate) fn load(database: Arc<Database>, language: Language) -> Result<Arc<Self>, OpenError> {
        let connection = database.connect()?;
        let (progress, loading) = watch::channel(Loading::Going);
        let analyser = Arc::new(Analyser::new(language));
        let knowledge = Arc::new(Self { database, analyser, shelves: RwLock::default(), loading });
        let filled = Arc::downgrade(&knowledge);
        let analyser = Arc::clone(&knowledge.analyser);
        std::thread::Builder::new()
            .name("sqlite-index".to_owned())
            .spawn(move || {
                let end = match rows::snapshots(&connection, &analyser) {
                    Ok(snapshots) => {
                        if let Some(knowledge) = filled.upgrade() {
                            knowledge.fill(snapshots);
                        }
                        Loading::Done
                    }
                    Err(error) => Loading::Failed(format!("the documents cannot be read: {error}")),
                };
                progress.send_replace(end);
            })
            .map_err(OpenError::Thread)?;
        Ok(knowledge)
    }

    fn fill(&self, snapshots: Vec<(OrganizationId, Snapshot)>) {
        let shelf = |snapshot| Shelf { current: ArcSwap::from_pointee(snapshot), writer: Arc::default() };
        let filled = snapshots.into_iter().map(|(organization, read)| (organization, Arc::new(shelf(read))));
        self.shelves.write().extend(filled);
    }

    /// Waits until the documents are in memory.
    async fn loaded(&self) -> Result<()> {
        let mut loading = self.loading.clone();
        let end = loading.wait_for(|state| !matches!(state, Loading::Going)).await.map(|state| state.clone());
        match end {
            Ok(Loading::Failed(why)) => Err(unavailable(&why, None)),
            Ok(_) => Ok(()),
            Err(_) => Err(unavailable("reading the documents broke off", None)),
        }
    }

    async fn snapshot(&self, organization: &OrganizationId) -> Result<Arc<Snapshot>> {
        self.loaded().await?;
        let shelf = self.shelves.read().get(organization).map(Arc::clone);
        Ok(shelf.map(|shelf| shelf.current.load_full()).unwrap_or_default())
    }

    /// The documents of these chunks, as they are in the file.
    async fn on_file(&self, organization: &OrganizationId, chunks: &[ChunkRef]) -> Result<Snapshot> {
        let named: BTreeSet<DocumentId> = chunks.iter().map(|chunk| chunk.document.clone()).collect();
        let organization = organization.clone();
        let read = move |connection: &Connection| rows::documents(connection, &organization, &named);
        let documents = self.database.read("reading documents", read).await?;
        let analyser = Arc::clone(&self.analyser);
        let of = move || Snapshot::of(documents.into_iter().map(Ok::<_, Infallible>), &analyser);
        aside(of).await.map(|Ok(snapshot)| snapshot)
    }

    /// Searches here, or aside when there is much to search.
    async fn search(
        &self,
        access: &Access,
        search: impl FnOnce(&Snapshot, &Access, &Analyser) -> Vec<Hit> + Send + 'static,
    ) -> Result<Vec<Hit>> {
        let snapshot = self.snapshot(&access.organization).await?;
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
        self.loaded().await?;
        let shelf = Arc::clone(self.shelves.write().entry(document.organization.clone()).or_default());
        let writing = Arc::clone(&shelf.writer).lock_owned().await;
        let (before, analyser, indexed) =
            (shelf.current.load_full(), Arc::clone(&self.analyser), document.clone());
        let (after, put) = aside(move || before.with(indexed, &analyser)).await?;
        if put == Put::Unchanged {
            return Ok(put);
        }
        // The next writer of the organisation begins when this is on disk and seen, even if nobody waits
        // for it any more.
        self.database
            .write_then(
                "storing a document",
                move |connection| rows::replace(connection, &document),
                move |()| {
                    shelf.current.store(Arc::new(after));
                    drop(writing);
                },
            )
            .await?;
        Ok(put)
    }

    async fn content_hash(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<String>> {
        let key = (organization.as_str().to_owned(), id.as_str().to_owned());
        self.database
            .read("reading a document's hash", move |connection| {
                let mut found = connection
                    .prepare_cached("SELECT content_hash FROM documents WHERE organization = ? AND id = ?")?;
                Ok(found.query_row(key, |row| row.get(0)).optional()?)
            })
            .await
    }

    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        self.loaded().await?;
        let shelf = self.shelves.read().get(organization).map(Arc::clone);
        let Some(shelf) = shelf else { return Ok(false) };
        let writing = Arc::clone(&shelf.writer).lock_owned().await;
        let (before, gone) = (shelf.current.load_full(), id.clone());
        let Some(after) = aside(move || before.without(&gone)).await? else { return Ok(false) };
        let (organization, id) = (organization.clone(), id.clone());
        self.database
            .write_then(
                "removing a document",
                move |connection| rows::remove(connection, &organization, &id),
                move |()| {
                    shelf.current.store(Arc::new(after));
                    drop(writing);
                },
            )
            .await?;
        Ok(true)
    }

    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        Ok(self.snapshot(&access.organization).await?.list(access, after, limit))
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

    /// While the documents are being read into memory, these come from the file: what is asked about an
    /// earlier conversation does not wait for the index.
    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        if matches!(*self.loading.borrow(), Loading::Done) {
            return Ok(self.snapshot(&access.organization).await?.passages(access, chunks));
        }
        Ok(self.on_file(&access.organization, chunks).await?.passages(access, chunks))
    }
}

/// Runs work that takes a while beside the threads that serve sockets.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| unavailable("the index did not finish", Some(Box::new(error))))
}
