//! What is said between a run and a model: messages, their parts, and the calls a model asks for.

use serde::{Deserialize, Serialize};

/// A piece of what a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ContentPart {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// A picture, by an `https:` or `data:` URL.
    Image {
        /// The URL.
        url: String,
        /// How closely the model should look: `low`, `high` or `auto`.
        detail: Option<String>,
    },
    /// A file, by an `https:` or `data:` URL.
    File {
        /// Its name.
        name: String,
        /// Its media type, where known.
        mime_type: Option<String>,
        /// The URL.
        url: String,
    },
}

/// A tool call as the model asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedCall {
    /// The model's id for the call; a run replaces an empty or repeated one.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text, which may be malformed.
    pub arguments: String,
}

/// One message of the conversation with the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum ChatMessage {
    /// Instructions.
    System {
        /// The instructions.
        text: String,
    },
    /// What the person said.
    User {
        /// Its parts, at least one.
        parts: Vec<ContentPart>,
    },
    /// What the model said.
    Assistant {
        /// Its text; may be empty beside calls.
        text: String,
        /// The calls it asked for.
        calls: Vec<RequestedCall>,
    },
    /// What a tool answered.
    Tool {
        /// The id of the call.
        call_id: String,
        /// The tool's name.
        name: String,
        /// The result.
        text: String,
    },
}

impl ChatMessage {
    /// Instructions.
    pub fn system(text: impl Into<String>) -> Self {
        Self::System { text: text.into() }
    }

    /// A person's plain text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { parts: vec![ContentPart::Text { text: text.into() }] }
    }

    /// A model's plain text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant { text: text.into(), calls: Vec::new() }
    }

    /// An estimate of its tokens; see [`estimate_tokens`].
    #[must_use]
    pub fn tokens(&self) -> usize {
        let inside = match self {
            Self::System { text } | Self::Tool { text, .. } => estimate_tokens(text),
            Self::User { parts } => parts.iter().map(part_tokens).sum(),
            Self::Assistant { text, calls } => {
                estimate_tokens(text)
                    + calls.iter().map(|call| estimate_tokens(&call.arguments) + 8).sum::<usize>()
            }
        };
        inside + 4
    }
}

/// Images and files are sized by their provider; 1,000 tokens each is a cautious middle.
const ATTACHMENT_TOKENS: usize = 1_000;

fn part_tokens(part: &ContentPart) -> usize {
    match part {
        ContentPart::Text { text } => estimate_tokens(text),
        ContentPart::Image { .. } | ContentPart::File { .. } => ATTACHMENT_TOKENS,
    }
}

/// An estimate of a text's tokens: a quarter of its bytes, the usual rule for English with byte-pair
/// vocabularies; other scripts have more bytes per character and so are estimated on the safe side.
#[must_use]
pub fn estimate_tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// The text parts, joined by line breaks.
pub(crate) fn plain_text(parts: &[ContentPart]) -> String {
    let texts = parts.iter().filter_map(|part| match part {
        ContentPart::Text { text } => Some(text.as_str()),
        ContentPart::Image { .. } | ContentPart::File { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
