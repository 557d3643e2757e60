//! The engine: a serialisable run, a driver that waits, and what a run may ask of the world.

mod llm;
mod message;
mod tool;

pub use llm::{
    FinishReason, LlmError, LlmErrorKind, LlmProvider, ModelDelta, ModelRequest, ModelStream, Usage,
};
pub use message::{ChatMessage, ContentPart, RequestedCall, estimate_tokens};
pub use tool::{
    Challenge, Effect, Form, Gate, Tool, ToolCall, ToolError, ToolRegistry, ToolResult, ToolSpec,
    ToolSpecError,
};
