//! The bench's client: it looks at frames only as far as it must, so that it measures the server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::bound::within_for;
use smooai_smooth_operator_conformance::flood;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The longest that one turn may take under load.
const BOUND: Duration = Duration::from_mins(1);

/// A connection with a session.
pub struct Connection {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    turns: usize,
}

/// What one turn took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// From the request to the first token.
    pub first_token: Duration,
    /// From the request to the terminal event.
    pub whole: Duration,
}

impl Connection {
    /// Connects and creates a session.
    pub async fn open(url: &str) -> Result<Self> {
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let connected = within_for(BOUND, "a connection", connect_async_with_config(url, Some(config), true));
        let (stream, _) = connected.await?.with_context(|| format!("connecting to {url}"))?;
        let mut connection = Self { stream, session: String::new(), turns: 0 };
        connection.new_session().await?;
        Ok(connection)
    }

    /// Goes on with a fresh session, so that no history weighs on the next turns.
    pub async fn new_session(&mut self) -> Result<()> {
        self.send(json!({ "action": "create_conversation_session", "requestId": "s" })).await?;
        let answer: Value = serde_json::from_str(&self.read().await?)?;
        self.session = answer["data"]["sessionId"]
            .as_str()
            .with_context(|| format!("a session was expected, but {answer} came"))?
            .to_owned();
        Ok(())
    }

    /// One turn whose reply has that many tokens.
    pub async fn turn(&mut self, tokens: usize) -> Result<Took> {
        self.turns += 1;
        let request = format!("t{}", self.turns);
        let message = format!("tokens={tokens}");
        let from = Instant::now();
        self.send(json!({ "action": "send_message", "sessionId": self.session, "requestId": request,
                          "message": message }))
            .await?;
        let mut first_token = None;
        loop {
            let frame = self.read().await?;
            if frame.contains("\"stream_token\"") {
                first_token.get_or_insert_with(|| from.elapsed());
            } else if frame.contains("\"eventual_response\"") {
                let whole = from.elapsed();
                ensure!(
                    frame.contains(flood::token(tokens - 1).trim_end()),
                    "a reply was cut short: {frame}"
                );
                return Ok(Took { first_token: first_token.context("a turn without a token")?, whole });
            } else {
                ensure!(!frame.contains("\"error\""), "a turn failed: {frame}");
            }
        }
    }

    /// Closes the connection and waits for the server's answer.
    pub async fn close(mut self) -> Result<()> {
        self.stream.close(None).await?;
        while let Some(Ok(_)) = within_for(BOUND, "the close", self.stream.next()).await? {}
        Ok(())
    }

    async fn send(&mut self, frame: Value) -> Result<()> {
        Ok(self.stream.send(Message::text(frame.to_string())).await?)
    }

    async fn read(&mut self) -> Result<String> {
        loop {
            let next = within_for(BOUND, "a frame", self.stream.next()).await?;
            if let Message::Text(text) = next.context("the server closed the connection")?? {
                return Ok(text.as_str().to_owned());
            }
        }
    }
}
