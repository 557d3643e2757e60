//! From an address and a token to an open WebSocket. The handshake is written here because the library logs
//! the whole request, token included, at its finest log level.

use super::MAX_FRAME;
use crate::client::TokenPlace;
use crate::errors::{Cause, Error, Phase};
use futures_util::future::BoxFuture;
use http::Uri;
use serde::Deserialize;
use smooai_smooth_operator_protocol::ErrorBody;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
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

/// A function that gives a token.
pub(crate) type Ask = dyn Fn() -> BoxFuture<'static, Result<String, Cause>> + Send + Sync;

/// What a line is made from.
#[derive(Clone)]
pub(crate) struct Settings {
    pub url: String,
    pub ask: Option<Arc<Ask>>,
    pub place: TokenPlace,
    pub heartbeat: Duration,
    pub first_wait: Duration,
    pub most_wait: Duration,
}

impl Settings {
    pub fn new(url: String) -> Self {
        let (first_wait, most_wait) = (Duration::from_millis(500), Duration::from_secs(20));
        let heartbeat = Duration::from_secs(20);
        Self { url, ask: None, place: TokenPlace::default(), heartbeat, first_wait, most_wait }
    }
}

/// Connects, each time with the token of that moment.
pub(crate) struct Dialer {
    pub settings: Settings,
    limit: Duration,
    target: Target,
}

/// The parts of the address.
struct Target {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

impl Dialer {
    pub fn new(settings: Settings, limit: Duration) -> Result<Self, Error> {
        let target = Target::parse(&settings.url)?;
        Ok(Self { settings, limit, target })
    }

    /// One attempt. A token that the server refuses is asked for once more.
    pub async fn dial(&self) -> Result<Line, Error> {
        let limit = self.limit;
        let timed_out = Error::Timeout { phase: Phase::Connect, limit, source: None };
        timeout(limit, Box::pin(self.attempt())).await.unwrap_or(Err(timed_out))
    }

    async fn attempt(&self) -> Result<Line, Error> {
        let token = self.token().await?;
        let refusal = match self.shake_hands(token.as_deref()).await {
            Err(refusal @ Error::Refused { status: 401, .. }) => refusal,
            settled => return settled,
        };
        let newer = self.token().await?;
        if newer == token { Err(refusal) } else { self.shake_hands(newer.as_deref()).await }
    }

    async fn token(&self) -> Result<Option<String>, Error> {
        match &self.settings.ask {
            Some(ask) => ask().await.map(Some).map_err(Error::Token),
            None => Ok(None),
        }
    }

    async fn shake_hands(&self, token: Option<&str>) -> Result<Line, Error> {
        let key = generate_key();
        let request = self.target.request(&key, token, self.settings.place)?;
        let mut bytes = self.target.open().await?;
        bytes.write_all(request.as_bytes()).await.map_err(broken)?;
        let (accepted, rest) = answer(&mut bytes).await?;
        if accepted != derive_accept_key(key.as_bytes()) {
            return Err(Error::Protocol("the answer to the handshake does not fit its key".to_owned()));
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        Ok(WebSocketStream::from_partially_read(bytes, rest, Role::Client, Some(config)).await)
    }
}

impl Target {
    /// The address is not repeated in errors: it may hold a token.
    fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |what: &str| Error::Invalid(format!("the address of the server {what}"));
        let uri: Uri = url.parse().map_err(|_| invalid("is no address"))?;
        let (tls, port) = match uri.scheme_str() {
            Some("ws") => (false, 80),
            Some("wss") => (true, 443),
            _ => return Err(invalid("must begin with ws:// or wss://")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| invalid("names no host"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { tls, host: host.to_owned(), port: uri.port_u16().unwrap_or(port), path: path.to_owned() })
    }

    fn request(&self, key: &str, token: Option<&str>, place: TokenPlace) -> Result<String, Error> {
        let stands = |byte: u8| match place {
            TokenPlace::Url => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
            _ => byte.is_ascii_graphic(),
        };
        if token.is_some_and(|token| token.is_empty() || !token.bytes().all(stands)) {
            return Err(Error::Invalid("the token has characters that cannot stand in its place".to_owned()));
        }
        let (query, header) = match (token, place) {
            (None, _) => (String::new(), String::new()),
            (Some(token), TokenPlace::Header) => {
                (String::new(), format!("Authorization: Bearer {token}\r\n"))
            }
            (Some(token), TokenPlace::Subprotocol) => {
                (String::new(), format!("Sec-WebSocket-Protocol: smooth-operator, bearer.{token}\r\n"))
            }
            (Some(token), TokenPlace::Url) if self.path.contains('?') => {
                (format!("&token={token}"), String::new())
            }
            (Some(token), TokenPlace::Url) => (format!("?token={token}"), String::new()),
        };
        let (host, port, path, version) = (&self.host, self.port, &self.path, env!("CARGO_PKG_VERSION"));
        Ok(format!(
            "GET {path}{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: smooth-operator-rust/{version}\r\n\
             {header}\r\n"
        ))
    }

    async fn open(&self) -> Result<Box<dyn Bytes>, Error> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        if self.tls { secure(host, stream).await } else { Ok(Box::new(stream)) }
    }
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refusal {
    error: ErrorBody,
}

/// Reads the server's answer: the key that it accepts, and what came after the answer.
async fn answer(bytes: &mut Box<dyn Bytes>) -> Result<(String, Vec<u8>), Error> {
    let mut read = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&read).map_err(|error| Error::Protocol(error.to_string()))?;
        let httparse::Status::Complete(end) = parsed else {
            if read.len() > MAX_ANSWER || bytes.read_buf(&mut read).await.map_err(broken)? == 0 {
                return Err(broken(io::ErrorKind::UnexpectedEof.into()));
            }
            continue;
        };
        let value = |name: &str| {
            let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            header.and_then(|header| std::str::from_utf8(header.value).ok()).unwrap_or("").trim().to_owned()
        };
        let (status, accepted) = (response.code.unwrap_or_default(), value("sec-websocket-accept"));
        let (length, retry_after) = (value("content-length").parse().unwrap_or(0), value("retry-after"));
        let mut rest = read.split_off(end);
        if status == 101 {
            return Ok((accepted, rest));
        }
        while rest.len() < MAX_ANSWER.min(length) && bytes.read_buf(&mut rest).await.map_err(broken)? > 0 {}
        let (code, message) = match serde_json::from_slice(&rest) {
            Ok(Refusal { error }) => (Some(error.code), error.message),
            Err(_) if status == 401 => (None, "the token is missing or bad".to_owned()),
            Err(_) => (None, "is this the address of a WebSocket endpoint?".to_owned()),
        };
        let retry_after = retry_after.parse().ok().map(Duration::from_secs);
        return Err(Error::Refused { status, code, message, retry_after });
    }
}

fn broken(error: io::Error) -> Error {
    Error::Connect(Arc::new(error))
}

#[cfg(feature = "tls")]
async fn secure(host: &str, stream: TcpStream) -> Result<Box<dyn Bytes>, Error> {
    use rustls::{ClientConfig, crypto::ring, pki_types::ServerName};
    use rustls_platform_verifier::BuilderVerifierExt;

    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| Error::Connect(Arc::new(error)))?
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Error::Connect(Arc::new(error)))?;
    let secured =
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(broken)?;
    Ok(Box::new(secured))
}

#[cfg(not(feature = "tls"))]
async fn secure(_: &str, _: TcpStream) -> Result<Box<dyn Bytes>, Error> {
    Err(Error::Invalid("a wss:// address needs the crate's feature `tls`".to_owned()))
}
