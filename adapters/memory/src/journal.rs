//! The tool journal, written only by the turn that holds its conversation.

use crate::conversations::Threads;
use crate::shard::Sharded;
use async_trait::async_trait;
use smooai_smooth_operator_store::{Claim, JournalEntry, JournalStore, Result, StoreError, TurnId};
use std::sync::Arc;

/// The journal of all turns that called a tool.
pub(crate) struct Journal {
    threads: Arc<Threads>,
    by_turn: Sharded<Vec<JournalEntry>>,
}

impl Journal {
    pub(crate) fn new(threads: Arc<Threads>) -> Self {
        Self { threads, by_turn: Sharded::default() }
    }
}

#[async_trait]
impl JournalStore for Journal {
    async fn append(&self, claim: &Claim, entry: JournalEntry) -> Result<()> {
        // Written under the conversation's lock: a claim that is lost meanwhile cannot slip in between.
        self.threads
            .change_held(&claim.conversation, |thread| {
                if !thread.turns_ref().is_some_and(|turns| turns.runs(claim)) {
                    return Err(StoreError::ClaimLost);
                }
                self.by_turn.entry(claim.turn.as_str(), |entries| entries.push(entry));
                Ok(())
            })
            .unwrap_or(Err(StoreError::ClaimLost))
    }

    async fn entries(&self, turn: &TurnId) -> Result<Vec<JournalEntry>> {
        Ok(self.by_turn.read(turn.as_str(), Clone::clone).unwrap_or_default())
    }
}
