//! Which files the generator owns: their paths with the SHA-256 of what it wrote. It writes only files it owns or that
//! are not there yet, each by a staged file and a rename, and deletes those it owns and no longer makes.
//! A run that is killed leaves every file whole, old or new; the manifest comes last, and the next run ends the work.
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

/// The files the generator owns below a root.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: BTreeMap<String, Entry>,
}

/// One owned file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    language: String,
    sha256: String,
}

/// One file that ought to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The path relative to the root, with forward slashes.
    pub path: String,
    /// The language it belongs to.
    pub language: &'static str,
    /// Its whole text.
    pub contents: String,
}

/// What writing did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Files made or changed.
    pub written: Vec<String>,
    /// Files that were as they ought to be.
    pub unchanged: usize,
    /// Files that are no longer made, and were deleted.
    pub deleted: Vec<String>,
}

impl Manifest {
    /// Reads the manifest; one that is not there is empty.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let mut entries = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let mut words = line.splitn(3, ' ');
            let (Some(sha256), Some(language), Some(file)) = (words.next(), words.next(), words.next())
            else {
                bail!(
                    "{} has a line that is not `sha256 language path`; delete it and run again",
                    path.display()
                );
            };
            if !is_inside(file) {
                bail!("{} names {file}, which is outside its folder; delete the line", path.display());
            }
            let entry = Entry { language: language.to_owned(), sha256: sha256.to_owned() };
            entries.insert(file.to_owned(), entry);
        }
        Ok(Self { entries })
    }

    /// The manifest as text.
    pub fn text(&self) -> String {
        let mut out =
            String::from("# What `cargo xtask codegen` made: sha256, language, path. Do not edit.\n");
        for (path, entry) in &self.entries {
            out.push_str(&format!("{} {} {path}\n", entry.sha256, entry.language));
        }
        out
    }

    /// The manifest after a run over the given languages that made the wanted files.
    pub fn after(&self, wanted: &[Wanted], languages: &[&str]) -> Self {
        let mut entries = self.entries.clone();
        entries.retain(|_, entry| !languages.contains(&entry.language.as_str()));
        for file in wanted {
            let entry = Entry { language: file.language.to_owned(), sha256: sha256(&file.contents) };
            entries.insert(file.path.clone(), entry);
        }
        Self { entries }
    }

    /// The owned files of the given languages that are not wanted any more.
    pub fn orphans(&self, wanted: &[Wanted], languages: &[&str]) -> Vec<&str> {
        let made = |path: &str| wanted.iter().any(|file| file.path == path);
        let orphans = self
            .entries
            .iter()
            .filter(|(path, entry)| languages.contains(&entry.language.as_str()) && !made(path));
        orphans.map(|(path, _)| path.as_str()).collect()
    }

    /// Brings the files below `root` to what is wanted, and last of all the manifest at `path` to what is then there.
    /// Everything is checked and every text written into a [`Stage`] before the first file is put in place.
    pub fn apply(
        &self,
        root: &Path,
        path: &Path,
        wanted: &[Wanted],
        languages: &[&str],
    ) -> anyhow::Result<Outcome> {
        let stage = Stage::open(path)?;
        let base = self.joined(&stage.left_by_a_killed_run()?, root);
        let mut outcome = Outcome::default();
        let mut changed = Vec::new();
        for file in wanted {
            if !is_inside(&file.path) {
                bail!("a printer wants to write {}, which is outside its folder", file.path);
            }
            let target = root.join(&file.path);
            match fs::read(&target) {
                Ok(bytes) if bytes == file.contents.as_bytes() => outcome.unchanged += 1,
                Ok(_) if !base.entries.contains_key(&file.path) => {
                    bail!("{} was not made by codegen; move it away and run again", target.display());
                }
                _ => changed.push((file, target)),
            }
        }
        let orphans = base.orphans(wanted, languages);
        for path in &orphans {
            let target = root.join(path);
            let edited =
                fs::read_to_string(&target).is_ok_and(|text| sha256(&text) != base.entries[*path].sha256);
            if edited {
                bail!(
                    "{} is no longer generated but was edited by hand; delete it and run again",
                    target.display()
                );
            }
        }
        let after = base.after(wanted, languages);
        if changed.is_empty() && orphans.is_empty() && after == *self {
            return stage.close().map(|()| outcome);
        }
        for (file, target) in &changed {
            let folder = target.parent().unwrap_or(root);
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            stage.write(&file.path, &file.contents)?;
        }
        stage.write(STAGED_MANIFEST, &after.text())?;
        for (file, target) in changed {
            stage.put(&file.path, &target)?;
            outcome.written.push(file.path.clone());
        }
        for path in orphans {
            let target = root.join(path);
            match fs::remove_file(&target) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot delete {}", target.display()));
                }
                _ => outcome.deleted.push(path.to_owned()),
            }
        }
        stage.put(STAGED_MANIFEST, path)?;
        stage.close()?;
        Ok(outcome)
    }

    /// This manifest with what a killed run has put in place of its own.
    fn joined(&self, left: &Self, root: &Path) -> Self {
        let mut entries = self.entries.clone();
        for (path, entry) in &left.entries {
            if fs::read_to_string(root.join(path)).is_ok_and(|text| sha256(&text) == entry.sha256) {
                entries.insert(path.clone(), entry.clone());
            }
        }
        Self { entries }
    }
}

/// What the manifest to be is called in the stage. Once it is there, files are being put in place.
const STAGED_MANIFEST: &str = "manifest";

/// A folder beside the manifest in which a run gathers what it will put in place, so that a run that is killed leaves
/// no half-written file, and what it leaves is in one place, which the next run clears away.
struct Stage {
    folder: PathBuf,
    /// Held for as long as the stage is open.
    _lock: fs::File,
}

impl Stage {
    /// Opens the stage for this run alone; the lock ends with the process, however that ends.
    fn open(manifest: &Path) -> anyhow::Result<Self> {
        let folder = manifest.parent().unwrap_or(Path::new(".")).join(".codegen-stage");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join("lock");
        let lock = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => {
                bail!("another run of codegen writes beside {}; wait for its end", manifest.display())
            }
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// What a run that was killed was putting in place; its files are ours too. The stage is empty after that.
    fn left_by_a_killed_run(&self) -> anyhow::Result<Manifest> {
        // A manifest that is cut short was still being written: nothing had been put in place.
        let left = Manifest::read(&self.folder.join(STAGED_MANIFEST)).unwrap_or_default();
        let files = self.folder.join("files");
        match fs::remove_dir_all(&files) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete {}", files.display()))
            }
            _ => Ok(left),
        }
    }

    fn place(&self, path: &str) -> PathBuf {
        if path == STAGED_MANIFEST { self.folder.join(path) } else { self.folder.join("files").join(path) }
    }

    fn write(&self, path: &str, contents: &str) -> anyhow::Result<()> {
        let place = self.place(path);
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(place.parent().unwrap_or(&self.folder))?;
            let mut file = fs::File::create(&place)?;
            file.write_all(contents.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", place.display()))
    }

    /// Puts a staged file in place, whole.
    fn put(&self, path: &str, target: &Path) -> anyhow::Result<()> {
        fs::rename(self.place(path), target).with_context(|| format!("cannot write {}", target.display()))
    }

    /// Takes the stage away, at the end of a run that has put everything in place.
    fn close(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot delete {}", self.folder.display()))?;
        Ok(())
    }
}

impl Drop for Stage {
    /// A run that fails before it has put anything in place leaves nothing.
    fn drop(&mut self) {
        if !self.folder.join(STAGED_MANIFEST).exists() {
            // What cannot be deleted here is deleted by the next run.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Whether a path stays below the folder it is relative to.
fn is_inside(path: &str) -> bool {
    !path.starts_with('/')
        && !path.contains('\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_its_folder() {
        assert!(is_inside("a/b.rs"));
        for path in ["/a", "../a", "a/../b", "a//b", "", "a\\b"] {
            assert!(!is_inside(path), "{path}");
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let wanted = [Wanted { path: "a/b c.rs".into(), language: "rust", contents: "x".into() }];
        let manifest = Manifest::default().after(&wanted, &["rust"]);
        let lines: Vec<String> = manifest.text().lines().skip(1).map(str::to_owned).collect();
        assert_eq!(lines, [format!("{} rust a/b c.rs", sha256("x"))]);
        assert_eq!(manifest.orphans(&[], &["rust"]), ["a/b c.rs"]);
        assert!(manifest.orphans(&[], &["go"]).is_empty());
    }
}
