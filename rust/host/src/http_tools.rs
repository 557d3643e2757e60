//! The tools of `operator.toml`: each is an HTTP endpoint that takes the call's arguments as its body.

use crate::config::{HeaderText, ToolConfig, ToolEffect};
use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url};
use smooai_smooth_operator::{ToolSource, TurnContext};
use smooai_smooth_operator_core::{Effect, Tool, ToolCall, ToolError, ToolSpec, ToolSpecError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A result is read up to this many bytes; the engine cuts it further.
const MAX_RESULT: usize = 256 * 1024;
/// The engine's bound on a call lies this far behind the HTTP time-out, so that the clearer error comes first.
const GRACE: Duration = Duration::from_millis(500);

/// A tool that cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum HttpToolError {
    /// Its name or its parameters.
    #[error(transparent)]
    Spec(#[from] ToolSpecError),
    /// Its address.
    #[error("tool `{tool}`: url must be an http: or https: address")]
    Url {
        /// The tool.
        tool: String,
    },
    /// One of its headers. The value is not told.
    #[error("tool `{tool}`: header `{header}` cannot stand in an HTTP request")]
    Header {
        /// The tool.
        tool: String,
        /// The header's name.
        header: String,
    },
}

/// All HTTP tools.
pub struct HttpTools {
    endpoints: Vec<Arc<Endpoint>>,
}

struct Endpoint {
    spec: Arc<ToolSpec>,
    http: Client,
    url: Url,
    headers: HeaderMap,
    timeout: Duration,
}

struct HttpTool {
    endpoint: Arc<Endpoint>,
    turn: TurnContext,
}

impl HttpTools {
    /// Checks the configured tools.
    ///
    /// # Errors
    /// For the first tool that cannot be used.
    pub fn new(http: &Client, tools: &[ToolConfig]) -> Result<Self, HttpToolError> {
        let endpoints = tools.iter().map(|tool| endpoint(http, tool).map(Arc::new));
        Ok(Self { endpoints: endpoints.collect::<Result<_, _>>()? })
    }
}

fn endpoint(http: &Client, tool: &ToolConfig) -> Result<Endpoint, HttpToolError> {
    let effect = match tool.effect {
        ToolEffect::Read => Effect::Read,
        ToolEffect::Write => Effect::Write,
    };
    let timeout = Duration::from_millis(tool.timeout_ms);
    let parameters = serde_json::Value::Object(tool.parameters.clone());
    let spec = ToolSpec::new(&tool.name, &tool.description, parameters, effect, timeout + GRACE)?;
    let url = Url::parse(&tool.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    Ok(Endpoint {
        spec: Arc::new(spec),
        http: http.clone(),
        url: url.ok_or_else(|| HttpToolError::Url { tool: tool.name.clone() })?,
        headers: headers(&tool.headers)
            .map_err(|header| HttpToolError::Header { tool: tool.name.clone(), header })?,
        timeout,
    })
}

/// The configured headers, or the name of the first one that cannot be sent.
pub(crate) fn headers(configured: &BTreeMap<String, HeaderText>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, text) in configured {
        let header = HeaderName::try_from(name).map_err(|_| name.clone())?;
        let mut value = HeaderValue::from_str(text.expose()).map_err(|_| name.clone())?;
        value.set_sensitive(matches!(text, HeaderText::Secret(_)));
        headers.insert(header, value);
    }
    Ok(headers)
}

impl ToolSource for HttpTools {
    fn tools(&self, turn: &TurnContext) -> Vec<Arc<dyn Tool>> {
        let bind = |endpoint: &Arc<Endpoint>| {
            Arc::new(HttpTool { endpoint: Arc::clone(endpoint), turn: turn.clone() }) as Arc<dyn Tool>
        };
        self.endpoints.iter().map(bind).collect()
    }
}

#[async_trait]
impl Tool for HttpTool {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.endpoint.spec
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        let endpoint = &self.endpoint;
        let mut request = endpoint
            .http
            .post(endpoint.url.clone())
            .headers(endpoint.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", format!("{}:{}", self.turn.turn, call.id))
            .header("X-Conversation-Id", self.turn.conversation.as_str())
            .timeout(endpoint.timeout)
            .body(call.arguments().to_string());
        if let Some(user) = &self.turn.user {
            request = request.header("X-User-Id", user);
        }
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        let text = self.read(response).await?;
        if status.is_success() {
            return Ok(text);
        }
        let text = text.trim();
        let said = if text.is_empty() { String::new() } else { format!(": {text}") };
        Err(ToolError(format!("The tool answered {}{said}", status.as_u16())))
    }
}

impl HttpTool {
    async fn read(&self, mut response: Response) -> Result<String, ToolError> {
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.failed(&error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MAX_RESULT {
                bytes.truncate(MAX_RESULT);
                break;
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What the model reads; where the tool lives is for the log only.
    fn failed(&self, error: &reqwest::Error) -> ToolError {
        tracing::warn!(tool = self.endpoint.spec.name(), %error, "a tool's endpoint failed");
        if error.is_timeout() {
            return ToolError(format!(
                "The tool did not answer within {} ms.",
                self.endpoint.timeout.as_millis()
            ));
        }
        ToolError("The tool could not be reached.".to_owned())
    }
}
