//! The engine: a serialisable run, a driver that waits, and what a run may ask of the world.
//!
//! [`Run`] decides and never waits; [`Drive`] waits and never decides. A program brings an
//! [`LlmProvider`] and its [`Tool`]s, makes an [`Agent`] of them, and reads [`AgentEvent`]s.
#![doc = include_str!("../README.md")]

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
