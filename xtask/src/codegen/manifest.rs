//! Which files the generator owns: their paths with the SHA-256 of what it wrote. It writes only files it owns or that
//! are not there yet, each by a temporary file and a rename, and deletes those it owns and no longer makes.
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

    /// Brings the files below `root` to what is wanted. Everything is checked and every temporary file written before
    /// the first one is put in place, so that a failure or a kill leaves whole files.
    pub fn apply(&self, root: &Path, wanted: &[Wanted], languages: &[&str]) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut staged = Vec::new();
        for file in wanted {
            if !is_inside(&file.path) {
                bail!("a printer wants to write {}, which is outside its folder", file.path);
            }
            let target = root.join(&file.path);
            match fs::read(&target) {
                Ok(bytes) if bytes == file.contents.as_bytes() => outcome.unchanged += 1,
                Ok(_) if !self.entries.contains_key(&file.path) => {
                    bail!("{} was not made by codegen; move it away and run again", target.display());
                }
                _ => staged.push((file, target)),
            }
        }
        let orphans = self.orphans(wanted, languages);
        for path in &orphans {
            let target = root.join(path);
            let changed =
                fs::read_to_string(&target).is_ok_and(|text| sha256(&text) != self.entries[*path].sha256);
            if changed {
                bail!(
                    "{} is no longer generated but was edited by hand; delete it and run again",
                    target.display()
                );
            }
        }
        let mut ready = Vec::new();
        for (file, target) in staged {
            match stage(&target, &file.contents) {
                Ok(temporary) => ready.push((temporary, target, &file.path)),
                Err(error) => {
                    for (temporary, _, _) in &ready {
                        let _ = fs::remove_file(temporary);
                    }
                    return Err(error);
                }
            }
        }
        for (temporary, target, path) in ready {
            fs::rename(&temporary, &target).with_context(|| format!("cannot write {}", target.display()))?;
            outcome.written.push(path.clone());
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
        Ok(outcome)
    }
}

/// Writes one file by way of a temporary one beside it.
pub fn write_whole(target: &Path, contents: &str) -> anyhow::Result<()> {
    let temporary = stage(target, contents)?;
    fs::rename(&temporary, target).with_context(|| format!("cannot write {}", target.display()))
}

fn stage(target: &Path, contents: &str) -> anyhow::Result<PathBuf> {
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(contents.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", temporary.display()))?;
    Ok(temporary)
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
