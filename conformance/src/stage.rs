//! A stage for one test: a scripted gateway, and the real server that uses it.

use anyhow::Result;
use serde_json::{Value, json};

use crate::gateway::{Gateway, KEY, Script};
use crate::server_process::{ServerProcess, Setup};
use crate::socket::Socket;

/// A gateway and a server. Dropping it ends both.
#[derive(Debug)]
pub struct Stage {
    /// The model gateway.
    pub gateway: Gateway,
    /// The server.
    pub server: ServerProcess,
}

impl Stage {
    /// A server with default settings and memory storage.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn new(script: Script) -> Result<Self> {
        Self::with(script, |setup| setup).await
    }

    /// A server with further settings.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn with(script: Script, settings: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        Self::on(script, settings(Setup::new().env("SMOOTH_AGENT_STORAGE", "memory"))).await
    }

    /// A server with these settings alone, which uses the gateway.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn on(script: Script, setup: Setup) -> Result<Self> {
        let gateway = Gateway::start(script).await?;
        let server = setup.gateway(&gateway.url(), KEY).start().await?;
        Ok(Self { gateway, server })
    }

    /// A connection.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn socket(&self) -> Result<Socket> {
        Socket::connect(&self.server.ws_url()).await
    }

    /// A connection and a session on it.
    ///
    /// # Errors
    /// When the server refuses either.
    pub async fn session(&self) -> Result<(Socket, String)> {
        self.session_that(json!({})).await
    }

    /// A connection and a session on it that is created with further fields.
    ///
    /// # Errors
    /// When the server refuses either.
    pub async fn session_that(&self, fields: Value) -> Result<(Socket, String)> {
        let mut socket = self.socket().await?;
        let session = socket.session_that(fields).await?;
        Ok((socket, session))
    }
}
