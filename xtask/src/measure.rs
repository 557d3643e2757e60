//! `cargo xtask bench` and `cargo xtask eval`: programs of the workspace that measure and print a table,
//! built for release. A missed aim is for a person to read, and no failure: timings depend on the machine.

use crate::process::{Ended, Group};
use crate::{environment, interrupt, repository};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long one program may take, its build included.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Arguments of both verbs.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure; all of it if nothing is named
    #[arg(value_name = "WHAT")]
    names: Vec<String>,
    /// Arguments for the program that measures
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// A program that measures.
pub struct Program {
    name: &'static str,
    package: &'static str,
    binary: &'static str,
}

/// Speed and size, each with an aim.
pub const BENCHES: &[Program] = &[
    Program { name: "turn", package: "smooai-smooth-operator-conformance", binary: "bench-turn" },
    Program { name: "clients", package: "smooai-smooth-operator-conformance", binary: "bench-clients" },
];

/// How good the answers are.
pub const EVALS: &[Program] =
    &[Program { name: "retrieval", package: "smooai-smooth-operator-evals", binary: "eval-retrieval" }];

/// Runs the chosen programs one after another, up to the first that fails.
pub fn run(programs: &[Program], args: &Args) -> Result<ExitCode> {
    let root = repository::root()?;
    for program in choose(programs, &args.names)? {
        let mut command = program.command(&root, &args.arguments);
        match Group::start(&mut command)?.wait(LIMIT)? {
            Ended::Exit(status) if status.success() => {}
            Ended::Exit(status) => bail!("{} ended with {status}", program.binary),
            Ended::TimedOut => bail!("{} took longer than {LIMIT:?}", program.binary),
            Ended::Interrupted => return Ok(ExitCode::from(interrupt::EXIT_CODE)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn choose<'a>(programs: &'a [Program], names: &[String]) -> Result<Vec<&'a Program>> {
    if let Some(unknown) = names.iter().find(|name| programs.iter().all(|program| program.name != **name)) {
        let known: Vec<_> = programs.iter().map(|program| program.name).collect();
        bail!("`{unknown}` cannot be measured: choose from {}", known.join(", "));
    }
    Ok(programs
        .iter()
        .filter(|program| names.is_empty() || names.iter().any(|name| name == program.name))
        .collect())
}

impl Program {
    fn command(&self, root: &Path, arguments: &[String]) -> Command {
        let mut command = Command::new("cargo");
        environment::forget_own_package(&mut command);
        command.current_dir(root).args(["run", "--release", "--package", self.package, "--bin", self.binary]);
        command.arg("--").args(arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_one_of_the_workspace() {
        let mut command = cargo_metadata::MetadataCommand::new();
        let metadata = command.current_dir(repository::root().unwrap()).no_deps().exec().unwrap();
        for program in BENCHES.iter().chain(EVALS) {
            let package = metadata.packages.iter().find(|package| package.name == program.package);
            let targets = &package.unwrap_or_else(|| panic!("no package {}", program.package)).targets;
            let is_there = targets.iter().any(|target| target.is_bin() && target.name == program.binary);
            assert!(is_there, "{} has no program {}", program.package, program.binary);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let error = choose(BENCHES, &["nothing".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "`nothing` cannot be measured: choose from turn, clients");
        assert_eq!(choose(BENCHES, &[]).unwrap().len(), BENCHES.len());
        assert_eq!(choose(EVALS, &["retrieval".to_owned()]).unwrap()[0].binary, "eval-retrieval");
    }
}
