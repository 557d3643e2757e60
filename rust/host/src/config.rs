//! One typed value for everything that can be set, read once from flags, the environment and
//! `operator.toml`, in this order of precedence.

mod check;
mod describe;
mod document;
mod entries;
mod error;
mod load;
mod process;
mod secret;
mod sections;
mod settings;

pub use document::{markdown, schema_json};
pub use entries::{AgentConfig, KnowledgeConfig, PeopleConfig, ToolConfig, ToolEffect};
pub use error::ConfigError;
pub use load::{Loaded, Sources};
pub use secret::{HeaderText, Secret, TextOrFile};
#[cfg(feature = "dynamodb")]
pub(crate) use sections::DEFAULT_INDEX_PREFIX;
pub use sections::{
    ApprovalConfig, AuthConfig, AuthMode, Backend, GatewayConfig, LimitsConfig, OtpConfig, PriceConfig,
    RetrievalConfig, ServerConfig, SkillsConfig, StorageConfig, TelemetryConfig,
};
pub use settings::{Command, Flags, unknown_variables};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether two demo documents are loaded: `policies/returns.md` (17-day return window) and `policies/shipping.md` (5–7 business days, express 2).
    pub seed_kb: bool,
    /// Where the server listens, and for which web sites.
    pub server: ServerConfig,
    /// The OpenAI-compatible endpoint that models are asked at.
    pub gateway: GatewayConfig,
    /// What one turn, one connection and the whole server may take.
    pub limits: LimitsConfig,
    /// How documents are searched.
    pub retrieval: RetrievalConfig,
    /// Where conversations and documents live.
    pub storage: StorageConfig,
    /// Who may connect, and how that is proved.
    pub auth: AuthConfig,
    /// Which tools need a person first, for every agent and besides what it sets itself.
    pub approval: ApprovalConfig,
    /// How one-time codes are sent.
    pub otp: OtpConfig,
    /// Instructions that a client may ask for by name.
    pub skills: SkillsConfig,
    /// What the server tells of itself.
    pub telemetry: TelemetryConfig,
    /// The agents; none: one built-in support agent.
    pub agents: Vec<AgentConfig>,
    /// The tools.
    pub tools: Vec<ToolConfig>,
    /// The documents that are loaded at the start.
    pub knowledge: Vec<KnowledgeConfig>,
    /// The folder of `operator.toml`, which its paths are relative to.
    #[serde(skip)]
    pub base_dir: PathBuf,
}

impl Config {
    /// Reads the settings from these sources, checks them, and resolves secrets and texts in files.
    ///
    /// # Errors
    /// For the first thing that is wrong: an unknown key or value, a value out of its range, settings
    /// that contradict each other, an unreadable file or secret.
    pub fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
        load::load(sources)
    }

    /// Reads the settings of this process: its flags, its environment and its files.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn of_process(flags: &Flags) -> Result<Loaded, ConfigError> {
        process::load(flags)
    }
}
