//! A server whose turns do not end: each message is answered by the 202 and one token, and then by nothing, so that
//! what a client keeps for an open turn can be weighed.

use anyhow::Result;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;

const ID: &str = "00000000-0000-4000-8000-000000000000";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    action: &'a str,
    request_id: &'a str,
}

/// Serves for ever.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener) -> Result<()> {
    Ok(axum::serve(listener, Router::new().route("/ws", get(upgrade))).await?)
}

async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message
                && answer(&mut socket, text.as_str()).await.is_err()
            {
                return;
            }
        }
    })
}

async fn answer(socket: &mut WebSocket, text: &str) -> Result<()> {
    let Frame { action, request_id } = serde_json::from_str(text)?;
    let head = format!(r#""requestId":"{request_id}","timestamp":0"#);
    if action == "send_message" {
        let accepted =
            format!(r#"{{"type":"immediate_response",{head},"status":202,"message":"","data":{{}}}}"#);
        socket.send(Message::text(accepted)).await?;
        let token = format!(
            r#"{{"type":"stream_token",{head},"token":"w0 ","data":{{"requestId":"{request_id}","token":"w0 "}}}}"#
        );
        return Ok(socket.send(Message::text(token)).await?);
    }
    let session = format!(
        r#"{{"sessionId":"{ID}","conversationId":"{ID}","agentId":"{ID}","agentName":"Hold","userParticipantId":"{ID}","agentParticipantId":"{ID}"}}"#
    );
    let opened =
        format!(r#"{{"type":"immediate_response",{head},"status":200,"message":"","data":{session}}}"#);
    Ok(socket.send(Message::text(opened)).await?)
}
