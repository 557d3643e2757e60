//! The tool journal: written before and after every call that may change the world, so that a turn
//! which is taken over knows what has been begun.

use crate::{Claim, Result, TurnId};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalOutcome {
    /// Begun; its effect is unknown until an end is written.
    Begun,
    /// It answered.
    Succeeded,
    /// It failed.
    Failed,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The call's id inside its turn.
    pub call: String,
    /// The tool's name.
    pub tool: String,
    /// How far it got.
    pub outcome: JournalOutcome,
    /// When.
    pub at: Timestamp,
}

/// Where the journal is kept.
#[async_trait]
pub trait JournalStore: Send + Sync {
    /// Adds a line. `ClaimLost` if a later claim holds the conversation: then the tool must not be called.
    async fn append(&self, claim: &Claim, entry: JournalEntry) -> Result<()>;

    /// The lines of a turn, oldest first.
    async fn entries(&self, turn: &TurnId) -> Result<Vec<JournalEntry>>;
}
