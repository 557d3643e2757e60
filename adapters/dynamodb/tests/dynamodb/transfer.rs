//! Data moves between all four backends, in every direction, and comes back as it was.

use crate::servers;
use smooai_smooth_operator_adapter_memory as memory;
use smooai_smooth_operator_adapter_postgres as postgres;
use smooai_smooth_operator_adapter_sqlite as sqlite;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::{Scope, StorageAdapter, suite};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use url::Url;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Memory,
    Sqlite,
    Postgres,
    DynamoDb,
}

use Backend::{DynamoDb, Memory, Postgres, Sqlite};

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Where the stores of a test are.
struct Places {
    folders: Vec<TempDir>,
    /// Databases, to be dropped.
    databases: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where its servers are")]
fn server() -> Url {
    let Ok(address) = std::env::var("TEST_POSTGRES_URL") else {
        panic!("TEST_POSTGRES_URL is not set: see the first lines of tests/dynamodb/main.rs")
    };
    Url::parse(&address).unwrap()
}

impl Places {
    /// An empty store.
    async fn new_store(&mut self, backend: Backend) -> StorageAdapter {
        match backend {
            Memory => memory::adapter(),
            Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let opened = sqlite::open(folder.path(), Language::English).await.unwrap();
                self.folders.push(folder);
                opened.adapter()
            }
            Postgres => {
                let number = DATABASES.fetch_add(1, Ordering::Relaxed);
                let name = format!("transfer_{}_{number}", std::process::id());
                let mut connection = PgConnection::connect(server().as_str()).await.unwrap();
                connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
                let mut url = server();
                url.set_path(&name);
                self.databases.push(name);
                let settings = postgres::Settings::from_url(url.as_str()).unwrap();
                postgres::adapter(&settings, Language::English).await.unwrap()
            }
            DynamoDb => servers::new().await.adapter(),
        }
    }

    async fn drop_all(self) {
        let mut connection = PgConnection::connect(server().as_str()).await.unwrap();
        for name in self.databases {
            connection.execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn data_moves_between_every_two_backends() {
    let mut places = Places { folders: Vec::new(), databases: Vec::new() };
    for from in [Memory, Sqlite, Postgres, DynamoDb] {
        let source = places.new_store(from).await;
        suite::fill(&source, &Scope::new("moved", "ada")).await;
        for to in [Memory, Sqlite, Postgres, DynamoDb] {
            let records = suite::move_all(&source, &places.new_store(to).await).await;
            println!("{from:?} to {to:?}: {records} records");
        }
    }
    places.drop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn what_goes_through_all_backends_comes_back_as_it_was() {
    let mut places = Places { folders: Vec::new(), databases: Vec::new() };
    let first = places.new_store(Memory).await;
    suite::fill(&first, &Scope::new("round trip", "ada")).await;
    suite::fill_hard(&first, "round trip").await;
    let mut last = first.clone();
    for backend in [Sqlite, Postgres, DynamoDb, Memory] {
        let next = places.new_store(backend).await;
        let records = suite::move_all(&last, &next).await;
        println!("on to {backend:?}: {records} records");
        last = next;
    }
    suite::assert_alike(&first, &last).await;
    places.drop_all().await;
}
