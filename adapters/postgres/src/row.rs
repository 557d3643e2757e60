//! Reading a row's columns in their order.

use crate::failure::Failure;
use crate::text;
use jiff::Timestamp;
use serde_json::Value;
use smooai_smooth_operator_store::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};

/// A row of which each column is read once, from the left.
pub(crate) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    /// The value as the driver reads it.
    pub(crate) fn value<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, Failure> {
        let at = self.next;
        self.next += 1;
        Ok(self.row.try_get(at)?)
    }

    pub(crate) fn text(&mut self) -> Result<String, Failure> {
        self.value().map(text::plain)
    }

    pub(crate) fn id<T: From<String>>(&mut self) -> Result<T, Failure> {
        self.text().map(T::from)
    }

    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, Failure> {
        Ok(self.value::<Option<String>>()?.map(text::plain))
    }

    pub(crate) fn texts(&mut self) -> Result<Vec<String>, Failure> {
        Ok(self.value::<Vec<String>>()?.into_iter().map(text::plain).collect())
    }

    pub(crate) fn count<T: TryFrom<i64>>(&mut self) -> Result<T, Failure> {
        self.value().and_then(text::count)
    }

    pub(crate) fn instant(&mut self) -> Result<Timestamp, Failure> {
        self.value().and_then(text::instant)
    }

    /// JSON comes as its text.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let written: String = self.value()?;
        from_json(&written)
    }

    pub(crate) fn optional_json(&mut self) -> Result<Option<Value>, Failure> {
        self.value::<Option<String>>()?.as_deref().map(from_json).transpose()
    }
}

fn from_json<T: serde::de::DeserializeOwned>(written: &str) -> Result<T, Failure> {
    serde_json::from_str(written).map_err(|error| StoreError::Corrupt { context: error.to_string() }.into())
}

/// A value as JSON text.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt { context: error.to_string() }.into())
}

/// The name that an enum has in JSON.
pub(crate) fn name(value: &impl serde::Serialize) -> Result<String, Failure> {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => Ok(name),
        _ => Err(StoreError::Corrupt { context: "no name".to_owned() }.into()),
    }
}

/// The enum of a name.
pub(crate) fn named<T: serde::de::DeserializeOwned>(name: String) -> Result<T, Failure> {
    serde_json::from_value(Value::String(name))
        .map_err(|error| StoreError::Corrupt { context: error.to_string() }.into())
}
