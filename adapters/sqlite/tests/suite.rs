//! The shared suite on SQLite.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use smooai_smooth_operator_adapter_sqlite::{Sqlite, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::suite;
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
