//! `cargo xtask test`: every suite in order, a table, and one closing line of counts.
//! A suite's output goes to a log; what a reader needs of it is shown when it fails.

mod count;
mod suites;

use crate::interrupt;
use crate::process::{self, Ended, Group};
use crate::{environment, repository};
use anyhow::{Context, Result, bail};
use count::Tally;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use suites::{SUITES, Step, Suite, Tool};

/// How long one step of a suite may take on a cold machine with two cores.
const STEP_LIMIT: Duration = Duration::from_secs(40 * 60);
/// How much of a failed suite's log is shown. A log on a CI machine is gone with the machine.
const TAIL: usize = 60;
const TAIL_IN_CI: usize = 300;

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Args {
    /// Run these suites alone
    #[arg(long, value_name = "SUITE", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Run them so many times, or until one fails, to find a test that depends on luck
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// List the suites instead of running them
    #[arg(long)]
    list: bool,
}

/// What a run of suites depends on.
struct Setting {
    root: PathBuf,
    logs: PathBuf,
    /// This program, for the suites that are verbs of it.
    xtask: PathBuf,
    /// Nobody is watching: what cannot run has failed.
    ci: bool,
    limit: Duration,
}

/// How one suite went.
struct Outcome {
    tally: Tally,
    seconds: f64,
    /// What a reader must know beside the numbers.
    note: Option<String>,
    interrupted: bool,
}

/// Runs the chosen suites. Fails when one of them did.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        for suite in SUITES {
            println!("{:<10} {}", suite.name, suite.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(SUITES, &args.only)?;
    let root = repository::root()?;
    let logs = repository::target_folder(&root)?.join("xtask/logs");
    let xtask = std::env::current_exe().context("this program cannot tell where it is")?;
    let setting = Setting { root, logs, xtask, ci: environment::is_ci(), limit: STEP_LIMIT };
    let (total, interrupted) = repeat(args.repeat, &chosen, &setting, &mut std::io::stdout())?;
    Ok(match (interrupted, total.failed) {
        (true, _) => ExitCode::from(interrupt::EXIT_CODE),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
    })
}

/// Runs `suites` so many times, at least once, or until a run does not end well; gives the last run.
fn repeat(times: u32, suites: &[&Suite], setting: &Setting, out: &mut dyn Write) -> Result<(Tally, bool)> {
    for _ in 1..times {
        let (total, interrupted) = run_suites(suites, setting, out)?;
        if interrupted || total.failed > 0 {
            return Ok((total, interrupted));
        }
    }
    run_suites(suites, setting, out)
}

fn choose<'a>(suites: &'a [Suite], only: &[String]) -> Result<Vec<&'a Suite>> {
    if let Some(unknown) = only.iter().find(|name| suites.iter().all(|suite| suite.name != **name)) {
        let names: Vec<_> = suites.iter().map(|suite| suite.name).collect();
        bail!("there is no suite `{unknown}`: choose from {}", names.join(", "));
    }
    Ok(suites.iter().filter(|suite| only.is_empty() || only.iter().any(|name| name == suite.name)).collect())
}

/// Runs `suites` and writes the table, what failed, and the closing line. The line comes also after Ctrl-C.
fn run_suites(suites: &[&Suite], setting: &Setting, out: &mut dyn Write) -> Result<(Tally, bool)> {
    std::fs::create_dir_all(&setting.logs)
        .with_context(|| format!("cannot make {}", setting.logs.display()))?;
    let (mut total, mut notes, mut interrupted) = (Tally::default(), String::new(), false);
    writeln!(out, "{:<12} {:>7} {:>7} {:>7} {:>8}", "suite", "passed", "failed", "skipped", "seconds")?;
    for suite in suites {
        let log = setting.logs.join(format!("{}.log", suite.name));
        let outcome = run_suite(suite, setting, &log)?;
        let Tally { passed, failed, skipped } = outcome.tally;
        writeln!(out, "{:<12} {passed:>7} {failed:>7} {skipped:>7} {:>8.1}", suite.name, outcome.seconds)?;
        total += outcome.tally;
        if let Some(note) = outcome.note {
            writeln!(notes, "\n{}: {note}", suite.name)?;
        }
        if failed > 0 {
            let lines = if setting.ci { TAIL_IN_CI } else { TAIL };
            writeln!(notes, "{}\n(all of it: {})", tail(&log, lines), log.display())?;
        }
        interrupted = outcome.interrupted;
        if interrupted {
            break;
        }
    }
    writeln!(out, "{notes}\n{total}")?;
    Ok((total, interrupted))
}

fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn run_suite(suite: &Suite, setting: &Setting, log: &Path) -> Result<Outcome> {
    let start = Instant::now();
    let mut file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let missing: Vec<_> = suite.tools.iter().filter(|tool| !is_there(tool, setting)).collect();
    if !missing.is_empty() {
        let missing: Vec<_> =
            missing.iter().map(|tool| format!("{} is missing: {}", tool.name, tool.get)).collect();
        let note = format!("not run, {}", missing.join("; "));
        writeln!(file, "{note}")?;
        let tally = if setting.ci { Tally::FAILED } else { Tally::SKIPPED };
        return Ok(Outcome {
            tally,
            seconds: start.elapsed().as_secs_f64(),
            note: Some(note),
            interrupted: false,
        });
    }
    let mut trouble = None;
    for step in suite.steps {
        trouble = run_step(step, setting, &file)?;
        if trouble.is_some() {
            break;
        }
    }
    let log = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    let interrupted = matches!(trouble, Some(Trouble::Interrupted));
    let (tally, note) = judge(suite, &log, trouble);
    Ok(Outcome { tally, seconds: start.elapsed().as_secs_f64(), note, interrupted })
}

/// Whether a tool's probe succeeds.
fn is_there(tool: &Tool, setting: &Setting) -> bool {
    match (tool.probe, setting.xtask.to_str()) {
        (["xtask", arguments @ ..], Some(own)) => process::succeeds(&[&[own], arguments].concat()),
        (probe, _) => process::succeeds(probe),
    }
}

/// Why a step did not end well.
enum Trouble {
    Failed(String),
    Interrupted,
}

fn run_step(step: &Step, setting: &Setting, log: &File) -> Result<Option<Trouble>> {
    let shown = step.argv.join(" ");
    writeln!(&mut &*log, "$ {shown}")?;
    let mut command = match step.argv {
        ["xtask", arguments @ ..] => {
            let mut command = Command::new(&setting.xtask);
            command.args(arguments);
            command
        }
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        [] => bail!("a step has no command"),
    };
    environment::forget_own_package(&mut command);
    command.current_dir(setting.root.join(step.folder)).env("CARGO_TERM_COLOR", "never");
    command.envs(step.environment.iter().copied());
    command.stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log.try_clone()?));
    Ok(match Group::start(&mut command)?.wait(setting.limit)? {
        Ended::Exit(status) if status.success() => None,
        Ended::Exit(status) => Some(Trouble::Failed(format!("`{shown}` ended with {status}"))),
        Ended::TimedOut => Some(Trouble::Failed(format!("`{shown}` took longer than {:?}", setting.limit))),
        Ended::Interrupted => Some(Trouble::Interrupted),
    })
}

/// The counts of a suite that has run. One that counted nothing has proved nothing, and has failed.
fn judge(suite: &Suite, log: &str, trouble: Option<Trouble>) -> (Tally, Option<String>) {
    let trouble = match trouble {
        Some(Trouble::Interrupted) => return (Tally::FAILED, Some("interrupted".to_owned())),
        Some(Trouble::Failed(why)) => Some(why),
        None => None,
    };
    let mut tally = match suite.count {
        Some(count) => count(log),
        None if trouble.is_none() => Tally::PASSED,
        None => Tally::FAILED,
    };
    let note = trouble.or_else(|| (tally == Tally::default()).then(|| "no test was counted".to_owned()));
    if note.is_some() && tally.failed == 0 {
        tally.failed = 1;
    }
    (tally, note)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
