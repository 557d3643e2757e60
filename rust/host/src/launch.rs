//! From the command line to what a mount starts with.

use crate::config::{Command, Config, ConfigError, Flags, Loaded};
use clap::Parser as _;
use std::process::ExitCode;

/// Checked settings, ready to be started with.
#[derive(Debug)]
pub struct Launch {
    pub(crate) loaded: Loaded,
    command: Option<Command>,
}

/// Why a process does not go on to serve.
#[derive(Debug)]
pub enum Exit {
    /// Help, the version, or a wrong flag: told by the flag parser.
    Flags(clap::Error),
    /// The settings were asked for and are told.
    Checked(String),
    /// The settings are wrong.
    Config(ConfigError),
}

impl Launch {
    /// Reads the flags, the environment and the files of this process.
    ///
    /// # Errors
    /// When there is nothing to serve: see [`Exit`].
    pub fn from_process() -> Result<Self, Exit> {
        let flags = Flags::try_parse().map_err(Exit::Flags)?;
        let loaded = Config::of_process(&flags).map_err(Exit::Config)?;
        if flags.check_config {
            return Err(Exit::Checked(loaded.describe()));
        }
        Ok(Self { loaded, command: flags.command })
    }

    /// What to do instead of serving.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        self.command
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.loaded.config
    }
}

impl Exit {
    /// Tells the user, and gives the process's exit code.
    #[must_use]
    #[expect(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "the last words of a process that does not serve"
    )]
    pub fn report(self) -> ExitCode {
        match self {
            Self::Flags(error) => {
                let wrong = error.use_stderr();
                if error.print().is_err() || wrong { ExitCode::from(2) } else { ExitCode::SUCCESS }
            }
            Self::Checked(settings) => {
                print!("{settings}");
                ExitCode::SUCCESS
            }
            Self::Config(error) => {
                eprintln!("smooth-operator-server: {error}");
                ExitCode::from(2)
            }
        }
    }
}
