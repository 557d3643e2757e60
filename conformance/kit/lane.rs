//! What one client's scenarios share: a gateway, the user's systems, and a server with the usual settings.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use smooai_smooth_operator_conformance::gateway::{Gateway, KEY, Script};
use smooai_smooth_operator_conformance::server_process::{ServerProcess, Setup};
use smooai_smooth_operator_conformance::webhook::Webhook;
use tempfile::TempDir;

use crate::scenario::Settings;

/// The secret with which the harness signs tokens; it opens nothing else.
pub const SECRET: &str = "a-secret-of-the-harness-that-is-long-enough";

/// Where a server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// In the process.
    Memory,
    /// In a file.
    Sqlite,
    /// In the database that `SMOOTH_AGENT_DATABASE_URL` names.
    Postgres,
    /// In the table that `SMOOTH_AGENT_DDB_TABLE` names.
    Dynamodb,
}

impl Storage {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Dynamodb => "dynamodb",
        }
    }
}

/// A lane; one scenario at a time uses it.
#[derive(Debug)]
pub struct Lane {
    /// The model gateway.
    pub gateway: Gateway,
    /// The user's systems.
    pub hook: Webhook,
    storage: Storage,
    /// Variables of the caller's that storage needs.
    outer: Vec<(String, String)>,
    usual: Option<ServerProcess>,
    data: TempDir,
    servers: usize,
}

/// A server for one scenario.
#[derive(Debug)]
pub struct Server {
    /// The process; `None`: the lane's usual one.
    own: Option<ServerProcess>,
    settings: Settings,
    data: String,
}

impl Lane {
    /// Starts a lane. Servers are started when they are needed.
    pub async fn start(storage: Storage) -> Result<Self> {
        let wanted = |name: &str| {
            name.starts_with("AWS_")
                || ["SMOOTH_AGENT_DATABASE_URL", "DATABASE_URL", "SMOOTH_AGENT_DDB_TABLE"].contains(&name)
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the harness is no part of the product and has no Config"
        )]
        let outer = std::env::vars().filter(|(name, _)| wanted(name)).collect();
        Ok(Self {
            gateway: Gateway::start(Script::new()).await?,
            hook: Webhook::start().await?,
            storage,
            outer: if storage == Storage::Memory { Vec::new() } else { outer },
            usual: None,
            data: TempDir::with_prefix("smooth-operator-conformance-")?,
            servers: 0,
        })
    }

    /// Whether the storage outlives a server.
    pub fn is_durable(&self) -> bool {
        self.storage != Storage::Memory
    }

    /// A server with these settings.
    pub async fn server(&mut self, settings: &Settings) -> Result<Server> {
        self.servers += 1;
        let data = self.data.path().join(format!("server-{}", self.servers)).display().to_string();
        let mut server = Server { own: None, settings: settings.clone(), data };
        let ended = self.usual.as_ref().is_some_and(|usual| usual.pid().is_err());
        if settings.is_usual() && (self.usual.is_none() || ended) {
            self.usual = Some(self.setup(&server).start().await?);
        } else if !settings.is_usual() {
            server.own = Some(self.setup(&server).start().await?);
        }
        Ok(server)
    }

    /// The process of a scenario's server.
    pub fn process<'a>(&'a self, server: &'a Server) -> Result<&'a ServerProcess> {
        server.own.as_ref().or(self.usual.as_ref()).context("the server has not been started")
    }

    /// Kills a scenario's own server and starts another on the same data.
    pub async fn restart(&mut self, server: &mut Server) -> Result<()> {
        let Some(process) = &mut server.own else { bail!("only a server of its own can be restarted") };
        process.kill().await?;
        server.own = Some(self.setup(server).start().await?);
        Ok(())
    }

    /// Waits until a scenario's own server has ended well.
    pub async fn ended(&self, server: &mut Server) -> Result<()> {
        let process = server.own.as_mut().context("only a server of its own can end")?;
        let status = process.ended().await?;
        if status.success() { Ok(()) } else { bail!("the server ended with {status}") }
    }

    fn setup(&self, server: &Server) -> Setup {
        let settings = &server.settings;
        let mut setup = Setup::new()
            .env("SMOOTH_AGENT_STORAGE", self.storage.name())
            .env("SMOOTH_AGENT_DATA_DIR", &server.data)
            .env("RUST_LOG", "warn");
        for (name, value) in &self.outer {
            setup = setup.env(name, value);
        }
        if self.is_durable() {
            let organisation = Path::new(&server.data).file_name().unwrap_or_default().to_string_lossy();
            let lane = self.data.path().file_name().unwrap_or_default().to_string_lossy();
            setup = setup.env("AUTH_DEV_ORG_ID", &format!("{lane}-{organisation}"));
        }
        if settings.keyless {
            setup = setup.env("SMOOAI_GATEWAY_URL", &self.gateway.url());
        } else {
            setup = setup.gateway(&self.gateway.url(), KEY);
        }
        if settings.guarded {
            setup = setup.env("SMOOTH_AGENT_AUTH_MODE", "jwt").env("AUTH_JWT_HS256_SECRET", SECRET);
        }
        let mut env = BTreeMap::new();
        if !settings.bare {
            env.insert("SMOOTH_AGENT_AUTH_TOOLS".to_owned(), "show_*".to_owned());
            env.insert("AUTH_CONTEXT_SECRET".to_owned(), SECRET.to_owned());
            for (name, text) in FILES {
                setup = setup.file(name, *text);
            }
        }
        env.extend(settings.env.clone());
        for (name, value) in &env {
            setup = setup.env(name, &self.fill(value));
        }
        for (name, text) in &settings.files {
            setup = setup.file(name, text.as_str());
        }
        let usual = if settings.bare { "" } else { USUAL };
        setup.operator_toml(&self.fill(&format!("{}\n{usual}", settings.toml.join("\n"))))
    }

    fn fill(&self, text: &str) -> String {
        text.replace("${systems}", &self.hook.url("")).replace("${gateway}", &self.gateway.url())
    }
}

/// The files beside the usual settings.
const FILES: &[(&str, &[u8])] = &[
    ("skills/pirate.md", b"Speak like a pirate.\n"),
    // A skill that is there and cannot be read: no UTF-8.
    ("skills/broken.md", &[0xff, 0xfe, 0x00]),
];

/// The usual settings: a shop. An order can be looked up, a refund needs approval, an invoice a code.
const USUAL: &str = r#"
[otp]
url = "${systems}/code"

[skills]
dir = "skills"

[gateway]
allowed_models = ["claude-*", "small-*"]

[[knowledge]]
source = "policies/returns.md"
text = "Returns are accepted within 17 days of delivery. The return window is 17 days."

[[knowledge]]
source = "policies/shipping.md"
text = "Shipping takes 5 to 7 business days."

[[agents]]
id = "019312ab-5c5e-7d6a-9f3e-2b1c0d9e8f70"
name = "Ada"
default = true
instructions = "Help the visitor."

[[agents]]
id = "019312ab-5c5e-7d6a-9f3e-2b1c0d9e8f71"
name = "Closed"
instructions = "Help the board."
allow = { users = ["carol"] }

[[agents]]
id = "019312ab-5c5e-7d6a-9f3e-2b1c0d9e8f72"
name = "Local"
instructions = "Help the page."
origins = ["http://localhost:3000"]

[[tools]]
name = "look_up_order"
description = "Looks an order up."
parameters = { type = "object", properties = { orderId = { type = "string" } }, required = ["orderId"] }
url = "${systems}/order"
timeout_ms = 5000

[[tools]]
name = "issue_refund"
description = "Refunds an order."
parameters = { type = "object", properties = { orderId = { type = "string" } }, required = ["orderId"] }
url = "${systems}/refund"
effect = "write"

[[tools]]
name = "show_invoice"
description = "Shows an invoice."
parameters = { type = "object", properties = { orderId = { type = "string" } }, required = ["orderId"] }
url = "${systems}/invoice"
"#;
