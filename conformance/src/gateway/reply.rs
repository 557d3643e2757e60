//! One scripted reply of the model: what it says, piece by piece, and what goes wrong on the way.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One thing that a reply does, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Piece {
    /// A piece of the answer.
    Content(String),
    /// A piece of reasoning (`reasoning_content`).
    Reasoning(String),
    /// A tool call begins; `arguments` may be a first fragment, and may be malformed.
    ToolCall {
        /// Place among the reply's parallel calls.
        index: usize,
        /// The call's id.
        id: String,
        /// The tool's name.
        name: String,
        /// The arguments' JSON text, or its beginning.
        arguments: String,
    },
    /// A further fragment of a tool call's arguments.
    Arguments {
        /// Which call.
        index: usize,
        /// The next characters of the arguments' JSON text.
        fragment: String,
    },
    /// Token counts, sent as a chunk of their own when the request asked for `include_usage`.
    Usage {
        /// Tokens of the prompt.
        prompt: u32,
        /// Tokens of the answer.
        completion: u32,
    },
    /// The finish reason. A reply without one gets `stop`, or `tool_calls` when it calls tools.
    Finish(String),
    /// A comment line, as proxies send them to keep a connection alive.
    Comment(String),
    /// An error object in the middle of the stream.
    Error(Value),
    /// An event with this text as its data, whatever it is.
    Data(String),
    /// Waits until the test opens the gate.
    Gate(String),
    /// The connection is closed here.
    Cut,
}

/// How a reply's lines end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LineEnd {
    /// `\n`
    #[default]
    Lf,
    /// `\r\n`
    CrLf,
}

/// A whole reply. Build it with the functions named after what the model does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Reply {
    /// The HTTP status; other than 200, `body` is sent instead of the pieces.
    pub status: u16,
    /// Further response headers.
    pub headers: Vec<(String, String)>,
    /// The JSON body of a reply that is no stream of pieces.
    pub body: Option<Value>,
    /// Gates and cuts before the response's head.
    pub before_headers: Vec<Piece>,
    /// What the model says.
    pub pieces: Vec<Piece>,
    /// Sizes, used in a circle, into which the stream's bytes are split; empty: one write per event.
    pub split: Vec<usize>,
    /// How lines end.
    pub line_end: LineEnd,
    /// Whether `data: [DONE]` closes the stream.
    pub done: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: None,
            before_headers: Vec::new(),
            pieces: Vec::new(),
            split: Vec::new(),
            line_end: LineEnd::Lf,
            done: true,
        }
    }
}

impl Reply {
    /// An answer in one piece.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::default().then(text)
    }

    /// An answer in the given pieces.
    #[must_use]
    pub fn pieces<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Self {
        pieces.into_iter().fold(Self::default(), Self::then)
    }

    /// A reply that calls one tool.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "json!(…) at the call reads better without a reference"
    )]
    pub fn tool(id: &str, name: &str, arguments: Value) -> Self {
        Self::default().and_tool(id, name, &arguments.to_string())
    }

    /// A refusal with a JSON body.
    #[must_use]
    pub fn refusal(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), ..Self::default() }
    }

    /// 429 with `Retry-After` in seconds, which may have a fraction for a quick test.
    #[must_use]
    pub fn rate_limited(retry_after: &str) -> Self {
        Self::refusal(429, error_body("rate_limit_exceeded", "Rate limit reached for requests."))
            .header("retry-after", retry_after)
    }

    /// A 5xx as proxies answer it.
    #[must_use]
    pub fn server_error(status: u16) -> Self {
        Self::refusal(status, error_body("server_error", "upstream host db-7.internal is on fire"))
    }

    /// 400: the prompt is longer than the model's window.
    #[must_use]
    pub fn context_too_long() -> Self {
        Self::refusal(
            400,
            error_body(
                "context_length_exceeded",
                "This model's maximum context length is 8192 tokens, your messages resulted in 9001 tokens.",
            ),
        )
    }

    /// 400: the content filter refused the prompt.
    #[must_use]
    pub fn content_filtered() -> Self {
        Self::refusal(400, error_body("content_filter", "The response was filtered."))
    }

    /// 401: the key is wrong; the body names it, as some gateways do.
    #[must_use]
    pub fn bad_key() -> Self {
        Self::refusal(401, error_body("invalid_api_key", "Incorrect API key provided: sk-leaky-1234."))
    }

    /// The connection ends before any byte of the response.
    #[must_use]
    pub fn dead_before_headers() -> Self {
        Self { before_headers: vec![Piece::Cut], ..Self::default() }
    }

    /// The connection ends right after the response's head.
    #[must_use]
    pub fn dead_after_headers() -> Self {
        Self::default().cut()
    }

    /// Adds a piece of the answer.
    #[must_use]
    pub fn then(self, text: &str) -> Self {
        self.piece(Piece::Content(text.to_owned()))
    }

    /// Adds a piece of reasoning.
    #[must_use]
    pub fn thinks(self, text: &str) -> Self {
        self.piece(Piece::Reasoning(text.to_owned()))
    }

    /// Adds a tool call beside those before it; `arguments` is sent as it is.
    #[must_use]
    pub fn and_tool(self, id: &str, name: &str, arguments: &str) -> Self {
        let index = self.tool_calls();
        self.piece(Piece::ToolCall {
            index,
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        })
    }

    /// Waits at a gate.
    #[must_use]
    pub fn gate(self, name: &str) -> Self {
        self.piece(Piece::Gate(name.to_owned()))
    }

    /// Waits at a gate before the response's head.
    #[must_use]
    pub fn gate_before_headers(mut self, name: &str) -> Self {
        self.before_headers.push(Piece::Gate(name.to_owned()));
        self
    }

    /// Closes the connection.
    #[must_use]
    pub fn cut(self) -> Self {
        self.piece(Piece::Cut)
    }

    /// Adds a usage chunk.
    #[must_use]
    pub fn usage(self, prompt: u32, completion: u32) -> Self {
        self.piece(Piece::Usage { prompt, completion })
    }

    /// Adds the header in which LiteLLM-like gateways name a call's cost in dollars.
    #[must_use]
    pub fn cost(self, dollars: &str) -> Self {
        self.header("x-litellm-response-cost", dollars)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Splits the stream's bytes into writes of these sizes, in a circle.
    #[must_use]
    pub fn split(mut self, sizes: &[usize]) -> Self {
        self.split = sizes.iter().copied().filter(|size| *size > 0).collect();
        self
    }

    /// Ends lines with CRLF.
    #[must_use]
    pub fn crlf(mut self) -> Self {
        self.line_end = LineEnd::CrLf;
        self
    }

    /// Leaves out `data: [DONE]`.
    #[must_use]
    pub fn without_done(mut self) -> Self {
        self.done = false;
        self
    }

    /// Adds any piece.
    #[must_use]
    pub fn piece(mut self, piece: Piece) -> Self {
        self.pieces.push(piece);
        self
    }

    /// How many tools the reply calls.
    #[must_use]
    pub fn tool_calls(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::ToolCall { .. })).count()
    }

    /// The finish reason: the scripted one, or the one that follows from the pieces.
    #[must_use]
    pub fn finish_reason(&self) -> &str {
        self.pieces
            .iter()
            .find_map(|piece| match piece {
                Piece::Finish(reason) => Some(reason.as_str()),
                _ => None,
            })
            .unwrap_or(if self.tool_calls() > 0 { "tool_calls" } else { "stop" })
    }
}

/// The usual shape of an error body.
#[must_use]
pub fn error_body(code: &str, message: &str) -> Value {
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } })
}
