//! One OpenAI-compatible gateway: where it is, its key and its limits, and how a request is sent to it.

use crate::chat::request::{Body, TokenLimitName};
use crate::chat::stream::{Opened, open};
use crate::failure::Failure;
use crate::key::ApiKey;
use crate::price::PriceTable;
use crate::retry::{self, Jitter};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smooai_smooth_operator_core::{LlmError, LlmErrorKind, LlmProvider, ModelRequest, ModelStream};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The most bytes of an error's body that are read.
const MAX_ERROR_BODY: usize = 64 << 10;

/// The most bytes of an answer that is read whole: 128 vectors of 4,096 numbers in text.
const MAX_ANSWER: usize = 32 << 20;

/// The time limits of a request, and how it is tried again. The time to connect is the HTTP client's.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From sending the request to the first byte of its answer.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// The whole call: attempts, pauses and the answer.
    pub total: Duration,
    /// How many attempts are made before the first byte of an answer.
    pub attempts: u32,
    /// The span of the first pause between attempts; it doubles from one to the next.
    pub first_pause: Duration,
    /// The longest pause. A gateway that asks for a longer one is not asked again.
    pub longest_pause: Duration,
    /// The part of its span that a pause really takes.
    pub jitter: Jitter,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(300),
            attempts: 3,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            jitter: retry::random,
        }
    }
}

/// What a gateway needs to be told.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Its address up to the version, as `https://llm.smoo.ai/v1`.
    pub url: String,
    /// Its key; without one nothing is asked of it.
    pub key: Option<ApiKey>,
    /// Prices for where it does not tell a call's cost.
    pub prices: PriceTable,
    /// Time limits and attempts.
    pub limits: Limits,
}

/// A gateway that cannot be used as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address is none.
    #[error("the gateway's url must be an http: or https: address like https://llm.smoo.ai/v1")]
    Url,
    /// The key has characters that no HTTP header may have.
    #[error("the gateway's key (SMOOAI_GATEWAY_KEY) has characters that cannot stand in an HTTP header")]
    Key,
}

/// An OpenAI-compatible gateway. A clone is the same gateway.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    http: Client,
    url: Url,
    key: Option<ApiKey>,
    authorization: Option<HeaderValue>,
    pub(crate) prices: PriceTable,
    pub(crate) limits: Limits,
    /// Models that have refused `max_tokens`.
    newer_models: Mutex<HashSet<String>>,
}

impl Gateway {
    /// A gateway behind the shared HTTP client (see [`crate::http::client`]). Nothing is sent.
    ///
    /// # Errors
    /// When the address or the key cannot be used.
    pub fn new(http: Client, settings: GatewaySettings) -> Result<Self, GatewayError> {
        let GatewaySettings { url, key, prices, limits } = settings;
        let url = Url::parse(&url).map_err(|_| GatewayError::Url)?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(GatewayError::Url);
        }
        let key = key.filter(|key| !key.expose().is_empty());
        let authorization = key.as_ref().map(bearer).transpose()?;
        let newer_models = Mutex::default();
        let inner = Inner { http, url, key, authorization, prices, limits, newer_models };
        Ok(Self { inner: Arc::new(inner) })
    }
}

fn bearer(key: &ApiKey) -> Result<HeaderValue, GatewayError> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| GatewayError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

#[async_trait]
impl LlmProvider for Gateway {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, LlmError> {
        let deadline = Instant::now() + self.inner.limits.total;
        let mut limit = self.inner.token_limit_name(&request.model);
        loop {
            let body = encode(&Body::new(&request, limit))?;
            let attempt = || open(Arc::clone(&self.inner), body.clone(), request.model.clone(), deadline);
            match retry::attempts(&self.inner.limits, deadline, attempt).await? {
                Opened::Reply(stream) => return Ok(stream),
                Opened::Refused(error) if limit == TokenLimitName::MaxCompletionTokens => return Err(error),
                Opened::Refused(_) => {
                    limit = TokenLimitName::MaxCompletionTokens;
                    self.inner.remember_newer(request.model.clone());
                }
            }
        }
    }

    fn is_available(&self) -> bool {
        self.inner.authorization.is_some()
    }
}

/// The JSON of a request's body.
pub(crate) fn encode(body: &impl Serialize) -> Result<Bytes, LlmError> {
    let encoded = serde_json::to_vec(body);
    encoded.map(Bytes::from).map_err(|error| LlmError::new(LlmErrorKind::BadRequest, error.to_string()))
}

impl Inner {
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// Sends a request and gives the answer when its head has come and is a success.
    pub(crate) async fn send(
        &self,
        path: [&str; 2],
        body: Bytes,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let Some(authorization) = self.authorization.clone() else {
            let detail = "no key is configured: set SMOOAI_GATEWAY_KEY";
            return Err(Failure::lasting(LlmErrorKind::Unavailable, detail));
        };
        let request = self.http.post(self.address(path)).header(AUTHORIZATION, authorization);
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let first_byte = deadline.min(Instant::now() + self.limits.first_byte);
        let response = timeout_at(first_byte, request.send())
            .await
            .map_err(|_| Failure::passing(LlmErrorKind::Unavailable, "the gateway sent no answer in time"))?;
        let response = response.map_err(Failure::transport)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let until = deadline.min(Instant::now() + self.limits.idle);
        // Whatever of the body can be had: the status alone tells the class.
        let body = read_body(response, MAX_ERROR_BODY, until).await.0;
        Err(Failure::answer(status, &headers, &String::from_utf8_lossy(&body), self.key()))
    }

    /// Asks for a JSON answer that is read whole.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, LlmError> {
        let deadline = Instant::now() + self.limits.total;
        let body = encode(body)?;
        retry::attempts(&self.limits, deadline, || async {
            let response = self.send([path, ""], body.clone(), deadline).await?;
            let until = deadline.min(Instant::now() + self.limits.first_byte);
            let (body, true) = read_body(response, MAX_ANSWER, until).await else {
                let detail = format!("the gateway's answer to /{path} broke off or is too large");
                return Err(Failure::passing(LlmErrorKind::Unavailable, detail));
            };
            serde_json::from_slice(&body).map_err(|error| {
                let detail = format!("the gateway's answer to /{path} cannot be read: {error}");
                Failure::lasting(LlmErrorKind::BadRequest, detail)
            })
        })
        .await
    }

    /// The gateway's address with a path below it; a query (as Azure's `api-version`) stays.
    fn address(&self, path: [&str; 2]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.iter().filter(|segment| !segment.is_empty()));
        }
        url
    }

    fn token_limit_name(&self, model: &str) -> TokenLimitName {
        let newer = self.newer_models.lock().unwrap_or_else(PoisonError::into_inner).contains(model);
        if newer { TokenLimitName::MaxCompletionTokens } else { TokenLimitName::MaxTokens }
    }

    fn remember_newer(&self, model: String) {
        self.newer_models.lock().unwrap_or_else(PoisonError::into_inner).insert(model);
    }
}

/// Reads a body up to `limit` bytes, and whether that was all of it, unbroken and in time.
pub(crate) async fn read_body(mut response: Response, limit: usize, until: Instant) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Ok(None)) => return (body, true),
            _ => return (body, false),
        }
    }
}
