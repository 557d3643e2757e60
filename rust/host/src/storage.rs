//! Opens the storage that the settings name.

use crate::config::{Backend, Config, Secret};
use smooai_smooth_operator_adapter_postgres as postgres;
use smooai_smooth_operator_adapter_sqlite::OpenError;
use smooai_smooth_operator_store::StorageAdapter;

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
        backend @ Backend::Dynamodb => Err(StorageError::NotBuiltIn(backend)),
    }
}
