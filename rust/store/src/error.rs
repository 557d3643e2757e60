//! What can go wrong in a store. The texts are for the log; a caller of the service never sees them.

use std::error::Error;

/// The result of a storage call.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a storage call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The backend could not be reached, timed out or throttled; a later try may succeed.
    #[error("storage is unavailable: {context}")]
    Unavailable {
        /// What was being done.
        context: String,
        /// The backend's own error.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The paging position is none this conversation has.
    #[error("the paging position is not one of this conversation")]
    UnknownCursor,
    /// The record is larger than the backend can hold.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The record.
        what: &'static str,
        /// Its limit in bytes.
        limit: usize,
    },
    /// The claim was taken over: a later claim of the same conversation holds a higher fencing number.
    #[error("the turn's claim was lost to a later one")]
    ClaimLost,
    /// The record the write refers to does not exist in this scope.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A stored record cannot be read back.
    #[error("a stored record cannot be read: {context}")]
    Corrupt {
        /// Which record, and what is wrong with it.
        context: String,
    },
}
