//! What one client's scenarios share: a gateway, the user's systems, and a server with the usual settings.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use smooai_smooth_operator_conformance::gateway::{Gateway, KEY, Script};
use smooai_smooth_operator_conformance::server_process::{Build, ServerProcess, Setup};
use smooai_smooth_operator_conformance::webhook::Webhook;
use tempfile::TempDir;

use crate::inprocess::InProcess;
use crate::line::Line;
use crate::place::{Mount, Place, Storage};
use crate::scenario::Settings;

/// The secret with which the harness signs tokens; it opens nothing else.
pub const SECRET: &str = "a-secret-of-the-harness-that-is-long-enough";

/// The setting that names the organisation of the documents, and of callers without a token.
const HOME: &str = "AUTH_DEV_ORG_ID";

/// A lane; one scenario at a time uses it.
#[derive(Debug)]
pub struct Lane {
    /// The model gateway.
    pub gateway: Gateway,
    /// The user's systems.
    pub hook: Webhook,
    place: Place,
    build: Build,
    /// What the server is told of its storage.
    storage: Vec<(String, String)>,
    /// What leads to a storage that is a server of its own.
    lines: Vec<Line>,
    usual: Option<Running>,
    data: TempDir,
    servers: usize,
}

/// A server for one scenario.
#[derive(Debug)]
pub struct Server {
    /// `None`: the lane's usual one.
    own: Option<Running>,
    settings: Settings,
    data: String,
}

/// A server that runs, behind one mount or the other.
#[derive(Debug)]
pub enum Running {
    /// A process.
    Process(Box<ServerProcess>),
    /// The service in this process.
    Within(InProcess),
}

impl Running {
    /// `HOST:PORT`.
    pub fn host(&self) -> &str {
        match self {
            Self::Process(process) => process.host(),
            Self::Within(within) => within.host(),
        }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        match self {
            Self::Process(process) => process.log(),
            Self::Within(_) => String::new(),
        }
    }

    /// The process that it is.
    pub fn process(&self) -> Result<&ServerProcess> {
        match self {
            Self::Process(process) => Ok(process),
            Self::Within(_) => bail!("the service is no process; the scenario must say that it needs one"),
        }
    }

    fn has_ended(&self) -> bool {
        self.process().is_ok_and(|process| process.pid().is_err())
    }
}

impl Lane {
    /// Starts a lane. Servers are started when they are needed.
    pub async fn start(place: Place, build: Build) -> Result<Self> {
        let (storage, lines) = place.storage().await?;
        Ok(Self {
            gateway: Gateway::start(Script::new()).await?,
            hook: Webhook::start().await?,
            place,
            build,
            storage,
            lines,
            usual: None,
            data: TempDir::with_prefix("smooth-operator-conformance-")?,
            servers: 0,
        })
    }

    /// Where its scenarios are played.
    pub fn place(&self) -> Place {
        self.place
    }

    /// What stands before the name of every organisation: in storage that others use too, each server has
    /// organisations of its own.
    pub fn organisations(&self, server: &Server) -> String {
        match self.place.storage {
            Storage::Memory | Storage::Sqlite => String::new(),
            Storage::Postgres | Storage::Dynamodb => {
                let lane = self.data.path().file_name().unwrap_or_default().to_string_lossy();
                let number = server.data.rsplit('/').next().unwrap_or_default();
                format!("{lane}-{number}-")
            }
        }
    }

    /// Cuts or mends what leads to the storage.
    pub fn cut_storage(&self, is_cut: bool) -> Result<()> {
        if self.lines.is_empty() {
            bail!("no line leads to this storage; the scenario must say that it needs one");
        }
        self.lines.iter().for_each(|line| line.cut(is_cut));
        Ok(())
    }

    /// A server with these settings.
    pub async fn server(&mut self, settings: &Settings) -> Result<Server> {
        self.servers += 1;
        // A scenario that broke off may have left them cut.
        self.lines.iter().for_each(|line| line.cut(false));
        let data = self.data.path().join(format!("server-{}", self.servers)).display().to_string();
        let mut server = Server { own: None, settings: settings.clone(), data };
        let ended = self.usual.as_ref().is_some_and(Running::has_ended);
        if settings.is_usual() && (self.usual.is_none() || ended) {
            self.usual = Some(self.run(&server).await?);
        } else if !settings.is_usual() {
            server.own = Some(self.run(&server).await?);
        }
        Ok(server)
    }

    async fn run(&self, server: &Server) -> Result<Running> {
        let setup = self.setup(server);
        Ok(match self.place.mount {
            Mount::Server => Running::Process(Box::new(setup.start().await?)),
            Mount::Inprocess => Running::Within(InProcess::start(&setup).await?),
        })
    }

    /// What a scenario's server runs as.
    pub fn running<'a>(&'a self, server: &'a Server) -> Result<&'a Running> {
        server.own.as_ref().or(self.usual.as_ref()).context("the server has not been started")
    }

    /// Kills a scenario's own server and starts another on the same data.
    pub async fn restart(&mut self, server: &mut Server) -> Result<()> {
        let process = own(server)?;
        // One that was told to end may have ended already.
        if process.pid().is_ok() {
            process.kill().await?;
        }
        server.own = Some(self.run(server).await?);
        Ok(())
    }

    /// Waits until a scenario's own server has ended well.
    pub async fn ended(&self, server: &mut Server) -> Result<()> {
        let status = own(server)?.ended().await?;
        if status.success() { Ok(()) } else { bail!("the server ended with {status}") }
    }

    fn setup(&self, server: &Server) -> Setup {
        let settings = &server.settings;
        let mut setup =
            Setup::new().build(self.build).env("SMOOTH_AGENT_DATA_DIR", &server.data).env("RUST_LOG", "warn");
        for (name, value) in &self.storage {
            setup = setup.env(name, value);
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
        let organisations = self.organisations(server);
        if !organisations.is_empty() {
            let home = env.entry(HOME.to_owned()).or_default();
            *home = format!("{organisations}{home}");
        }
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

/// The process of a scenario's own server.
fn own(server: &mut Server) -> Result<&mut ServerProcess> {
    match &mut server.own {
        Some(Running::Process(process)) => Ok(process),
        _ => bail!("only a server of its own can be ended, and only one that is a process"),
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
timeout_ms = 60000

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
