//! Rules about words: what must not stand in any text file of the project.
//! The patterns are assembled from parts, so that this file does not find itself.

use super::{Findings, Project};
use anyhow::Result;

/// A start of a path, and whether a name must follow it to be one.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/t", "mp/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers"),
    concat!("C:\\\\Us", "ers"),
];

const MARKERS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Settings and hosts that send a package manager somewhere else than to the public registry.
const REGISTRY_SETTINGS: &[&str] = &[
    concat!("arti", "factory"),
    concat!("index", "-url"),
    concat!("extra-", "index"),
    concat!("replace", "-with"),
    concat!("GO", "PROXY="),
    concat!("GONO", "SUMDB"),
    concat!("NPM_CONFIG_", "REGISTRY"),
];

const PROVENANCE: &[&str] = &[
    concat!("co-", "authored-by"),
    concat!("as an", " ai "),
    concat!("ai-", "generated"),
    concat!("claude", " code"),
    concat!("sub", "-agent"),
    concat!("work", "place"),
    concat!("the ", "brief says"),
    concat!("earlier", " session's work"),
];

/// Lock files, with the mark of a line that names a source, and what such a line must contain.
const LOCK_FILES: &[(&str, &str, &str)] = &[
    ("Cargo.lock", "source = ", "\"registry+https://github.com/rust-lang/crates.io-index\""),
    ("package-lock.json", "\"resolved\": ", "\"https://registry.npmjs.org/"),
    ("uv.lock", "registry = ", "\"https://pypi.org/simple\""),
];

pub fn machine_paths(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    each_line(project, |file, number, line| {
        if let Some(path) = MACHINE_PATHS.iter().find(|path| names_a_machine(line, path)) {
            found.add(
                file,
                number,
                format!("`{path}…` is a path of one machine: use a relative or temporary one"),
            );
        }
    })
}

/// Whether `start` begins a path here and goes on to a name. Part of a longer path or of an address is neither.
fn names_a_machine(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].strip_suffix("file://").unwrap_or(&line[..at]).chars().next_back();
        let after = line[at + start.len()..].chars().next();
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && !"./_-}~*".contains(c));
        let goes_on = start.ends_with("ers") || after.is_some_and(|c| c.is_alphanumeric() || c == '.');
        begins && goes_on
    })
}

pub fn markers(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    each_line(project, |file, number, line| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = words.find(|word| MARKERS.contains(word)) {
            found.add(
                file,
                number,
                format!("`{word}` puts it off: do it, or open an issue and take the note away"),
            );
        }
    })
}

pub fn registries(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    each_line(project, |file, number, line| {
        if let Some(word) = REGISTRY_SETTINGS.iter().find(|word| line.contains(**word)) {
            found.add(
                file,
                number,
                format!("`{word}` is a setting of one machine: keep it out of the project"),
            );
        }
        let name = file.rsplit('/').next().unwrap_or(file);
        for (lock, mark, public) in LOCK_FILES.iter().filter(|(lock, ..)| *lock == name) {
            if let Some((_, source)) = line.split_once(mark)
                && !source.starts_with(public)
            {
                found.add(
                    file,
                    number,
                    format!("{lock} names a source that is not {public}: lock it again without"),
                );
            }
        }
    })
}

pub fn provenance(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    each_line(project, |file, number, line| {
        let line = line.to_lowercase();
        if let Some(word) = PROVENANCE.iter().find(|word| line.contains(**word)) {
            found.add(
                file,
                number,
                format!("`{word}` tells how the text came about: say what it is for instead"),
            );
        }
    })
}

fn each_line(project: &Project, mut look: impl FnMut(&str, usize, &str)) -> Result<()> {
    for file in &project.repository.files {
        let Some(text) = project.repository.text(file)? else { continue };
        for (number, line) in text.lines().enumerate() {
            look(file, number + 1, line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    #[test]
    fn machine_paths_are_found_wherever_they_begin() {
        for bad in [
            concat!("cd /ho", "me/anna/x"),
            concat!("\"/ro", "ot/.cargo\""),
            concat!("(/t", "mp/out.json)"),
            concat!("/wo", "rk/main"),
            concat!("file:///Us", "ers/anna"),
            concat!("C:\\Us", "ers\\anna"),
        ] {
            let text = format!("first\n{bad}\n");
            finds("machine-path", &[("a.txt", &text)], "a.txt:2", "path of one machine");
        }
    }

    #[test]
    fn addresses_and_relative_paths_are_no_machine_paths() {
        let fine = concat!("https://example.com/ho", "me/x ./wo", "rk/y $TMPDIR/t", "mp/z GET /ro", "ot/ ");
        passes("machine-path", &[("a.txt", fine)]);
    }

    #[test]
    fn markers_are_words_of_their_own() {
        for marker in super::MARKERS {
            finds("marker", &[("a.rs", &format!("// {marker}: later\n"))], "a.rs:1", "puts it off");
        }
        passes("marker", &[("a.sh", concat!("mktemp out.XX", "XXXX\nTO", "DOLIST\n"))]);
    }

    #[test]
    fn lock_files_name_public_registries_only() {
        let private = "[[package]]\nsource = \"registry+https://crates.example.com/index\"\n";
        finds("registry", &[("Cargo.lock", private)], "Cargo.lock:2", "lock it again");
        let npm = "{\n\"resolved\": \"https://npm.example.com/a.tgz\"\n}";
        finds(
            "registry",
            &[("typescript/package-lock.json", npm)],
            "typescript/package-lock.json:2",
            "registry.npmjs",
        );
        let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        passes("registry", &[("Cargo.lock", public), ("a.txt", "source = \"x\"\n")]);
    }

    #[test]
    fn settings_of_another_registry_are_found() {
        let setting = concat!("pip install --index", "-url https://pypi.example.com\n");
        finds("registry", &[("install.sh", setting)], "install.sh:1", "keep it out");
    }

    #[test]
    fn provenance_is_found_in_any_case() {
        let line = concat!("Co-", "Authored-By: somebody\n");
        finds("provenance", &[("a.md", line)], "a.md:1", "what it is for");
        passes("provenance", &[("a.md", "A session is a caller's hold on a conversation.\n")]);
    }
}
