//! The import table: which of our crates may use which, and what some of them must never reach.
//! It is compared with what Cargo itself says of the workspace.

use super::{Findings, Project};
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};

/// One line of the import table, by short names.
struct Row {
    /// A crate, or every crate with this start where it ends with `*`.
    name: &'static str,
    /// Those of ours that it may use outside its tests.
    may_use: &'static [&'static str],
    /// What of others must not be reached, over any number of steps.
    never: &'static [&'static str],
}

const WEB: &[&str] = &[
    "axum",
    "hyper",
    "reqwest",
    "tokio-tungstenite",
    "tungstenite",
    "aws-*",
    "lambda*",
    "sqlx*",
    "rusqlite",
];
const DATABASES: &[&str] =
    &["axum", "hyper", "reqwest", "tokio-tungstenite", "sqlx*", "rusqlite", "tokio-postgres", "aws-*"];

const TABLE: &[Row] = &[
    Row {
        name: "protocol",
        may_use: &[],
        never: &["tokio", "axum", "hyper", "reqwest", "tokio-tungstenite", "aws-*"],
    },
    Row { name: "core", may_use: &[], never: WEB },
    Row { name: "store", may_use: &[], never: DATABASES },
    Row { name: "retrieval", may_use: &["store"], never: WEB },
    Row { name: "llm", may_use: &["core", "retrieval"], never: &["axum", "aws-*", "sqlx*", "rusqlite"] },
    Row {
        name: "ingestion",
        may_use: &["store", "retrieval"],
        never: &["axum", "aws-*", "sqlx*", "rusqlite"],
    },
    Row { name: "service", may_use: &["protocol", "core", "store", "retrieval"], never: WEB },
    Row {
        name: "host",
        may_use: &["service", "llm", "ingestion", "adapter-*", "core", "store", "retrieval"],
        never: &[],
    },
    Row { name: "server", may_use: &["host", "service", "protocol"], never: &[] },
    Row { name: "lambda", may_use: &["host", "service", "protocol"], never: &[] },
    Row { name: "client", may_use: &["protocol"], never: &["axum", "aws-*"] },
    Row { name: "evals", may_use: &["llm", "retrieval", "store", "ingestion", "adapter-memory"], never: &[] },
    Row { name: "adapter-*", may_use: &["store", "retrieval"], never: &["axum", "reqwest"] },
    Row {
        name: "conformance",
        may_use: &[
            "protocol",
            "conformance-driver",
            "host",
            "service",
            "core",
            "store",
            "retrieval",
            "adapter-memory",
            "adapter-postgres",
            "adapter-sqlite",
        ],
        never: &[],
    },
    Row { name: "conformance-driver", may_use: &["protocol", "client"], never: &[] },
    Row { name: "xtask", may_use: &[], never: &["tokio", "axum", "reqwest"] },
];

/// The only crates of others that the wire types may use directly.
const PROTOCOL_MAY_USE: &[&str] = &["serde", "serde_json", "regex"];

/// A name without what all of ours start with. The service bears the project's own name.
fn short(name: &str) -> &str {
    match name.strip_prefix("smooai-smooth-operator") {
        Some("") => "service",
        Some(rest) => rest.trim_start_matches('-'),
        None => name,
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| fits(row.name, name))
}

fn metadata(project: &Project) -> Result<Option<Metadata>> {
    if !project.repository.files.contains("Cargo.toml") {
        return Ok(None);
    }
    let mut command = MetadataCommand::new();
    command
        .current_dir(&project.repository.root)
        .other_options(["--locked".to_owned(), "--offline".to_owned()]);
    if let Ok(metadata) = command.exec() {
        return Ok(Some(metadata));
    }
    // On a new machine the registry has not been read yet.
    command.other_options(["--locked".to_owned()]);
    command.exec().map(Some).context("cargo metadata failed: is Cargo.lock up to date?")
}

/// A member's manifest, relative to the root, and the line there that mentions `dependency`.
fn place(project: &Project, package: &Package, dependency: &str) -> Result<(String, usize)> {
    let path = package.manifest_path.strip_prefix(project.repository.root.to_string_lossy().as_ref());
    let path =
        path.map_or_else(|_| package.manifest_path.to_string(), |path| path.as_str().replace('\\', "/"));
    let text = project.repository.text(&path)?.unwrap_or_default();
    let line = text.lines().position(|line| line.trim_start().trim_matches('"').starts_with(dependency));
    Ok((path, line.map_or(1, |line| line + 1)))
}

pub fn ours(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    let Some(metadata) = metadata(project)? else { return Ok(()) };
    let members: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    for package in metadata.workspace_packages() {
        let name = short(&package.name);
        let Some(row) = row(name) else {
            let (path, line) = place(project, package, "name")?;
            found.add(
                &path,
                line,
                format!("`{name}` has no row in the import table: decide what it may use"),
            );
            continue;
        };
        for dependency in &package.dependencies {
            let (other, in_tests) =
                (dependency.name.as_str(), dependency.kind == DependencyKind::Development);
            let foreign = name == "protocol" && !in_tests && !PROTOCOL_MAY_USE.contains(&other);
            let excused = in_tests && name != "xtask";
            let forbidden = members.contains(other)
                && !excused
                && !row.may_use.iter().any(|pattern| fits(pattern, short(other)));
            if foreign || forbidden {
                let (path, line) = place(project, package, other)?;
                let may = if foreign { PROTOCOL_MAY_USE } else { row.may_use };
                let may = if may.is_empty() { "nothing of ours".to_owned() } else { may.join(", ") };
                let other = short(other);
                found.add(
                    &path,
                    line,
                    format!("{name} may use {may}, not {other}: move the code, or take a trait"),
                );
            }
        }
    }
    Ok(())
}

pub fn third_party(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    let Some(metadata) = metadata(project)? else { return Ok(()) };
    let graph = Graph::of(&metadata);
    for package in metadata.workspace_packages() {
        let Some(row) = row(short(&package.name)).filter(|row| !row.never.is_empty()) else { continue };
        for way in graph.ways(&package.id, |name| row.never.iter().any(|pattern| fits(pattern, name))) {
            let (path, line) = place(project, package, way[1])?;
            found.add(
                &path,
                line,
                format!(
                    "{} must not reach this crate: cut the way, or turn its feature off",
                    way.join(" → ")
                ),
            );
        }
    }
    Ok(())
}

/// What is built with what, tests left out.
struct Graph<'a> {
    names: BTreeMap<&'a PackageId, &'a str>,
    edges: BTreeMap<&'a PackageId, Vec<&'a PackageId>>,
}

impl<'a> Graph<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        let names = metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
        let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
        let edges = nodes.map(|node| {
            let built = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            (&node.id, built.map(|dependency| &dependency.pkg).collect())
        });
        Self { names, edges: edges.collect() }
    }

    /// The shortest way from `start` to each package with a forbidden name.
    fn ways(&self, start: &'a PackageId, forbidden: impl Fn(&str) -> bool) -> Vec<Vec<&'a str>> {
        let mut ways = Vec::new();
        let mut seen = BTreeSet::from([start]);
        let mut next = std::collections::VecDeque::from([vec![start]]);
        while let Some(way) = next.pop_front() {
            for other in way.last().and_then(|last| self.edges.get(last)).into_iter().flatten() {
                if seen.insert(other) {
                    let longer: Vec<_> = way.iter().copied().chain([*other]).collect();
                    if forbidden(self.names[other]) {
                        ways.push(longer.iter().map(|id| self.names[id]).collect());
                    } else {
                        next.push_back(longer);
                    }
                }
            }
        }
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{finds, passes};

    /// A workspace with these crates, each given by its folder, name and dependency lines.
    fn workspace(crates: &[(&str, &str, &str)]) -> Vec<(String, String)> {
        let mut files = vec![(
            "Cargo.toml".to_owned(),
            "[workspace]\nresolver = \"3\"\nmembers = [\"rust/*\"]\n".to_owned(),
        )];
        let mut lock = "version = 4\n".to_owned();
        let mut names: Vec<_> = crates.iter().collect();
        names.sort_by_key(|(_, name, _)| *name);
        for (_, name, dependencies) in names {
            let mut used: Vec<_> = dependencies
                .lines()
                .filter_map(|line| line.split_once(" = "))
                .map(|(used, _)| used)
                .collect();
            used.sort_unstable();
            let used: String = used.iter().map(|used| format!(" \"{used}\",\n")).collect();
            let used = if used.is_empty() { used } else { format!("dependencies = [\n{used}]\n") };
            lock += &format!("\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{used}");
        }
        for (folder, name, dependencies) in crates {
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{dependencies}"
            );
            files.push((format!("rust/{folder}/Cargo.toml"), manifest));
            files.push((format!("rust/{folder}/src/lib.rs"), "//! A crate.\n".to_owned()));
        }
        files.push(("Cargo.lock".to_owned(), lock));
        files
    }

    fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
    }

    const CORE: (&str, &str, &str) = ("core", "smooai-smooth-operator-core", "");

    #[test]
    fn a_crate_uses_what_the_table_allows() {
        let line = "[dependencies]\nsmooai-smooth-operator-core = { path = \"../core\" }\n";
        let files = workspace(&[CORE, ("service", "smooai-smooth-operator", line)]);
        passes("imports", &borrowed(&files));
        let files = workspace(&[CORE, ("store", "smooai-smooth-operator-store", line)]);
        let advice = "store may use nothing of ours, not core";
        finds("imports", &borrowed(&files), "rust/store/Cargo.toml:7", advice);
    }

    #[test]
    fn tests_may_use_more_but_not_those_of_the_automation() {
        let line = "[dev-dependencies]\nsmooai-smooth-operator-core = { path = \"../core\" }\n";
        passes("imports", &borrowed(&workspace(&[CORE, ("store", "smooai-smooth-operator-store", line)])));
        let files = workspace(&[CORE, ("xtask", "xtask", line)]);
        finds("imports", &borrowed(&files), "rust/xtask/Cargo.toml:7", "xtask may use nothing of ours");
    }

    #[test]
    fn the_wire_types_use_serde_and_little_else() {
        let line = "[dependencies]\nbytes = { path = \"../bytes\" }\n";
        let files =
            workspace(&[("protocol", "smooai-smooth-operator-protocol", line), ("bytes", "bytes", "")]);
        let found = super::super::testing::findings("imports", &borrowed(&files));
        assert!(
            found.iter().any(|line| line.contains("protocol may use serde, serde_json, regex, not bytes")),
            "{found:#?}"
        );
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let files = workspace(&[("billing", "smooai-smooth-operator-billing", "")]);
        finds("imports", &borrowed(&files), "rust/billing/Cargo.toml:2", "no row in the import table");
    }

    #[test]
    fn a_forbidden_crate_is_found_over_any_number_of_steps() {
        let service = "[dependencies]\nglue = { path = \"../glue\" }\n";
        let glue = "[dependencies]\naxum = { path = \"../axum\" }\n";
        let crates =
            [("service", "smooai-smooth-operator", service), ("glue", "glue", glue), ("axum", "axum", "")];
        let way = "smooai-smooth-operator → glue → axum must not reach";
        finds("forbidden-crate", &borrowed(&workspace(&crates)), "rust/service/Cargo.toml:7", way);
        let harmless = [("server", "smooai-smooth-operator-server", service), crates[1], crates[2]];
        passes("forbidden-crate", &borrowed(&workspace(&harmless)));
    }
}
