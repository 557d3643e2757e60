//! What the gateway has seen: every request, and how its answer ended.

use std::time::Instant;

use serde_json::Value;

use super::script::{Endpoint, messages_of};

/// What a request's `Authorization` header was. Its value is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// No header.
    Absent,
    /// `Bearer` and the gateway's own key.
    Expected,
    /// Anything else.
    Other,
}

/// How the answer to a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended.
    Open,
    /// It was written whole.
    Served,
    /// The script cut the connection.
    Cut,
    /// The client closed the connection before the end.
    Dropped,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Path and query.
    pub path: String,
    /// All headers but `authorization`, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What the `authorization` header was.
    pub authorization: Authorization,
    /// The body; `null` when it was no JSON.
    pub body: Value,
    /// Which rule answered; `None`: a default, or nothing.
    pub rule: Option<usize>,
    /// How its answer ended.
    pub outcome: Outcome,
    /// When it was read.
    pub at: Instant,
}

impl Recorded {
    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The text of the last user message.
    #[must_use]
    pub fn user(&self) -> String {
        messages_of(&self.body, "user").next_back().unwrap_or_default()
    }

    /// All system texts, joined by line ends.
    #[must_use]
    pub fn system(&self) -> String {
        messages_of(&self.body, "system").collect::<Vec<_>>().join("\n")
    }

    /// The tool results that the model was given, as `(tool_call_id, content)`, in order.
    #[must_use]
    pub fn tool_results(&self) -> Vec<(String, String)> {
        self.messages()
            .iter()
            .filter(|message| message["role"] == "tool")
            .map(|message| (text(&message["tool_call_id"]), text(&message["content"])))
            .collect()
    }

    /// The names of the tools that were offered.
    #[must_use]
    pub fn tools(&self) -> Vec<String> {
        let tools = self.body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().map(|tool| text(&tool["function"]["name"])).collect()
    }

    /// The messages as they were sent.
    #[must_use]
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
