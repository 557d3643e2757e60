//! What went wrong with a statement, and what a store says of it: whether a further try may help, and
//! never the words of a statement or what was written.

use smooai_smooth_operator_store::StoreError;
use sqlx::error::{DatabaseError, Error};
use std::io;

/// Why a unit of work did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database or the way to it.
    Database(Error),
    /// What the store itself has to say.
    Store(StoreError),
    /// The whole unit took too long.
    Late,
    /// Another transaction was faster; what it wrote is seen by the next try.
    Overtaken,
}

/// What a further try could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The connection is gone, and with it the transaction.
    Lost,
    /// The server chose this transaction to give way to another.
    Contended,
    /// A further try would fail as well.
    Lasting,
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

impl Failure {
    /// What a further try could do.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Overtaken => Cause::Contended,
            Self::Database(Error::Io(_) | Error::Protocol(_) | Error::WorkerCrashed) => Cause::Lost,
            Self::Database(Error::Database(told)) => cause_of(told.as_ref()),
            _ => Cause::Lasting,
        }
    }

    /// Whether a row with that key is there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(Error::Database(told)) if told.code().as_deref() == Some("23505"))
    }

    /// A key that is there already was written by a faster transaction.
    pub(crate) fn overtaken(self) -> Self {
        if self.is_duplicate() { Self::Overtaken } else { self }
    }

    /// What the store's caller is told.
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Late => unavailable("PostgreSQL did not answer in time", None),
            Self::Overtaken => unavailable("other transactions were faster each time", None),
            Self::Database(error) => told(error),
        }
    }
}

/// SQLSTATE codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn cause_of(told: &dyn DatabaseError) -> Cause {
    match told.code().as_deref() {
        // Serialisation failure, deadlock.
        Some("40001" | "40P01") => Cause::Contended,
        // Terminated by an administrator, crash of another session, start-up, lost connection.
        Some("57P01" | "57P02" | "57P03" | "57P05" | "25P03") => Cause::Lost,
        Some(code) if code.starts_with("08") => Cause::Lost,
        _ => Cause::Lasting,
    }
}

fn told(error: Error) -> StoreError {
    let context = match &error {
        Error::PoolTimedOut => "no connection to PostgreSQL was free in time".to_owned(),
        Error::PoolClosed => "the connections to PostgreSQL are closed".to_owned(),
        Error::ColumnDecode { index, source } => {
            return StoreError::Corrupt { context: format!("column {index}: {source}") };
        }
        Error::Decode(source) => return StoreError::Corrupt { context: source.to_string() },
        Error::Io(_) | Error::Protocol(_) | Error::Tls(_) | Error::WorkerCrashed => {
            "the connection to PostgreSQL was lost".to_owned()
        }
        Error::Database(told) => match told.code().as_deref() {
            Some("57014") => "PostgreSQL gave up a statement that took too long".to_owned(),
            Some("40001" | "40P01") => "PostgreSQL let other transactions go first".to_owned(),
            Some(code) => format!("PostgreSQL refused (SQLSTATE {code})"),
            None => "PostgreSQL refused".to_owned(),
        },
        _ => "PostgreSQL could not be asked".to_owned(),
    };
    unavailable(context, Some(error))
}

fn unavailable(context: impl Into<String>, source: Option<Error>) -> StoreError {
    StoreError::Unavailable { context: context.into(), source: source.map(Into::into) }
}

/// Whether TLS failed: it is not spoken there, or the certificate is none that counts.
pub(crate) fn is_unencrypted(error: &Error) -> bool {
    match error {
        Error::Tls(_) => true,
        // The driver gives errors of the handshake as broken data.
        Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Whether a connection could not be made at all.
pub(crate) fn is_unreachable(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() != io::ErrorKind::InvalidInput,
        Error::PoolTimedOut => true,
        _ => false,
    }
}
