//! The storages that a server under test can have, each with a place that no other test uses.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use smooai_smooth_operator_conformance::server_process::Setup;
use tempfile::TempDir;

/// A kind of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Sqlite,
    /// The server that `TEST_POSTGRES_URL` names.
    Postgres,
    /// The servers that the SDK's own variables name.
    Dynamodb,
}

/// A storage that servers can share or follow each other on.
#[derive(Debug)]
pub struct Backend {
    kind: Kind,
    name: String,
    folder: TempDir,
}

impl Backend {
    pub fn new(kind: Kind) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { kind, name: format!("t-{}-{number}", std::process::id()), folder: tempfile::tempdir()? })
    }

    /// An organisation that only this test has, however many share the database.
    pub fn organization(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// A server that keeps its data here.
    pub fn on(&self, setup: Setup) -> Result<Setup> {
        Ok(match self.kind {
            Kind::Memory => setup.env("SMOOTH_AGENT_STORAGE", "memory"),
            Kind::Sqlite => {
                let folder = self.folder.path().to_str().context("a path in Unicode")?;
                setup.env("SMOOTH_AGENT_STORAGE", "sqlite").env("SMOOTH_AGENT_DATA_DIR", folder)
            }
            Kind::Postgres => {
                let url = given("TEST_POSTGRES_URL")?;
                setup.env("SMOOTH_AGENT_STORAGE", "postgres").env("DATABASE_URL", &url)
            }
            Kind::Dynamodb => {
                given("TEST_DYNAMODB_URL")?;
                let setup = setup
                    .env("SMOOTH_AGENT_STORAGE", "dynamodb")
                    .env("SMOOTH_AGENT_DDB_TABLE", &self.name)
                    .env("SMOOTH_AGENT_VECTOR_BUCKET", &self.name);
                aws().into_iter().fold(setup, |setup, (name, value)| setup.env(&name, &value))
            }
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where its servers are")]
fn given(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run `cargo xtask services … -- …`"))
}

#[expect(clippy::disallowed_methods, reason = "a test is told by the environment where its servers are")]
fn aws() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect()
}
