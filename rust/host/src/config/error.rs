//! A setting that cannot be used: where it stands, its key, and what is allowed.

use std::fmt;
use std::path::PathBuf;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    Variable(String),
    Flag(&'static str),
    File { path: PathBuf, line: Option<usize> },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
        }
    }
}

/// Settings that cannot be used. The text names the source, the key and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct ConfigError {
    pub(super) origin: Origin,
    pub(super) key: String,
    pub(super) problem: String,
}

impl ConfigError {
    pub(super) fn new(origin: Origin, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { origin, key: key.into(), problem: problem.into() }
    }

    /// The key of the setting, as `gateway.url`; empty where the fault is in none.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    fn sentence(&self) -> String {
        let Self { origin, key, problem } = self;
        match (origin, key.is_empty()) {
            (Origin::Default, _) => format!("{key}: {problem}"),
            (_, true) => format!("{origin}: {problem}"),
            (_, false) => format!("{origin} ({key}): {problem}"),
        }
    }
}
