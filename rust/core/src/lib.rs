//! The engine: a serialisable run, a driver that waits, and what a run may ask of the world.
//!
//! [`Run`] decides and never waits; [`Drive`] waits and never decides. A program brings an
//! [`LlmProvider`] and its [`Tool`]s, makes an [`Agent`] of them, and reads [`AgentEvent`]s.
//!
//! # The smallest use
//!
//! ```
//! use async_trait::async_trait;
//! use smooai_smooth_operator_core::*;
//! use std::sync::Arc;
//! use tokio_util::sync::CancellationToken;
//!
//! /// A model that says what it heard. Yours asks a language model.
//! struct Echo;
//!
//! #[async_trait]
//! impl LlmProvider for Echo {
//!     async fn stream(&self, request: ModelRequest) -> Result<ModelStream, LlmError> {
//!         let heard = format!("{} messages", request.messages.len());
//!         let reply = [ModelDelta::Text(heard), ModelDelta::Finish(FinishReason::Stop)];
//!         Ok(Box::pin(futures_util::stream::iter(reply.map(Ok))))
//!     }
//!
//!     fn is_available(&self) -> bool {
//!         true
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let agent = Agent::new(AgentConfig::default(), Arc::new(Echo));
//! let mut run = agent.begin(vec![], ChatMessage::user("Hello"));
//! let mut drive = agent.drive(&mut run, CancellationToken::new());
//! let mut answer = None;
//! while let Some(event) = drive.next().await {
//!     if let AgentEvent::Done(done) = event {
//!         answer = Some(done.text);
//!     }
//! }
//! assert_eq!(answer.as_deref(), Some("2 messages"));
//! # }
//! ```
//!
//! # What else there is
//!
//! - [`ToolSpec::of`] describes a [`Tool`] by the Rust type of its arguments. Reads of one reply run side
//!   by side, writes one after another; each is bounded, and whatever goes wrong is told to the model.
//! - A [`Gate`] before a tool makes the run wait for a person: the drive ends with
//!   [`AgentEvent::Parked`], the run is stored as a [`Checkpoint`], and any process takes it up with
//!   [`Run::resume`].
//! - A [`Phase`] in the agent's [`Workflow`] runs before the first reply; [`Retrieve`] searches a
//!   [`KnowledgeBase`].
//! - [`Memory`] keeps a conversation between turns, a [`CheckpointStore`] keeps runs that wait. Both have
//!   an implementation in this process.
//! - A [`CostBudget`] and `max_iterations` bound a turn; cancelling its token ends it.
//!
//! Time-outs are tokio's, so a drive needs a tokio runtime with its timer. The crate reads no
//! environment and no clock, spawns no tasks, and opens no connections.

mod agent;
mod checkpoint;
mod cost;
mod drive;
mod event;
mod knowledge;
mod llm;
mod memory;
mod message;
mod run;
mod tool;
mod workflow;

pub use agent::{Agent, AgentConfig};
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointStore, InProcessCheckpoints};
pub use cost::{CostBudget, CostTracker};
pub use drive::Drive;
pub use event::{AgentEvent, RunError};
pub use knowledge::{
    KnowledgeBase, KnowledgeError, KnowledgePassage, PASSAGES_INSTRUCTION, RETRIEVE_PHASE, Retrieve,
    format_passages,
};
pub use llm::{
    FinishReason, LlmError, LlmErrorKind, LlmProvider, ModelDelta, ModelRequest, ModelStream, Usage,
};
pub use memory::{Memory, MemoryError, WindowMemory};
pub use message::{ChatMessage, ContentPart, RequestedCall, estimate_tokens};
pub use run::{Answer, MAX_PARALLEL_CALLS, Mismatch, ModelReply, Outcome, Park, Prompt, Run, Step, Verdict};
pub use tool::{
    Challenge, Effect, Form, Gate, Tool, ToolCall, ToolError, ToolRegistry, ToolResult, ToolSpec,
    ToolSpecError,
};
pub use workflow::{Phase, PhaseError, RESPONSE_PHASE, Workflow};

/// The README's snippets, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
