//! The shared suite on SQLite, and what it does when its connections are interrupted.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use async_trait::async_trait;
use rusqlite::Connection;
use smooai_smooth_operator_adapter_sqlite::{Sqlite, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::suite::{self, Faults};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A new database, and the folder that holds it.
async fn new() -> (Sqlite, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (open(folder.path(), Language::English).await.unwrap(), folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_shared_suite() {
    let (sqlite, _folder) = new().await;
    suite::run(async || sqlite.adapter()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn long_random_sequences() {
    let (sqlite, _folder) = new().await;
    for seed in 1_000..1_020 {
        suite::random_operations(sqlite.adapter(), seed, 500).await;
    }
}

struct Interrupts {
    sqlite: Sqlite,
    /// A connection that is never interrupted.
    watcher: Mutex<Connection>,
}

impl Interrupts {
    /// Changes with every commit of another connection.
    fn version(&self) -> i64 {
        self.watcher.lock().unwrap().pragma_query_value(None, "data_version", |row| row.get(0)).unwrap()
    }
}

#[async_trait]
impl Faults for Interrupts {
    async fn break_connections(&self) {
        // Something is done in between, or nobody would ever get through.
        let before = self.version();
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        for _ in 0..20_000 {
            tick.tick().await;
            if self.version() != before {
                self.sqlite.interrupt();
                return;
            }
        }
        panic!("nothing was written any more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn interrupted_connections_lose_and_halve_nothing() {
    let (sqlite, folder) = new().await;
    let file = folder.path().join("smooth-operator.db");
    let watcher = Mutex::new(Connection::open(file).unwrap());
    suite::survive_faults(sqlite.adapter(), Arc::new(Interrupts { sqlite, watcher })).await;
    // What is on disk is what was told, once the first one is closed: its thread lets go of the folder's lock last.
    std::fs::File::open(folder.path().join("smooth-operator.lock")).unwrap().lock().unwrap();
    let again = open(folder.path(), Language::English).await.unwrap().adapter();
    let access = smooai_smooth_operator_store::Access::public("suite fault documents");
    let listed = again.knowledge.list(&access, None, 10).await.unwrap();
    let found = again.knowledge.keyword(&access, "parcel", 10).await.unwrap();
    assert_eq!(listed.first().map_or(0, |info| info.chunk_count), found.len());
}
