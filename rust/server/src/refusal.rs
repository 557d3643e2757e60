//! Answers to requests that get no socket: an HTTP status, and a body in the protocol's words.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use smooai_smooth_operator_protocol::ErrorCode;

/// Why there is no socket.
pub(crate) enum Refusal {
    /// The token is missing or bad.
    Unauthenticated(&'static str),
    /// Tokens cannot be checked at the moment.
    Unavailable(&'static str),
    /// The web page may not.
    OriginNotAllowed,
    /// The request is no WebSocket handshake.
    NotAnUpgrade,
    /// The server is about to end.
    Draining,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Unauthenticated(message) => (StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message),
            Self::Unavailable(message) => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::InternalError, message)
            }
            Self::OriginNotAllowed => (
                StatusCode::FORBIDDEN,
                ErrorCode::OriginNotAllowed,
                "This page's origin may not connect. Add it to [server] origins.",
            ),
            Self::NotAnUpgrade => (
                StatusCode::UPGRADE_REQUIRED,
                ErrorCode::ValidationError,
                "This is a WebSocket endpoint: connect with a WebSocket client (version 13).",
            ),
            Self::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::InternalError,
                "The server is shutting down. Connect again.",
            ),
        };
        let body = json!({"error": {"code": code.as_str(), "message": message}}).to_string();
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::UPGRADE_REQUIRED {
            response.headers_mut().insert(http::header::UPGRADE, HeaderValue::from_static("websocket"));
        }
        response
    }
}
