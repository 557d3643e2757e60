//! `cargo xtask eval`: how good the answers are, by programs of the evals crate.

use crate::bench::release_program;
use crate::process::{Ended, Group};
use crate::{interrupt, repository};
use anyhow::{Result, bail};
use std::process::ExitCode;
use std::time::Duration;

/// How long an evaluation may take, its build included.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Args {
    /// What to evaluate
    what: What,
    /// Arguments for the program that evaluates
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// What can be evaluated.
#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// Whether questions find the documents that answer them
    Retrieval,
}

/// Runs the evaluation, and ends as it does.
pub fn run(args: &Args) -> Result<ExitCode> {
    let What::Retrieval = args.what;
    let root = repository::root()?;
    let mut command =
        release_program(&root, "smooai-smooth-operator-evals", "eval-retrieval", &args.arguments);
    Ok(match Group::start(&mut command)?.wait(LIMIT)? {
        Ended::Exit(status) if status.success() => ExitCode::SUCCESS,
        Ended::Exit(_) => ExitCode::FAILURE,
        Ended::Interrupted => ExitCode::from(interrupt::EXIT_CODE),
        Ended::TimedOut => bail!("the evaluation took longer than {LIMIT:?}"),
    })
}
