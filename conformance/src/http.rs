//! The least HTTP/1.1 that a scripted endpoint needs: read a request, write heads and chunks byte by
//! byte where asked, and notice a peer that left. A web framework would hide just these faults.

use std::io::{self, ErrorKind};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest request that is read; a longer one is an error of the program under test.
pub const MAX_REQUEST: usize = 64 << 20;

/// A request that was read whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One connection, seen from the server.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    unread: BytesMut,
}

impl Peer {
    /// Takes over an accepted connection.
    ///
    /// # Errors
    /// When the socket does not take `TCP_NODELAY`.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: BytesMut::with_capacity(4096) })
    }

    /// The next request, or `None` when the peer closed between two requests.
    ///
    /// # Errors
    /// A head that is no HTTP, a body without a length, or a connection lost within a request.
    pub async fn read_request(&mut self) -> io::Result<Option<Request>> {
        let (mut request, length) = loop {
            if let Some((request, head, length)) = parse_head(&self.unread)? {
                self.unread.advance(head);
                break (request, length);
            }
            if self.read_more().await? == 0 {
                return if self.unread.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        };
        while self.unread.len() < length {
            if self.read_more().await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        request.body = self.unread.split_to(length).freeze();
        Ok(Some(request))
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the peer has gone.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes a piece of a chunked body as exactly one chunk. An empty piece is not written.
    ///
    /// # Errors
    /// When the peer has gone.
    pub async fn write_chunk(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        self.write(&chunk(piece)).await
    }

    /// Resolves when the peer has closed its connection. Bytes that arrive are kept.
    pub async fn gone(&mut self) {
        while matches!(self.read_more().await, Ok(read) if read > 0) {}
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        if self.unread.len() > MAX_REQUEST {
            return Err(io::Error::new(ErrorKind::InvalidData, "the request is too long"));
        }
        self.stream.read_buf(&mut self.unread).await
    }
}

/// A piece of a body in chunked encoding.
#[must_use]
pub fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The head of a response. Without a length its body is chunked.
#[must_use]
pub fn head(status: u16, headers: &[(String, String)], length: Option<usize>) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match length {
        Some(length) => head.push_str(&format!("content-length: {length}\r\n\r\n")),
        None => head.push_str("transfer-encoding: chunked\r\n\r\n"),
    }
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200..300 => "OK",
        429 => "Too Many Requests",
        400..500 => "Client Error",
        _ => "Server Error",
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<(Request, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let invalid = |message: String| io::Error::new(ErrorKind::InvalidData, message);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(|error| invalid(error.to_string()))?
    else {
        return Ok(None);
    };
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        headers: parsed
            .headers
            .iter()
            .map(|header| {
                (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
            })
            .collect(),
        body: Bytes::new(),
    };
    if request.header("transfer-encoding").is_some() {
        return Err(invalid("a request body needs a content-length here".to_owned()));
    }
    let length = match request.header("content-length") {
        None => 0,
        Some(length) => length.trim().parse().map_err(|_| invalid(format!("content-length {length:?}")))?,
    };
    if length > MAX_REQUEST {
        return Err(invalid(format!("a body of {length} bytes")));
    }
    Ok(Some((request, head, length)))
}
