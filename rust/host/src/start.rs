//! Puts the program together: from settings to a running service.

use crate::auth::{AuthSetupError, Authenticator, auth_context};
use crate::codes::{CodeWebhook, CodeWebhookError};
use crate::config::{AgentConfig, Config, GatewayConfig, LimitsConfig, TextOrFile};
use crate::http_tools::{HttpToolError, HttpTools};
use crate::knowledge;
use crate::launch::Launch;
use crate::skills::SkillFolder;
use crate::storage::{self, StorageError};
use crate::telemetry::{self, TelemetryError};
use crate::world::RealWorld;
use reqwest::Client;
use smooai_smooth_operator::{
    AgentSettings, Allow, AuthContextVerifier, BUILT_IN_INSTRUCTIONS, CodeSender, OtpSettings, Parts,
    Service, Settings, SkillSource, ToolSource,
};
use smooai_smooth_operator_core::{CostBudget, LlmProvider, ToolSpecError};
use smooai_smooth_operator_ingestion::FileError;
use smooai_smooth_operator_llm::http::{HttpError, client};
use smooai_smooth_operator_llm::offline::ExtractiveModel;
use smooai_smooth_operator_llm::{
    ApiKey, Dimension, Gateway, GatewayEmbedder, GatewayError, GatewayReranker, GatewaySettings, Limits,
    Price, PriceTable, known_dimension,
};
use smooai_smooth_operator_retrieval::{DeterministicEmbedder, EmbedError, Embedder, Retriever};
use std::sync::Arc;
use std::time::Duration;

/// What the model is called where there is none.
const OFFLINE: &str = "offline";
/// The length of the deterministic embedder's vectors.
const EMBEDDING_DIMENSION: usize = 256;

/// A running service, with what a mount needs besides.
pub struct Host {
    /// The service.
    pub service: Arc<Service>,
    /// Who may connect.
    pub authenticator: Authenticator,
    /// The settings it was started with.
    pub config: Config,
}

/// Why the program could not be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The HTTP client.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The gateway's settings.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The embedding model did not tell how long its vectors are.
    #[error(
        "the embedding model `{model}` could not be asked; set gateway.embedding_dimensions or check the gateway"
    )]
    Embedding {
        /// The model.
        model: String,
        /// The cause.
        #[source]
        source: EmbedError,
    },
    /// The storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A tool of the configuration.
    #[error(transparent)]
    Tool(#[from] HttpToolError),
    /// A built-in tool.
    #[error(transparent)]
    BuiltInTool(#[from] ToolSpecError),
    /// The sender of one-time codes.
    #[error(transparent)]
    Codes(#[from] CodeWebhookError),
    /// A pattern of `[[knowledge]]`.
    #[error(transparent)]
    Knowledge(#[from] FileError),
    /// The settings of authentication.
    #[error(transparent)]
    Auth(#[from] AuthSetupError),
    /// The log's filter.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

impl Host {
    /// Starts with these settings: sets the log up, loads the documents, puts the service together.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(launch: Launch) -> Result<Self, StartError> {
        telemetry::init(&launch.config().telemetry)?;
        for name in launch.loaded.unknown_variables() {
            tracing::warn!(name, "this environment variable looks like a setting of this server and is none");
        }
        Self::compose(launch.loaded.config).await
    }

    /// The name of the model that answers by default.
    #[must_use]
    pub fn model(&self) -> &str {
        if self.config.gateway.offline { OFFLINE } else { &self.config.gateway.model }
    }

    /// Puts the service together, without a log of its own.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn compose(config: Config) -> Result<Self, StartError> {
        let http = client(Duration::from_millis(config.gateway.connect_ms))?;
        let authenticator = Authenticator::new(&config.auth, &http, Arc::new(RealWorld))?;
        let gateway = gateway(&config.gateway, &http)?;
        let llm: Arc<dyn LlmProvider> = match config.gateway.offline {
            true => Arc::new(ExtractiveModel::new(config.retrieval.language)),
            false => Arc::new(gateway.clone()),
        };
        let storage = storage::open(&config).await?;
        let embedder = embedder(&config, &gateway).await?;
        let organization = authenticator.home_organization();
        knowledge::load(&config, &organization, Arc::clone(&storage.knowledge), Arc::clone(&embedder))
            .await?;
        let mut retriever =
            Retriever::new(Arc::clone(&storage.knowledge), embedder).with_language(config.retrieval.language);
        if let (Some(model), false) = (&config.gateway.rerank_model, config.gateway.offline) {
            retriever = retriever.with_reranker(Arc::new(GatewayReranker::new(gateway, model)));
        }
        let tools: Arc<dyn ToolSource> = Arc::new(HttpTools::new(&http, &config.tools)?);
        let codes =
            CodeWebhook::new(&http, &config.otp)?.map(|sender| Arc::new(sender) as Arc<dyn CodeSender>);
        let skills = config.skills.dir.clone().map(|dir| Arc::new(SkillFolder(dir)) as Arc<dyn SkillSource>);
        let auth_context =
            auth_context::verifier(&config.auth).map(|judge| Arc::new(judge) as Arc<dyn AuthContextVerifier>);
        let service = Service::new(Parts {
            settings: settings(&config),
            storage,
            llm,
            retriever: Arc::new(retriever),
            world: Arc::new(RealWorld),
            tool_sources: vec![tools],
            skills,
            codes,
            auth_context,
        })?;
        Ok(Self { service: Arc::new(service), authenticator, config })
    }
}

fn gateway(config: &GatewayConfig, http: &Client) -> Result<Gateway, GatewayError> {
    let price = |price: &crate::config::PriceConfig| Price {
        model: price.model.clone(),
        prompt: price.prompt,
        completion: price.completion,
    };
    let limits = Limits {
        first_byte: Duration::from_millis(config.first_byte_ms),
        idle: Duration::from_millis(config.idle_ms),
        total: Duration::from_millis(config.total_ms),
        attempts: config.attempts,
        ..Limits::default()
    };
    let settings = GatewaySettings {
        url: config.url.clone(),
        key: config.key.as_ref().map(|key| ApiKey::new(key.expose())),
        prices: PriceTable::new(config.prices.iter().map(price).collect()),
        limits,
    };
    Gateway::new(http.clone(), settings)
}

async fn embedder(config: &Config, gateway: &Gateway) -> Result<Arc<dyn Embedder>, StartError> {
    let language = config.retrieval.language;
    let Some(model) = config.gateway.embedding_model.as_ref().filter(|_| !config.gateway.offline) else {
        return Ok(Arc::new(DeterministicEmbedder::with(language, EMBEDDING_DIMENSION)));
    };
    let dimension = match (config.gateway.embedding_dimensions, known_dimension(model)) {
        (Some(asked), _) => Some(Dimension::Asked(asked)),
        (None, Some(known)) => Some(Dimension::Own(known)),
        (None, None) => None,
    };
    Ok(match dimension {
        Some(dimension) => Arc::new(GatewayEmbedder::new(gateway.clone(), model, dimension)),
        None => {
            let probed = GatewayEmbedder::probe(gateway.clone(), model).await;
            Arc::new(probed.map_err(|source| StartError::Embedding { model: model.clone(), source })?)
        }
    })
}

fn settings(config: &Config) -> Settings {
    let LimitsConfig { max_iterations, max_tokens, history_tokens, turn_tokens, turn_cost_usd, .. } =
        config.limits;
    let mut agents: Vec<AgentSettings> =
        config.agents.iter().map(|agent| agent_settings(agent, max_iterations)).collect();
    if let Some(default) = config.agents.iter().position(|agent| agent.default) {
        agents[..=default].rotate_right(1);
    }
    Settings {
        agents,
        model: if config.gateway.offline { OFFLINE.to_owned() } else { config.gateway.model.clone() },
        allowed_models: config.gateway.allowed_models.clone(),
        max_tokens,
        max_iterations,
        confirm_tools: config.approval.confirm.clone(),
        auth_tools: config.approval.verify.clone(),
        budget: CostBudget { max_cost_usd: turn_cost_usd, max_tokens: turn_tokens },
        history_tokens,
        turns_per_connection: config.limits.max_turns_per_connection as usize,
        turn_timeout: Duration::from_millis(config.limits.turn_timeout_ms),
        park_lifetime: minutes(config.limits.park_minutes),
        otp: OtpSettings { lifetime: minutes(config.otp.minutes), attempts: config.otp.attempts },
        preamble_model: config.gateway.preamble_model.clone().filter(|_| !config.gateway.offline),
        judge_model: config.gateway.judge_model.clone().filter(|_| !config.gateway.offline),
        ..Settings::default()
    }
}

fn minutes(count: u32) -> Duration {
    Duration::from_secs(60 * u64::from(count))
}

fn agent_settings(agent: &AgentConfig, max_iterations: u32) -> AgentSettings {
    AgentSettings {
        id: agent.id.clone(),
        name: agent.name.clone(),
        instructions: agent
            .instructions
            .as_ref()
            .map_or(BUILT_IN_INSTRUCTIONS, TextOrFile::as_str)
            .to_owned(),
        model: agent.model.clone(),
        max_iterations: agent.max_iterations.unwrap_or(max_iterations),
        tools: agent.tools.clone(),
        confirm: agent.confirm.clone(),
        verify: agent.verify.clone(),
        allow: agent
            .allow
            .as_ref()
            .map(|people| Allow { users: people.users.clone(), groups: people.groups.clone() }),
        origins: agent.origins.clone(),
    }
}
