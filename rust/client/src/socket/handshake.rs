//! From an address and a token to an open WebSocket. The request is written here because the library logs the whole
//! of it, token included, at its finest log level.

use super::MAX_FRAME;
use crate::client::{Builder, TokenPlace};
use crate::errors::{Error, Phase};
use http::{HeaderName, StatusCode, Uri, header};
use smooai_smooth_operator_protocol::ErrorData;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::{Response, generate_key};
use tokio_tungstenite::tungstenite::handshake::{derive_accept_key, machine::TryParse as _};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// The server's answer to the handshake may have this many bytes.
const MAX_ANSWER: usize = 16 * 1024;
/// Read and write buffers of the socket.
const BUFFER: usize = 16 * 1024;

/// A byte stream, with or without TLS.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// An open WebSocket.
pub(crate) type Line = WebSocketStream<Box<dyn Bytes>>;

/// One attempt to connect, with the token of this moment. One that the server refuses is asked for once more.
pub(crate) async fn dial(options: &Builder) -> Result<Line, Error> {
    let attempt = async {
        let token = options.current_token().await?;
        let refusal = match shake_hands(options, token.as_deref()).await {
            Err(refusal @ Error::Refused { status: 401, .. }) => refusal,
            settled => return settled,
        };
        let newer = options.current_token().await?;
        if newer == token { Err(refusal) } else { shake_hands(options, newer.as_deref()).await }
    };
    let limit = options.timeouts.connect;
    let timed_out = Error::Timeout { phase: Phase::Connect, limit, source: None };
    timeout(limit, Box::pin(attempt)).await.unwrap_or(Err(timed_out))
}

async fn shake_hands(options: &Builder, token: Option<&str>) -> Result<Line, Error> {
    // The address is not repeated in errors: it may hold a token.
    let invalid = |what: &str| Error::Invalid(format!("the address of the server {what}"));
    let uri: Uri = options.url.parse().map_err(|_| invalid("is no address"))?;
    let (tls, port) = match uri.scheme_str() {
        Some("ws") => (false, 80),
        Some("wss") => (true, 443),
        _ => return Err(invalid("must begin with ws:// or wss://")),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| invalid("names no host"))?;
    let (host, port) = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(port));
    let key = generate_key();
    let request = request(&uri, &key, token, options.place)?;

    let stream = TcpStream::connect((host, port)).await.map_err(broken)?;
    stream.set_nodelay(true).map_err(broken)?;
    let mut bytes: Box<dyn Bytes> = if tls { secure(host, stream).await? } else { Box::new(stream) };
    bytes.write_all(request.as_bytes()).await.map_err(broken)?;
    let (response, rest) = answer(&mut bytes).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(&response, rest, bytes).await);
    }
    let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accepted.is_none_or(|accepted| *accepted != derive_accept_key(key.as_bytes())) {
        return Err(Error::Protocol("the answer to the handshake does not fit its key".to_owned()));
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    Ok(WebSocketStream::from_partially_read(bytes, rest, Role::Client, Some(config)).await)
}

fn request(uri: &Uri, key: &str, token: Option<&str>, place: TokenPlace) -> Result<String, Error> {
    let stands = |byte: u8| match place {
        TokenPlace::Url => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
        _ => byte.is_ascii_graphic(),
    };
    if token.is_some_and(|token| token.is_empty() || !token.bytes().all(stands)) {
        return Err(Error::Invalid("the token has characters that cannot stand in its place".to_owned()));
    }
    let mut target = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut more = String::new();
    match (token, place) {
        (None, _) => {}
        (Some(token), TokenPlace::Header) => more = format!("Authorization: Bearer {token}\r\n"),
        (Some(token), TokenPlace::Subprotocol) => {
            more = format!("Sec-WebSocket-Protocol: smooth-operator, bearer.{token}\r\n");
        }
        (Some(token), TokenPlace::Url) => {
            target += if uri.query().is_some() { "&token=" } else { "?token=" };
            target += token;
        }
    }
    let host = uri.host().unwrap_or_default();
    let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
    Ok(format!(
        "GET {target} HTTP/1.1\r\nHost: {host}{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: smooth-operator-rust/{}\r\n{more}\r\n",
        env!("CARGO_PKG_VERSION")
    ))
}

/// Reads the head of the server's answer, and what came after it.
async fn answer(bytes: &mut Box<dyn Bytes>) -> Result<(Response, Vec<u8>), Error> {
    let mut read = Vec::new();
    loop {
        let parsed = Response::try_parse(&read).map_err(|error| Error::Protocol(error.to_string()))?;
        if let Some((end, response)) = parsed {
            return Ok((response, read.split_off(end)));
        }
        if read.len() > MAX_ANSWER || bytes.read_buf(&mut read).await.map_err(broken)? == 0 {
            return Err(broken(io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
    }
}

/// What an answer that opens nothing says, in its body if it has one.
async fn refusal(response: &Response, mut body: Vec<u8>, bytes: Box<dyn Bytes>) -> Error {
    let number = |name: HeaderName| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let length = number(header::CONTENT_LENGTH).unwrap_or(0).min(MAX_ANSWER as u64);
    let missing = length.saturating_sub(body.len() as u64);
    let _as_far_as_it_came = bytes.take(missing).read_to_end(&mut body).await;
    let status = response.status().as_u16();
    let (code, message) = match serde_json::from_slice::<ErrorData>(&body) {
        Ok(said) => (Some(said.error.code), said.error.message),
        Err(_) if status == 401 => (None, "the token is missing or bad".to_owned()),
        Err(_) => (None, "is this the address of a WebSocket endpoint?".to_owned()),
    };
    let retry_after = number(header::RETRY_AFTER).map(Duration::from_secs);
    Error::Refused { status, code, message, retry_after }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Connect(Arc::new(error))
}

#[cfg(feature = "tls")]
async fn secure(host: &str, stream: TcpStream) -> Result<Box<dyn Bytes>, Error> {
    use rustls::{ClientConfig, crypto::ring, pki_types::ServerName};
    use rustls_platform_verifier::BuilderVerifierExt;

    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(broken)?
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(broken)?;
    let secured =
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(broken)?;
    Ok(Box::new(secured))
}

#[cfg(not(feature = "tls"))]
async fn secure(_: &str, _: TcpStream) -> Result<Box<dyn Bytes>, Error> {
    Err(Error::Invalid("a wss:// address needs the crate's feature `tls`".to_owned()))
}
