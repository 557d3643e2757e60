//! What a driven run says while it goes on.

use crate::llm::LlmError;
use crate::run::{Answer, Park};
use crate::tool::{ToolCall, ToolResult};
use crate::workflow::PhaseError;

/// One thing that happened in a run. `Done`, `Cancelled`, `Failed`, and the `ToolCall` after `Parked`
/// are the last of a drive.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentEvent {
    /// A phase begins.
    Phase(String),
    /// A non-empty piece of the model's reasoning.
    Reasoning(String),
    /// A non-empty piece of the reply.
    Token(String),
    /// A call begins, or (after `Parked`) waits to begin.
    ToolCall(ToolCall),
    /// A call has its result.
    ToolResult {
        /// The tool's name.
        name: String,
        /// The result.
        result: ToolResult,
    },
    /// The context window was too small: this many of the oldest messages were left out.
    HistoryDropped(usize),
    /// The run waits for a person. Its state is now only data.
    Parked(Park),
    /// The run has its answer.
    Done(Answer),
    /// The run was cancelled.
    Cancelled,
    /// The run failed.
    Failed(RunError),
}

/// Why a run failed. The texts are for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The model failed.
    #[error("the model failed")]
    Model(#[from] LlmError),
    /// A phase failed.
    #[error(transparent)]
    Phase(#[from] PhaseError),
    /// The driver answered a run with what it did not want.
    #[error(transparent)]
    Mismatch(#[from] crate::run::Mismatch),
}
