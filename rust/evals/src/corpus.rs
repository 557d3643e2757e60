//! Real documentation: npm packages of fixed versions, fetched with `npm pack` into a folder that is
//! not committed.

use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::process::Command;

/// Fetches and unpacks the packages that are not there yet, each into a folder named after it.
///
/// # Errors
/// When `npm` or `tar` is missing or fails; the message says which package.
pub fn fetch(packages: &[String], into: &Path) -> Result<()> {
    std::fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    for package in packages {
        let folder = into.join(folder_name(package)?);
        if folder.is_dir() {
            continue;
        }
        fetch_one(package, into, &folder).with_context(|| format!("{package} could not be fetched"))?;
    }
    Ok(())
}

/// `@scope/name@1.2.3` is unpacked into `scope-name-1.2.3`.
fn folder_name(package: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '/' | '.' | '-' | '_');
    ensure!(package.chars().all(plain) && !package.contains(".."), "{package:?} is no package name");
    let (name, version) = package.rsplit_once('@').context("a package is written name@version")?;
    ensure!(!name.is_empty() && !version.is_empty(), "{package:?}: a package is written name@version");
    Ok(format!("{}-{version}", name.trim_start_matches('@').replace('/', "-")))
}

fn fetch_one(package: &str, into: &Path, folder: &Path) -> Result<()> {
    let name = folder_name(package)?;
    let archive = into.join(format!("{name}.tgz"));
    if !archive.is_file() {
        let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
        npm.args(["pack", "--silent", "--fetch-timeout=60000", "--pack-destination"]).arg(into).arg(package);
        run(&mut npm, "install Node.js to have it")?;
    }
    // Unpacked beside its place and moved there when it is whole.
    let partial = into.join(format!(".{name}"));
    std::fs::create_dir_all(&partial)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&archive).arg("-C").arg(&partial).arg("--strip-components=1");
    run(&mut tar, "install tar to have it")?;
    std::fs::rename(&partial, folder)?;
    Ok(())
}

fn run(command: &mut Command, hint: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} could not be started; {hint}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::folder_name;

    #[test]
    fn folders_are_named_after_packages_and_stay_inside() {
        assert_eq!(folder_name("fastify@5.3.3").unwrap(), "fastify-5.3.3");
        assert_eq!(folder_name("@a/b@1.0.0").unwrap(), "a-b-1.0.0");
        for wrong in ["fastify", "@a/b", "../x@1", "a b@1", "a@"] {
            assert!(folder_name(wrong).is_err(), "{wrong}");
        }
    }
}
