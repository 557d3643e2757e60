//! The lists of `operator.toml`: agents, tools and documents. Their comments are the text of
//! `docs/configuration.md`.

use super::secret::{HeaderText, TextOrFile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An agent. With none in the file there is one built-in support agent, which answers under every id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// Its UUID, which clients pass as `agentId`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it answers clients that name no agent; where none is marked, the first does.
    #[serde(default)]
    pub default: bool,
    /// Its instructions, or `{ file = "support.md" }`. Unset: those of the built-in agent.
    pub instructions: Option<TextOrFile>,
    /// Its model. Unset: `gateway.model`.
    pub model: Option<String>,
    /// Model calls of a turn. Unset: `limits.max_iterations`.
    pub max_iterations: Option<u32>,
    /// Name patterns of the tools it has. Unset: all.
    pub tools: Option<Vec<String>>,
    /// Name patterns of its tools that need approval. Unset: every tool that writes.
    pub confirm: Option<Vec<String>>,
    /// Name patterns of its tools that need a one-time code.
    #[serde(default)]
    pub verify: Vec<String>,
    /// Who may use it. Unset: everyone.
    pub allow: Option<PeopleConfig>,
    /// Browser origins it may be used from. Empty: every origin that the server lets in.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// Users and groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PeopleConfig {
    /// User ids.
    pub users: Vec<String>,
    /// Group names.
    pub groups: Vec<String>,
}

/// A tool: an HTTP endpoint that is sent a call's arguments as its JSON body. A 2xx answer's body is the
/// tool's result; anything else is an error that the model sees. Each call carries `Idempotency-Key`,
/// `X-Conversation-Id` and, when known, `X-User-Id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolConfig {
    /// Its name: 1 to 64 letters, digits, `_` or `-`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The JSON Schema of its arguments. Unset: no arguments.
    #[serde(default = "no_arguments")]
    pub parameters: Map<String, Value>,
    /// Its address.
    pub url: String,
    /// Headers of the request.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderText>,
    /// Milliseconds until the address must have answered.
    #[serde(default = "tool_timeout")]
    pub timeout_ms: u64,
    /// `read`: it only looks. `write`: it changes something, and needs approval unless the agent says otherwise.
    #[serde(default)]
    pub effect: ToolEffect,
}

fn no_arguments() -> Map<String, Value> {
    let word = |text: &str| Value::String(text.to_owned());
    Map::from_iter([
        ("type".to_owned(), word("object")),
        ("properties".to_owned(), Value::Object(Map::new())),
    ])
}

fn tool_timeout() -> u64 {
    30_000
}

/// Whether a tool changes the world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolEffect {
    /// It only looks.
    #[default]
    Read,
    /// It changes something.
    Write,
}

/// Documents that are loaded at the start; unchanged ones are not embedded again. Either `path`, or
/// `source` and `text`. A document's id and source are its path relative to the file (or the given
/// `source`); its title is its first heading, or the source where it has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KnowledgeConfig {
    /// Files by a pattern such as `docs/**/*.md`, relative to the folder of `operator.toml`.
    pub path: Option<String>,
    /// The name of a document whose text stands here.
    pub source: Option<String>,
    /// Its text.
    pub text: Option<String>,
    /// Who may read them. Unset: everyone in the organisation.
    pub acl: Option<PeopleConfig>,
}
