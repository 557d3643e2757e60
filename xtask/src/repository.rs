//! The repository as the checks see it: its root, and every file that is or would be committed.

use crate::{environment, process};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A work tree and its files.
pub struct Repository {
    /// The absolute path of the work tree.
    pub root: PathBuf,
    /// What git tracks or would take, relative to the root, with `/`, in order.
    pub files: BTreeSet<String>,
}

impl Repository {
    /// The repository that holds the current folder.
    pub fn here() -> Result<Self> {
        Self::at(&root()?)
    }

    /// The repository at `root`: tracked files and new ones that are not ignored.
    pub fn at(root: &Path) -> Result<Self> {
        let listing = process::output(Command::new("git").current_dir(root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let names = listing.split('\0').filter(|name| !name.is_empty());
        let files = names.filter(|name| root.join(name).is_file()).map(str::to_owned).collect();
        Ok(Self { root: root.to_owned(), files })
    }

    /// Whether `path` is a file, or a folder with a file in it. The empty path is the root.
    pub fn holds(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty()
            || self.files.contains(path)
            || self.files.range(folder.clone()..).next().is_some_and(|file| file.starts_with(&folder))
    }

    /// The bytes of a file.
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        std::fs::read(self.root.join(file)).with_context(|| format!("cannot read {file}"))
    }

    /// The text of a file, or nothing if it is not text.
    pub fn text(&self, file: &str) -> Result<Option<String>> {
        Ok(String::from_utf8(self.read(file)?).ok().filter(|text| !text.contains('\0')))
    }
}

/// Builds a program of the workspace without optimising, and returns its path.
pub fn program(root: &Path, name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    environment::forget_own_package(&mut cargo);
    cargo.current_dir(root).args(["build", "--quiet", "--bin", name]).args(AS_TESTS);
    process::output(&mut cargo)?;
    Ok(target_folder(root)?.join("debug").join(name))
}

/// Lets a build have the features that `cargo test --workspace` settles on, which are those of everything in the
/// workspace with what its tests need, so that dependencies are built once for both. Cargo counts what tests need only
/// where it builds one: this one is small.
const AS_TESTS: [&str; 3] = ["--workspace", "--test", "library"];

/// The root of the work tree: the nearest folder above that holds `xtask/Cargo.toml`.
pub fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder cannot be told")?;
    match here.ancestors().find(|folder| folder.join("xtask/Cargo.toml").is_file()) {
        Some(root) => Ok(root.to_owned()),
        None => bail!("{} is not inside the repository: go into it and try again", here.display()),
    }
}

/// Where Cargo puts what it builds for the workspace at `root`.
pub fn target_folder(root: &Path) -> Result<PathBuf> {
    let mut command = cargo_metadata::MetadataCommand::new();
    let metadata = command.current_dir(root).no_deps().exec().context("cargo metadata failed")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

#[cfg(test)]
pub mod fixture {
    //! A repository in a temporary folder, made of the files that a test names.

    use super::*;

    /// A repository that is gone when the test ends.
    pub struct Fixture {
        /// What the rule under test gets.
        pub repository: Repository,
        _folder: tempfile::TempDir,
    }

    /// A git work tree with these files, none of them committed.
    pub fn repository(files: &[(&str, &str)]) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        process::output(Command::new("git").current_dir(folder.path()).args(["init", "--quiet"])).unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let root = folder.path().canonicalize().unwrap();
        Fixture { repository: Repository::at(&root).unwrap(), _folder: folder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_files_are_not_listed_and_new_ones_are() {
        let fixture = fixture::repository(&[(".gitignore", "/out/\n"), ("out/a", ""), ("docs/b.md", "")]);
        let files: Vec<_> = fixture.repository.files.iter().map(String::as_str).collect();
        assert_eq!(files, [".gitignore", "docs/b.md"]);
    }

    #[test]
    fn folders_are_held_by_their_files() {
        let fixture = fixture::repository(&[("docs/deep/b.md", ""), ("docs-old/c.md", "")]);
        let holds = |path| fixture.repository.holds(path);
        assert!(holds("") && holds("docs") && holds("docs/deep/") && holds("docs/deep/b.md"));
        assert!(!holds("doc") && !holds("docs/b.md"));
    }
}
