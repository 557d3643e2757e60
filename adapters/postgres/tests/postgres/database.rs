//! A database of its own for each test, gone after it.

use futures_util::FutureExt as _;
use smooai_smooth_operator_adapter_postgres::{Settings, adapter};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::StorageAdapter;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use std::panic::{AssertUnwindSafe, resume_unwind};
use url::Url;

/// An empty database.
#[derive(Clone)]
pub struct Database {
    url: Url,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no Config: the environment says where the server is"
)]
fn server() -> Url {
    let address = std::env::var("TEST_POSTGRES_URL");
    let address = address.expect("TEST_POSTGRES_URL: see the first lines of tests/postgres/main.rs");
    Url::parse(&address).unwrap()
}

impl Database {
    /// Its address.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.url.path().trim_start_matches('/').to_owned()
    }

    /// Its address with a parameter more.
    pub fn with(&self, name: &str, value: &str) -> Url {
        let mut url = self.url();
        url.query_pairs_mut().append_pair(name, value);
        url
    }

    /// Its address for another login.
    pub fn for_login(&self, login: &str) -> Url {
        let mut url = self.url();
        url.set_username(login).unwrap();
        url
    }

    /// A store in it.
    pub async fn store(&self) -> StorageAdapter {
        store(&self.url()).await
    }

    /// A connection as the test server's superuser, past the store.
    pub async fn connection(&self) -> PgConnection {
        PgConnection::connect(self.url.as_str()).await.unwrap()
    }

    /// Statements as the superuser.
    pub async fn run(&self, sql: &str) {
        let mut connection = self.connection().await;
        connection.execute(sql).await.unwrap();
    }
}

/// Statements as the superuser, in another database.
pub async fn run_elsewhere(sql: &str) {
    let mut connection = PgConnection::connect(server().as_str()).await.unwrap();
    connection.execute(sql).await.unwrap();
}

/// A store at an address.
pub async fn store(url: &Url) -> StorageAdapter {
    adapter(&Settings::from_url(url.as_str()).unwrap(), Language::English).await.unwrap()
}

/// Runs a test in a database of its own, which is dropped after it, however it ends.
pub async fn in_database(test: impl AsyncFnOnce(Database)) {
    let mut connection = PgConnection::connect(server().as_str()).await.unwrap();
    let name = sqlx::query("SELECT 'test_' || replace(gen_random_uuid()::text, '-', '')");
    let name: String = name.fetch_one(&mut connection).await.unwrap().get(0);
    connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
    let mut url = server();
    url.set_path(&name);
    let ended = AssertUnwindSafe(test(Database { url })).catch_unwind().await;
    connection.execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str()).await.unwrap();
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}
