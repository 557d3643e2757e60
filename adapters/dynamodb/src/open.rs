//! Settings, clients and the adapter as one value.

use crate::admin::Admin;
use crate::conversations::Conversations;
use crate::knowledge::Knowledge;
use crate::sessions::Sessions;
use crate::table::{Spent, Table};
use crate::transfer::Transfer;
use crate::turns::Turns;
use crate::vectors::Vectors;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use smooai_smooth_operator_retrieval::analyse::{Analyser, Language};
use smooai_smooth_operator_store::{Result, StorageAdapter};
use std::sync::Arc;
use std::time::Duration;

/// How long one attempt of a request may take.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// How long a request may take with all its attempts.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
/// How often a throttled or failed request is tried, with exponential waits between.
const ATTEMPTS: u32 = 5;
/// The longest first wait, which doubles from try to try. The SDK's own second would keep a caller waiting
/// for most of [`REQUEST_LIMIT`] where the service cannot be reached.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Where things are kept. Region, credentials and endpoints come from the SDK's own variables and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The table; it is made (on demand, with a time to live) if it is not there and the role may.
    pub table: String,
    /// The vector bucket; it is made if it is not there and the role may.
    pub vector_bucket: String,
    /// How the names of vector indexes begin: lower-case letters, digits and hyphens, at most 24.
    pub index_prefix: String,
    /// The language that words are stemmed in.
    pub language: Language,
}

/// An open store.
pub struct Opened {
    table: Arc<Table>,
    adapter: StorageAdapter,
}

impl Opened {
    /// The store, cheap to clone.
    #[must_use]
    pub fn adapter(&self) -> StorageAdapter {
        self.adapter.clone()
    }

    /// What this process has spent on the table since it was opened.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.table.units.spent()
    }
}

/// Connects, and makes what is missing.
///
/// # Errors
/// `Unavailable`, with what to do, when the table or the bucket can be neither found nor made.
pub async fn open(settings: Settings) -> Result<Opened> {
    open_with(&sdk().load().await, settings).await
}

/// As [`open`], with the SDK's configuration given: [`sdk`] with changes.
///
/// # Errors
/// As [`open`].
pub async fn open_with(config: &SdkConfig, settings: Settings) -> Result<Opened> {
    let table = Arc::new(Table::new(config, settings.table));
    table.ensure().await?;
    let vectors = Vectors::new(config, settings.vector_bucket, settings.index_prefix);
    vectors.ensure().await?;
    let adapter = compose(&table, vectors, Analyser::new(settings.language));
    Ok(Opened { table, adapter })
}

/// The SDK's configuration from its own variables and files, with this store's limits and retries.
#[must_use]
pub fn sdk() -> ConfigLoader {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let limits = TimeoutConfig::builder()
        .connect_timeout(ATTEMPT_LIMIT)
        .operation_attempt_timeout(ATTEMPT_LIMIT)
        .operation_timeout(REQUEST_LIMIT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(limits)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_WAIT))
}

fn compose(table: &Arc<Table>, vectors: Vectors, analyser: Analyser) -> StorageAdapter {
    let conversations = Arc::new(Conversations::new(Arc::clone(table)));
    let turns = Arc::new(Turns::new(Arc::clone(table)));
    let sessions = Arc::new(Sessions::new(Arc::clone(table)));
    let admin = Arc::new(Admin::new(Arc::clone(table)));
    let knowledge = Arc::new(Knowledge::new(Arc::clone(table), vectors, analyser));
    let transfer = Transfer {
        table: Arc::clone(table),
        conversations: Arc::clone(&conversations),
        turns: Arc::clone(&turns),
        sessions: Arc::clone(&sessions),
        admin: Arc::clone(&admin),
        knowledge: Arc::clone(&knowledge),
    };
    StorageAdapter {
        messages: Arc::clone(&conversations) as _,
        conversations,
        sessions,
        journal: Arc::clone(&turns) as _,
        turns,
        knowledge,
        admin,
        transfer: Arc::new(transfer),
    }
}
