//! The service's errors. What a client may read and what belongs into the log are kept apart: the
//! public text says what to do, the source is only logged.

use smooai_smooth_operator_core::{LlmError, LlmErrorKind, RunError};
use smooai_smooth_operator_protocol::{
    DecodeError, DecodeErrorKind, ErrorBody, ErrorCode, ErrorData, ErrorDetails, ErrorEvent, Violation,
};
use smooai_smooth_operator_store::StoreError;
use std::error::Error as StdError;
use std::time::Duration;

/// An error on its way to a client.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    code: ErrorCode,
    message: String,
    field: Option<String>,
    retry_after: Option<Duration>,
    #[source]
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result of a service call.
pub type Result<T, E = ServiceError> = std::result::Result<T, E>;

impl ServiceError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, retry_after: None, cause: None }
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    fn caused_by(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The code a client sees.
    #[must_use]
    pub fn code(&self) -> &ErrorCode {
        &self.code
    }

    pub(crate) fn session_not_found() -> Self {
        Self::new(
            ErrorCode::SessionNotFound,
            "There is no such session. Create one with create_conversation_session.",
        )
        .field("/sessionId")
    }

    pub(crate) fn conversation_not_found() -> Self {
        Self::new(ErrorCode::ConversationNotFound, "There is no such conversation.").field("/conversationId")
    }

    pub(crate) fn turn_in_progress() -> Self {
        Self::new(
            ErrorCode::TurnInProgress,
            "A turn of this conversation is running or waits for a person. Wait for its end or cancel it.",
        )
    }

    pub(crate) fn no_pending_confirmation() -> Self {
        Self::new(ErrorCode::NoPendingConfirmation, "No tool call of this session waits for a confirmation.")
    }

    pub(crate) fn no_pending_interaction() -> Self {
        Self::new(ErrorCode::NoPendingInteraction, "No form of this session waits to be filled in.")
    }

    pub(crate) fn validation(field: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationError, message).field(field)
    }

    pub(crate) fn internal(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(ErrorCode::InternalError, "The server failed inside. It may work on another try.")
            .caused_by(cause)
    }

    /// The one function that turns an error into an event; the cause goes to the log.
    pub(crate) fn into_event(self, request_id: Option<String>, timestamp: i64) -> ErrorEvent {
        let status = self.code.status();
        if let Some(cause) = &self.cause {
            let cause = chain(cause.as_ref());
            tracing::warn!(code = self.code.as_str(), request_id, cause, "request failed");
        } else {
            tracing::debug!(code = self.code.as_str(), request_id, "request refused");
        }
        let details = ErrorDetails {
            status: i32::from(status),
            retryable: self.code.retryable(),
            field: self.field,
            hint: Some(self.code.hint().to_owned()).filter(|hint| !hint.is_empty()),
            retry_after_ms: self.retry_after.and_then(|wait| i64::try_from(wait.as_millis()).ok()),
        };
        let body = ErrorBody { code: self.code, message: self.message };
        let data = ErrorData { error: body.clone(), request_id: request_id.clone(), details: Some(details) };
        ErrorEvent { request_id, timestamp, error: body, data }
    }
}

fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownCursor => Self::validation(
                "/cursor",
                "The cursor is not one of this conversation. Leave it out to start at the newest.",
            ),
            StoreError::TooLarge { what, limit } => {
                Self::new(ErrorCode::ValidationError, format!("The {what} is larger than {limit} bytes."))
            }
            other => Self::new(ErrorCode::StorageError, "Storage did not answer. Try again in a moment.")
                .caused_by(other),
        }
    }
}

impl From<Violation> for ServiceError {
    fn from(violation: Violation) -> Self {
        let field = violation.pointer.trim_start_matches('/').replace('/', ".");
        Self::new(ErrorCode::ValidationError, format!("`{field}` {}.", violation.message))
            .field(violation.pointer)
    }
}

impl From<LlmError> for ServiceError {
    fn from(error: LlmError) -> Self {
        let (code, message) = match error.kind {
            LlmErrorKind::RateLimited { .. } => (
                ErrorCode::AgentError,
                "The model provider is asked too often at the moment. Try again in a moment.",
            ),
            LlmErrorKind::ContextTooLong => (
                ErrorCode::AgentError,
                "The conversation does not fit the model's context window. Start a new one.",
            ),
            LlmErrorKind::ContentFiltered => {
                (ErrorCode::AgentError, "The model provider withheld its reply.")
            }
            LlmErrorKind::BadRequest => (ErrorCode::AgentError, "The model provider refused the request."),
            LlmErrorKind::Interrupted => (ErrorCode::AgentError, "The model's reply broke off. Ask again."),
            _ => (ErrorCode::AgentError, "The model did not answer. Try again in a moment."),
        };
        let retry_after = match error.kind {
            LlmErrorKind::RateLimited { retry_after } => retry_after,
            _ => None,
        };
        Self { retry_after, ..Self::new(code, message).caused_by(error) }
    }
}

impl From<RunError> for ServiceError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Model(error) => error.into(),
            RunError::Phase(error) => Self::new(
                ErrorCode::AgentError,
                "The documents could not be searched. Try again in a moment.",
            )
            .caused_by(error),
            other => Self::internal(other),
        }
    }
}

impl From<DecodeError> for ServiceError {
    fn from(error: DecodeError) -> Self {
        let message = error.to_string();
        let (code, field) = match error.kind {
            DecodeErrorKind::UnknownTag(_) => (ErrorCode::UnsupportedAction, Some("/action".to_owned())),
            DecodeErrorKind::MissingTag { property } => {
                (ErrorCode::ValidationError, Some(format!("/{property}")))
            }
            DecodeErrorKind::Invalid { field, .. } => (ErrorCode::ValidationError, Some(field)),
            _ => (ErrorCode::ValidationError, None),
        };
        Self { field, ..Self::new(code, message) }
    }
}
