//! Whether a generator's output is clean for its language's strictest checks, as this repository sets them.
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::tools::Workshop;
use crate::repository;

/// The outcome; none where the language's checker is not there, or the check needs a project of its own.
pub fn check(workshop: &Workshop, language: &str, place: &Path) -> Option<Result<()>> {
    match language {
        "typescript" => typescript(place),
        "go" => go(place),
        "python" => python(workshop, place),
        _ => None,
    }
}

fn typescript(place: &Path) -> Option<Result<()>> {
    let compiler = repository::root().ok()?.join("typescript/node_modules/.bin/tsc");
    if !compiler.exists() {
        return None;
    }
    let file = if place.is_dir() { place.join("index.ts") } else { place.to_owned() };
    let mut command = Command::new(compiler);
    command.args(["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"]);
    command.args(["--target", "ES2022", "--module", "NodeNext", "--moduleResolution", "NodeNext"]);
    Some(findings(command.args(["--ignoreConfig", "--types", ""]).arg(file), "error TS"))
}

/// In a module of its own, which holds nothing else.
fn go(place: &Path) -> Option<Result<()>> {
    let folder = if place.is_dir() {
        place.to_owned()
    } else {
        let folder = place.with_extension("module");
        std::fs::create_dir_all(&folder).ok()?;
        std::fs::copy(place, folder.join("protocol.go")).ok()?;
        folder
    };
    std::fs::write(folder.join("go.mod"), "module example.com/protocol\n\ngo 1.25\n").ok()?;
    let vet = Command::new("go").current_dir(&folder).args(["vet", "./..."]).output().ok()?;
    let said = String::from_utf8_lossy(&vet.stderr);
    let count = said.lines().filter(|line| line.contains(".go:")).count();
    Some(if vet.status.success() { Ok(()) } else { Err(anyhow::anyhow!("{} findings", count.max(1))) })
}

fn python(workshop: &Workshop, place: &Path) -> Option<Result<()>> {
    let checker = workshop.python("mypy");
    if !checker.exists() {
        return None;
    }
    let mut command = Command::new(checker);
    command.args(["--strict", "--no-incremental", "--cache-dir", "/dev/null"]).arg(place);
    Some(findings(&mut command, ": error:"))
}

fn findings(command: &mut Command, mark: &str) -> Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    bail!("{} findings", said.lines().filter(|line| line.contains(mark)).count().max(1))
}
