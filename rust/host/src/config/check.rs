//! What settings must hold beyond their types: ranges, addresses, and what goes together.

use super::Config;
use super::entries::{AgentConfig, KnowledgeConfig, ToolConfig};
use super::error::ConfigError;
use super::load::Origins;
use super::secret::HeaderText;
use super::sections::{AuthConfig, AuthMode, Backend, DEFAULT_INDEX_PREFIX, StorageConfig};
use crate::auth::check_public_key;
use smooai_smooth_operator_adapter_postgres as postgres;
use smooai_smooth_operator_core::{Effect, ToolSpec};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use url::Url;
use uuid::Uuid;

/// The tools that the service brings; a configured one may not take their place.
const BUILT_IN_TOOLS: [&str; 3] = ["knowledge_search", "request_choices", "request_identity_intake"];

/// The longest timeout, in milliseconds: one day. It keeps sums of times from overflowing.
const LONGEST_MS: u64 = 86_400_000;

/// A check's outcome: the key and what is wrong with it.
type Fault = (String, String);

pub(super) fn check(config: &Config, origins: &Origins) -> Result<(), ConfigError> {
    let faults = [
        ranges(config),
        addresses(config),
        origins_of_browsers(config),
        storage(config),
        auth(config),
        log_filter(config),
        headers("otp", &config.otp.headers),
        tools(&config.tools),
        agents(&config.agents, &config.tools),
        knowledge(&config.knowledge),
    ];
    match faults.into_iter().find_map(Result::err) {
        Some((key, problem)) => Err(origins.error(key, problem)),
        None => Ok(()),
    }
}

fn fault<T>(key: impl Into<String>, problem: impl Into<String>) -> Result<T, Fault> {
    Err((key.into(), problem.into()))
}

fn ranges(config: &Config) -> Result<(), Fault> {
    let (gateway, limits, otp) = (&config.gateway, &config.limits, &config.otp);
    let numbers = [
        ("gateway.connect_ms", gateway.connect_ms, LONGEST_MS),
        ("gateway.first_byte_ms", gateway.first_byte_ms, LONGEST_MS),
        ("gateway.idle_ms", gateway.idle_ms, LONGEST_MS),
        ("gateway.total_ms", gateway.total_ms, LONGEST_MS),
        ("gateway.attempts", gateway.attempts.into(), 10),
        ("limits.max_iterations", limits.max_iterations.into(), 1_000),
        ("limits.max_tokens", limits.max_tokens.into(), 10_000_000),
        ("limits.turn_timeout_ms", limits.turn_timeout_ms, LONGEST_MS),
        ("limits.park_minutes", limits.park_minutes.into(), 30 * 24 * 60),
        ("limits.max_turns_per_connection", limits.max_turns_per_connection.into(), 10_000),
        ("limits.max_connections", limits.max_connections.into(), 1_000_000),
        ("limits.max_connections_per_address", limits.max_connections_per_address.into(), 1_000_000),
        ("otp.timeout_ms", otp.timeout_ms, LONGEST_MS),
        ("otp.minutes", otp.minutes.into(), 24 * 60),
        ("otp.attempts", otp.attempts.into(), 100),
    ];
    for (key, value, most) in numbers {
        within(key, value, most)?;
    }
    if limits.drain_ms > LONGEST_MS {
        return fault(
            "limits.drain_ms",
            format!("{} is out of range; allowed: 0 to {LONGEST_MS}", limits.drain_ms),
        );
    }
    if gateway.embedding_dimensions.is_some_and(|length| !(1..=65_536).contains(&length)) {
        return fault("gateway.embedding_dimensions", "out of range; allowed: 1 to 65536");
    }
    if limits.turn_cost_usd.is_some_and(|cost| !cost.is_finite() || cost < 0.0) {
        return fault("limits.turn_cost_usd", "not an amount of US dollars");
    }
    for (index, price) in gateway.prices.iter().enumerate() {
        if [price.prompt, price.completion].iter().any(|usd| !usd.is_finite() || *usd < 0.0) {
            return fault(format!("gateway.prices[{index}]"), "a price is not an amount of US dollars");
        }
    }
    Ok(())
}

fn within(key: &str, value: u64, most: u64) -> Result<(), Fault> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    fault(key, format!("{value} is out of range; allowed: 1 to {most}"))
}

fn addresses(config: &Config) -> Result<(), Fault> {
    address("gateway.url", &config.gateway.url)?;
    if let Some(url) = &config.otp.url {
        address("otp.url", url)?;
    }
    if config.gateway.model.trim().is_empty() {
        return fault("gateway.model", "empty; write a model's name");
    }
    Ok(())
}

/// An `http:` or `https:` URL without a password, which would reach logs.
fn address(key: impl Into<String>, text: &str) -> Result<Url, Fault> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    match url {
        None => fault(key, "not an http: or https: address"),
        Some(url) if url.password().is_some() || !url.username().is_empty() => {
            fault(key, "a user or password may not stand in an address; use a header")
        }
        Some(url) => Ok(url),
    }
}

fn origins_of_browsers(config: &Config) -> Result<(), Fault> {
    let per_agent = config.agents.iter().enumerate();
    let lists = per_agent.map(|(index, agent)| (format!("agents[{index}].origins"), &agent.origins));
    for (key, list) in lists.chain([("server.origins".to_owned(), &config.server.origins)]) {
        for origin in list {
            let exact = Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin);
            if origin != "*" && !exact {
                return fault(
                    key,
                    format!("{origin:?} is no origin; write it like https://app.example.com, or *"),
                );
            }
        }
    }
    Ok(())
}

fn storage(config: &Config) -> Result<(), Fault> {
    let backend = config.storage.backend;
    if !Backend::BUILT_IN.contains(&backend) {
        let held: Vec<&str> = Backend::BUILT_IN.iter().map(|backend| backend.as_str()).collect();
        let name = backend.as_str();
        let held = held.join(", ");
        let problem = format!(
            "{name} is not in this build, which holds: {held}; take a released program or image, or build \
             with `cargo build --release -p smooai-smooth-operator-server --features {name}`"
        );
        return fault("storage.backend", problem);
    }
    match backend {
        Backend::Dynamodb => vectors(&config.storage),
        Backend::Postgres => database(config),
        _ => Ok(()),
    }
}

fn vectors(storage: &StorageConfig) -> Result<(), Fault> {
    if storage.vector_bucket.is_none() {
        let problem = "dynamodb keeps the vectors of documents in an S3 Vectors bucket; name it (SMOOTH_AGENT_VECTOR_BUCKET)";
        return fault("storage.vector_bucket", problem);
    }
    let prefix = storage.vector_index_prefix.as_deref().unwrap_or(DEFAULT_INDEX_PREFIX);
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let begins = prefix.starts_with(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    if begins && prefix.len() <= 20 && prefix.chars().all(allowed) {
        return Ok(());
    }
    let problem = format!(
        "{prefix:?} cannot begin an index's name: lower-case letters, digits and hyphens, at most 20"
    );
    fault("storage.vector_index_prefix", problem)
}

fn database(config: &Config) -> Result<(), Fault> {
    let key = "storage.database_url";
    let Some(url) = &config.storage.database_url else {
        return fault(
            key,
            "postgres needs the address of a database: set SMOOTH_AGENT_DATABASE_URL or DATABASE_URL to \
             postgres://user:password@host:5432/database",
        );
    };
    postgres::Settings::from_url(url.expose()).map(|_| ()).or_else(|error| fault(key, error.to_string()))
}

fn auth(config: &Config) -> Result<(), Fault> {
    let AuthConfig { mode, jwt_jwks_url, jwt_rs256_public_key, .. } = &config.auth;
    let Some(mode) = mode else {
        if config.server.bind.is_loopback() {
            return Ok(());
        }
        let problem = format!(
            "{} can be reached from other machines, so auth.mode (AUTH_MODE) must say who may connect: \
             jwt, smoo, or none for everyone",
            config.server.bind
        );
        return fault("server.bind", problem);
    };
    if let Some(url) = jwt_jwks_url {
        let url = address("auth.jwt_jwks_url", url)?;
        let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !loopback {
            return fault("auth.jwt_jwks_url", "keys must come over https, except from this machine");
        }
    }
    if let Some(Err(problem)) = jwt_rs256_public_key.as_ref().map(|pem| check_public_key(pem.as_str())) {
        return fault("auth.jwt_rs256_public_key", problem);
    }
    if *mode == AuthMode::None {
        return Ok(());
    }
    let keys =
        [config.auth.jwt_hs256_secret.is_some(), jwt_rs256_public_key.is_some(), jwt_jwks_url.is_some()];
    match keys.into_iter().filter(|set| *set).count() {
        1 => Ok(()),
        0 => fault(
            "auth.mode",
            "tokens cannot be checked without a key; set one of auth.jwt_hs256_secret (AUTH_JWT_HS256_SECRET), \
             auth.jwt_rs256_public_key (AUTH_JWT_RS256_PUBLIC_KEY), auth.jwt_jwks_url (AUTH_JWT_JWKS_URL)",
        ),
        _ => fault(
            "auth.mode",
            "more than one key is set, and the key decides the algorithm; set only one of \
             auth.jwt_hs256_secret, auth.jwt_rs256_public_key, auth.jwt_jwks_url",
        ),
    }
}

fn log_filter(config: &Config) -> Result<(), Fault> {
    match EnvFilter::try_new(&config.telemetry.log) {
        Ok(_) => Ok(()),
        Err(error) => {
            fault("telemetry.log", format!("{error}; write a level such as `info`, or `info,hyper=warn`"))
        }
    }
}

/// Headers that can be sent, and no secret among the plain ones.
fn headers(table: &str, headers: &BTreeMap<String, HeaderText>) -> Result<(), Fault> {
    for (name, value) in headers {
        let key = || format!("{table}.headers.{name}");
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return fault(key(), "not the name of an HTTP header");
        }
        if reqwest::header::HeaderValue::from_str(value.expose()).is_err() {
            return fault(key(), "has characters that cannot stand in an HTTP header");
        }
        let lower = name.to_ascii_lowercase();
        let secret = ["authorization", "cookie", "key", "token", "secret", "password"];
        if matches!(value, HeaderText::Plain(_)) && secret.iter().any(|word| lower.contains(word)) {
            return fault(key(), "a secret is { env = \"NAME\" } or { file = \"PATH\" }, never its text");
        }
    }
    Ok(())
}

fn tools(tools: &[ToolConfig]) -> Result<(), Fault> {
    let mut names: HashSet<&str> = BUILT_IN_TOOLS.into();
    for (index, tool) in tools.iter().enumerate() {
        let key = |field: &str| format!("tools[{index}].{field}");
        if !names.insert(&tool.name) {
            return fault(key("name"), format!("there is another tool {:?}", tool.name));
        }
        address(key("url"), &tool.url)?;
        within(&key("timeout_ms"), tool.timeout_ms, LONGEST_MS)?;
        headers(&format!("tools[{index}]"), &tool.headers)?;
        let parameters = tool.parameters.clone().into();
        let spec = ToolSpec::new(&*tool.name, &*tool.description, parameters, Effect::Read, Duration::ZERO);
        if let Err(error) = spec {
            return fault(key("parameters"), error.to_string());
        }
    }
    Ok(())
}

fn agents(agents: &[AgentConfig], tools: &[ToolConfig]) -> Result<(), Fault> {
    let known: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).chain(BUILT_IN_TOOLS).collect();
    let mut ids = HashSet::new();
    for (index, agent) in agents.iter().enumerate() {
        let key = |field: &str| format!("agents[{index}].{field}");
        match Uuid::parse_str(&agent.id) {
            Err(_) => return fault(key("id"), format!("{:?} is no UUID", agent.id)),
            Ok(id) if !ids.insert(id) => return fault(key("id"), format!("there is another agent {id}")),
            Ok(_) => {}
        }
        if agent.name.trim().is_empty() {
            return fault(key("name"), "empty");
        }
        if agent.max_iterations == Some(0) {
            return fault(key("max_iterations"), "0 is out of range; allowed: from 1");
        }
        let lists =
            [("tools", &agent.tools), ("confirm", &agent.confirm), ("verify", &Some(agent.verify.clone()))];
        for (field, list) in lists {
            let mut names = list.iter().flatten().filter(|name| !name.contains('*'));
            if let Some(name) = names.find(|name| !known.contains(&name.as_str())) {
                return fault(
                    key(field),
                    format!("there is no tool {name:?}; there are: {}", known.join(", ")),
                );
            }
        }
    }
    if agents.iter().filter(|agent| agent.default).count() > 1 {
        return fault("agents", "more than one agent is marked `default`");
    }
    Ok(())
}

fn knowledge(entries: &[KnowledgeConfig]) -> Result<(), Fault> {
    for (index, entry) in entries.iter().enumerate() {
        let complete = match entry {
            KnowledgeConfig { path: Some(path), source: None, text: None, .. } => !path.is_empty(),
            KnowledgeConfig { path: None, source: Some(source), text: Some(_), .. } => !source.is_empty(),
            _ => false,
        };
        if !complete {
            return fault(format!("knowledge[{index}]"), "write either `path`, or `source` and `text`");
        }
    }
    Ok(())
}
