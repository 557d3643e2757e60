//! From an address and a token to an open WebSocket. The handshake is written here because the library logs
//! the whole request, token included, at its finest log level.

use super::MAX_FRAME;
use crate::client::TokenPlace;
use crate::errors::{Cause, Error, Phase};
use futures_util::future::BoxFuture;
use http::Uri;
use serde::Deserialize;
use smooai_smooth_operator_protocol::ErrorBody;
use std::fmt::{self, Write as _};
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

type Ask = dyn Fn() -> BoxFuture<'static, Result<String, Cause>> + Send + Sync;

/// Where a token comes from.
#[derive(Clone)]
pub(crate) enum Token {
    None,
    Fixed(Arc<str>),
    Asked(Arc<Ask>),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::None) { "none" } else { "hidden" })
    }
}

/// What a line is made from.
#[derive(Clone)]
pub(crate) struct Settings {
    pub url: String,
    pub token: Token,
    pub place: TokenPlace,
    pub heartbeat: Duration,
    pub first_wait: Duration,
    pub most_wait: Duration,
}

impl Settings {
    pub fn new(url: String) -> Self {
        Self {
            url,
            token: Token::None,
            place: TokenPlace::default(),
            heartbeat: Duration::from_secs(20),
            first_wait: Duration::from_millis(500),
            most_wait: Duration::from_secs(20),
        }
    }
}

impl fmt::Debug for Settings {
    /// Without the address, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("token", &self.token)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Connects, with the last good token or a new one.
pub(crate) struct Dialer {
    pub settings: Settings,
    limit: Duration,
    target: Target,
    token: Option<Arc<str>>,
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
        Ok(Self { settings, limit, target, token: None })
    }

    pub fn forget_token(&mut self) {
        self.token = None;
    }

    /// One attempt. A token that the server refuses is asked for once more.
    pub async fn dial(&mut self) -> Result<Line, Error> {
        let limit = self.limit;
        let timed_out = Error::Timeout { phase: Phase::Connect, limit, source: None };
        let attempt = async {
            match self.attempt().await {
                Err(Error::Refused { status: 401, .. }) if matches!(self.settings.token, Token::Asked(_)) => {
                    self.forget_token();
                    self.attempt().await
                }
                settled => settled,
            }
        };
        timeout(limit, Box::pin(attempt)).await.unwrap_or(Err(timed_out))
    }

    async fn attempt(&mut self) -> Result<Line, Error> {
        if self.token.is_none() {
            self.token = match &self.settings.token {
                Token::None => None,
                Token::Fixed(token) => Some(Arc::clone(token)),
                Token::Asked(ask) => Some(ask().await.map_err(Error::Token)?.into()),
            };
        }
        let key = generate_key();
        let request = self.target.request(&key, self.token.as_deref(), self.settings.place)?;
        let mut bytes = self.target.open().await?;
        bytes.write_all(request.as_bytes()).await.map_err(broken)?;
        let (answer, rest) = answer(&mut bytes).await?;
        if answer.status != 101 {
            return Err(answer.refusal(&rest));
        }
        if answer.accept.as_deref() != Some(derive_accept_key(key.as_bytes()).as_str()) {
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
            Some("wss") if cfg!(feature = "tls") => (true, 443),
            Some("wss") => return Err(invalid("begins with wss://, which needs the crate's feature `tls`")),
            _ => return Err(invalid("must begin with ws:// or wss://")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| invalid("names no host"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { tls, host: host.to_owned(), port: uri.port_u16().unwrap_or(port), path: path.to_owned() })
    }

    fn request(&self, key: &str, token: Option<&str>, place: TokenPlace) -> Result<String, Error> {
        if token.is_some_and(|token| token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::Invalid("a token must consist of visible ASCII characters".to_owned()));
        }
        let (mut path, mut headers) = (self.path.clone(), String::new());
        match (token, place) {
            (None, _) => {}
            (Some(token), TokenPlace::Header) => headers = format!("Authorization: Bearer {token}\r\n"),
            (Some(token), TokenPlace::Subprotocol) => {
                headers = format!("Sec-WebSocket-Protocol: smooth-operator, bearer.{token}\r\n");
            }
            (Some(token), TokenPlace::Url) => {
                path.push_str(if path.contains('?') { "&token=" } else { "?token=" });
                for byte in token.bytes() {
                    let _infallible = match byte {
                        b'-' | b'.' | b'_' | b'~' => write!(path, "{}", char::from(byte)),
                        _ if byte.is_ascii_alphanumeric() => write!(path, "{}", char::from(byte)),
                        _ => write!(path, "%{byte:02X}"),
                    };
                }
            }
        }
        Ok(format!(
            "GET {path} HTTP/1.1\r\nHost: {}:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: smooth-operator-rust/{}\r\n\
             {headers}\r\n",
            self.host,
            self.port,
            env!("CARGO_PKG_VERSION")
        ))
    }

    async fn open(&self) -> Result<Box<dyn Bytes>, Error> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        if self.tls { secure(host, stream).await } else { Ok(Box::new(stream)) }
    }
}

/// What matters of the server's answer.
struct Answer {
    status: u16,
    accept: Option<String>,
    retry_after: Option<Duration>,
}

impl Answer {
    fn refusal(self, body: &[u8]) -> Error {
        #[derive(Deserialize)]
        struct Body {
            error: ErrorBody,
        }
        let body: Option<Body> = serde_json::from_slice(body).ok();
        let (code, message) = match body {
            Some(Body { error }) => (Some(error.code), error.message),
            None if self.status == 401 => (None, "the token is missing or bad".to_owned()),
            None => (None, "is this the address of a WebSocket endpoint?".to_owned()),
        };
        Error::Refused { status: self.status, code, message, retry_after: self.retry_after }
    }
}

/// Reads the answer; gives what came after it: the body of a refusal, or the first frames.
async fn answer(bytes: &mut Box<dyn Bytes>) -> Result<(Answer, Vec<u8>), Error> {
    let mut read = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(&read).map_err(|error| Error::Protocol(error.to_string()))?;
        if let httparse::Status::Complete(end) = parsed {
            let value = |name: &str| {
                let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
                std::str::from_utf8(header.value).ok().map(|value| value.trim().to_owned())
            };
            let retry_after =
                value("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
            let status = response.code.unwrap_or_default();
            let answer = Answer { status, accept: value("sec-websocket-accept"), retry_after };
            let length = value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let length = if status == 101 { 0 } else { MAX_ANSWER.min(length) };
            let mut rest = read.split_off(end);
            while rest.len() < length && bytes.read_buf(&mut rest).await.map_err(broken)? > 0 {}
            return Ok((answer, rest));
        }
        if read.len() > MAX_ANSWER || bytes.read_buf(&mut read).await.map_err(broken)? == 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

fn broken(error: io::Error) -> Error {
    Error::Connect(Arc::new(error))
}

#[cfg(feature = "tls")]
async fn secure(host: &str, stream: TcpStream) -> Result<Box<dyn Bytes>, Error> {
    use rustls::{ClientConfig, crypto::ring, pki_types::ServerName};
    use rustls_platform_verifier::BuilderVerifierExt;
    static CONFIG: std::sync::OnceLock<Arc<ClientConfig>> = std::sync::OnceLock::new();

    let failed = |error: rustls::Error| Error::Connect(Arc::new(error));
    let config = match CONFIG.get() {
        Some(config) => Arc::clone(config),
        None => {
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .and_then(BuilderVerifierExt::with_platform_verifier)
                .map_err(failed)?
                .with_no_client_auth();
            Arc::clone(CONFIG.get_or_init(|| Arc::new(config)))
        }
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| Error::Connect(Arc::new(error)))?;
    let secured = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.map_err(broken)?;
    Ok(Box::new(secured))
}

#[cfg(not(feature = "tls"))]
async fn secure(_: &str, _: TcpStream) -> Result<Box<dyn Bytes>, Error> {
    Err(Error::Invalid("wss:// needs the crate's feature `tls`".to_owned()))
}
