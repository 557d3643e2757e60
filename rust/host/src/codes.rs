//! Sends one-time codes through the user's own system: an HTTP webhook.

use crate::config::OtpConfig;
use crate::http_tools::headers;
use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use serde::Serialize;
use smooai_smooth_operator::{CodeDelivery, CodeSender, SendCodeError};
use std::time::Duration;

/// A webhook that cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum CodeWebhookError {
    /// Its address.
    #[error("[otp] url must be an http: or https: address")]
    Url,
    /// One of its headers. The value is not told.
    #[error("[otp] header `{0}` cannot stand in an HTTP request")]
    Header(String),
}

/// The webhook. It gets `{channel, destination, code, purpose, sessionId, expiresInSeconds}` as JSON and
/// answers any 2xx once the code is on its way.
pub struct CodeWebhook {
    http: Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    channel: &'a str,
    destination: &'a str,
    code: &'a str,
    purpose: &'a str,
    session_id: &'a str,
    expires_in_seconds: u64,
}

impl CodeWebhook {
    /// The configured webhook; `None` where none is.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn new(http: &Client, config: &OtpConfig) -> Result<Option<Self>, CodeWebhookError> {
        let Some(url) = &config.url else { return Ok(None) };
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Some(Self {
            http: http.clone(),
            url: url.ok_or(CodeWebhookError::Url)?,
            headers: headers(&config.headers).map_err(CodeWebhookError::Header)?,
            timeout: Duration::from_millis(config.timeout_ms),
        }))
    }
}

#[async_trait]
impl CodeSender for CodeWebhook {
    async fn send(&self, delivery: CodeDelivery) -> Result<(), SendCodeError> {
        let body = Body {
            channel: &delivery.channel,
            destination: &delivery.destination,
            code: &delivery.code,
            purpose: &delivery.purpose,
            session_id: delivery.session.as_str(),
            expires_in_seconds: delivery.lifetime_seconds,
        };
        let request =
            self.http.post(self.url.clone()).headers(self.headers.clone()).timeout(self.timeout).json(&body);
        let response =
            request.send().await.map_err(|error| SendCodeError(error.without_url().to_string()))?;
        let status = response.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(SendCodeError(format!("the webhook answered {}", status.as_u16())))
        }
    }
}
