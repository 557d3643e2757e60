//! A raw WebSocket client: it sends literal frames and looks at every frame that comes back. It knows
//! no more of the protocol than how to tell one request's events from another's.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::bound::{BOUND, within};
use crate::frame_check;
use crate::transcript::{Turn, is_terminal, line};

/// What ends a connection, from the server's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Whether there was a close frame; without one the connection just ended.
    pub properly: bool,
    /// The close code, where the frame had one.
    pub code: Option<u16>,
    /// The close reason.
    pub reason: String,
}

/// An open connection.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Events that came while another was waited for, in order.
    waiting: VecDeque<Value>,
    /// Everything that came and went, for the message of a failure.
    history: Vec<String>,
    closed: Option<Closed>,
    requests: u32,
    /// The action that was last sent under each request id, by which responses are checked.
    actions: HashMap<String, String>,
    /// The answer's `Sec-WebSocket-Protocol`.
    protocol: Option<String>,
}

impl Socket {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, &[]).await
    }

    /// Connects with further headers in the handshake.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn connect_with(url: &str, headers: &[(&str, &str)]) -> Result<Self> {
        match handshake(url, headers).await? {
            Ok(socket) => Ok(socket),
            Err(status) => bail!("the server refused the handshake with {status}"),
        }
    }

    /// Connects where the server must refuse, and returns the HTTP status of its refusal.
    ///
    /// # Errors
    /// When the server accepts, or does not answer.
    pub async fn refused(url: &str, headers: &[(&str, &str)]) -> Result<u16> {
        match handshake(url, headers).await? {
            Ok(_) => bail!("the server accepted the handshake"),
            Err(status) => Ok(status),
        }
    }

    /// The subprotocol that the server chose.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Sends a JSON object as a text frame.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send(&mut self, frame: Value) -> Result<()> {
        if let (Some(request), Some(action)) = (frame["requestId"].as_str(), frame["action"].as_str()) {
            self.actions.insert(request.to_owned(), action.to_owned());
        }
        self.send_text(&frame.to_string()).await
    }

    /// Sends a text frame as it is.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        self.note("> ", text);
        self.send_message(Message::text(text)).await
    }

    /// Sends a binary frame.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send_binary(&mut self, bytes: &[u8]) -> Result<()> {
        self.note("> ", &format!("({} binary bytes)", bytes.len()));
        self.send_message(Message::binary(bytes.to_vec())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<()> {
        let sent = within("a frame to be sent", self.stream.send(message)).await?;
        sent.with_context(|| self.told("sending a frame failed"))
    }

    /// The oldest event that nobody has taken yet.
    ///
    /// # Errors
    /// When none comes within the bound, the connection ends, or a frame breaks the schema.
    pub async fn event(&mut self) -> Result<Value> {
        self.wait_for("an event", |_| true).await
    }

    /// The oldest event that fits; those before it stay for others.
    ///
    /// # Errors
    /// When none comes within the bound, the connection ends, or a frame breaks the schema.
    pub async fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        if let Some(place) = self.waiting.iter().position(&fits) {
            return self.waiting.remove(place).context("the place was just found");
        }
        let deadline = Instant::now() + BOUND;
        loop {
            let event = self.read(what, deadline).await?;
            if fits(&event) {
                return Ok(event);
            }
            self.waiting.push_back(event);
        }
    }

    /// The next event of a request.
    ///
    /// # Errors
    /// As [`Socket::wait_for`].
    pub async fn event_of(&mut self, request: &str) -> Result<Value> {
        self.wait_for(&format!("an event of {request}"), |event| event["requestId"] == request).await
    }

    /// Sends a frame with a request id of its own, unless it has one, and returns the next event of
    /// that request.
    ///
    /// # Errors
    /// As [`Socket::wait_for`].
    pub async fn ask(&mut self, mut frame: Value) -> Result<Value> {
        let request = match frame["requestId"].as_str() {
            Some(request) => request.to_owned(),
            None => {
                self.requests += 1;
                format!("ask-{}", self.requests)
            }
        };
        frame["requestId"] = json!(request);
        self.send(frame).await?;
        self.event_of(&request).await
    }

    /// As [`Socket::ask`], for an action that succeeds at once: the `data` of its response 200.
    ///
    /// # Errors
    /// When another event comes, and as [`Socket::wait_for`].
    pub async fn data(&mut self, frame: Value) -> Result<Value> {
        let mut event = self.ask(frame).await?;
        ensure!(
            event["type"] == "immediate_response" && event["status"] == 200,
            self.told(&format!("expected a response 200, got {event}"))
        );
        Ok(event["data"].take())
    }

    /// As [`Socket::ask`], for an action that is refused: the error event.
    ///
    /// # Errors
    /// When another event comes, and as [`Socket::wait_for`].
    pub async fn error(&mut self, frame: Value) -> Result<Value> {
        let event = self.ask(frame).await?;
        ensure!(event["type"] == "error", self.told(&format!("expected an error, got {event}")));
        Ok(event)
    }

    /// A session with the default agent, by its id.
    ///
    /// # Errors
    /// As [`Socket::data`].
    pub async fn session(&mut self) -> Result<String> {
        self.session_that(json!({})).await
    }

    /// A session created with further fields, by its id.
    ///
    /// # Errors
    /// As [`Socket::data`].
    pub async fn session_that(&mut self, mut fields: Value) -> Result<String> {
        fields["action"] = json!("create_conversation_session");
        let data = self.data(fields).await?;
        Ok(data["sessionId"].as_str().context("a sessionId")?.to_owned())
    }

    /// Starts a turn under a request id.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn say(&mut self, session: &str, request: &str, message: &str) -> Result<()> {
        self.send(json!({ "action": "send_message", "sessionId": session, "requestId": request,
                          "message": message }))
            .await
    }

    /// Starts a turn and waits for its end.
    ///
    /// # Errors
    /// As [`Socket::turn`].
    pub async fn whole_turn(&mut self, session: &str, request: &str, message: &str) -> Result<Turn> {
        self.say(session, request, message).await?;
        self.turn(request).await
    }

    /// All events of a request from here to its terminal event.
    ///
    /// # Errors
    /// As [`Socket::wait_for`].
    pub async fn turn(&mut self, request: &str) -> Result<Turn> {
        self.until(request, is_terminal).await
    }

    /// All events of a request from here to the first of a type.
    ///
    /// # Errors
    /// As [`Socket::wait_for`]; also when the turn ends before.
    pub async fn until_type(&mut self, request: &str, event_type: &str) -> Result<Turn> {
        let turn = self.until(request, |event| event["type"] == event_type || is_terminal(event)).await?;
        ensure!(
            turn.last()["type"] == event_type,
            self.told(&format!("the turn ended before a {event_type}"))
        );
        Ok(turn)
    }

    /// All events of a request up to the chunk with which a parked tool call is shown: it follows the
    /// park's own events.
    ///
    /// # Errors
    /// As [`Socket::wait_for`]; also when the turn ends before.
    pub async fn until_parked(&mut self, request: &str) -> Result<Turn> {
        let shown = |event: &Value| event["data"]["state"]["rawResponse"]["toolCall"].is_object();
        let turn = self.until(request, |event| shown(event) || is_terminal(event)).await?;
        ensure!(shown(turn.last()), self.told("the turn ended before a tool call was shown"));
        Ok(turn)
    }

    async fn until(&mut self, request: &str, last: impl Fn(&Value) -> bool) -> Result<Turn> {
        let mut events = Vec::new();
        loop {
            let event = self.event_of(request).await?;
            let ends = last(&event);
            events.push(event);
            if ends {
                return Ok(Turn::new(events));
            }
        }
    }

    /// Everything that the server sent before its answer to a ping that is sent now: on one socket the
    /// answers of actions that are no turns keep their order, so that this shows what did *not* come.
    ///
    /// # Errors
    /// As [`Socket::wait_for`].
    pub async fn events_before_pong(&mut self) -> Result<Vec<Value>> {
        self.requests += 1;
        let request = format!("barrier-{}", self.requests);
        self.send(json!({ "action": "ping", "requestId": request })).await?;
        let mut before: Vec<Value> = self.waiting.drain(..).collect();
        let deadline = Instant::now() + BOUND;
        loop {
            let event = self.read("the pong", deadline).await?;
            if event["requestId"] == request.as_str() {
                ensure!(event["type"] == "pong", self.told("a ping was not answered by a pong"));
                return Ok(before);
            }
            before.push(event);
        }
    }

    /// Waits until the server has closed the connection; events that come before are kept.
    ///
    /// # Errors
    /// When it does not within the bound.
    pub async fn closed(&mut self) -> Result<Closed> {
        let deadline = Instant::now() + BOUND;
        loop {
            if let Some(closed) = &self.closed {
                return Ok(closed.clone());
            }
            if let Ok(event) = self.read("the server to close", deadline).await {
                self.waiting.push_back(event);
            } else if self.closed.is_none() {
                bail!(self.told("the server did not close the connection"));
            }
        }
    }

    /// Closes the connection with the closing handshake, and returns what the server answered.
    ///
    /// # Errors
    /// When it does not complete within the bound.
    pub async fn close(&mut self) -> Result<Closed> {
        within("the close frame to be sent", self.stream.close(None)).await??;
        self.closed().await
    }

    /// What went over the connection so far, for the message of a failure.
    #[must_use]
    pub fn told(&self, what: &str) -> String {
        let from = self.history.len().saturating_sub(60);
        format!("{what}; the conversation was:\n{}", self.history[from..].join("\n"))
    }

    /// The next event. The deadline is the whole wait's: pings and other turns' events do not move it.
    async fn read(&mut self, what: &str, deadline: Instant) -> Result<Value> {
        loop {
            let next = timeout_at(deadline, self.stream.next()).await;
            match next.with_context(|| self.told(&format!("waited {BOUND:?} for {what}")))? {
                Some(Ok(Message::Text(text))) => {
                    let event = self.check(&text).with_context(|| self.told("a bad frame"))?;
                    self.note("< ", &line(&event));
                    return Ok(event);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => bail!(self.told("the server sent a binary frame")),
                Some(Ok(Message::Close(frame))) => self.closed = Some(Closed::from(frame)),
                Some(Err(_)) | None => {
                    let lost = Closed { properly: false, code: None, reason: String::new() };
                    let closed = self.closed.get_or_insert(lost).clone();
                    bail!(self.told(&format!("waited for {what}, but the connection ended: {closed:?}")));
                }
            }
        }
    }

    fn check(&self, text: &str) -> Result<Value> {
        let event = frame_check::check(text)?;
        if event["type"] == "immediate_response" && event["status"] == 200 {
            let action = event["requestId"].as_str().and_then(|request| self.actions.get(request));
            let action = action.with_context(|| format!("a response to nothing that was asked: {event}"))?;
            frame_check::check_reply(action, &event["data"])?;
        }
        Ok(event)
    }

    fn note(&mut self, direction: &str, text: &str) {
        let short: String = text.chars().take(400).collect();
        self.history.push(format!("{direction}{short}"));
    }
}

impl From<Option<tungstenite::protocol::CloseFrame>> for Closed {
    fn from(frame: Option<tungstenite::protocol::CloseFrame>) -> Self {
        Self {
            properly: true,
            code: frame.as_ref().map(|frame| frame.code.into()),
            reason: frame.map(|frame| frame.reason.to_string()).unwrap_or_default(),
        }
    }
}

async fn handshake(url: &str, headers: &[(&str, &str)]) -> Result<Result<Socket, u16>> {
    let mut request = url.into_client_request().with_context(|| format!("the address {url}"))?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        request.headers_mut().append(name, HeaderValue::from_str(value)?);
    }
    match within("the WebSocket handshake", connect_async(request)).await? {
        Ok((stream, response)) => {
            let protocol = response.headers().get("sec-websocket-protocol");
            Ok(Ok(Socket {
                stream,
                waiting: VecDeque::new(),
                history: Vec::new(),
                closed: None,
                requests: 0,
                actions: HashMap::new(),
                protocol: protocol.and_then(|value| value.to_str().ok()).map(str::to_owned),
            }))
        }
        Err(tungstenite::Error::Http(response)) => Ok(Err(response.status().as_u16())),
        Err(error) => Err(error).with_context(|| format!("connecting to {url}")),
    }
}
