//! How values stand in columns.

use crate::error::Failure;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smooai_smooth_operator_store::StoreError;

/// An instant as nanoseconds since 1970; one beyond the years 1678–2261 as the end of that span.
pub(crate) fn instant(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(if at > Timestamp::UNIX_EPOCH { i64::MAX } else { i64::MIN })
}

/// The instant in a column.
pub(crate) fn get_instant(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    let nanoseconds: i64 = row.get(column)?;
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(|error| unreadable(Type::Integer, error))
}

/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string(value)?)
}

/// The value of a column of JSON.
pub(crate) fn get_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?;
    let text = text.as_str().map_err(|error| unreadable(Type::Text, error))?;
    serde_json::from_str(text).map_err(|error| unreadable(Type::Text, error))
}

/// The value of a column of JSON that may be empty.
pub(crate) fn get_json_if<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => get_json(row, column).map(Some),
    }
}

/// A count as SQLite keeps it; larger ones than 2⁶³ are not kept.
pub(crate) fn count(value: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::TooLarge { what, limit: 8 })
}

fn unreadable(kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
