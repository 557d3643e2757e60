//! `cargo xtask bench`: measures what has an aim, and prints one table of aim, measured and ratio.
//! Programs that measure print a line of JSON for each figure; other lines are shown as they are.

mod footprint;

use crate::process::{Ended, Group};
use crate::{environment, interrupt, repository};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// How long one program may measure, its build included.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Args {
    /// What to measure: footprint, turn; all of it if nothing is named
    #[arg(value_name = "BENCH")]
    names: Vec<String>,
    /// Arguments for the program that measures
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// A figure that has an aim.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    /// What was measured.
    measure: String,
    unit: String,
    aim: f64,
    measured: f64,
    better: Better,
}

/// On which side of its aim a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Better {
    Lower,
    Higher,
}

/// A way to come to figures.
struct Bench {
    name: &'static str,
    measure: fn(&Path, &[String]) -> Result<Vec<Figure>>,
}

const BENCHES: &[Bench] = &[
    Bench { name: "footprint", measure: |root, _| footprint::measure(root) },
    Bench {
        name: "turn",
        measure: |root, arguments| {
            program(root, "smooai-smooth-operator-conformance", "bench-turn", arguments)
        },
    },
];

/// Measures, and prints the table. A missed aim is a finding, not a failure.
pub fn run(args: &Args) -> Result<ExitCode> {
    if let Some(unknown) = args.names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != **name)) {
        let names: Vec<_> = BENCHES.iter().map(|bench| bench.name).collect();
        bail!("there is no bench `{unknown}`: choose from {}", names.join(", "));
    }
    let root = repository::root()?;
    let mut figures = Vec::new();
    for bench in BENCHES
        .iter()
        .filter(|bench| args.names.is_empty() || args.names.iter().any(|name| name == bench.name))
    {
        figures.extend(
            (bench.measure)(&root, &args.arguments).with_context(|| format!("bench {}", bench.name))?,
        );
        if interrupt::requested() {
            return Ok(ExitCode::from(interrupt::EXIT_CODE));
        }
    }
    print!("\n{}", table(&figures));
    Ok(ExitCode::SUCCESS)
}

/// Runs a program of the workspace, built for release, and collects the figures it prints.
fn program(root: &Path, package: &str, name: &str, arguments: &[String]) -> Result<Vec<Figure>> {
    let mut command = release_program(root, package, name, arguments);
    let (output, input) = std::io::pipe()?;
    let mut group = Group::start(command.stdout(input))?;
    // The command keeps its end of the pipe open, and the reader would wait for it.
    drop(command);
    let reader = std::thread::spawn(move || read_figures(BufReader::new(output)));
    let ended = group.wait(LIMIT)?;
    let figures = reader.join().unwrap_or_else(|_| bail!("the reader of {name} ended early"))?;
    match ended {
        Ended::Exit(status) if !status.success() => bail!("{name} ended with {status}"),
        Ended::Exit(_) if figures.is_empty() => bail!("{name} printed no figure"),
        Ended::TimedOut => bail!("{name} took longer than {LIMIT:?}"),
        Ended::Exit(_) | Ended::Interrupted => Ok(figures),
    }
}

/// Takes the figures out of what a program prints, and shows the rest.
fn read_figures(output: impl BufRead) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for line in output.lines() {
        let line = line?;
        match figure(&line)? {
            Some(figure) => figures.push(figure),
            None => println!("{line}"),
        }
    }
    Ok(figures)
}

/// `cargo run --release` of a program of the workspace.
pub fn release_program(root: &Path, package: &str, name: &str, arguments: &[String]) -> Command {
    let mut command = Command::new("cargo");
    environment::forget_own_package(&mut command);
    command.current_dir(root).args([
        "run",
        "--quiet",
        "--release",
        "--package",
        package,
        "--bin",
        name,
        "--",
    ]);
    command.args(arguments);
    command
}

/// The figure of a line, if the line is one.
fn figure(line: &str) -> Result<Option<Figure>> {
    if !line.starts_with("{\"measure\"") {
        return Ok(None);
    }
    serde_json::from_str(line).map(Some).with_context(|| format!("not a figure: {line}"))
}

impl Figure {
    fn reaches_its_aim(&self) -> bool {
        match self.better {
            Better::Lower => self.measured <= self.aim,
            Better::Higher => self.measured >= self.aim,
        }
    }
}

fn table(figures: &[Figure]) -> String {
    let width = figures
        .iter()
        .map(|figure| figure.measure.chars().count())
        .max()
        .unwrap_or_default()
        .max("measure".len());
    let mut table = format!("{:<width$} {:>14} {:>14} {:>7}\n", "measure", "aim", "measured", "ratio");
    for figure in figures {
        let sign = if figure.better == Better::Lower { "≤" } else { "≥" };
        let aim = format!("{sign} {} {}", short(figure.aim), figure.unit);
        let measured = format!("{} {}", short(figure.measured), figure.unit);
        let ratio = figure.measured / figure.aim;
        let verdict = if figure.reaches_its_aim() { "" } else { "  missed" };
        let _ = writeln!(table, "{:<width$} {aim:>14} {measured:>14} {ratio:>7.2}{verdict}", figure.measure);
    }
    table
}

/// Three significant places, no more.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_is_a_figure_and_any_other_is_not() {
        let line = r#"{"measure":"turn","unit":"×","aim":1.6,"measured":1.45,"better":"lower"}"#;
        let turn = figure(line).unwrap().unwrap();
        assert_eq!(
            (turn.measure.as_str(), turn.better, turn.reaches_its_aim()),
            ("turn", Better::Lower, true)
        );
        assert_eq!(figure("warming up").unwrap(), None);
        assert!(figure(r#"{"measure":"turn"}"#).unwrap_err().to_string().contains("not a figure"));
    }

    #[test]
    fn the_table_says_which_aims_are_missed() {
        let figure = |measure: &str, unit: &str, aim, measured, better| Figure {
            measure: measure.to_owned(),
            unit: unit.to_owned(),
            aim,
            measured,
            better,
        };
        let shown = table(&[
            figure("turn latency", "×", 1.6, 1.25, Better::Lower),
            figure("turns per second", "×", 0.5, 0.4, Better::Higher),
            figure("crates", "", 250.0, 251.0, Better::Lower),
        ]);
        let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["turn", "latency", "≤", "1.6", "×", "1.25", "×", "0.78"]);
        assert_eq!(rows[2], ["turns", "per", "second", "≥", "0.5", "×", "0.4", "×", "0.80", "missed"]);
        assert_eq!(rows[3], ["crates", "≤", "250", "251", "1.00", "missed"]);
    }
}
