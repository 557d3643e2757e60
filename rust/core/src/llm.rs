//! What a run asks of a language model, and what can go wrong.

use crate::message::{ChatMessage, RequestedCall};
use crate::tool::ToolSpec;
use async_trait::async_trait;
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// One call of a model.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The model's name at the provider.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<ChatMessage>,
    /// The tools that exist. They are named even where none may be called, because earlier messages
    /// may contain calls of them.
    pub tools: Arc<[Arc<ToolSpec>]>,
    /// Whether the model may call tools now.
    pub may_call_tools: bool,
    /// The most tokens the model may write.
    pub max_tokens: u32,
    /// Sampling temperature; `None` leaves it to the provider.
    pub temperature: Option<f32>,
}

/// A piece of a model's reply.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelDelta {
    /// A non-empty piece of the answer.
    Text(String),
    /// A non-empty piece of the reasoning, which is never part of the answer.
    Reasoning(String),
    /// A whole tool call, assembled by the provider; at the end of the reply.
    Call(RequestedCall),
    /// What the call used; at most once.
    Usage(Usage),
    /// Why the model stopped; at most once, and last.
    Finish(FinishReason),
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It wants tools.
    ToolCalls,
    /// `max_tokens` were written.
    Length,
    /// The provider withheld the rest.
    ContentFilter,
}

/// Tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// US dollars; `None` where neither the gateway nor a price table tells.
    pub cost_usd: Option<f64>,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cost_usd = match (self.cost_usd, other.cost_usd) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }
}

/// A model's reply as it comes. Dropping it ends the request at once.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelDelta, LlmError>> + Send>>;

/// A source of language-model replies.
#[async_trait]
pub trait LlmProvider: Send + Sync {
    /// Starts a reply. Returns when the reply has begun (or has failed after the provider's own
    /// retries); nothing is retried after that.
    ///
    /// # Errors
    /// See [`LlmErrorKind`]. The stream itself may fail later.
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, LlmError>;

    /// Whether replies can be had at all (a key is configured). Answered without asking anyone.
    fn is_available(&self) -> bool;
}

/// The class of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LlmErrorKind {
    /// No connection, a time-out, or a 5xx.
    Unavailable,
    /// Too many requests.
    RateLimited {
        /// When the provider says to come back.
        retry_after: Option<Duration>,
    },
    /// The provider refused the request as wrong.
    BadRequest,
    /// The messages do not fit the model's context window.
    ContextTooLong,
    /// The provider withheld its reply.
    ContentFiltered,
    /// The reply broke off in the middle.
    Interrupted,
}

/// A failed model call. `detail` may hold the provider's words: it is for the log and is never sent
/// to a client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind:?}: {detail}")]
pub struct LlmError {
    /// The class.
    pub kind: LlmErrorKind,
    /// What happened, for the log.
    pub detail: String,
}

impl LlmError {
    /// An error of a class with its detail for the log.
    pub fn new(kind: LlmErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}
