//! A server for tests, played by the test itself: it listens on a free port, hands over each connection as a
//! [`Peer`], and says exactly what it is told to. Every wait is bounded by ten seconds.

pub mod events;

use crate::client::Client;
use crate::errors::{Cause, Error};
use crate::protocol::{Action, Event};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const BOUND: Duration = Duration::from_secs(10);

/// A listening server.
#[derive(Debug)]
pub struct FakeServer {
    listener: TcpListener,
    url: String,
}

/// One connection of a client, seen from the server.
#[derive(Debug)]
pub struct Peer {
    socket: WebSocketStream<TcpStream>,
    headers: HeaderMap,
    query: Option<String>,
}

impl FakeServer {
    /// Listens on a free port of this machine.
    ///
    /// # Errors
    /// When the system has none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("ws://{}/ws", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    /// The address for the client.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of this server with the default options, and the server's end of its connection.
    ///
    /// # Errors
    /// When they do not come together.
    pub async fn connect(&self) -> Result<(Client, Peer), Error> {
        let accept = async {
            self.accept().await.map_err(|error| Error::Connect(std::sync::Arc::new(error) as Cause))
        };
        tokio::try_join!(Client::connect(self.url()), accept)
    }

    /// The next connection.
    ///
    /// # Errors
    /// When none comes, or its handshake is none.
    pub async fn accept(&self) -> io::Result<Peer> {
        let (stream, _) = bounded("a connection", self.listener.accept()).await??;
        stream.set_nodelay(true)?;
        let mut asked = Asked::default();
        let socket = bounded("a handshake", accept_hdr_async(stream, &mut asked)).await?.map_err(other)?;
        Ok(Peer { socket, headers: asked.headers, query: asked.query })
    }

    /// Refuses the next connection with an HTTP status and further headers; gives the token it came with.
    ///
    /// # Errors
    /// When none comes.
    pub async fn refuse(
        &self,
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> io::Result<Option<String>> {
        let (stream, _) = bounded("a connection", self.listener.accept()).await??;
        let mut refusal = Response::new(Some(body.to_owned()));
        *refusal.status_mut() = StatusCode::from_u16(status).map_err(other)?;
        refusal.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
        for (name, value) in headers {
            refusal.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let mut asked = Asked { refusal: Some(refusal), ..Asked::default() };
        let _refused = bounded("a handshake", accept_hdr_async(stream, &mut asked)).await?;
        Ok(token(&asked.headers, asked.query.as_deref()))
    }
}

impl Peer {
    /// The headers of the handshake.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The query of the address, without `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The token, wherever it was put.
    pub fn token(&self) -> Option<String> {
        token(&self.headers, self.query.as_deref())
    }

    /// The next action, with its `requestId`.
    ///
    /// # Errors
    /// When none comes, or the client closes.
    pub async fn action(&mut self) -> io::Result<(String, Action)> {
        loop {
            match bounded("an action", self.socket.next()).await? {
                Some(Ok(Message::Text(text))) => {
                    let action = Action::from_json(text.as_str()).map_err(other)?;
                    let value: serde_json::Value = serde_json::from_str(text.as_str()).map_err(other)?;
                    return Ok((value["requestId"].as_str().unwrap_or_default().to_owned(), action));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                end => return Err(other(format!("waited for an action, got {end:?}"))),
            }
        }
    }

    /// Waits for a ping of the connection, which is no action, and answers it.
    ///
    /// # Errors
    /// When something else comes.
    pub async fn pinged(&mut self) -> io::Result<()> {
        match bounded("a ping", self.socket.next()).await? {
            Some(Ok(Message::Ping(_))) => {
                bounded("a pong to be sent", self.socket.flush()).await?.map_err(other)
            }
            end => Err(other(format!("waited for a ping, got {end:?}"))),
        }
    }

    /// Says an event.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, event: impl Into<Event>) -> io::Result<()> {
        self.send_text(&event.into().to_json()).await
    }

    /// Says any text.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send_text(&mut self, text: &str) -> io::Result<()> {
        bounded("a frame to be sent", self.socket.send(Message::text(text))).await?.map_err(other)
    }

    /// Answers a call.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn reply(&mut self, request_id: &str, data: &(impl Serialize + Sync)) -> io::Result<()> {
        self.send(events::reply(request_id, data)).await
    }

    /// Answers every action with what `answer` makes of it and its `requestId`, until the client closes.
    pub async fn answer(mut self, mut answer: impl FnMut(&str, Action) -> Vec<Event>) {
        while let Ok((id, action)) = self.action().await {
            for event in answer(&id, action) {
                if self.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Closes in good order, with a code and a reason.
    ///
    /// # Errors
    /// When the client does not complete it.
    pub async fn close(mut self, code: u16, reason: &'static str) -> io::Result<()> {
        let close = CloseFrame { code: code.into(), reason: reason.into() };
        bounded("a close to be sent", self.socket.close(Some(close))).await?.map_err(other)?;
        bounded("the client to close", async { while let Some(Ok(_)) = self.socket.next().await {} }).await
    }

    /// Waits until the client closes; gives its close code, or none when it only broke the line.
    ///
    /// # Errors
    /// When it does not.
    pub async fn closed(mut self) -> io::Result<Option<u16>> {
        let mut code = None;
        loop {
            match bounded("the client to close", self.socket.next()).await? {
                Some(Ok(Message::Close(frame))) => code = frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(code),
            }
        }
    }
}

/// What a handshake brought, and what it is answered with.
#[derive(Default)]
struct Asked {
    headers: HeaderMap,
    query: Option<String>,
    refusal: Option<ErrorResponse>,
}

impl Callback for &mut Asked {
    fn on_request(
        self,
        request: &Request,
        mut response: Response<()>,
    ) -> Result<Response<()>, ErrorResponse> {
        self.headers = request.headers().clone();
        self.query = request.uri().query().map(str::to_owned);
        if self.headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
            let ours = HeaderValue::from_static("smooth-operator");
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, ours);
        }
        self.refusal.take().map_or(Ok(response), Err)
    }
}

fn token(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let header = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let protocol = text(header::SEC_WEBSOCKET_PROTOCOL)
        .and_then(|offered| offered.split(", ").find_map(|name| name.strip_prefix("bearer.")));
    let url = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
    header.or(protocol).or(url).map(str::to_owned)
}

async fn bounded<T>(what: &str, wait: impl Future<Output = T>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("waited for {what} in vain"));
    timeout(BOUND, wait).await.map_err(|_| late())
}

fn other(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}
