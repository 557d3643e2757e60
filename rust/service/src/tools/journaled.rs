//! A tool that changes the world, with a line in the journal before and after each call. When the
//! line before cannot be written, the tool is not called.

use crate::world::World;
use async_trait::async_trait;
use smooai_smooth_operator_core::{Tool, ToolCall, ToolError, ToolSpec};
use smooai_smooth_operator_store::{Claim, JournalEntry, JournalOutcome, JournalStore};
use std::sync::Arc;

/// The decorator.
pub(crate) struct Journaled {
    pub(crate) inner: Arc<dyn Tool>,
    pub(crate) journal: Arc<dyn JournalStore>,
    pub(crate) claim: Claim,
    pub(crate) world: Arc<dyn World>,
}

impl Journaled {
    fn entry(&self, call: &ToolCall, outcome: JournalOutcome) -> JournalEntry {
        JournalEntry { call: call.id.clone(), tool: call.name.clone(), outcome, at: self.world.now() }
    }
}

#[async_trait]
impl Tool for Journaled {
    fn spec(&self) -> &Arc<ToolSpec> {
        self.inner.spec()
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        if let Err(error) = self.journal.append(&self.claim, self.entry(call, JournalOutcome::Begun)).await {
            tracing::warn!(%error, tool = call.name, "the call was not journaled and not made");
            return Err(ToolError("The call could not be recorded, so it was not made.".to_owned()));
        }
        let outcome = self.inner.call(call).await;
        let ended = if outcome.is_ok() { JournalOutcome::Succeeded } else { JournalOutcome::Failed };
        if let Err(error) = self.journal.append(&self.claim, self.entry(call, ended)).await {
            tracing::warn!(%error, tool = call.name, "the end of the call was not journaled");
        }
        outcome
    }
}
