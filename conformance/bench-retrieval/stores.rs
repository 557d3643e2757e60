//! The stores that are measured, filled with a corpus.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use smooai_smooth_operator_adapter_postgres::Settings;
use smooai_smooth_operator_adapter_sqlite::open;
use smooai_smooth_operator_retrieval::analyse::{Analyser, Language};
use smooai_smooth_operator_retrieval::index::Snapshot;
use smooai_smooth_operator_store::{Document, KnowledgeStore, Record};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::JoinSet;
use url::Url;

use crate::corpus::Corpus;
use crate::table::{Aim, Table};

/// So many documents are taken in at once.
const AT_ONCE: usize = 100;
/// So many puts are under way at once in PostgreSQL.
const SIDE_BY_SIDE: usize = 8;

/// The index of the embedded stores, made in one go, as at the start of a server.
pub fn snapshot(table: &mut Table, corpus: &Corpus) -> Result<Snapshot> {
    let documents: Vec<Document> = (0..corpus.documents).map(|n| corpus.document(n)).collect();
    let from = Instant::now();
    let snapshot = Snapshot::of::<anyhow::Error>(documents.into_iter().map(Ok), &Analyser::default())?;
    let rate = (corpus.documents * corpus.chunks) as f64 / from.elapsed().as_secs_f64();
    table.single("index: built in one go, chunks a second", rate, Aim::None);
    Ok(snapshot)
}

/// The memory store, filled document by document, and what it takes.
pub async fn memory(table: &mut Table, corpus: &Corpus) -> Result<Arc<dyn KnowledgeStore>> {
    let chunks = (corpus.documents * corpus.chunks) as f64;
    let (before, from) = (resident()?, Instant::now());
    let store = smooai_smooth_operator_adapter_memory::adapter().knowledge;
    let (mut making, mut own) = (0.0, 0.0);
    for n in 0..corpus.documents {
        let began = Instant::now();
        let document = corpus.document(n);
        making += began.elapsed().as_secs_f64();
        let size = document.chunks.iter().map(|chunk| chunk.text.len() + 4 * chunk.embedding.len());
        own += size.sum::<usize>() as f64;
        store.put(document).await?;
    }
    let rate = chunks / (from.elapsed().as_secs_f64() - making);
    table.single("index: built document by document, chunks a second", rate, Aim::None);
    let each = (resident()? - before) / chunks;
    table.compare("memory: bytes per chunk", each, (own / chunks, "its text and floats"), Aim::None);
    Ok(store)
}

/// A database in the folder.
pub async fn fill_sqlite(folder: &Path, documents: impl Iterator<Item = Document>) -> Result<()> {
    let store = open(folder, Language::English).await?.adapter();
    let mut documents = documents.map(|document| Record::Document(Box::new(document))).peekable();
    while documents.peek().is_some() {
        store.transfer.import(documents.by_ref().take(AT_ONCE).collect()).await?;
    }
    Ok(())
}

/// The store in the folder, with how long it takes until its documents are in memory.
pub async fn sqlite(table: &mut Table, folder: &Path, corpus: &Corpus) -> Result<Arc<dyn KnowledgeStore>> {
    let from = Instant::now();
    let store = open(folder, Language::English).await?.adapter().knowledge;
    store.list(&corpus.reader(), None, 1).await?;
    table.single("SQLite: start until the first search, s", from.elapsed().as_secs_f64(), Aim::None);
    Ok(store)
}

/// A database of its own on a PostgreSQL server.
pub struct Postgres {
    server: Url,
    name: String,
}

impl Postgres {
    /// Makes an empty database.
    pub async fn new(server: &str) -> Result<Self> {
        let server = Url::parse(server).context("TEST_POSTGRES_URL")?;
        let name = format!("bench_retrieval_{}", std::process::id());
        let postgres = Self { server, name };
        postgres.run(&format!("CREATE DATABASE {}", postgres.name)).await?;
        Ok(postgres)
    }

    async fn run(&self, sql: &str) -> Result<()> {
        let mut connection = PgConnection::connect(self.server.as_str()).await?;
        connection.execute(sql).await?;
        Ok(())
    }

    /// A store in it, filled with the corpus.
    pub async fn fill(&self, table: &mut Table, corpus: &Arc<Corpus>) -> Result<Arc<dyn KnowledgeStore>> {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        let settings = Settings::from_url(url.as_str())?;
        let adapter = smooai_smooth_operator_adapter_postgres::adapter(&settings, Language::English).await?;
        let store = adapter.knowledge;
        let from = Instant::now();
        let mut running = JoinSet::new();
        for first in 0..SIDE_BY_SIDE {
            let (store, corpus) = (Arc::clone(&store), Arc::clone(corpus));
            running.spawn(async move {
                for n in (first..corpus.documents).step_by(SIDE_BY_SIDE) {
                    store.put(corpus.document(n)).await?;
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.context("filling PostgreSQL")??;
        }
        let rate = (corpus.documents * corpus.chunks) as f64 / from.elapsed().as_secs_f64();
        table.single("PostgreSQL: stored and indexed, chunks a second", rate, Aim::None);
        Ok(store)
    }

    /// Drops the database.
    pub async fn drop(self) -> Result<()> {
        self.run(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}

/// The memory of this process in bytes.
fn resident() -> Result<f64> {
    let path = "/proc/self/statm";
    let text = std::fs::read_to_string(path).with_context(|| format!("{path}: this needs Linux"))?;
    let pages: f64 = text.split(' ').nth(1).context("resident pages")?.parse()?;
    Ok(pages * rustix::param::page_size() as f64)
}
