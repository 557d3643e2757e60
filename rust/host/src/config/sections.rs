//! The tables of `operator.toml` that hold single values. Their comments are the text of
//! `docs/configuration.md`.

use super::secret::{HeaderText, Secret, TextOrFile};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smooai_smooth_operator_retrieval::analyse::Language;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Where the server listens, and for which web sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The IP address to listen on. Any other than a loopback address needs `auth.mode`.
    pub bind: IpAddr,
    /// The port; 0 is any free one, and the line on stdout tells which.
    pub port: u16,
    /// Browser origins that may connect, as `https://app.example.com`; `*` is every one. Empty: pages of the same host only. Programs that are no browsers send no origin and are not asked for one.
    pub origins: Vec<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { bind: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 8787, origins: Vec::new() }
    }
}

/// The OpenAI-compatible endpoint that models are asked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// The gateway's address up to the version.
    pub url: String,
    /// The gateway's key. Without one only `send_message` fails, with `LLM_UNAVAILABLE`.
    pub key: Option<Secret>,
    /// No gateway: an extractive model answers from the retrieved passages and says so.
    pub offline: bool,
    /// The model that answers, for agents that name none.
    pub model: String,
    /// Other models that a client may ask for by `model`, as name patterns with `*`; unset: any.
    pub allowed_models: Option<Vec<String>>,
    /// The embedding model. Unset: a deterministic embedder that needs no network.
    pub embedding_model: Option<String>,
    /// How many numbers the embedding model is asked to give for a text. Unset: as many as it gives by itself.
    pub embedding_dimensions: Option<usize>,
    /// The model that orders retrieved passages. Unset: the fused order of keyword and vector search.
    pub rerank_model: Option<String>,
    /// A fast model that says a word before a slow answer. Unset: no preamble.
    pub preamble_model: Option<String>,
    /// A model that analyses finished turns. Unset: neutral values.
    pub judge_model: Option<String>,
    /// Milliseconds until a connection must stand.
    pub connect_ms: u64,
    /// Milliseconds until the first byte of an answer.
    pub first_byte_ms: u64,
    /// Milliseconds between two pieces of an answer.
    pub idle_ms: u64,
    /// Milliseconds for a whole call, all attempts included.
    pub total_ms: u64,
    /// Attempts before the first byte of an answer.
    pub attempts: u32,
    /// What models cost, for gateways that do not tell; the first entry that fits a model counts.
    pub prices: Vec<PriceConfig>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            url: "https://llm.smoo.ai/v1".to_owned(),
            key: None,
            offline: false,
            model: "claude-haiku-4-5".to_owned(),
            allowed_models: None,
            embedding_model: None,
            embedding_dimensions: None,
            rerank_model: None,
            preamble_model: None,
            judge_model: None,
            connect_ms: 10_000,
            first_byte_ms: 60_000,
            idle_ms: 30_000,
            total_ms: 300_000,
            attempts: 3,
            prices: Vec::new(),
        }
    }
}

/// A price of the models whose names fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceConfig {
    /// The model's name; `*` stands for any text.
    pub model: String,
    /// US dollars for a million tokens read.
    pub prompt: f64,
    /// US dollars for a million tokens written.
    pub completion: f64,
}

/// What one turn, one connection and the whole server may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Model calls of a turn, for agents that set no number of their own.
    pub max_iterations: u32,
    /// Tokens that a model may write in one reply.
    pub max_tokens: u32,
    /// Tokens of earlier messages that a model is given.
    pub history_tokens: usize,
    /// Tokens that a turn may use, read and written together. Unset: no limit.
    pub turn_tokens: Option<u64>,
    /// US dollars that a turn may use. Unset: no limit.
    pub turn_cost_usd: Option<f64>,
    /// Milliseconds that a turn may run; the time that it waits for a person does not count.
    pub turn_timeout_ms: u64,
    /// Minutes that a turn waits for a person.
    pub park_minutes: u32,
    /// Turns that run at once on one connection.
    pub max_turns_per_connection: u32,
    /// Connections at once.
    pub max_connections: u32,
    /// Connections at once from one IP address; a loopback address is a proxy on this machine and is not counted.
    pub max_connections_per_address: u32,
    /// Milliseconds that running turns get to end after SIGTERM.
    pub drain_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_iterations: 20,
            max_tokens: 8_192,
            history_tokens: 24_000,
            turn_tokens: None,
            turn_cost_usd: None,
            turn_timeout_ms: 600_000,
            park_minutes: 15,
            max_turns_per_connection: 128,
            max_connections: 20_000,
            max_connections_per_address: 1_000,
            drain_ms: 25_000,
        }
    }
}

/// How documents are searched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetrievalConfig {
    /// The language of documents and questions, which decides how words are cut to their stems; `none` takes words as they are.
    #[schemars(with = "LanguageName")]
    pub language: Language,
}

/// The names of [`Language`], for the schema; a test holds the two together.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum LanguageName {
    None,
    Arabic,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
}

/// Where conversations and documents live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StorageConfig {
    /// The kind of storage. `pg` and `postgresql` also name `postgres`; `ddb` and `dynamo` also name `dynamodb`.
    pub backend: Backend,
    /// The folder of embedded storage.
    pub data_dir: PathBuf,
    /// The address of the PostgreSQL database; a secret, because it holds a password.
    pub database_url: Option<Secret>,
    /// The DynamoDB table; unset: `smooth-operator`. The endpoint is the AWS SDK's own setting (`AWS_ENDPOINT_URL_DYNAMODB`).
    pub dynamodb_table: Option<String>,
    /// The S3 Vectors bucket beside the DynamoDB table.
    pub vector_bucket: Option<String>,
    /// What the names of the bucket's vector indexes begin with; unset: `documents`. Lower-case letters, digits and hyphens, at most 20.
    pub vector_index_prefix: Option<String>,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            backend: Backend::Sqlite,
            data_dir: PathBuf::from("./smooth-operator-data"),
            database_url: None,
            dynamodb_table: None,
            vector_bucket: None,
            vector_index_prefix: None,
        }
    }
}

/// How the names of vector indexes begin when nothing is said.
pub(crate) const DEFAULT_INDEX_PREFIX: &str = "documents";

/// A kind of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In this process; gone with it.
    Memory,
    /// In a file of `storage.data_dir`.
    Sqlite,
    /// In a PostgreSQL database.
    #[serde(alias = "pg", alias = "postgresql")]
    Postgres,
    /// In a DynamoDB table.
    #[serde(alias = "ddb", alias = "dynamo")]
    Dynamodb,
}

impl Backend {
    /// The kinds that this build holds.
    pub const BUILT_IN: &'static [Self] = &[
        Self::Memory,
        Self::Sqlite,
        Self::Postgres,
        #[cfg(feature = "dynamodb")]
        Self::Dynamodb,
    ];

    /// Its name in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Dynamodb => "dynamodb",
        }
    }
}

/// Who may connect, and how that is proved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `none`: everyone is an anonymous caller of one organisation. `jwt`: a signed token. `smoo`: a signed token of the Smoo platform, which must name an organisation. Unset: `none` on a loopback address, a start-up error on any other.
    pub mode: Option<AuthMode>,
    /// The shared secret of tokens signed with HS256. In the modes `jwt` and `smoo` exactly one of `jwt_hs256_secret`, `jwt_rs256_public_key` and `jwt_jwks_url` is set, and it decides the algorithm.
    pub jwt_hs256_secret: Option<Secret>,
    /// The public key of tokens signed with RS256, as PEM.
    pub jwt_rs256_public_key: Option<TextOrFile>,
    /// Where the public keys of tokens signed with RS256 or ES256 are published.
    pub jwt_jwks_url: Option<String>,
    /// The issuer (`iss`) that a token must name. Unset: any.
    pub jwt_issuer: Option<String>,
    /// The audience (`aud`) that a token must name. Unset: any.
    pub jwt_audience: Option<String>,
    /// The organisation of callers in mode `none`, and of tokens in mode `jwt` that name none. Unset: one built-in organisation.
    pub dev_org_id: Option<String>,
    /// The secret that a host system signs `authContext` with. Unset: no `authContext` is accepted.
    pub context_secret: Option<Secret>,
}

/// How a caller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Everyone is anonymous.
    None,
    /// A signed token.
    Jwt,
    /// A signed token of the Smoo platform.
    Smoo,
}

/// Which tools need a person first, for every agent and besides what it sets itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalConfig {
    /// Name patterns (`*` stands for any text) of tools that need approval.
    pub confirm: Vec<String>,
    /// Name patterns of tools that need a one-time code.
    pub verify: Vec<String>,
}

/// How one-time codes are sent: an HTTP `POST` to your own system, which sends the e-mail or message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtpConfig {
    /// The address that codes are posted to. Unset: codes cannot be sent.
    pub url: Option<String>,
    /// Headers of the request.
    pub headers: BTreeMap<String, HeaderText>,
    /// Milliseconds until the address must have answered.
    pub timeout_ms: u64,
    /// Minutes that a code holds.
    pub minutes: u32,
    /// Wrong codes that are allowed.
    pub attempts: u32,
}

impl Default for OtpConfig {
    fn default() -> Self {
        Self { url: None, headers: BTreeMap::new(), timeout_ms: 10_000, minutes: 10, attempts: 5 }
    }
}

/// Instructions that a client may ask for by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SkillsConfig {
    /// The folder of `NAME.md` files. Unset: no skills.
    pub dir: Option<PathBuf>,
}

/// What the server tells of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// What is logged to stderr: a level (`error`, `warn`, `info`, `debug`, `trace`), or directives such as `info,hyper=warn`.
    pub log: String,
    /// Where traces are sent by OTLP. This build does not send traces; it says so in the log when this is set.
    pub otlp_endpoint: Option<String>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { log: "info".to_owned(), otlp_endpoint: None }
    }
}
