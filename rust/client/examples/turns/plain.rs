//! The turns by a plain read loop: tokio-tungstenite, serde, and a map of texts.

use std::collections::HashMap;
use std::mem::take;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Outcome, Side};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Action<'a> {
    action: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    session_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(dead_code, reason = "whoever writes such types writes all fields")]
enum Frame {
    ImmediateResponse { request_id: String, data: Session },
    StreamToken { request_id: String, timestamp: i64, token: String, data: TokenData },
    EventualResponse { request_id: String, timestamp: i64, status: u16, data: Answer },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    #[serde(default)]
    session_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "whoever writes such types writes all fields")]
struct TokenData {
    request_id: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "whoever writes such types writes all fields")]
struct Answer {
    request_id: String,
    status: u16,
    data: Turned,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "whoever writes such types writes all fields")]
struct Turned {
    message_id: String,
    response: Response,
    needs_escalation: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "whoever writes such types writes all fields")]
struct Response {
    response_parts: Vec<String>,
    customer_happiness_score: f64,
    needs_satisfaction_score: f64,
    request_summary: String,
    resolution_status: String,
    suggested_next_actions: Vec<String>,
}

pub struct Plain {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    texts: HashMap<String, String>,
    ids: usize,
}

impl Side for Plain {
    async fn connect(url: &str) -> Outcome<Self> {
        let (socket, _) = connect_async(url).await?;
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_nodelay(true)?;
        }
        let mut plain = Self { socket, session: String::new(), texts: HashMap::new(), ids: 0 };
        plain.say("create_conversation_session", "s", "").await?;
        match plain.frame().await? {
            Frame::ImmediateResponse { data, .. } => plain.session = data.session_id,
            _ => return Err("there is no session".into()),
        }
        Ok(plain)
    }

    async fn turns(&mut self, message: &'static str, count: usize, at_once: usize) -> Outcome {
        for _ in 0..at_once.min(count) {
            self.start(message).await?;
        }
        let (mut started, mut ended) = (at_once.min(count), 0);
        while ended < count {
            match self.frame().await? {
                Frame::StreamToken { request_id, token, .. } => self.text(&request_id)?.push_str(&token),
                Frame::EventualResponse { request_id, data, .. } => {
                    let text = self.texts.remove(&request_id).unwrap_or_default();
                    if data.data.response.response_parts.first() != Some(&text) {
                        return Err(format!("{text:?} is not the answer").into());
                    }
                    ended += 1;
                    if started < count {
                        started += 1;
                        self.start(message).await?;
                    }
                }
                Frame::ImmediateResponse { .. } => {}
            }
        }
        Ok(())
    }

    async fn open(&mut self, count: usize) -> Outcome {
        let (mut started, mut begun) = (0, 0);
        while begun < count {
            while started < count && started < begun + 512 {
                started += 1;
                self.start("hold").await?;
            }
            if let Frame::StreamToken { request_id, token, .. } = self.frame().await? {
                self.text(&request_id)?.push_str(&token);
                begun += 1;
            }
        }
        Ok(())
    }

    fn decode(frame: &str) -> Outcome {
        std::hint::black_box(serde_json::from_str::<Frame>(frame)?);
        Ok(())
    }
}

impl Plain {
    async fn start(&mut self, message: &str) -> Outcome {
        self.ids += 1;
        let id = format!("turn-{}", self.ids);
        self.say("send_message", &id, message).await?;
        self.texts.insert(id, String::new());
        Ok(())
    }

    async fn say(&mut self, action: &str, request_id: &str, message: &str) -> Outcome {
        let session = take(&mut self.session);
        let text = serde_json::to_string(&Action { action, request_id, session_id: &session, message })?;
        self.session = session;
        Ok(self.socket.send(Message::text(text)).await?)
    }

    async fn frame(&mut self) -> Outcome<Frame> {
        loop {
            match self.socket.next().await.ok_or("the server hung up")?? {
                Message::Text(text) => return Ok(serde_json::from_str(text.as_str())?),
                Message::Close(_) => return Err("the server closed".into()),
                _ => {}
            }
        }
    }

    fn text(&mut self, id: &str) -> Outcome<&mut String> {
        self.texts.get_mut(id).ok_or_else(|| format!("{id} is no turn").into())
    }
}
