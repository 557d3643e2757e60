//! Opens the storage that the settings name.

use crate::config::{Backend, Config, Secret};
use smooai_smooth_operator_adapter_postgres as postgres;
use smooai_smooth_operator_adapter_sqlite::OpenError;
use smooai_smooth_operator_store::StorageAdapter;

/// The DynamoDB table when none is named.
#[cfg(feature = "dynamodb")]
const DEFAULT_TABLE: &str = "smooth-operator";

/// Why the storage cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The embedded database.
    #[error(transparent)]
    Sqlite(#[from] OpenError),
    /// The PostgreSQL database.
    #[error(transparent)]
    Postgres(#[from] postgres::SetupError),
    /// DynamoDB or S3 Vectors.
    #[cfg(feature = "dynamodb")]
    #[error(transparent)]
    Dynamodb(#[from] smooai_smooth_operator_store::StoreError),
    /// A kind that this build does not hold.
    #[error("{} is not in this build", .0.as_str())]
    NotBuiltIn(Backend),
}

/// Opens it; nothing of an embedded one is there before the first time.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn open(config: &Config) -> Result<StorageAdapter, StorageError> {
    let language = config.retrieval.language;
    match config.storage.backend {
        Backend::Memory => Ok(smooai_smooth_operator_adapter_memory::adapter_in(language)),
        Backend::Sqlite => {
            let opened =
                smooai_smooth_operator_adapter_sqlite::open(&config.storage.data_dir, language).await?;
            Ok(opened.adapter())
        }
        Backend::Postgres => {
            let url = config.storage.database_url.as_ref().map_or("", Secret::expose);
            Ok(postgres::adapter(&postgres::Settings::from_url(url)?, language).await?)
        }
        #[cfg(feature = "dynamodb")]
        Backend::Dynamodb => {
            use crate::config::DEFAULT_INDEX_PREFIX;
            use smooai_smooth_operator_adapter_dynamodb::Settings;
            let storage = &config.storage;
            let settings = Settings {
                table: storage.dynamodb_table.clone().unwrap_or_else(|| DEFAULT_TABLE.to_owned()),
                vector_bucket: storage.vector_bucket.clone().unwrap_or_default(),
                index_prefix: storage
                    .vector_index_prefix
                    .clone()
                    .unwrap_or_else(|| DEFAULT_INDEX_PREFIX.to_owned()),
                language,
            };
            Ok(smooai_smooth_operator_adapter_dynamodb::open(settings).await?.adapter())
        }
        #[cfg(not(feature = "dynamodb"))]
        backend @ Backend::Dynamodb => Err(StorageError::NotBuiltIn(backend)),
    }
}
