//! The HTTP side: `/ws`, `/health`, `/ready`.

use crate::admission::Admission;
use crate::closing::{self, Reason};
use crate::connection::{self, Seat};
use crate::origin;
use crate::refusal::Refusal;
use crate::token::{self, SUBPROTOCOL};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper_util::rt::TokioIo;
use smooai_smooth_operator::{Caller, Scope, Service};
use smooai_smooth_operator_host::{AuthError, Authenticator, Identity};

use std::net::SocketAddr;
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The largest frame, in both directions.
pub(crate) const FRAME_LIMIT: usize = 1024 * 1024;
/// Read and write buffers of a socket.
const SOCKET_BUFFER: usize = 4 * 1024;

/// What all connections share.
pub(crate) struct Shared {
    pub service: Arc<Service>,
    pub authenticator: Authenticator,
    pub origins: Vec<String>,
    pub loopback: bool,
    pub admission: Arc<Admission>,
    pub draining: CancellationToken,
    pub tasks: TaskTracker,
}

#[derive(Clone)]
struct Here {
    shared: Arc<Shared>,
    peer: SocketAddr,
}

/// The routes of one connection.
pub(crate) fn router(shared: Arc<Shared>, peer: SocketAddr) -> Router {
    Router::new()
        .route("/ws", get(upgrade))
        .route("/health", get(|| async { "ok" }))
        .route("/ready", get(ready))
        .with_state(Here { shared, peer })
}

async fn ready(State(here): State<Here>) -> Response {
    if here.shared.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    match here.shared.service.is_ready().await {
        true => "ready".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "storage does not answer").into_response(),
    }
}

async fn upgrade(State(here): State<Here>, request: Request) -> Result<Response, Refusal> {
    let shared = &here.shared;
    let headers = request.headers();
    let accept = handshake(request.method(), headers).ok_or(Refusal::NotAnUpgrade)?;
    if shared.draining.is_cancelled() {
        return Err(Refusal::Draining);
    }
    if !origin::is_allowed(headers, &shared.origins, shared.loopback) {
        return Err(Refusal::OriginNotAllowed);
    }
    let offer = token::read(headers, request.uri().query());
    let identity = shared.authenticator.authenticate(offer.token.as_deref()).await.map_err(|error| {
        tracing::info!(%error, peer = %here.peer.ip(), "a caller was not let in");
        match error {
            AuthError::Unavailable => Refusal::Unavailable(error.public_message()),
            _ => Refusal::Unauthenticated(error.public_message()),
        }
    })?;
    let page = headers.get(http::header::ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);

    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let answer = response.headers_mut();
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if offer.subprotocol {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    let tasks = shared.tasks.clone();
    tasks.spawn(open(here, request, identity, page));
    Ok(response)
}

/// The answer to a proper handshake (RFC 6455, 4.2.1).
fn handshake(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case(token))
    };
    let proper = method == Method::GET
        && has(CONNECTION, "upgrade")
        && has(UPGRADE, "websocket")
        && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(SEC_WEBSOCKET_KEY)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok().filter(|_| proper)
}

async fn open(here: Here, request: Request, identity: Identity, page: Option<String>) {
    let upgraded = match hyper::upgrade::on(request).await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "an upgrade was not finished");
            return;
        }
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(SOCKET_BUFFER)
        .max_write_buffer_size(4 * FRAME_LIMIT)
        .max_message_size(Some(FRAME_LIMIT))
        .max_frame_size(Some(FRAME_LIMIT));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let Here { shared, peer } = here;
    let Some(admitted) = shared.admission.admit(peer.ip()) else {
        return Box::pin(closing::close(socket, Reason::Overloaded)).await;
    };
    let caller = Caller {
        connection: admitted.number,
        scope: Scope::new(identity.organization, identity.principal),
        user: identity.user,
        groups: identity.groups,
        email: identity.email,
        phone: identity.phone,
        origin: page,
    };
    let seat = Seat {
        service: Arc::clone(&shared.service),
        caller: Arc::new(caller),
        valid_for: identity.expires_at.map(|at| shared.service.time_until(at)),
        draining: shared.draining.clone(),
        leave: shared.draining.child_token(),
    };
    connection::serve(socket, seat).await;
    drop(admitted);
}
