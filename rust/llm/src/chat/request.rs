//! The body of `POST /chat/completions`.

use serde::{Serialize, Serializer};
use serde_json::Value;
use smooai_smooth_operator_core::{ChatMessage, ContentPart, ModelRequest, RequestedCall, ToolSpec};
use std::borrow::Cow;
use std::sync::Arc;

/// How a model wants its limit of written tokens named: newer OpenAI models refuse the older name, most
/// other gateways know only that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenLimitName {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Serialize)]
pub(crate) struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System {
        content: &'a str,
    },
    User {
        content: Content<'a>,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
    File { file: File<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// A file in the body (`file_data`, a `data:` URL), or one for the gateway to fetch (`file_id`, the form in
/// which LiteLLM takes an `https:` URL).
#[derive(Serialize)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: Cow<'a, str>,
    arguments: Arguments<'a>,
}

/// The arguments of an earlier call. Gateways parse them again and fail on a model's broken JSON, so what
/// is no JSON object is wrapped into one.
struct Arguments<'a>(&'a str);

#[derive(Serialize)]
struct Malformed<'a> {
    malformed_arguments: &'a str,
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.trim().is_empty() {
            return serializer.serialize_str("{}");
        }
        if matches!(serde_json::from_str(self.0), Ok(Value::Object(_))) {
            return serializer.serialize_str(self.0);
        }
        let wrapped = serde_json::to_string(&Malformed { malformed_arguments: self.0 })
            .map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&wrapped)
    }
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

impl<'a> Body<'a> {
    pub(crate) fn new(request: &'a ModelRequest, limit: TokenLimitName) -> Self {
        let named = |name| (limit == name).then_some(request.max_tokens);
        let may_not = !request.may_call_tools && !request.tools.is_empty();
        Self {
            model: &request.model,
            messages: request.messages.iter().map(message).collect(),
            tools: request.tools.iter().map(tool).collect(),
            tool_choice: may_not.then_some("none"),
            max_tokens: named(TokenLimitName::MaxTokens),
            max_completion_tokens: named(TokenLimitName::MaxCompletionTokens),
            temperature: request.temperature,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
        }
    }
}

fn tool(spec: &Arc<ToolSpec>) -> Tool<'_> {
    let function =
        Function { name: spec.name(), description: spec.description(), parameters: spec.parameters() };
    Tool { kind: "function", function }
}

fn message(message: &ChatMessage) -> Message<'_> {
    match message {
        ChatMessage::System { text } => Message::System { content: text },
        ChatMessage::User { parts } => Message::User { content: content(parts) },
        ChatMessage::Assistant { text, calls } => Message::Assistant {
            content: (!text.is_empty() || calls.is_empty()).then_some(text),
            tool_calls: calls.iter().map(call).collect(),
        },
        ChatMessage::Tool { call_id, text, .. } => Message::Tool { tool_call_id: call_id, content: text },
    }
}

fn content(parts: &[ContentPart]) -> Content<'_> {
    match parts {
        [ContentPart::Text { text }] => Content::Text(text),
        parts => Content::Parts(parts.iter().map(part).collect()),
    }
}

fn part(part: &ContentPart) -> Part<'_> {
    match part {
        ContentPart::Text { text } => Part::Text { text },
        ContentPart::Image { url, detail } => {
            Part::ImageUrl { image_url: ImageUrl { url, detail: detail.as_deref() } }
        }
        ContentPart::File { name, url, .. } if url.starts_with("data:") => Part::File {
            file: File { filename: Some(name), file_data: Some(url), file_id: None, format: None },
        },
        ContentPart::File { mime_type, url, .. } => Part::File {
            file: File { filename: None, file_data: None, file_id: Some(url), format: mime_type.as_deref() },
        },
    }
}

fn call(call: &RequestedCall) -> Call<'_> {
    let function = CalledFunction { name: legal_name(&call.name), arguments: Arguments(&call.arguments) };
    Call { id: &call.id, kind: "function", function }
}

/// The name of an earlier call as gateways accept it: 1 to 64 letters, digits, `_` or `-`. A model may
/// have written another one, which was answered as an unknown tool.
fn legal_name(name: &str) -> Cow<'_, str> {
    const LONGEST: usize = 64;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() {
        return Cow::Borrowed("_");
    }
    if name.len() <= LONGEST && name.chars().all(legal) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().take(LONGEST).map(|c| if legal(c) { c } else { '_' }).collect())
}
