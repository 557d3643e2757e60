//! `cargo xtask tidy`: what the formatter and the compiler do not see, as a table of rules.
//! A finding names a file, a line, the rule, and what to do about it.

mod files;
mod imports;
mod licences;
mod links;
mod rust_source;
mod words;

use crate::repository::Repository;
use anyhow::Result;
use rust_source::RustFile;
use std::fmt;
use std::process::ExitCode;

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Args {
    /// List the rules instead of checking them
    #[arg(long)]
    rules: bool,
}

/// What the rules look at.
struct Project {
    repository: Repository,
    rust: Vec<RustFile>,
}

impl Project {
    fn of(repository: Repository) -> Result<Self> {
        let rust = rust_source::load(&repository)?;
        Ok(Self { repository, rust })
    }
}

/// One thing to mend.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.path, self.line, self.rule, self.message)
    }
}

/// Where a rule puts what it finds.
struct Findings<'a> {
    rule: &'static str,
    all: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    fn add(&mut self, path: &str, line: usize, message: impl Into<String>) {
        let (path, line, rule, message) = (path.to_owned(), line.max(1), self.rule, message.into());
        self.all.push(Finding { path, line, rule, message });
    }
}

/// A named check of the whole project.
struct Rule {
    name: &'static str,
    what: &'static str,
    check: fn(&Project, &mut Findings<'_>) -> Result<()>,
}

const RULES: &[Rule] = &[
    Rule {
        name: "imports",
        what: "a crate uses only those of ours that the import table allows",
        check: imports::ours,
    },
    Rule {
        name: "forbidden-crate",
        what: "nothing below the mounts reaches a web framework, an HTTP client or a cloud SDK",
        check: imports::third_party,
    },
    Rule {
        name: "licence",
        what: "every dependency's licence is allowed by deny.toml, and comes from crates.io",
        check: licences::check,
    },
    Rule {
        name: "file-size",
        what: "a hand-written file has at most 600 lines without its tests",
        check: rust_source::file_size,
    },
    Rule {
        name: "function-size",
        what: "a function has fewer than 80 lines of code",
        check: rust_source::function_size,
    },
    Rule {
        name: "parameters",
        what: "a function takes at most six parameters",
        check: rust_source::parameters,
    },
    Rule { name: "trait-size", what: "a trait has at most seven methods", check: rust_source::trait_size },
    Rule {
        name: "module-comment",
        what: "a Rust file opens with one to six `//!` lines that say what lives there",
        check: rust_source::module_comment,
    },
    Rule {
        name: "allow",
        what: "an exception to a lint is an #[expect] with a reason, never an #[allow]",
        check: rust_source::allow,
    },
    Rule {
        name: "purity",
        what: "protocol, core, store, retrieval and service excuse nothing from the bans of clippy.toml",
        check: rust_source::purity,
    },
    Rule { name: "machine-path", what: "no path of one person's machine", check: words::machine_paths },
    Rule {
        name: "registry",
        what: "packages come from the public registries, and nothing names another",
        check: words::registries,
    },
    Rule { name: "provenance", what: "nothing tells how the text came about", check: words::provenance },
    Rule { name: "marker", what: "no note to do something later", check: words::markers },
    Rule { name: "file-name", what: "a file is named after what it owns", check: files::names },
    Rule { name: "file-weight", what: "no file above 1 MiB", check: files::weight },
    Rule { name: "binary", what: "every file is text", check: files::binary },
    Rule {
        name: "link",
        what: "relative links of Markdown files lead to a file and a heading",
        check: links::check,
    },
    Rule {
        name: "decision-size",
        what: "a page of docs/decisions has at most 60 lines",
        check: files::decisions,
    },
    Rule { name: "last-line", what: "a Markdown file ends with a newline", check: files::last_line },
];

/// Prints every finding, and fails if there is one.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.rules {
        for rule in RULES {
            println!("{:<16} {}", rule.name, rule.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::of(Repository::here()?)?;
    let findings = check(&project, RULES)?;
    for finding in &findings {
        println!("{finding}");
    }
    println!(
        "tidy: {} files, {} rules, {} findings; {}",
        project.repository.files.len(),
        RULES.len(),
        findings.len(),
        rust_source::aim_summary(&project)
    );
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(project: &Project, rules: &[Rule]) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    for rule in rules {
        (rule.check)(project, &mut Findings { rule: rule.name, all: &mut all })?;
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod testing {
    //! One call for the tests of the rules: files in, findings out.

    use super::*;
    use crate::repository::fixture;

    /// What the rule called `name` says of a repository with these files.
    pub fn findings(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let fixture = fixture::repository(files);
        let project = Project::of(fixture.repository).unwrap();
        let rule = RULES.iter().position(|rule| rule.name == name).unwrap();
        let found = check(&project, &RULES[rule..=rule]).unwrap();
        found.iter().map(ToString::to_string).collect()
    }

    /// Asserts that the rule finds exactly one thing, at `place`, and says `part` of what to do.
    pub fn finds(name: &str, files: &[(&str, &str)], place: &str, part: &str) {
        let found = findings(name, files);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(&format!("{place}: [{name}]")), "{}", found[0]);
        assert!(found[0].contains(part), "{}", found[0]);
    }

    /// Asserts that the rule has nothing to say.
    pub fn passes(name: &str, files: &[(&str, &str)]) {
        assert_eq!(findings(name, files), Vec::<String>::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_names_of_their_own() {
        let names: std::collections::BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
    }

    #[test]
    fn findings_are_listed_by_place() {
        let fixture =
            crate::repository::fixture::repository(&[("b.md", "no newline"), ("a/helpers.md", "no newline")]);
        let project = Project::of(fixture.repository).unwrap();
        let rules: Vec<_> =
            RULES.iter().filter(|rule| ["last-line", "file-name"].contains(&rule.name)).collect();
        let found: Vec<_> = rules
            .iter()
            .flat_map(|rule| check(&project, std::slice::from_ref(*rule)).unwrap())
            .map(|finding| format!("{}:{} {}", finding.path, finding.line, finding.rule))
            .collect();
        assert_eq!(found, ["a/helpers.md:1 file-name", "a/helpers.md:1 last-line", "b.md:1 last-line"]);
    }
}
