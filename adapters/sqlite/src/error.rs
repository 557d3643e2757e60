//! What SQLite's errors mean to a caller, and why a database cannot be opened.

use rusqlite::{Error, ErrorCode};
use smooai_smooth_operator_store::StoreError;
use std::io;
use std::path::PathBuf;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder cannot be made or written to.
    #[error("the storage folder {folder:?} cannot be used; choose another with --data-dir")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error(
        "the storage in {folder:?} is in use by another process; stop that one, or choose another folder with --data-dir"
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A newer program has written it.
    #[error(
        "the database {file:?} has schema version {found} and this program knows versions up to {known}; run the newer program, or choose another folder with --data-dir"
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The file is a database of another program.
    #[error("{file:?} is no database of smooth-operator; choose another folder with --data-dir")]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// SQLite refuses it.
    #[error("the database {file:?} cannot be opened: {source}")]
    Database {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: Error,
    },
    /// A thread cannot be started.
    #[error("a thread for the database cannot be started")]
    Thread(#[source] io::Error),
}

/// Why a piece of work failed: SQLite's own error, or one that the work itself found.
#[derive(Debug)]
pub(crate) enum Failure {
    Database(Error),
    Store(StoreError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Store(StoreError::Corrupt { context: error.to_string() })
    }
}

/// What a caller is told of a failure while doing `context`.
pub(crate) fn store_error(failure: Failure, context: &'static str) -> StoreError {
    match failure {
        Failure::Store(error) => error,
        Failure::Database(error) => database_error(error, context),
    }
}

fn database_error(error: Error, context: &'static str) -> StoreError {
    match &error {
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => StoreError::Corrupt { context: format!("{context}: {error}") },
        Error::SqliteFailure(cause, _) => match cause.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                StoreError::Corrupt { context: format!("{context}: {error}") }
            }
            // SQLite's own limit on one value (https://sqlite.org/limits.html#max_length).
            ErrorCode::TooBig => StoreError::TooLarge { what: context, limit: 1_000_000_000 },
            _ => unavailable(context, Some(Box::new(error))),
        },
        _ => unavailable(context, Some(Box::new(error))),
    }
}

/// The database did not do it; a later try may succeed.
pub(crate) fn unavailable(
    context: &str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unavailable { context: format!("SQLite: {context}"), source }
}
