//! The tool journal, written only by the turn that holds its conversation.

use crate::database::{Database, Who, Work};
use crate::failure::Failure;
use crate::row::{Columns, name, named};
use crate::text;
use crate::turns::{claimed, running};
use async_trait::async_trait;
use smooai_smooth_operator_store::{Claim, JournalEntry, JournalStore, Result, StoreError, TurnId};
use sqlx::postgres::PgRow;

/// Numbers the line under the lock of the turn's row, which a later claim would have to take first.
const APPEND: &str = concat!(
    "WITH held AS ( UPDATE turns SET lines = lines + 1 ",
    running!(),
    " RETURNING turn, lines - 1 AS ordinal, organization, conversation, principal ) \
     INSERT INTO journal (turn, ordinal, organization, conversation, principal, call, tool, outcome, at) \
     SELECT turn, ordinal, organization, conversation, principal, $4, $5, $6, $7 FROM held RETURNING ordinal"
);
const ENTRIES: &str = "SELECT call, tool, outcome, at FROM journal WHERE turn = $1 ORDER BY ordinal";

/// The journal of all turns.
pub(crate) struct Journal(pub(crate) Database);

/// The columns `call`, `tool`, `outcome` and `at`.
pub(crate) fn entry(columns: &mut Columns<'_>) -> Result<JournalEntry, Failure> {
    Ok(JournalEntry {
        call: columns.text()?,
        tool: columns.text()?,
        outcome: named(columns.value()?)?,
        at: columns.instant()?,
    })
}

#[async_trait]
impl JournalStore for Journal {
    async fn append(&self, claim: &Claim, entry: JournalEntry) -> Result<()> {
        let outcome = name(&entry.outcome).map_err(Failure::into_error)?;
        let statement = || {
            claimed(APPEND, claim)
                .bind(text::escaped(&entry.call))
                .bind(text::escaped(&entry.tool))
                .bind(&outcome)
                .bind(text::nanoseconds(entry.at))
        };
        match self.0.row(Who::Turn(&claim.turn), Work::Write, statement).await? {
            Some(_) => Ok(()),
            None => Err(StoreError::ClaimLost),
        }
    }

    async fn entries(&self, turn: &TurnId) -> Result<Vec<JournalEntry>> {
        let statement = || sqlx::query(ENTRIES).bind(text::escaped(turn.as_str()));
        let rows = self.0.rows(Who::Turn(turn), Work::Read, statement).await?;
        let read = |row: &PgRow| entry(&mut Columns::of(row)).map_err(Failure::into_error);
        rows.iter().map(read).collect()
    }
}
