//! The one place of the program that reads the process's environment.

use super::error::ConfigError;
use super::load::{Loaded, Sources};
use super::settings::Flags;
use super::{Config, unknown_variables};

pub(super) fn load(flags: &Flags) -> Result<Loaded, ConfigError> {
    let sources = Sources { flags, env: &variable, read: &|path| std::fs::read_to_string(path) };
    Config::load(&sources)
}

impl Loaded {
    /// Variables of this process that look like settings of this program and are none; worth a
    /// warning once there is a log.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<String> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        unknown_variables(names)
    }
}

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the environment is read here and nowhere else")]
    let value = std::env::var(name);
    value.ok()
}
