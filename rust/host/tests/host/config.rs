//! Settings from flags, environment and file: which one counts, and what a wrong one is told.

use clap::Parser;
use smooai_smooth_operator_host::config::{
    AuthMode, Backend, Config, ConfigError, Flags, Loaded, Secret, Sources, TextOrFile, ToolEffect,
    schema_json, unknown_variables,
};
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// The world that settings are read from, written down as a test needs it.
#[derive(Default)]
struct World {
    flags: Vec<&'static str>,
    env: HashMap<&'static str, String>,
    files: HashMap<&'static str, String>,
}

fn world() -> World {
    World::default()
}

impl World {
    fn flags(mut self, flags: &[&'static str]) -> Self {
        self.flags.extend(flags);
        self
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.insert(name, value.to_owned());
        self
    }

    fn file(mut self, path: &'static str, text: &str) -> Self {
        self.files.insert(path, text.to_owned());
        self
    }

    fn toml(self, text: &str) -> Self {
        self.file("operator.toml", text)
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        let flags = Flags::try_parse_from(["server"].iter().chain(&self.flags)).unwrap();
        let read = |path: &Path| match self.files.get(path.to_str().unwrap()) {
            Some(text) if text == "<unreadable>" => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
            Some(text) => Ok(text.clone()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        Config::load(&Sources { flags: &flags, env: &|name| self.env.get(name).cloned(), read: &read })
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().map_err(|error| error.to_string()).unwrap().config
    }

    /// Every part stands in the error.
    #[track_caller]
    fn fails(&self, parts: &[&str]) {
        let error = self.load().expect_err("an error").to_string();
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }
}

#[test]
fn with_nothing_set_the_defaults_hold() {
    let config = world().config();
    assert_eq!(config, Config::default());
    assert_eq!((config.server.bind.to_string(), config.server.port), ("127.0.0.1".into(), 8787));
    assert_eq!(config.gateway.url, "https://llm.smoo.ai/v1");
    assert_eq!(config.gateway.model, "claude-haiku-4-5");
    assert_eq!((config.limits.max_iterations, config.limits.max_tokens), (20, 8_192));
    assert_eq!(config.storage.data_dir, Path::new("./smooth-operator-data"));
    assert!(!config.seed_kb && config.gateway.key.is_none());
    assert_eq!(config.storage.backend, Backend::Sqlite);
    assert!(Backend::BUILT_IN.contains(&config.storage.backend));
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let file = || world().toml("[server]\nport = 1\n");
    let variable = || file().env("SMOOTH_AGENT_PORT", "2");
    assert_eq!(file().config().server.port, 1);
    assert_eq!(variable().config().server.port, 2);
    assert_eq!(variable().flags(&["--port", "3"]).config().server.port, 3);
    assert_eq!(file().env("SMOOTH_AGENT_PORT", " ").config().server.port, 1, "an empty variable is none");
}

#[test]
fn every_variable_and_flag_sets_its_key() {
    let config = world()
        .env("SMOOTH_AGENT_BIND", "0.0.0.0")
        .env("SMOOAI_GATEWAY_URL", "http://127.0.0.1:1/v1")
        .env("SMOOAI_GATEWAY_KEY", "sk-1\n")
        .env("SMOOTH_AGENT_MODEL", "m")
        .env("SMOOTH_AGENT_MAX_ITERATIONS", "3")
        .env("SMOOTH_AGENT_MAX_TOKENS", "4")
        .env("SMOOTH_AGENT_STORAGE", "memory")
        .env("SMOOTH_AGENT_DATABASE_URL", "postgres://u:p@h/d")
        .env("DATABASE_URL", "postgres://other")
        .env("SMOOTH_AGENT_DDB_TABLE", "t")
        .env("SMOOTH_AGENT_VECTOR_BUCKET", "b")
        .env("SMOOTH_AGENT_VECTOR_INDEX_PREFIX", "i")
        .env("SMOOTH_AGENT_CONFIRM_TOOLS", "issue_*, delete_order,")
        .env("SMOOTH_AGENT_AUTH_TOOLS", "change_*")
        .env("SMOOTH_AGENT_RERANK", "rerank-v3")
        .env("SMOOTH_AGENT_PREAMBLE_MODEL", "fast")
        .env("SMOOTH_AGENT_JUDGE_MODEL", "off")
        .env("AUTH_MODE", "smoo")
        .env("AUTH_JWT_HS256_SECRET", "s")
        .env("AUTH_JWT_ISSUER", "iss")
        .env("AUTH_JWT_AUDIENCE", "aud")
        .env("AUTH_DEV_ORG_ID", "org")
        .env("AUTH_CONTEXT_SECRET", "c")
        .env("RUST_LOG", "debug")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")
        .flags(&["--offline", "--seed-kb", "--data-dir", "here"])
        .config();
    assert_eq!(config.server.bind.to_string(), "0.0.0.0");
    assert_eq!(config.gateway.url, "http://127.0.0.1:1/v1");
    assert_eq!(config.gateway.key.as_ref().map(Secret::expose), Some("sk-1"));
    assert_eq!(config.gateway.model, "m");
    assert_eq!((config.limits.max_iterations, config.limits.max_tokens), (3, 4));
    assert_eq!(config.storage.backend, Backend::Memory);
    assert_eq!(config.storage.database_url.as_ref().map(Secret::expose), Some("postgres://u:p@h/d"));
    assert_eq!(config.storage.dynamodb_table.as_deref(), Some("t"));
    assert_eq!(config.storage.vector_bucket.as_deref(), Some("b"));
    assert_eq!(config.storage.vector_index_prefix.as_deref(), Some("i"));
    assert_eq!(config.approval.confirm, ["issue_*", "delete_order"]);
    assert_eq!(config.approval.verify, ["change_*"]);
    assert_eq!(config.gateway.rerank_model.as_deref(), Some("rerank-v3"));
    assert_eq!(config.gateway.preamble_model.as_deref(), Some("fast"));
    assert_eq!(config.gateway.judge_model, None);
    assert_eq!(config.auth.mode, Some(AuthMode::Smoo));
    assert_eq!(config.auth.jwt_hs256_secret.as_ref().map(Secret::expose), Some("s"));
    assert_eq!(config.auth.jwt_issuer.as_deref(), Some("iss"));
    assert_eq!(config.auth.jwt_audience.as_deref(), Some("aud"));
    assert_eq!(config.auth.dev_org_id.as_deref(), Some("org"));
    assert_eq!(config.auth.context_secret.as_ref().map(Secret::expose), Some("c"));
    assert_eq!(config.telemetry.log, "debug");
    assert_eq!(config.telemetry.otlp_endpoint.as_deref(), Some("http://collector:4317"));
    assert_eq!(config.storage.data_dir, Path::new("here"));
    assert!(config.gateway.offline && config.seed_kb);
}

#[test]
fn keys_for_tokens_by_variable_and_the_older_name_of_the_mode() {
    let pem = include_str!("rs256/public_key.pem").trim().replace('\n', "\\n");
    let config = world()
        .env("SMOOTH_AGENT_AUTH_MODE", "jwt")
        .env("AUTH_MODE", "none")
        .env("AUTH_JWT_RS256_PUBLIC_KEY", &pem)
        .config();
    assert_eq!(config.auth.mode, Some(AuthMode::Jwt));
    let key = config.auth.jwt_rs256_public_key.unwrap();
    assert_eq!(key.as_str().lines().count(), 9, "written-out line ends are line ends");
    let jwks = world().env("AUTH_MODE", "jwt").env("AUTH_JWT_JWKS_URL", "https://x/jwks.json").config();
    assert_eq!(jwks.auth.jwt_jwks_url.as_deref(), Some("https://x/jwks.json"));
    assert!(world().env("SMOOTH_AGENT_SEED_KB", "1").config().seed_kb);
    assert!(!world().env("SMOOTH_AGENT_SEED_KB", "0").config().seed_kb);
}

#[test]
fn off_takes_away_what_the_file_names() {
    let file = world().toml("[gateway]\nrerank_model = \"r\"\n");
    assert_eq!(file.config().gateway.rerank_model.as_deref(), Some("r"));
    assert_eq!(file.env("SMOOTH_AGENT_RERANK", "off").config().gateway.rerank_model, None);
}

const EXAMPLE: &str = include_str!("../../src/config/example.toml");

fn example() -> World {
    world()
        .file("etc/operator.toml", EXAMPLE)
        .file("etc/support.md", "Be kind.\n")
        .flags(&["--config", "etc/operator.toml"])
        .env("MY_KEY", "sk-2")
        .env("OTP_TOKEN", "Bearer otp")
        .env("REFUND_TOKEN", "Bearer refund")
}

#[test]
fn the_documented_file_loads_whole() {
    let config = example().config();
    assert_eq!(config.base_dir, Path::new("etc"));
    assert_eq!(config.gateway.key.as_ref().map(Secret::expose), Some("sk-2"));
    assert_eq!(config.gateway.prices[0].model, "gpt-*");
    assert_eq!(config.skills.dir.as_deref(), Some(Path::new("etc/skills")));
    let agent = &config.agents[0];
    assert_eq!(agent.instructions.as_ref().map(TextOrFile::as_str), Some("Be kind.\n"));
    assert_eq!((agent.default, agent.max_iterations), (true, Some(8)));
    assert_eq!(agent.allow.as_ref().unwrap().groups, ["customers", "support"]);
    let tool = &config.tools[0];
    assert_eq!((tool.effect, tool.timeout_ms), (ToolEffect::Write, 30_000));
    assert_eq!(tool.headers["Authorization"].expose(), "Bearer refund");
    assert_eq!(tool.parameters["required"][0], "orderId");
    assert_eq!(config.otp.headers["Authorization"].expose(), "Bearer otp");
    assert_eq!(config.knowledge[0].path.as_deref(), Some("docs/**/*.md"));
    assert_eq!(config.knowledge[1].source.as_deref(), Some("opening-hours"));
}

#[test]
fn the_schema_accepts_the_documented_file_and_knows_its_mistakes() {
    let schema: serde_json::Value = serde_json::from_str(&schema_json()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    assert!(validator.is_valid(&json(EXAMPLE)));
    for wrong in [
        "[server]\nprot = 1\n",
        "[gateway]\nkey = \"text\"\n",
        "[storage]\nbackend = \"floppy\"\n",
        "[retrieval]\nlanguage = \"klingon\"\n",
        "[[tools]]\nname = \"x\"\n",
    ] {
        assert!(!validator.is_valid(&json(wrong)), "{wrong}");
    }
    for language in ["none", "english", "german", "turkish"] {
        let text = format!("[retrieval]\nlanguage = \"{language}\"\n");
        assert!(validator.is_valid(&json(&text)), "{language}");
        assert_eq!(world().toml(&text).config().retrieval.language.as_str(), language);
    }
}

#[test]
fn check_config_shows_every_setting_with_its_source_and_no_secret() {
    let loaded = example().env("SMOOTH_AGENT_MODEL", "m").flags(&["--port", "9"]).load().unwrap();
    let shown = loaded.describe();
    for (setting, source) in [
        ("gateway.key = ***", "etc/operator.toml:6"),
        ("gateway.model = \"m\"", "environment variable SMOOTH_AGENT_MODEL"),
        ("server.port = 9", "flag --port"),
        ("limits.max_tokens = 8192", "default"),
        ("tools[0].headers.Authorization = ***", "etc/operator.toml:"),
        ("agents[0].instructions = \"Be kind.", "etc/operator.toml:"),
        ("storage.database_url = unset", "default"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(setting));
        assert!(line.is_some_and(|line| line.contains(source)), "{setting} {source}\n{shown}");
    }
    let debug = format!("{loaded:?}");
    for secret in ["sk-2", "Bearer otp", "Bearer refund"] {
        assert!(!shown.contains(secret) && !debug.contains(secret), "{secret}");
    }
}

#[test]
fn a_wrong_value_names_its_source_its_key_and_what_is_allowed() {
    world().env("SMOOTH_AGENT_PORT", "http").fails(&[
        "environment variable SMOOTH_AGENT_PORT",
        "server.port",
        "\"http\"",
    ]);
    world().env("SMOOTH_AGENT_PORT", "70000").fails(&["SMOOTH_AGENT_PORT", "from 0 to 65535"]);
    world().env("SMOOTH_AGENT_PORT", "tcp://10.0.0.1:80").fails(&["SMOOTH_AGENT_PORT", "enableServiceLinks"]);
    world().flags(&["--port", "x"]).fails(&["flag --port", "server.port"]);
    world().env("SMOOTH_AGENT_BIND", "everywhere").fails(&["SMOOTH_AGENT_BIND", "server.bind", "IP address"]);
    world().env("SMOOTH_AGENT_STORAGE", "floppy").fails(&[
        "SMOOTH_AGENT_STORAGE",
        "floppy",
        "memory",
        "sqlite",
        "dynamo",
    ]);
    world().env("AUTH_MODE", "maybe").fails(&["AUTH_MODE", "auth.mode", "maybe", "none", "jwt", "smoo"]);
    world().env("SMOOTH_AGENT_SEED_KB", "perhaps").fails(&["SMOOTH_AGENT_SEED_KB", "perhaps", "yes"]);
    world().env("SMOOTH_AGENT_RERANK", "1").fails(&["SMOOTH_AGENT_RERANK", "name"]);
    world().env("SMOOTH_AGENT_MAX_ITERATIONS", "0").fails(&[
        "SMOOTH_AGENT_MAX_ITERATIONS",
        "limits.max_iterations",
        "1 to",
    ]);
    world().env("SMOOAI_GATEWAY_URL", "llm").fails(&["SMOOAI_GATEWAY_URL", "gateway.url", "http"]);
    world().toml("\n[retrieval]\nlanguage = \"klingon\"\n").fails(&[
        "operator.toml:3",
        "retrieval.language",
        "klingon",
        "german",
    ]);
    world().toml("[server]\nport = \"x\"").fails(&["operator.toml:2", "server.port"]);
    world().env("RUST_LOG", "x=loud").fails(&["environment variable RUST_LOG", "telemetry.log", "debug"]);
    world().toml("[limits]\npark_minutes = 0").fails(&[
        "operator.toml:2",
        "limits.park_minutes",
        "allowed: 1 to",
    ]);
}

#[test]
fn an_unknown_key_is_refused_where_it_stands() {
    world().toml("[server]\nport = 1\nprot = 1\n").fails(&["operator.toml:3", "prot", "origins"]);
    world().toml("[sever]\n").fails(&["operator.toml:1", "sever", "server"]);
    world().toml("[[agents]]\nid = \"x\"\nname = \"y\"\nmodle = \"z\"").fails(&[
        "operator.toml:4",
        "modle",
        "agents[0]",
    ]);
    world().toml("[server\n").fails(&["operator.toml:1"]);
    let names = ["SMOOTH_AGENT_PROT", "SMOOTH_AGENT_PORT", "PATH", "SMOOAI_GATEWAY_TOKEN"].map(str::to_owned);
    assert_eq!(unknown_variables(names), ["SMOOAI_GATEWAY_TOKEN", "SMOOTH_AGENT_PROT"]);
}

#[test]
fn a_file_that_is_named_must_be_readable() {
    world().flags(&["--config", "gone.toml"]).fails(&["--config", "gone.toml"]);
    world().toml("<unreadable>").fails(&["operator.toml", "permission denied"]);
}

#[test]
fn a_secret_is_never_text_never_shown_and_must_be_there() {
    for text in [
        "key = \"sk-oops\"",
        "key = { text = \"sk-oops\" }",
        "key = [\"sk-oops\"]",
        "key = { env = \"A\", x = \"sk-oops\" }",
    ] {
        let world = world().env("A", "b").toml(&format!("[gateway]\n{text}\n"));
        let error = world.load().expect_err(text).to_string();
        assert!(error.contains("operator.toml:2") && error.contains("gateway.key"), "{error}");
        assert!(error.contains("env") && !error.contains("sk-oops"), "{error}");
    }
    world().toml("[gateway]\nkey = { env = \"GONE\" }").fails(&["operator.toml:2", "gateway.key", "GONE"]);
    world().toml("[gateway]\nkey = { file = \"gone\" }").fails(&["operator.toml:2", "gateway.key", "gone"]);
    world().file("k", " \n").toml("[gateway]\nkey = { file = \"k\" }").fails(&["gateway.key", "empty"]);
    let from_file = world().file("k", "sk-3\n").toml("[gateway]\nkey = { file = \"k\" }").config();
    assert_eq!(from_file.gateway.key.as_ref().map(Secret::expose), Some("sk-3"));
    let tool = "[[tools]]\nname = \"t\"\ndescription = \"d\"\nurl = \"http://x/\"\n";
    let plain = |header: &str| world().toml(&format!("{tool}headers = {{ {header} }}\n"));
    plain("Authorization = \"Bearer sk-oops\"").fails(&["tools[0].headers.Authorization", "env"]);
    plain("X-Api-Key = \"sk-oops\"").fails(&["tools[0].headers.X-Api-Key"]);
    plain("X-T = { env = \"GONE\" }").fails(&["operator.toml:5", "tools[0].headers.X-T", "GONE"]);
    plain("\"bad name\" = \"x\"").fails(&["bad name", "header"]);
    assert_eq!(plain("Accept = \"text/plain\"").config().tools[0].headers["Accept"].expose(), "text/plain");
}

#[test]
fn an_open_address_needs_to_say_who_may_connect() {
    let open = || world().env("SMOOTH_AGENT_BIND", "0.0.0.0");
    open().fails(&["SMOOTH_AGENT_BIND", "server.bind", "AUTH_MODE", "jwt"]);
    assert_eq!(open().env("AUTH_MODE", "none").config().auth.mode, Some(AuthMode::None));
    assert_eq!(world().env("SMOOTH_AGENT_BIND", "::1").config().auth.mode, None);
    open().env("AUTH_MODE", "jwt").fails(&["AUTH_MODE", "AUTH_JWT_HS256_SECRET", "AUTH_JWT_JWKS_URL"]);
    let both = open().env("AUTH_MODE", "jwt").env("AUTH_JWT_HS256_SECRET", "s");
    both.env("AUTH_JWT_RS256_PUBLIC_KEY", include_str!("rs256/public_key.pem"))
        .fails(&["auth.mode", "only one"]);
    let key = open().env("AUTH_MODE", "jwt").env("AUTH_JWT_RS256_PUBLIC_KEY", "hush");
    key.fails(&["environment variable AUTH_JWT_RS256_PUBLIC_KEY", "auth.jwt_rs256_public_key", "PEM"]);
    let plain = world().env("AUTH_MODE", "smoo").env("AUTH_JWT_JWKS_URL", "http://keys.example.com/");
    plain.fails(&["AUTH_JWT_JWKS_URL", "https"]);
}

#[test]
fn storage_that_this_build_does_not_hold_is_told() {
    for name in ["ddb", "dynamodb"] {
        world().env("SMOOTH_AGENT_STORAGE", name).fails(&[
            "dynamodb",
            "not in this build",
            "memory, sqlite, postgres",
        ]);
    }
}

#[test]
fn postgres_needs_a_usable_address_and_never_shows_its_password() {
    let postgres = || world().env("SMOOTH_AGENT_STORAGE", "pg");
    postgres().fails(&["storage.database_url", "SMOOTH_AGENT_DATABASE_URL", "postgres://user:password@host"]);
    for (url, named) in [
        ("mysql://u:hunter2@h/d", "mysql:"),
        ("postgres://u:hunter2@h/d?pool=9", "pool_size"),
        ("postgres://u:hunter2@h:99999/d", "port"),
    ] {
        let wrong = postgres().env("DATABASE_URL", url);
        wrong.fails(&["DATABASE_URL", "storage.database_url", named]);
        assert!(!wrong.load().unwrap_err().to_string().contains("hunter2"), "{url}");
    }
    let config = postgres().env("DATABASE_URL", "postgres://u:hunter2@h/d").config();
    assert_eq!(config.storage.backend, Backend::Postgres);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn agents_tools_and_documents_must_fit_together() {
    let agent = |more: &str| {
        let id = "id = \"0191e0a0-7c00-7000-8000-000000000001\"";
        world().toml(&format!("[[agents]]\n{id}\nname = \"a\"\n{more}\n"))
    };
    agent("tools = [\"isue_refund\"]").fails(&[
        "operator.toml:4",
        "agents[0].tools",
        "isue_refund",
        "knowledge_search",
    ]);
    agent("verify = [\"gone\"]").fails(&["agents[0].verify", "gone"]);
    agent("max_iterations = 0").fails(&["agents[0].max_iterations"]);
    agent("[[agents]]\nid = \"0191E0A0-7c00-7000-8000-000000000001\"\nname = \"b\"")
        .fails(&["operator.toml:5", "another agent"]);
    world().toml("[[agents]]\nid = \"a\"\nname = \"b\"").fails(&["agents[0].id", "UUID"]);
    agent("origins = [\"app.example.com\"]").fails(&["agents[0].origins", "https://app.example.com"]);
    world().toml("[server]\norigins = [\"https://x/\"]").fails(&["server.origins", "https://x/"]);
    let tool = |name: &str, more: &str| {
        world().toml(&format!(
            "[[tools]]\nname = \"{name}\"\ndescription = \"d\"\nurl = \"http://x/\"\n{more}\n"
        ))
    };
    tool("knowledge_search", "").fails(&["tools[0].name", "another tool"]);
    tool("two words", "").fails(&["tools[0]", "two words", "letters"]);
    tool("t", "parameters = { type = \"string\" }").fails(&["tools[0].parameters", "object"]);
    tool("t", "effect = \"destroy\"").fails(&["operator.toml:5", "tools[0].effect", "read", "write"]);
    tool("t", "timeout_ms = 0").fails(&["operator.toml:5", "tools[0].timeout_ms"]);
    world().toml("[[tools]]\nname = \"t\"\nurl = \"http://x/\"").fails(&[
        "operator.toml:1",
        "tools[0]",
        "description",
    ]);
    let password = "[[tools]]\nname = \"t\"\ndescription = \"d\"\nurl = \"http://u:hush@x/\"";
    let error = world().toml(password).load().expect_err("a password").to_string();
    assert!(error.contains("tools[0].url") && !error.contains("hush"), "{error}");
    world().toml("[[knowledge]]\npath = \"a\"\ntext = \"b\"").fails(&["knowledge[0]", "either"]);
    world().toml("[[knowledge]]\nsource = \"a\"").fails(&["knowledge[0]"]);
    world()
        .toml("[[gateway.prices]]\nmodel = \"m\"\nprompt = -1\ncompletion = 0")
        .fails(&["gateway.prices[0]"]);
}

#[test]
fn the_command_line_is_the_documented_one() {
    let help = Flags::try_parse_from(["server", "--help"]).unwrap_err().to_string();
    for flag in [
        "--config",
        "--bind",
        "--port",
        "--storage",
        "--data-dir",
        "--offline",
        "--seed-kb",
        "--check-config",
        "--version",
        "--help",
    ] {
        assert!(help.contains(flag), "{flag}\n{help}");
    }
    assert!(Flags::try_parse_from(["server", "--prot", "1"]).is_err());
    assert!(Flags::try_parse_from(["server", "--check-config"]).unwrap().check_config);
}
