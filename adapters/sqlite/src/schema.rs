//! The tables, as a list of steps: a database is brought up to date inside one transaction, and one that
//! a newer program wrote is refused.

use rusqlite::{Connection, OptionalExtension as _, Result, TransactionBehavior};

/// Marks the file as a database of this program (`PRAGMA application_id`): "smop" in ASCII.
const APPLICATION_ID: i32 = 0x736d_6f70;

/// The steps, oldest first; the version of a database is how many it has taken. A step that was released
/// is never changed.
const STEPS: &[&str] = &[include_str!("schema/1.sql")];

/// What was found in a file.
pub(crate) enum Found {
    /// A database of this program, up to date now.
    Ours,
    /// One with a version that this program does not know.
    Newer(u32),
    /// Something else's.
    Foreign,
}

/// The newest version that this program knows.
pub(crate) fn newest() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// Brings a database up to date.
pub(crate) fn migrate(connection: &mut Connection) -> Result<Found> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let id: i32 = change.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = change.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if id != APPLICATION_ID {
        if tables > 0 {
            return Ok(Found::Foreign);
        }
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.execute_batch("CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT")?;
    }
    let version: Option<u32> = change
        .query_row("SELECT max(version) FROM schema_version", (), |row| row.get(0))
        .optional()?
        .flatten();
    let version = version.unwrap_or(0);
    if version > newest() {
        return Ok(Found::Newer(version));
    }
    for (place, step) in STEPS.iter().enumerate().skip(version as usize) {
        change.execute_batch(step)?;
        change.execute("INSERT INTO schema_version VALUES (?)", (place + 1,))?;
    }
    change.commit()?;
    Ok(Found::Ours)
}
