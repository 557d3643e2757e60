//! The servers of the tests, as the environment names them, and a table and a bucket for one test.

use smooai_smooth_operator_adapter_dynamodb::{Opened, Settings, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::Result;
use std::sync::atomic::{AtomicU32, Ordering};

static TABLES: AtomicU32 = AtomicU32::new(0);

/// The servers, which the SDK finds by its own variables.
pub struct Servers;

/// The servers.
///
/// # Panics
/// Where the environment names none.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where its servers are")]
pub fn given() -> Servers {
    for name in ["TEST_DYNAMODB_URL", "TEST_S3VECTORS_URL"] {
        assert!(
            std::env::var(name).is_ok(),
            "{name} is not set: run `cargo xtask services dynamodb s3vectors -- …`"
        );
    }
    Servers
}

impl Servers {
    /// A store on a table and a bucket of its own.
    pub async fn open(&self) -> Result<Opened> {
        let number = TABLES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{}-{number}", std::process::id());
        open(Settings {
            table: name.clone(),
            vector_bucket: name,
            index_prefix: "documents".to_owned(),
            language: Language::English,
        })
        .await
    }
}
