//! The named phases of a run: those before the first reply, then `response_gen` and tools in turn.

use crate::message::ChatMessage;
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// The name of the phase in which the model replies.
pub const RESPONSE_PHASE: &str = "response_gen";

/// Why a phase failed; the run fails with it. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("phase `{phase}` failed")]
pub struct PhaseError {
    /// The phase.
    pub phase: String,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Something that happens once per turn before the model replies.
#[async_trait]
pub trait Phase: Send + Sync {
    /// Its name, as clients see it.
    fn name(&self) -> &str;

    /// Does its work for the person's question. The messages it returns are put before the question.
    ///
    /// # Errors
    /// Ends the run.
    async fn enter(&self, question: &str) -> Result<Vec<ChatMessage>, PhaseError>;
}

/// The phases before the first reply, in order. An embedding program adds its own.
#[derive(Clone, Default)]
pub struct Workflow {
    phases: Vec<Arc<dyn Phase>>,
}

impl Workflow {
    /// Adds a phase after those that are there.
    #[must_use]
    pub fn then(mut self, phase: Arc<dyn Phase>) -> Self {
        self.phases.push(phase);
        self
    }

    /// The phase at this place.
    #[must_use]
    pub fn phase(&self, at: usize) -> Option<&Arc<dyn Phase>> {
        self.phases.get(at)
    }
}

impl fmt::Debug for Workflow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.phases.iter().map(|phase| phase.name())).finish()
    }
}
