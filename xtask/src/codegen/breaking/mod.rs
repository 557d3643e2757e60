//! `cargo xtask codegen breaking`: compares two versions of the schemas and names every change that would break a
//! peer of the other version, in the direction in which it breaks.
mod git;
mod limits;
mod messages;
mod report;
mod types;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::build;
use super::finding::{Finding, Severity};
use super::model::Model;
use super::source::Source;

/// What to compare, and with what.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    against: Against,
    /// The new version: a folder of JSON Schemas, or one file [default: spec/ of this repository]
    #[arg(long, value_name = "DIR|FILE")]
    spec: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct Against {
    /// The old version: the same folder in this commit, tag or branch
    #[arg(long = "against", value_name = "REF")]
    reference: Option<String>,
    /// The old version: the same folder in the newest version's tag. Breaks are allowed when the workspace's version
    /// is incompatible with that tag's by the rules of semantic versioning
    #[arg(long = "against-last-tag")]
    last_tag: bool,
    /// The old version: this folder or file
    #[arg(long = "against-dir", value_name = "DIR|FILE")]
    folder: Option<PathBuf>,
}

/// Runs the verb: one line for each break, one line of counts, and failure if there is a break.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = super::repository_root();
    let spec = match &args.spec {
        Some(spec) => spec.clone(),
        None => root.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?.join("spec"),
    };
    let Against { reference, last_tag, folder } = &args.against;
    let tag = if *last_tag { git::last_tag(&spec)? } else { None };
    let (old, name) = match (reference.as_ref().or(tag.as_ref()), folder) {
        (Some(reference), _) => (git::files_at(&spec, reference)?, reference.clone()),
        (None, Some(folder)) => (git::Files::Here(folder.clone()), folder.display().to_string()),
        (None, None) => {
            println!("breaking: skipped, there is no version tag yet to compare with");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (Some(old), Some(new)) = (load(&old.path(), Some(&name)), load(&spec, None)) else {
        return Ok(ExitCode::FAILURE);
    };
    let breaks = messages::compare(&old, &new);
    breaks.lines().for_each(|line| eprintln!("{line}"));
    let count = breaks.count();
    if count == 0 {
        println!("breaking: nothing breaks a peer that speaks the version of {name}");
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(tag), Ok(root)) = (tag, root) {
        let version = workspace_version(&root)?;
        if is_incompatible(&tag, &version)? {
            println!("breaking: {count} changes break peers of {tag}, as version {version} may");
            return Ok(ExitCode::SUCCESS);
        }
    }
    println!("breaking: {count} changes break peers of {name}; keep what was, and add beside it");
    Ok(ExitCode::FAILURE)
}

/// The model of one version. What the wire profile of today says of it does not matter here.
fn load(spec: &Path, version: Option<&str>) -> Option<Model> {
    let built = Source::load(spec).and_then(|source| build::build(&source));
    match built {
        Ok((model, _)) => Some(model),
        Err(findings) => {
            let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
            errors.for_each(|finding| eprintln!("{}", located(finding, version)));
            None
        }
    }
}

/// The finding, with the version it is about when that is not the one in the folder.
fn located(finding: &Finding, version: Option<&str>) -> Finding {
    let problem = match version {
        Some(version) => format!("in {version}: {}", finding.problem),
        None => finding.problem.clone(),
    };
    Finding { problem, ..finding.clone() }
}

fn workspace_version(root: &Path) -> anyhow::Result<String> {
    let manifest = root.join("Cargo.toml");
    let text =
        std::fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let table: toml::Table = toml::from_str(&text).context("Cargo.toml is not TOML")?;
    let version = table.get("workspace").and_then(|table| table.get("package")?.get("version")?.as_str());
    Ok(version.context("Cargo.toml has no workspace.package.version")?.to_owned())
}

/// Whether a release may break what an earlier one promised: another major version, or while that is 0 another minor
/// one (semver.org, 2.0.0, items 4 and 8).
fn is_incompatible(old: &str, new: &str) -> anyhow::Result<bool> {
    let parse = |text: &str| -> anyhow::Result<(u64, u64)> {
        let mut numbers = text.trim_start_matches('v').split('.').map(str::parse::<u64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
            _ => bail!("`{text}` is not a version; name it like v1.2.3"),
        }
    };
    let (old, new) = (parse(old)?, parse(new)?);
    Ok(new.0 > old.0 || new.0 == 0 && old.0 == 0 && new.1 > old.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_major_version_may_break_and_before_1_0_a_new_minor_one() {
        for (old, new, may) in [
            ("v1.2.3", "1.3.0", false),
            ("v1.2.3", "2.0.0", true),
            ("v0.1.0", "0.1.9", false),
            ("v0.1.0", "0.2.0", true),
            ("0.9.0", "1.0.0", true),
            ("v2.0.0", "1.9.0", false),
        ] {
            assert_eq!(is_incompatible(old, new).unwrap(), may, "{old} {new}");
        }
        assert!(is_incompatible("vnext", "1.0.0").is_err());
    }
}
