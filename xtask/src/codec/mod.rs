//! The codec plane: the same JSON values through the generated codecs of every language, by one process per language
//! (`cargo xtask codec`). To run generated code of other schemas, write it with `codegen --spec SCHEMAS --out OUT`, then:
//!
//! `let mut peer = codec::start("go", &Package::of("a-name", SCHEMAS, OUT))?;` builds and starts its process, and
//! `peer.ask("TypeName", text)?` decodes, validates and encodes one value. Names are those of `Schemas::load(SCHEMAS)`;
//! the type of a single file is its first.
mod build;
mod canon;
mod case;
mod constraint;
mod dice;
mod mutant;
mod peer;
mod plane;
mod sample;
mod scalar;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::codegen::model::Model;
use crate::codegen::registry::Schemas;
use crate::{environment, repository};
pub use build::LANGUAGES;
#[expect(unused_imports, reason = "the words of a peer's answers, for whoever starts one")]
pub use peer::{Answer, Peer, Phase, Process, Refusal};

/// Which codecs to run, over what.
#[derive(clap::Args)]
pub struct Args {
    /// Only this language; may be given several times [default: all]
    #[arg(long = "lang", value_name = "LANGUAGE")]
    languages: Vec<String>,
    /// Only this type; may be given several times [default: all]
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Other schemas than spec/, from which `codegen --spec SPEC --out OUT` has generated
    #[arg(long, value_name = "DIR|FILE", requires = "out")]
    spec: Option<PathBuf>,
    /// Where that output is
    #[arg(long, value_name = "DIR", requires = "spec")]
    out: Option<PathBuf>,
    /// What the values are made from; the same seed gives the same values
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Schemas, and where the code that is generated from them is.
pub struct Package {
    /// What its processes are called: letters, digits and hyphens.
    name: String,
    schemas: PathBuf,
    /// What they say, where it does not stand in one place.
    model: Option<Box<Model>>,
    /// The folder that `codegen --out` was given; none for the code of this repository.
    out: Option<PathBuf>,
}

impl Package {
    /// What this repository ships, from its own `spec/`.
    pub fn own(root: &Path) -> Self {
        Self { name: "own".to_owned(), schemas: root.join("spec"), model: None, out: None }
    }

    /// What `codegen --spec SCHEMAS --out OUT` has written. Two packages that are used side by side need two names.
    pub fn of(name: impl Into<String>, schemas: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), schemas: schemas.into(), model: None, out: Some(out.into()) }
    }

    /// The same, of a model that was put together from schemas of many places.
    pub fn of_model(name: impl Into<String>, model: Model, out: impl Into<PathBuf>) -> Self {
        let out = out.into();
        Self { name: name.into(), schemas: out.clone(), model: Some(Box::new(model)), out: Some(out) }
    }

    /// The types, with how they are spelled.
    fn types(&self) -> Result<Schemas> {
        match &self.model {
            Some(model) => Ok(Schemas::of((**model).clone())),
            None => Schemas::load(&self.schemas),
        }
    }
}

/// Builds and starts the codec process of a language.
///
/// # Errors
/// When there is no such language, its tools are missing, or the generated code does not compile.
pub fn start(language: &str, package: &Package) -> Result<Process> {
    let language = build::language(language)?;
    if !build::is_there(language) {
        bail!("{} cannot run here: {}", language.name, language.get);
    }
    Process::start(build::build(language, package)?)
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<ExitCode> {
    let root = repository::root()?;
    let package = match (&args.spec, &args.out) {
        (Some(spec), Some(out)) => Package::of("given", spec, out),
        _ => Package::own(&root),
    };
    let schemas = package.types()?;
    for name in &args.types {
        if !schemas.model.types.iter().any(|def| def.name == *name) {
            bail!("there is no type `{name}` in {}", package.schemas.display());
        }
    }
    let mut languages = Vec::new();
    for language in LANGUAGES {
        if args.languages.is_empty() || args.languages.iter().any(|name| name == language.name) {
            languages.push(language);
        }
    }
    args.languages.iter().try_for_each(|name| build::language(name).map(drop))?;
    let cases = case::cases(&schemas.model, args.seed, &args.types);
    plane::run(&languages, &package, &cases, environment::is_ci())
}
