//! A table and a bucket for one test, on the servers that the environment names.

use aws_config::SdkConfig;
use smooai_smooth_operator_adapter_dynamodb::{Opened, Settings, open, open_with, sdk};
use smooai_smooth_operator_retrieval::analyse::Language;
use std::sync::atomic::{AtomicU32, Ordering};

static TABLES: AtomicU32 = AtomicU32::new(0);

/// The address of a server, without the scheme.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where its servers are")]
pub fn address(name: &str) -> String {
    let Ok(address) = std::env::var(name) else {
        panic!("{name} is not set: see the first lines of tests/dynamodb/main.rs")
    };
    address.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// A table and a bucket that nobody else has.
pub fn settings() -> Settings {
    // Both must be given, and the SDK finds them by its own variables.
    let _servers = ["TEST_DYNAMODB_URL", "TEST_S3VECTORS_URL"].map(address);
    let number = TABLES.fetch_add(1, Ordering::Relaxed);
    let name = format!("test-{}-{number}", std::process::id());
    Settings {
        table: name.clone(),
        vector_bucket: name,
        index_prefix: "documents".to_owned(),
        language: Language::English,
    }
}

/// A store on a table and a bucket of its own.
pub async fn new() -> Opened {
    open(settings()).await.unwrap()
}

/// The same by a configuration of the SDK. The table is made with patience: the local service is slow at first.
pub async fn new_with(config: &SdkConfig) -> (Opened, Settings) {
    let settings = settings();
    open(settings.clone()).await.unwrap();
    (open_with(config, settings.clone()).await.unwrap(), settings)
}

/// The SDK as the store uses it.
pub async fn plain() -> SdkConfig {
    sdk().load().await
}
