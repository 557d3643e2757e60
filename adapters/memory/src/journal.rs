//! The tool journal, written only by the turn that holds its conversation.

use crate::conversations::Threads;
use crate::shard::Sharded;
use crate::thread::Thread;
use async_trait::async_trait;
use smooai_smooth_operator_store::{
    Claim, ConversationId, JournalEntry, JournalRecord, JournalStore, Result, StoreError, TurnId,
};
use std::sync::Arc;

/// The journal of all turns that called a tool.
pub(crate) struct Journal {
    threads: Arc<Threads>,
    by_turn: Sharded<Lines>,
}

/// The lines of one turn.
#[derive(Default)]
struct Lines {
    conversation: Option<ConversationId>,
    entries: Vec<JournalEntry>,
}

impl Journal {
    pub(crate) fn new(threads: Arc<Threads>) -> Self {
        Self { threads, by_turn: Sharded::default() }
    }

    /// The turns after `after` that have lines.
    pub(crate) fn turns_after(&self, after: Option<&str>, limit: usize) -> Vec<Box<str>> {
        self.by_turn.keys_after(after, limit)
    }

    /// The lines of a turn as records.
    pub(crate) fn records(&self, turn: &str) -> Vec<JournalRecord> {
        let lines = self.by_turn.read(turn, |lines| (lines.conversation.clone(), lines.entries.clone()));
        let Some((Some(conversation), entries)) = lines else { return Vec::new() };
        let Some(scope) = self.threads.read_any(conversation.as_str(), Thread::scope) else {
            return Vec::new();
        };
        let record = |(ordinal, entry)| JournalRecord {
            scope: scope.clone(),
            conversation: conversation.clone(),
            turn: turn.into(),
            ordinal,
            entry,
        };
        (0..).zip(entries).map(record).collect()
    }

    /// Takes a line over, unless its place is taken.
    pub(crate) fn restore(&self, record: JournalRecord) {
        self.by_turn.entry(record.turn.as_str(), |lines| {
            lines.conversation = Some(record.conversation);
            if lines.entries.len() == record.ordinal as usize {
                lines.entries.push(record.entry);
            }
        });
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
                self.by_turn.entry(claim.turn.as_str(), |lines| {
                    lines.conversation = Some(claim.conversation.clone());
                    lines.entries.push(entry);
                });
                Ok(())
            })
            .unwrap_or(Err(StoreError::ClaimLost))
    }

    async fn entries(&self, turn: &TurnId) -> Result<Vec<JournalEntry>> {
        Ok(self.by_turn.read(turn.as_str(), |lines| lines.entries.clone()).unwrap_or_default())
    }
}
