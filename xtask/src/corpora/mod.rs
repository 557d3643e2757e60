//! `cargo xtask corpora`: public schemas and JSON-Schema-Test-Suite go through the generator; what it makes is compiled
//! in every language, and instances and documents go through the codecs. What is right is kept in a table that may only
//! grow.
mod collect;
mod compilers;
pub mod fetch;
mod published;
mod report;
mod suite;
mod table;
mod trial;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::codegen;
use crate::codegen::model::Model;
use crate::repository;
use crate::services::package::Packages;
use collect::{Case, Made};
use published::PUBLISHED;
use report::Report;
use suite::Group;
use trial::Trial;

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Args {
    /// Fetch the packages, and do nothing with them
    #[arg(long)]
    fetch: bool,
    /// Write what was counted into the committed table
    #[arg(long)]
    update: bool,
    /// Only this language; may be given several times
    #[arg(long = "lang", value_name = "LANGUAGE")]
    languages: Vec<String>,
    /// Tell of every instance that is judged wrongly, and of every finding
    #[arg(long)]
    verbose: bool,
}

/// A case with what the generator makes of it.
struct Entry<T> {
    of: T,
    case: Case,
    made: Made,
}

/// Everything that is tried.
struct Corpora {
    groups: Vec<Entry<(String, Vec<suite::Instance>)>>,
    published: Vec<Entry<Vec<(&'static str, String)>>>,
}

/// Runs the verb. Fails when something is wrong or worse than the table says.
pub fn run(args: &Args) -> Result<ExitCode> {
    let root = repository::root()?;
    let packages = Packages::of(&root)?;
    let suite = suite::PACKAGE.folder(&packages)?;
    for schema in PUBLISHED {
        schema.package.folder(&packages)?;
    }
    if args.fetch {
        println!("corpora: every package is there");
        return Ok(ExitCode::SUCCESS);
    }
    let work = repository::target_folder(&root)?.join("xtask/corpora");
    let corpora = Corpora::read(suite::groups(&suite)?, &packages, &work)?;
    let model = corpora.model()?;
    let mut report = Report::new(table::read(&root)?, args.verbose);
    report.generation(&corpora);
    for printer in codegen::printers().iter().filter(|printer| printer.language() != "docs") {
        let language = printer.language();
        if !args.languages.is_empty() && !args.languages.iter().any(|name| name == language) {
            continue;
        }
        let trial = Trial::start(*printer, &model, &root, &work);
        report.language(language, &corpora, trial);
    }
    report.finish(&root, args.update)
}

impl Corpora {
    fn read(groups: Vec<Group>, packages: &Packages, work: &Path) -> Result<Self> {
        let schemas = work.join("schemas");
        let mut out = Self { groups: Vec::new(), published: Vec::new() };
        for group in groups {
            let made = group.case.read(&schemas)?;
            out.groups.push(Entry { of: (group.keyword, group.instances), case: group.case, made });
        }
        for schema in PUBLISHED {
            let folder = schema.package.folder(packages)?;
            let case = schema.case(&folder).with_context(|| format!("{} has changed", schema.name))?;
            let made = case.read(&schemas)?;
            out.published.push(Entry { of: schema.documents(&folder)?, case, made });
        }
        Ok(out)
    }

    /// All that could be generated, as one model.
    fn model(&self) -> Result<Model> {
        let groups = self.groups.iter().map(|entry| (&entry.case, &entry.made));
        let published = self.published.iter().map(|entry| (&entry.case, &entry.made));
        let made: Vec<(&Case, &Model)> = groups
            .chain(published)
            .filter_map(|(case, made)| match made {
                Made::Model(model, _) => Some((case, &**model)),
                _ => None,
            })
            .collect();
        collect::join(&made)
    }
}
