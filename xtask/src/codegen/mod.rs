//! `cargo xtask codegen`: from the schemas of `spec/` to typed code in every language and to `docs/protocol.md`.
//! source (load) → lint → build (model) → names → one printer per language → manifest (write or compare).
//! A run over this repository does the same for the conformance drivers' protocol, into the drivers' folders.
mod breaking;
pub mod build;
pub mod constraint;
mod csharp;
mod docs;
pub mod finding;
mod go;
pub mod json;
mod lint;
mod manifest;
pub mod model;
pub mod names;
pub mod pattern;
pub mod printer;
mod python;
pub mod reach;
pub mod registry;
mod rust;
pub mod source;
mod typescript;
mod uri;
mod width;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

use finding::{Finding, Severity};
use manifest::{Manifest, Wanted};
use model::Model;
use names::OnCollision;
use printer::{Input, Output, Printer};
use source::Source;

/// Every printer, in the order of their output.
pub fn printers() -> &'static [&'static dyn Printer] {
    &[&rust::Rust, &go::Go, &typescript::TypeScript, &csharp::CSharp, &python::Python, &docs::Docs]
}

/// What to generate, from what, and where.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Compare with the files on disk instead of writing, print the difference, and fail if there is one
    #[arg(long)]
    check: bool,
    /// A folder of JSON Schemas, or one file [default: spec/ of this repository]
    #[arg(long, value_name = "DIR|FILE", requires = "out")]
    spec: Option<PathBuf>,
    /// Where the output goes, one folder per language [default: each language's place in this repository]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only this language; may be given several times [default: all]
    #[arg(long = "lang", value_name = "LANGUAGE")]
    languages: Vec<String>,
    /// Leave out the support code that makes output of --out stand alone
    #[arg(long, requires = "out")]
    without_support: bool,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Check schemas against the wire profile, and generate nothing
    Lint {
        /// A folder of JSON Schemas, or one file
        #[arg(value_name = "DIR|FILE")]
        spec: PathBuf,
    },
    /// Compare two versions of the schemas, and name every change that would break a peer of the other one
    Breaking(breaking::Args),
}

/// Where the manifest stands in a folder given by `--out`.
const MANIFEST: &str = ".codegen-manifest";
/// Where the manifest of this repository stands.
const OWN_MANIFEST: &str = "xtask/codegen.manifest";
/// The schemas of the conformance drivers' protocol.
const DRIVERS: &str = "conformance/driver";
/// The longest difference that is printed for one file, in lines.
const LONGEST_DIFF: usize = 120;

/// Where output goes.
#[derive(Clone, Copy)]
enum Place {
    /// Into the clients of this repository.
    Client,
    /// Into the conformance drivers of this repository.
    Driver,
    /// Into a folder given by `--out`, with or without support code.
    Elsewhere { support: bool },
}

/// Runs the verb. Findings go to the error stream, one line each; with an error among them nothing is written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.verb {
        Some(Verb::Lint { spec }) => Ok(lint_only(spec)),
        Some(Verb::Breaking(args)) => breaking::run(args),
        None => generate(args),
    }
}

fn lint_only(spec: &Path) -> ExitCode {
    let mut findings = match Source::load(spec) {
        Err(findings) => findings,
        Ok(source) => {
            let mut findings = source.findings.clone();
            findings.extend(lint::lint(&source));
            match build::build(&source) {
                Ok((_, warnings)) if source.is_protocol() => findings.extend(graver(warnings)),
                Ok((_, more)) | Err(more) => findings.extend(more),
            }
            findings
        }
    };
    let failed = report(&mut findings);
    if findings.is_empty() {
        println!("{}: no findings", spec.display());
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn generate(args: &Args) -> anyhow::Result<ExitCode> {
    let chosen = choose(&args.languages)?;
    let root = match &args.out {
        Some(out) => out.clone(),
        None => repository_root()?,
    };
    let spec = args.spec.clone().unwrap_or_else(|| root.join("spec"));
    let spec = if args.spec.is_none() && args.out.is_some() { repository_root()?.join("spec") } else { spec };
    let own = args.out.is_none();
    let mut findings = Vec::new();
    let place = match (own, args.without_support) {
        (true, _) => Place::Client,
        (false, leave_out) => Place::Elsewhere { support: !leave_out },
    };
    let mut wanted = load(&spec, false, &mut findings)
        .and_then(|(model, collisions)| print(&model, collisions, &chosen, place, &mut findings));
    if own && let Some(files) = &mut wanted {
        let drivers = load(&root.join(DRIVERS), true, &mut findings)
            .and_then(|(model, collisions)| print(&model, collisions, &chosen, Place::Driver, &mut findings));
        files.extend(drivers.unwrap_or_default());
    }
    let failed = report(&mut findings);
    let Some(wanted) = wanted.filter(|_| !failed) else { return Ok(ExitCode::FAILURE) };
    let languages: Vec<&str> = chosen.iter().map(|printer| printer.language()).collect();
    let manifest_path = root.join(if own { OWN_MANIFEST } else { MANIFEST });
    let manifest = Manifest::read(&manifest_path)?;
    if args.check {
        return Ok(check(&root, &manifest, &manifest_path, &wanted, &languages));
    }
    let outcome = manifest.apply(&root, &manifest_path, &wanted, &languages)?;
    println!(
        "codegen: {} written, {} unchanged, {} deleted",
        outcome.written.len(),
        outcome.unchanged,
        outcome.deleted.len()
    );
    Ok(ExitCode::SUCCESS)
}

/// Where a language's output stands in this repository, relative to its root.
///
/// # Errors
/// When there is no such language.
pub fn home(language: &str) -> anyhow::Result<&'static str> {
    Ok(choose(&[language.to_owned()])?[0].home())
}

/// The model of the schemas at a path, or nothing where a finding is an error; and what was found.
pub fn read(spec: &Path) -> (Option<Model>, Vec<Finding>) {
    let mut findings = Vec::new();
    let model = load(spec, false, &mut findings).map(|(model, _)| model);
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    (model.filter(|_| !failed), findings)
}

/// The output of one language for a model of foreign schemas, with the support code that makes it stand alone.
pub fn print_foreign(model: &Model, printer: &dyn Printer) -> Result<Vec<Output>, Vec<Finding>> {
    let names = names::resolve(model, printer.language(), printer.rules(), OnCollision::Respell)?;
    printer.print(&Input { model, names: &names, standalone: true, package: None })
}

fn choose(languages: &[String]) -> anyhow::Result<Vec<&'static dyn Printer>> {
    let all = printers();
    if languages.is_empty() {
        return Ok(all.to_vec());
    }
    let known: Vec<&str> = all.iter().map(|printer| printer.language()).collect();
    let find = |language: &String| {
        let printer = all.iter().find(|printer| printer.language() == language);
        printer
            .copied()
            .with_context(|| format!("`{language}` is not a language; there are {}", known.join(", ")))
    };
    languages.iter().map(find).collect()
}

/// The folder of this repository: the nearest one upwards that holds `xtask/Cargo.toml`.
fn repository_root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    let root = here.ancestors().find(|folder| folder.join("xtask/Cargo.toml").is_file());
    root.map(Path::to_path_buf).context("this is not inside the repository; change into it")
}

/// The model of a set of schemas. Over our own (a protocol, and whatever is said to be ours), every finding is an error.
fn load(spec: &Path, ours: bool, findings: &mut Vec<Finding>) -> Option<(Model, OnCollision)> {
    let source = match Source::load(spec) {
        Ok(source) => source,
        Err(found) => {
            findings.extend(found);
            return None;
        }
    };
    let own = ours || source.is_protocol();
    findings.extend(if own { graver(source.findings.clone()) } else { source.findings.clone() });
    if own {
        findings.extend(lint::lint(&source));
        if !findings.is_empty() {
            return None;
        }
    }
    match build::build(&source) {
        Ok((model, warnings)) => {
            findings.extend(if own { graver(warnings) } else { warnings });
            Some((model, if own { OnCollision::Refuse } else { OnCollision::Respell }))
        }
        Err(found) => {
            findings.extend(found);
            None
        }
    }
}

fn graver(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().map(|finding| Finding { severity: Severity::Error, ..finding }).collect()
}

/// The output of all chosen printers, at the paths where it goes.
fn print(
    model: &Model,
    collisions: OnCollision,
    chosen: &[&'static dyn Printer],
    place: Place,
    findings: &mut Vec<Finding>,
) -> Option<Vec<Wanted>> {
    let mut wanted = Vec::new();
    for printer in chosen {
        let language = printer.language();
        let (folder, package, standalone) = match (place, printer.driver_home()) {
            (Place::Client, _) => (printer.home(), None, false),
            (Place::Driver, Some(home)) => (home.folder, home.package, false),
            (Place::Driver, None) => continue,
            (Place::Elsewhere { support }, _) => (language, None, support),
        };
        let printed = names::resolve(model, language, printer.rules(), collisions)
            .and_then(|names| printer.print(&Input { model, names: &names, standalone, package }));
        match printed {
            Ok(outputs) => wanted.extend(outputs.into_iter().map(|output| Wanted {
                path: format!("{}/{}", output.home.unwrap_or(folder), output.path),
                language,
                contents: match place {
                    Place::Driver => {
                        output.contents.replacen("schemas in spec/", "schemas in conformance/driver/", 1)
                    }
                    Place::Client | Place::Elsewhere { .. } => output.contents,
                },
            })),
            Err(found) => findings.extend(found),
        }
    }
    (!findings.iter().any(|finding| finding.severity == Severity::Error)).then_some(wanted)
}

/// Prints the findings in the order of the schema, each once, and tells whether there is an error among them.
fn report(findings: &mut Vec<Finding>) -> bool {
    findings.sort_by(|a, b| {
        (&a.file, &a.pointer, a.rule, &a.problem).cmp(&(&b.file, &b.pointer, b.rule, &b.problem))
    });
    findings.dedup();
    for finding in findings.iter() {
        eprintln!("{finding}");
    }
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// Compares what is wanted with what is on disk.
fn check(root: &Path, manifest: &Manifest, path: &Path, wanted: &[Wanted], languages: &[&str]) -> ExitCode {
    let mut stale = 0;
    for file in wanted {
        let found = std::fs::read_to_string(root.join(&file.path)).unwrap_or_default();
        if found != file.contents {
            stale += 1;
            print_difference(&file.path, &found, &file.contents);
        }
    }
    for orphan in manifest.orphans(wanted, languages) {
        stale += 1;
        println!("{orphan} is no longer generated");
    }
    if manifest.after(wanted, languages) != *manifest {
        stale += 1;
        println!("{} does not say what is generated", path.display());
    }
    if stale == 0 {
        println!("codegen: {} files are as the schemas say", wanted.len());
        return ExitCode::SUCCESS;
    }
    println!("codegen: {stale} files differ from the schemas; run `cargo xtask codegen`");
    ExitCode::FAILURE
}

fn print_difference(path: &str, found: &str, wanted: &str) {
    let diff = similar::TextDiff::from_lines(found, wanted);
    let text = diff.unified_diff().context_radius(2).header(path, path).to_string();
    for line in text.lines().take(LONGEST_DIFF) {
        println!("{line}");
    }
    if text.lines().count() > LONGEST_DIFF {
        println!("… and {} lines more", text.lines().count() - LONGEST_DIFF);
    }
}
