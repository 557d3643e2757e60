//! From an address and a token to an open WebSocket. HTTP is spoken by reqwest because the WebSocket library logs the
//! whole request, token included, at its finest log level.

use super::MAX_FRAME;
use crate::client::{Options, Token};
use crate::errors::Error;
use crate::generated::Phase;
use http_body_util::{BodyExt as _, Limited};
use reqwest::{Body, Client, Response, StatusCode, Upgraded, Url, header, redirect::Policy};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// The body of a refusal may have this many bytes.
const MAX_REFUSAL: usize = 16 * 1024;

/// An open WebSocket.
pub(crate) type Line = WebSocketStream<Upgraded>;

/// One attempt to connect. A token that the server refuses is asked for once more.
pub(crate) async fn dial(url: &str, options: &Options) -> Result<Line, Error> {
    let attempt = async {
        let first = shake_hands(url, options).await;
        let is_stale = matches!(first, Err(Error::Refused { status: 401, .. })) && options.token.is_some();
        if is_stale { shake_hands(url, options).await } else { first }
    };
    let limit = options.timeouts.connect;
    let timed_out = Error::Timeout { phase: Phase::Connect, limit, source: None };
    timeout(limit, Box::pin(attempt)).await.unwrap_or(Err(timed_out))
}

async fn shake_hands(url: &str, options: &Options) -> Result<Line, Error> {
    // The address is not repeated in errors: it may hold a token.
    let invalid = |what: &str| Error::Invalid(format!("the address of the server: {what}"));
    let mut url = Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
    let scheme = match url.scheme() {
        "ws" => "http",
        "wss" if cfg!(feature = "tls") => "https",
        _ => return Err(invalid("it must begin with ws:// or, with the crate's feature `tls`, with wss://")),
    };
    let _both_have_hosts = url.set_scheme(scheme);
    // It does what it is told, whatever its environment says.
    let agent = concat!("smooth-operator-rust/", env!("CARGO_PKG_VERSION"));
    let client = Client::builder().http1_only().no_proxy().redirect(Policy::none()).user_agent(agent);
    #[cfg(feature = "tls")]
    let client = client
        .tls_backend_preconfigured(tls(scheme == "https").map_err(|error| Error::Connect(Arc::new(error)))?);
    let key = generate_key();
    let mut request = client
        .build()
        .map_err(broken)?
        .get(url)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key);
    if let Some(Token(ask)) = &options.token {
        let token = ask().await.map_err(Error::Token)?;
        let protocols = format!("smooth-operator, bearer.{token}");
        request = match options.token_in_subprotocol {
            true => request.header(header::SEC_WEBSOCKET_PROTOCOL, protocols),
            false => request.bearer_auth(token),
        };
    }
    let response = request.send().await.map_err(broken)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(response).await);
    }
    let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accepted.is_none_or(|accepted| *accepted != derive_accept_key(key.as_bytes())) {
        return Err(Error::Protocol("the answer to the handshake does not fit its key".to_owned()));
    }
    let config = WebSocketConfig::default().max_message_size(Some(MAX_FRAME)).max_frame_size(Some(MAX_FRAME));
    let bytes = response.upgrade().await.map_err(broken)?;
    Ok(WebSocketStream::from_raw_socket(bytes, Role::Client, Some(config)).await)
}

#[cfg(feature = "tls")]
fn tls(secure: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    use rustls::{ClientConfig, RootCertStore, crypto::ring};
    use rustls_platform_verifier::BuilderVerifierExt as _;

    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match secure {
        true => config.with_platform_verifier()?,
        // A system that needs no certificates may have none.
        false => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

/// What an answer says that opens nothing.
async fn refusal(response: Response) -> Error {
    let status = response.status().as_u16();
    let wait = response.headers().get(header::RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
    let body = Limited::new(Body::from(response), MAX_REFUSAL).collect().await;
    let said = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
    Error::Refused { status, said, retry_after: wait.map(Duration::from_secs) }
}

fn broken(error: reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::Invalid("the token has characters that cannot stand in its place".to_owned());
    }
    Error::Connect(Arc::new(error.without_url()))
}
