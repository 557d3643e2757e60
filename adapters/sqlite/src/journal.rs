//! The tool journal, written only by the turn that holds its conversation.

use crate::conversations::number_held;
use crate::database::Database;
use crate::error::Failure;
use crate::row::{get_json, json};
use crate::turns;
use async_trait::async_trait;
use rusqlite::{Connection, params};
use smooai_smooth_operator_store::{Claim, JournalEntry, JournalStore, Result, StoreError, TurnId};
use std::sync::Arc;

/// The table `journal`.
pub(crate) struct Journal(pub(crate) Arc<Database>);

/// Adds a line at the end of its turn's.
fn append(connection: &Connection, claim: &Claim, entry: &JournalEntry) -> Result<(), Failure> {
    // In the writer's transaction: a claim that is lost meanwhile cannot slip in between.
    let number = number_held(connection, &claim.conversation)?.ok_or(StoreError::ClaimLost)?;
    if !turns::load(connection, number)?.runs(claim) {
        return Err(StoreError::ClaimLost.into());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO journal (turn, ordinal, conversation, entry)
         SELECT ?1, count(*), ?2, ?3 FROM journal WHERE turn = ?1",
    )?;
    insert.execute(params![claim.turn.as_str(), number, json(entry)?])?;
    Ok(())
}

#[async_trait]
impl JournalStore for Journal {
    async fn append(&self, claim: &Claim, entry: JournalEntry) -> Result<()> {
        let claim = claim.clone();
        self.0.write("writing the journal", move |connection| append(connection, &claim, &entry)).await
    }

    async fn entries(&self, turn: &TurnId) -> Result<Vec<JournalEntry>> {
        let turn = turn.clone();
        self.0
            .read("reading the journal", move |connection| {
                let mut found =
                    connection.prepare_cached("SELECT entry FROM journal WHERE turn = ? ORDER BY ordinal")?;
                let found = found.query_map([turn.as_str()], |row| get_json(row, "entry"))?;
                Ok(found.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }
}
