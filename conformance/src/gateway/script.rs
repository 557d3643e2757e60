//! A script: which reply the gateway gives to which request.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reply::Reply;

/// The endpoints of an OpenAI-compatible gateway that a script can answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Endpoint {
    /// `/v1/chat/completions`
    #[default]
    Chat,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/rerank`
    Rerank,
    /// `/v1/models`
    Models,
    /// Any other path.
    Other,
}

/// Which requests a rule answers. All that is given must hold; nothing given: every chat request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct When {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The model's name.
    pub model: Option<String>,
    /// Text within the last user message.
    pub user: Option<String>,
    /// Text within a system message.
    pub system: Option<String>,
    /// Whether the request asks for a stream.
    pub stream: Option<bool>,
}

/// A reply, and the requests that it is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    pub when: When,
    /// The reply.
    pub reply: Reply,
    /// Whether the rule answers every such request, not only the first.
    pub always: bool,
}

/// What a gateway plays. A request gets the first rule that fits it and is not used up; the defaults
/// answer embeddings and rerank requests that no rule fits; a chat request without a rule gets a 500
/// and is counted as unscripted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Script {
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

impl Script {
    /// A script without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reply to the next chat request that no earlier rule takes.
    #[must_use]
    pub fn say(self, reply: Reply) -> Self {
        self.rule(When::default(), reply, false)
    }

    /// Adds a reply to the next chat request whose last user message contains `user`.
    #[must_use]
    pub fn when_user(self, user: &str, reply: Reply) -> Self {
        self.rule(When { user: Some(user.to_owned()), ..When::default() }, reply, false)
    }

    /// Adds a reply to the next chat request for a model.
    #[must_use]
    pub fn when_model(self, model: &str, reply: Reply) -> Self {
        self.rule(When { model: Some(model.to_owned()), ..When::default() }, reply, false)
    }

    /// Adds a reply to every chat request that no earlier rule takes.
    #[must_use]
    pub fn always(self, reply: Reply) -> Self {
        self.rule(When::default(), reply, true)
    }

    /// Adds a reply to the next request of another endpoint.
    #[must_use]
    pub fn at(self, endpoint: Endpoint, reply: Reply) -> Self {
        self.rule(When { endpoint, ..When::default() }, reply, false)
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, when: When, reply: Reply, always: bool) -> Self {
        self.rules.push(Rule { when, reply, always });
        self
    }
}

impl When {
    /// Whether a request with this body is one of those.
    #[must_use]
    pub fn fits(&self, endpoint: Endpoint, body: &Value) -> bool {
        let contains = |role: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| {
                let mut messages = messages_of(body, role);
                let found = |message: String| message.contains(wanted.as_str());
                if role == "user" { messages.next_back().is_some_and(found) } else { messages.any(found) }
            })
        };
        self.endpoint == endpoint
            && self.model.as_deref().is_none_or(|model| body["model"] == model)
            && self.stream.is_none_or(|stream| (body["stream"] == true) == stream)
            && contains("user", &self.user)
            && contains("system", &self.system)
    }
}

/// The texts of a chat request's messages of one role, in order; content parts are joined.
pub fn messages_of(body: &Value, role: &str) -> impl DoubleEndedIterator<Item = String> {
    body["messages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(move |message| message["role"] == role)
        .map(|message| match &message["content"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            _ => String::new(),
        })
}
