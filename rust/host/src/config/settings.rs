//! The environment variables and flags, and the key of `operator.toml` that each one sets.

use clap::{Parser, Subcommand};
use toml::Value;

/// The command line. A flag beats an environment variable, which beats `operator.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Parser)]
#[command(
    name = "smooth-operator-server",
    version,
    about = "Answers questions over a WebSocket, grounded in your documents.",
    after_help = "Settings come from flags, then environment variables, then operator.toml; docs/configuration.md lists them all."
)]
pub struct Flags {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings file [default: operator.toml in the working directory, if it is there].
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<String>,
    /// The IP address to listen on [default: 127.0.0.1].
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<String>,
    /// The port; 0 is any free one [default: 8787].
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// The storage: memory, sqlite, postgres or dynamodb, as far as the build holds it.
    #[arg(long, value_name = "KIND", global = true)]
    pub storage: Option<String>,
    /// The folder of embedded storage [default: ./smooth-operator-data].
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<String>,
    /// No gateway: answers are sentences of the documents.
    #[arg(long)]
    pub offline: bool,
    /// Loads two demo documents, on returns and on shipping.
    #[arg(long)]
    pub seed_kb: bool,
    /// Prints the settings as they are in effect, secrets hidden, and exits.
    #[arg(long)]
    pub check_config: bool,
}

/// What the program can do besides serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Writes everything that the storage holds to stdout, as lines of JSON.
    Export,
    /// Takes what `export` wrote, from stdin, into the storage.
    Import,
}

impl Flags {
    fn given(&self, flag: &str) -> Option<String> {
        let switch = |on: bool| on.then(|| "true".to_owned());
        match flag {
            "--bind" => self.bind.clone(),
            "--port" => self.port.clone(),
            "--storage" => self.storage.clone(),
            "--data-dir" => self.data_dir.clone(),
            "--offline" => switch(self.offline),
            "--seed-kb" => switch(self.seed_kb),
            _ => None,
        }
    }
}

/// How the text of a variable or flag becomes a value of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A text, or `off` for nothing.
    TextOrOff,
    Number,
    Switch,
    /// Texts between commas.
    List,
    /// The variable itself is the secret.
    Secret,
}

/// One setting that has a variable or a flag.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    /// Its variables; the first that is set and not empty counts.
    pub(super) env: &'static [&'static str],
    pub(super) flag: Option<&'static str>,
    pub(super) kind: Kind,
}

const fn setting(
    key: &'static str,
    kind: Kind,
    env: &'static [&'static str],
    flag: Option<&'static str>,
) -> Setting {
    Setting { key, env, flag, kind }
}

/// All of them, in the order in which they are documented.
pub(super) const SETTINGS: &[Setting] = &[
    setting("server.bind", Kind::Text, &["SMOOTH_AGENT_BIND"], Some("--bind")),
    setting("server.port", Kind::Number, &["SMOOTH_AGENT_PORT"], Some("--port")),
    setting("gateway.url", Kind::Text, &["SMOOAI_GATEWAY_URL"], None),
    setting("gateway.key", Kind::Secret, &["SMOOAI_GATEWAY_KEY"], None),
    setting("gateway.offline", Kind::Switch, &[], Some("--offline")),
    setting("gateway.model", Kind::Text, &["SMOOTH_AGENT_MODEL"], None),
    setting("limits.max_iterations", Kind::Number, &["SMOOTH_AGENT_MAX_ITERATIONS"], None),
    setting("limits.max_tokens", Kind::Number, &["SMOOTH_AGENT_MAX_TOKENS"], None),
    setting("seed_kb", Kind::Switch, &["SMOOTH_AGENT_SEED_KB"], Some("--seed-kb")),
    setting("storage.backend", Kind::Text, &["SMOOTH_AGENT_STORAGE"], Some("--storage")),
    setting("storage.data_dir", Kind::Text, &["SMOOTH_AGENT_DATA_DIR"], Some("--data-dir")),
    setting("storage.database_url", Kind::Secret, &["SMOOTH_AGENT_DATABASE_URL", "DATABASE_URL"], None),
    setting("storage.dynamodb_table", Kind::Text, &["SMOOTH_AGENT_DDB_TABLE"], None),
    setting("storage.vector_bucket", Kind::Text, &["SMOOTH_AGENT_VECTOR_BUCKET"], None),
    setting("storage.vector_index_prefix", Kind::Text, &["SMOOTH_AGENT_VECTOR_INDEX_PREFIX"], None),
    setting("approval.confirm", Kind::List, &["SMOOTH_AGENT_CONFIRM_TOOLS"], None),
    setting("approval.verify", Kind::List, &["SMOOTH_AGENT_AUTH_TOOLS"], None),
    setting("gateway.rerank_model", Kind::TextOrOff, &["SMOOTH_AGENT_RERANK"], None),
    setting("gateway.preamble_model", Kind::TextOrOff, &["SMOOTH_AGENT_PREAMBLE_MODEL"], None),
    setting("gateway.judge_model", Kind::TextOrOff, &["SMOOTH_AGENT_JUDGE_MODEL"], None),
    setting("auth.mode", Kind::Text, &["SMOOTH_AGENT_AUTH_MODE", "AUTH_MODE"], None),
    setting("auth.jwt_hs256_secret", Kind::Secret, &["AUTH_JWT_HS256_SECRET"], None),
    setting("auth.jwt_rs256_public_key", Kind::Text, &["AUTH_JWT_RS256_PUBLIC_KEY"], None),
    setting("auth.jwt_jwks_url", Kind::Text, &["AUTH_JWT_JWKS_URL"], None),
    setting("auth.jwt_issuer", Kind::Text, &["AUTH_JWT_ISSUER"], None),
    setting("auth.jwt_audience", Kind::Text, &["AUTH_JWT_AUDIENCE"], None),
    setting("auth.dev_org_id", Kind::Text, &["AUTH_DEV_ORG_ID"], None),
    setting("auth.context_secret", Kind::Secret, &["AUTH_CONTEXT_SECRET"], None),
    setting("telemetry.log", Kind::Text, &["RUST_LOG"], None),
    setting("telemetry.otlp_endpoint", Kind::Text, &["OTEL_EXPORTER_OTLP_ENDPOINT"], None),
];

/// Who gave a setting that did not come from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Giver {
    Variable(&'static str),
    Flag(&'static str),
}

impl Setting {
    /// What the flags, and else the environment, say about it. An empty variable says nothing.
    pub(super) fn given(
        &self,
        flags: &Flags,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Option<(Giver, String)> {
        let flag = self.flag.and_then(|flag| Some((Giver::Flag(flag), flags.given(flag)?)));
        let variable = || {
            let set = |name: &'static str| {
                let text = env(name).filter(|text| !text.trim().is_empty())?;
                Some((Giver::Variable(name), text))
            };
            self.env.iter().find_map(|name| set(name))
        };
        flag.or_else(variable)
    }

    /// The text as a value of the file; `None` removes the key.
    pub(super) fn value(&self, giver: Giver, text: &str) -> Result<Option<Value>, String> {
        let trimmed = text.trim();
        let value = match self.kind {
            Kind::Text => Value::String(trimmed.to_owned()),
            Kind::TextOrOff => match trimmed.to_ascii_lowercase().as_str() {
                "off" | "0" | "false" | "no" | "none" => return Ok(None),
                "on" | "1" | "true" | "yes" => {
                    return Err(format!("{trimmed:?} names no model; write the model's name, or `off`"));
                }
                _ => Value::String(trimmed.to_owned()),
            },
            Kind::Number => Value::Integer(number(trimmed)?),
            Kind::Switch => Value::Boolean(switch(trimmed)?),
            Kind::List => {
                let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
            Kind::Secret => match giver {
                Giver::Variable(name) => {
                    let source = [("env".to_owned(), Value::String(name.to_owned()))];
                    Value::Table(source.into_iter().collect())
                }
                Giver::Flag(_) => return Err("a secret cannot be a flag".to_owned()),
            },
        };
        Ok(Some(value))
    }
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| match text.starts_with("tcp://") {
        // Kubernetes sets NAME_PORT=tcp://… for every service NAME of the namespace.
        true => format!("{text:?} is no number; Kubernetes set it for a service of that name: set enableServiceLinks: false in the pod"),
        false => format!("{text:?} is no whole number"),
    })
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!("unknown value {text:?}; allowed: 1, true, yes, on, 0, false, no, off")),
    }
}

/// Variables that look like settings of this program and are none, so that a typing error can be told.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let known = |name: &str| SETTINGS.iter().any(|setting| setting.env.contains(&name));
    let ours = |name: &String| name.starts_with("SMOOTH_AGENT_") || name.starts_with("SMOOAI_GATEWAY_");
    let mut unknown: Vec<String> = names.into_iter().filter(|name| ours(name) && !known(name)).collect();
    unknown.sort();
    unknown
}
