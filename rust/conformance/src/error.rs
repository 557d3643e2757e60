//! The client's errors in the words of the harness.

use smooai_smooth_operator_client::protocol::{DecodeError, DecodeErrorKind};
use smooai_smooth_operator_client::{Error, Phase};
use smooai_smooth_operator_conformance_driver::{ErrorKind, ErrorSeen, TimeoutKind};

/// An error as a caller of the client sees it.
pub fn seen(error: &Error) -> ErrorSeen {
    let (kind, code) = match error {
        Error::Server(_) => (ErrorKind::Server, "INTERNAL_ERROR"),
        Error::CodeRejected(_) => (ErrorKind::Server, "OTP_INVALID"),
        Error::ValuesRejected(_) => (ErrorKind::Server, "INTERACTION_INVALID"),
        Error::Cancelled => (ErrorKind::Cancelled, "CANCELLED"),
        Error::Timeout { .. } => (ErrorKind::Timeout, "TIMEOUT"),
        Error::Lost { .. } => (ErrorKind::Connection, "CONNECTION_LOST"),
        Error::Connect(_) | Error::Refused { .. } | Error::Token(_) => {
            (ErrorKind::Connection, "CONNECTION_FAILED")
        }
        Error::Closed => (ErrorKind::Closed, "CLOSED"),
        Error::Invalid(_) => (ErrorKind::Invalid, "INVALID"),
        Error::NotParked => (ErrorKind::Invalid, "NO_PENDING_INTERACTION"),
        Error::Missed(_) => (ErrorKind::Other, "MISSED"),
        Error::Busy => (ErrorKind::Other, "BUSY"),
        _ => (ErrorKind::Other, "PROTOCOL"),
    };
    let code = error.code().map_or(code, |code| code.as_str());
    let mut seen = ErrorSeen::new(kind, code, error.is_retryable(), error.to_string());
    seen.retry_after_ms = error.retry_after().and_then(|wait| i64::try_from(wait.as_millis()).ok());
    match error {
        Error::Server(event) => {
            seen.request_id.clone_from(&event.request_id);
            if let Some(details) = &event.data.details {
                seen.field.clone_from(&details.field);
                seen.hint.clone_from(&details.hint);
            }
        }
        Error::ValuesRejected(event) => seen.request_id.clone_from(&event.request_id),
        Error::Timeout { phase, .. } => {
            seen.timeout = match phase {
                Phase::Connect => Some(TimeoutKind::Connect),
                Phase::Request => Some(TimeoutKind::Request),
                Phase::Idle => Some(TimeoutKind::Idle),
                Phase::Turn => Some(TimeoutKind::Turn),
                _ => None,
            };
        }
        _ => {}
    }
    seen
}

/// What the typed codec refuses.
pub fn invalid(message: &str) -> ErrorSeen {
    ErrorSeen::new(ErrorKind::Invalid, "INVALID", false, message)
}

/// What the generated code could not read, with the place where it can name one.
pub fn refused(error: &DecodeError) -> ErrorSeen {
    let field = match &error.kind {
        DecodeErrorKind::Invalid { field, .. } => Some(field.clone()),
        DecodeErrorKind::MissingTag { property } => Some(format!("/{property}")),
        _ => None,
    };
    ErrorSeen { field, request_id: error.request_id.clone(), ..invalid(&error.to_string()) }
}
