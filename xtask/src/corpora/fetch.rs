//! The packages that schemas and their documents come from, each with a pinned version, fetched once by the
//! registries' own clients.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::services::package::Packages;

/// A package of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    pub registry: Registry,
    pub name: &'static str,
    pub version: &'static str,
    /// Of PyPI: the SHA-256 that the file must have.
    pub sha256: Option<&'static str>,
}

/// Where a package comes from, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registry {
    /// PyPI, as it is installed.
    Wheel,
    /// PyPI, the source distribution, which brings what is not installed.
    Sdist,
    /// npm, as it is published.
    Npm,
}

impl Package {
    /// The folder with the package's files, fetched if it is not there yet.
    pub fn folder(&self, packages: &Packages) -> Result<PathBuf> {
        let key = format!("{}-{}", self.name.replace(['@', '/'], "-").trim_start_matches('-'), self.version);
        packages.get(&key, |place| match self.registry {
            Registry::Wheel => self.install(place),
            Registry::Sdist => self.unpack_sdist(place),
            Registry::Npm => self.unpack_npm(place),
        })
    }

    fn install(&self, place: &Path) -> Result<()> {
        let mut pip = pip("install");
        self.by_pip(pip.arg("--target").arg(place))
    }

    fn unpack_sdist(&self, place: &Path) -> Result<()> {
        let staging = tempfile::tempdir()?;
        let mut pip = pip("download");
        self.by_pip(pip.args(["--no-binary", self.name, "--dest"]).arg(staging.path()))?;
        unpack(&only_file(staging.path())?, place)
    }

    fn unpack_npm(&self, place: &Path) -> Result<()> {
        let staging = tempfile::tempdir()?;
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent", "--pack-destination"]).arg(staging.path()).arg(self.pinned("@"));
        process::output(&mut npm).context("npm is needed")?;
        unpack(&only_file(staging.path())?, place)
    }

    /// Has pip get the package, which refuses a file that has not the hash.
    fn by_pip(&self, pip: &mut Command) -> Result<()> {
        let Some(sha256) = self.sha256 else {
            return process::output(pip.arg(self.pinned("=="))).map(|_| ());
        };
        let mut list = tempfile::NamedTempFile::new()?;
        writeln!(list, "{} --hash=sha256:{sha256}", self.pinned("=="))?;
        process::output(pip.args(["--require-hashes", "--requirement"]).arg(list.path())).map(|_| ())
    }

    fn pinned(&self, sign: &str) -> String {
        format!("{}{sign}{}", self.name, self.version)
    }
}

fn pip(verb: &str) -> Command {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", verb, "--quiet", "--no-deps", "--disable-pip-version-check"]);
    pip
}

/// The one file that a download has left in a folder.
fn only_file(folder: &Path) -> Result<PathBuf> {
    let first = std::fs::read_dir(folder)?.next();
    Ok(first.with_context(|| format!("nothing came into {}", folder.display()))??.path())
}

/// Unpacks an archive without the one folder that all its files are in.
fn unpack(archive: &Path, place: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("-C").arg(place).arg("--strip-components=1");
    process::output(&mut tar).map(|_| ())
}
