//! What the server weighs: its program, its crates, the time to its first line, its memory when nobody calls.

use super::{Better, Figure};
use crate::process::{self, Group};
use crate::{environment, interrupt};
use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SERVER: &str = "smooai-smooth-operator-server";
/// An odd number, so that the median is one of the runs.
const RUNS: usize = 15;
const START_LIMIT: Duration = Duration::from_secs(30);
const MEGABYTE: f64 = 1e6;

/// Builds the server for release and measures it.
pub fn measure(root: &Path) -> Result<Vec<Figure>> {
    let program = build(root)?;
    let size = std::fs::metadata(&program)?.len();
    let mut starts = Vec::new();
    let mut memories = Vec::new();
    for _ in 0..RUNS {
        let (start, memory) = start_once(&program)?;
        starts.push(start.as_secs_f64() * 1e3);
        memories.push(memory);
        if interrupt::requested() {
            bail!("interrupted");
        }
    }
    let figure = |measure: &str, unit: &str, aim, measured| Figure {
        measure: measure.to_owned(),
        unit: unit.to_owned(),
        aim,
        measured,
        better: Better::Lower,
    };
    Ok(vec![
        figure("start-up, median", "ms", 10.0, median(starts)?),
        figure("idle memory, median", "MB", 15.0, median(memories)? / MEGABYTE),
        figure("stripped program", "MB", 20.0, as_float(size) / MEGABYTE),
        figure("crates", "", 250.0, as_float(u64::try_from(crates(root)?)?)),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
fn as_float(value: u64) -> f64 {
    value as f64
}

/// The path of the release program.
fn build(root: &Path) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    environment::forget_own_package(&mut command);
    command.current_dir(root).stderr(Stdio::inherit());
    command.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        SERVER,
        "--message-format=json-render-diagnostics",
    ]);
    let messages = command.output().context("cannot start cargo")?;
    if !messages.status.success() {
        bail!("the server does not build");
    }
    let programs = Message::parse_stream(messages.stdout.as_slice()).filter_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact)) => artifact.executable,
        _ => None,
    });
    programs
        .last()
        .map(cargo_metadata::camino::Utf8PathBuf::into_std_path_buf)
        .context("the server has no program")
}

/// The time until the server says that it listens, and its resident bytes then.
fn start_once(program: &Path) -> Result<(Duration, f64)> {
    let folder = tempfile::tempdir()?;
    let (output, input) = std::io::pipe()?;
    let mut command = Command::new(program);
    command.current_dir(folder.path()).args(["--port", "0", "--storage", "memory"]).stdout(input);
    environment::forget_product_settings(&mut command);
    let start = Instant::now();
    let group = Group::start(command.stderr(Stdio::null()))?;
    drop(command);
    let line = process::first_line(output, START_LIMIT).context("the server said nothing")?;
    let elapsed = start.elapsed();
    if !line.contains("listening on ws://") {
        bail!("the server did not say that it listens, but {line:?}");
    }
    let resident = process::output(Command::new("ps").args(["-o", "rss=", "-p", &group.id().to_string()]))?;
    let kibibytes: f64 = resident.trim().parse().with_context(|| format!("ps said {resident:?}"))?;
    Ok((elapsed, kibibytes * 1024.0))
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("nothing was measured")
}

/// How many crates the server is built from, itself included.
fn crates(root: &Path) -> Result<usize> {
    let mut command = Command::new("cargo");
    environment::forget_own_package(&mut command);
    command.current_dir(root).args([
        "tree",
        "--locked",
        "--package",
        SERVER,
        "--edges",
        "normal",
        "--prefix",
        "none",
    ]);
    Ok(distinct(&process::output(&mut command)?))
}

/// The distinct packages of `cargo tree`: name and version, without what else it says of them.
fn distinct(tree: &str) -> usize {
    let packages = tree.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>());
    packages.filter(|words| !words.is_empty()).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_counted_once_for_each_version() {
        let tree =
            "server v0.1.0 (path)\nserde v1.0.0\nsyn v2.0.0 (proc-macro)\n\nserde v1.0.0 (*)\nsyn v1.0.0\n";
        assert_eq!(distinct(tree), 4);
    }

    #[test]
    fn the_median_is_the_middle_run() {
        assert_eq!(median(vec![9.0, 1.0, 3.0]).unwrap(), 3.0);
        assert!(median(Vec::new()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_start_is_timed_to_the_line_of_the_server() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("server");
        let install = |script: &str| {
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        };
        install("echo 'server listening on ws://127.0.0.1:1/ws'; exec sleep 600");
        let (elapsed, memory) = start_once(&program).unwrap();
        assert!(elapsed > Duration::ZERO && memory > 0.0, "{elapsed:?} {memory}");
        install("echo no port is free");
        let error = start_once(&program).unwrap_err().to_string();
        assert!(error.contains("no port is free"), "{error}");
    }
}
