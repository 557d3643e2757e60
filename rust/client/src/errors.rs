//! What can go wrong, as one enum: each tells whether trying again may help, and when.

use crate::generated::Phase;
use smooai_smooth_operator_protocol::*;
use std::sync::Arc;
use std::time::Duration;

/// An error of another library or of the program's own token callback.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

const UNSAID: &str = "it does not say why; are the address of the WebSocket endpoint and the token right?";

/// Why a call or a turn has no result.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server refused an action, or a turn failed there. The event has its code, a hint and more.
    #[error("{}: {}", .0.error.code, .0.error.message)]
    Server(Box<ErrorEvent>),
    /// The server answered the WebSocket handshake with an HTTP status of its own.
    #[error("the server refused with HTTP {status}: {}", .said.as_ref().map_or(UNSAID, |it| &it.error.message))]
    Refused {
        /// The HTTP status; 401 is a token that is missing or bad.
        status: u16,
        /// What the body says, if it speaks as the protocol does.
        said: Option<Box<ErrorData>>,
        /// When to try again, from `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No connection came about.
    #[error("could not connect to the server")]
    Connect(#[source] Cause),
    /// The connection broke after the action had been sent, so that its outcome is not known. A turn that was
    /// cut may still have ended on the server: its conversation's messages tell.
    #[error("the connection was lost: {reason}")]
    Lost {
        /// The WebSocket close code, if the server closed in good order.
        close_code: Option<u16>,
        /// What is known about it.
        reason: String,
    },
    /// A time limit was reached.
    #[error("{phase:?} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        phase: Phase,
        /// The limit, from [`Timeouts`](crate::Timeouts).
        limit: Duration,
        /// Why there is no connection, if there is none.
        source: Option<Box<Error>>,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// The turn was cancelled.
    #[error("the turn was cancelled")]
    Cancelled,
    /// The turn waits for a person, which the event describes. Answer with `confirm`, `verify`, `submit` or
    /// `decline`, and wait for the end again.
    #[error("the turn waits for a person: {}", .0.tag())]
    Parked(Box<Event>),
    /// There is no form to answer.
    #[error("the turn does not wait for a form: submit and decline answer interaction_required")]
    NotParked,
    /// A one-time code was not accepted. The turn still waits while attempts remain.
    #[error("{}", .0.data.data.message)]
    CodeRejected(Box<OtpInvalidEvent>),
    /// A form's values were not accepted. The turn still waits.
    #[error("{}", .0.data.data.message)]
    ValuesRejected(Box<InteractionInvalidEvent>),
    /// The call or a setting is not valid; nothing was sent.
    #[error("not valid, and not sent: {0}")]
    Invalid(String),
    /// A turn's or subscriber's reader was so slow that the oldest events were dropped; reading goes on after
    /// them. Of a turn these are pieces of text and steps, and old questions only where those alone are too many.
    #[error("the reader was too slow: {0} events were dropped")]
    Missed(u64),
    /// Too many actions wait to be sent.
    #[error("too many actions wait to be sent: wait for some to end")]
    Busy,
    /// The token callback failed.
    #[error("no token could be had")]
    Token(#[source] Cause),
    /// The server said something that is not the protocol.
    #[error("the server does not keep to the protocol: {0}")]
    Protocol(String),
}

impl Error {
    /// What an answer says that is not the one that was hoped for.
    pub(crate) fn unfit(answer: Event) -> Self {
        match answer {
            Event::OtpInvalid(event) => Self::CodeRejected(Box::new(event)),
            Event::InteractionInvalid(event) => Self::ValuesRejected(Box::new(event)),
            other => Self::Protocol(format!("{} answers no such action", other.tag())),
        }
    }

    /// The protocol's code, where the server gave one.
    pub fn code(&self) -> Option<&ErrorCode> {
        match self {
            Self::Server(event) => Some(&event.error.code),
            Self::Refused { said: Some(said), .. } => Some(&said.error.code),
            Self::Refused { status: 401, .. } => Some(&ErrorCode::Unauthenticated),
            Self::Lost { close_code: Some(4401), .. } => Some(&ErrorCode::Unauthenticated),
            _ => None,
        }
    }

    /// Whether the same call may succeed when it is made again, unchanged. A turn that was cut or timed out
    /// may have done its work all the same.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Server(event) => event.is_retryable(),
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Connect(_) | Self::Lost { .. } | Self::Timeout { .. } | Self::Busy | Self::Token(_) => true,
            _ => false,
        }
    }

    /// How long the server asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Server(event) => event.retry_after(),
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
