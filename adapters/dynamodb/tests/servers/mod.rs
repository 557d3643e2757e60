//! The servers of the tests, as the environment names them, and a table and a bucket for one test.

use smooai_smooth_operator_adapter_dynamodb::{Settings, adapter};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::{Result, StorageAdapter};
use std::sync::atomic::{AtomicU32, Ordering};

static TABLES: AtomicU32 = AtomicU32::new(0);

/// The servers, which the SDK finds by its own variables.
pub struct Servers;

/// The servers; `None`, said aloud, where the environment names none.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where its servers are")]
pub fn given() -> Option<Servers> {
    let address = |name| std::env::var(name).ok();
    match (address("TEST_DYNAMODB_URL"), address("TEST_S3VECTORS_URL")) {
        (Some(_), Some(_)) => Some(Servers),
        _ => {
            println!("not run: TEST_DYNAMODB_URL and TEST_S3VECTORS_URL name no servers");
            None
        }
    }
}

impl Servers {
    /// A store on a table and a bucket of its own.
    pub async fn adapter(&self) -> Result<StorageAdapter> {
        let number = TABLES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        adapter(Settings {
            table: name.clone(),
            vector_bucket: name,
            index_prefix: "documents".to_owned(),
            language: Language::English,
        })
        .await
    }
}
