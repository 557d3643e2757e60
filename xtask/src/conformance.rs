//! `cargo xtask conformance`: builds the kit of `conformance/` and runs it. What the kit can do, `--help` of the
//! verb tells in the kit's own words.

use crate::process::{Ended, Group};
use crate::{environment, interrupt, repository};
use anyhow::{Result, bail};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long a run may take, its builds included.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Arguments of the verb, which are the kit's.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Arguments for the kit
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Runs the kit, and ends as it does.
pub fn run(args: &Args) -> Result<ExitCode> {
    let root = repository::root()?;
    let mut command = Command::new(repository::program(&root, "conformance-kit")?);
    environment::forget_own_package(&mut command);
    command.current_dir(&root).args(&args.arguments);
    match Group::start(&mut command)?.wait(LIMIT)? {
        Ended::Exit(status) if status.success() => Ok(ExitCode::SUCCESS),
        Ended::Exit(_) => Ok(ExitCode::FAILURE),
        Ended::TimedOut => bail!("the kit took longer than {LIMIT:?}"),
        Ended::Interrupted => Ok(ExitCode::from(interrupt::EXIT_CODE)),
    }
}
