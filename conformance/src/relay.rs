//! The bench's measure: a WebSocket server that does nothing but forward a gateway's deltas. It stands
//! on the same web server and HTTP client as the product, so that the distance between the two is
//! what the product does beyond forwarding.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use futures_util::StreamExt as _;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The id of everything: the relay keeps nothing apart.
const ID: &str = "00000000-0000-4000-8000-000000000000";

/// The keys of a response that was not analysed.
const NEUTRAL: &str = r#""customerHappinessScore":0.5,"needsSatisfactionScore":0.5,"requestSummary":"","resolutionStatus":"in_progress","suggestedNextActions":[]"#;

/// Serves for ever, asking the gateway with this base URL.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, gateway: &str) -> Result<()> {
    // The provider may have been installed by another part of the process: either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().timeout(Duration::from_mins(1)).build()?;
    let upstream = Upstream { client, url: format!("{gateway}/chat/completions") };
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // A socket without the option is only slower.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().route("/ws", get(upgrade)).with_state(upstream)).await?)
}

#[derive(Clone)]
struct Upstream {
    client: Client,
    url: String,
}

async fn upgrade(State(upstream): State<Upstream>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(4096).write_buffer_size(4096).max_write_buffer_size(1 << 20).on_upgrade(
        move |mut socket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if let Message::Text(text) = message
                    && answer(&mut socket, &upstream, text.as_str()).await.is_err()
                {
                    return;
                }
            }
        },
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    action: &'a str,
    request_id: Option<&'a str>,
    #[serde(default)]
    message: String,
}

async fn answer(socket: &mut WebSocket, upstream: &Upstream, text: &str) -> Result<()> {
    let frame: Frame<'_> = serde_json::from_str(text)?;
    let request = frame.request_id.unwrap_or_default();
    if frame.action == "send_message" {
        return forward(socket, upstream, request, &frame.message).await;
    }
    let session = format!(
        r#"{{"sessionId":"{ID}","conversationId":"{ID}","agentId":"{ID}","agentName":"Relay","userParticipantId":"{ID}","agentParticipantId":"{ID}"}}"#
    );
    send(
        socket,
        format!(
            r#"{{"type":"immediate_response","requestId":"{request}","timestamp":0,"status":200,"message":"","data":{session}}}"#
        ),
    )
    .await
}

/// The request and the reply, as far as forwarding needs them.
#[derive(Serialize)]
struct Prompt<'a> {
    model: &'a str,
    stream: bool,
    messages: [PromptMessage<'a>; 1],
}

#[derive(Serialize)]
struct PromptMessage<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

async fn forward(socket: &mut WebSocket, upstream: &Upstream, request: &str, message: &str) -> Result<()> {
    let messages = [PromptMessage { role: "user", content: message }];
    let prompt = serde_json::to_string(&Prompt { model: "relay", stream: true, messages })?;
    let response = upstream
        .client
        .post(&upstream.url)
        .header("content-type", "application/json")
        .body(prompt)
        .send()
        .await
        .context("asking the gateway")?;
    ensure!(response.status().is_success(), "the gateway answered {}", response.status());
    let mut bytes = response.bytes_stream();
    let mut unread: Vec<u8> = Vec::new();
    let mut reply = String::new();
    while let Some(piece) = bytes.next().await {
        unread.extend_from_slice(&piece?);
        let mut from = 0;
        while let Some(end) = unread[from..].windows(2).position(|pair| pair == b"\n\n") {
            if let Some(token) = token(&unread[from..from + end]) {
                reply.push_str(&token);
                let token = serde_json::to_string(&token)?;
                send(
                    socket,
                    format!(
                        r#"{{"type":"stream_token","requestId":"{request}","timestamp":0,"token":{token},"data":{{"requestId":"{request}","token":{token}}}}}"#
                    ),
                )
                .await?;
            }
            from += end + 2;
        }
        unread.drain(..from);
    }
    let reply = serde_json::to_string(&reply)?;
    send(
        socket,
        format!(
            r#"{{"type":"eventual_response","requestId":"{request}","timestamp":0,"status":200,"data":{{"requestId":"{request}","status":200,"data":{{"messageId":"{ID}","response":{{"responseParts":[{reply}],{NEUTRAL}}},"needsEscalation":false}}}}}}"#
        ),
    )
    .await
}

fn token(event: &[u8]) -> Option<String> {
    let chunk: Chunk = serde_json::from_slice(event.strip_prefix(b"data: ")?).ok()?;
    chunk.choices.into_iter().next()?.delta.content
}

async fn send(socket: &mut WebSocket, text: String) -> Result<()> {
    Ok(socket.send(Message::text(text)).await?)
}
