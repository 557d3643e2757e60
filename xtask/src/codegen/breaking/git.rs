//! The schemas of an earlier version, read from git into a temporary folder.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process;

/// Schemas on disk.
pub enum Files {
    /// Where the person said.
    Here(PathBuf),
    /// In a folder that is gone with this value; the file or folder to read is the second.
    Taken(tempfile::TempDir, PathBuf),
}

impl Files {
    /// The folder or file.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Here(path) => path.clone(),
            Self::Taken(folder, inside) => folder.path().join(inside),
        }
    }
}

/// What `spec`, a folder or file of a work tree, held in a commit.
pub fn files_at(spec: &Path, reference: &str) -> anyhow::Result<Files> {
    let (folder, only) = split(spec)?;
    let commit = format!("{reference}^{{commit}}");
    let known = git(&folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]);
    let Ok(commit) = known else {
        bail!(
            "`{reference}` is no commit of the repository of {}; name a tag, branch or commit",
            spec.display()
        );
    };
    let commit = commit.trim();
    let listing = git(&folder, &["ls-tree", "-r", "-z", "--name-only", commit])?;
    let taken = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut count = 0;
    for name in listing.split('\0').filter(|name| name.ends_with(".json")) {
        let target = taken.path().join(name);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let text = git(&folder, &["show", &format!("{commit}:./{name}")])?;
        std::fs::write(&target, text).with_context(|| format!("cannot write {}", target.display()))?;
        count += 1;
    }
    if count == 0 {
        bail!("{} had no schemas in `{reference}`; name a later one", spec.display());
    }
    Ok(Files::Taken(taken, only))
}

/// The newest version among the tags (`v1.2.3`) that the present commit comes from.
pub fn last_tag(spec: &Path) -> anyhow::Result<Option<String>> {
    let (folder, _) = split(spec)?;
    let order = "--sort=-version:refname";
    let tags = git(&folder, &["tag", "--list", "v[0-9]*", "--merged", "HEAD", order])?;
    Ok(tags.lines().next().map(str::to_owned))
}

/// The folder in which git is asked, and what to read below it.
fn split(spec: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    if spec.is_dir() {
        return Ok((spec.to_owned(), PathBuf::new()));
    }
    let (Some(folder), Some(name)) = (spec.parent(), spec.file_name()) else {
        bail!("{} is neither a folder nor a file", spec.display());
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !folder.is_dir() {
        bail!("{} is not there; check the path", spec.display());
    }
    Ok((folder.to_owned(), PathBuf::from(name)))
}

fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    process::output(Command::new("git").current_dir(folder).args(arguments))
}
