//! Codecs by the names of their types, for programs that are told a type's name: the codec plane and the test suites of
//! others. A registry is no part of what is generated for users; it is printed where such a program is built.
use std::path::Path;

use anyhow::{Context as _, bail};

use super::finding::{Finding, Severity};
use super::model::Model;
use super::names::{self, OnCollision};
use super::printer::Input;

/// The model of a set of schemas, with how its names are spelled.
pub struct Schemas {
    /// What the schemas say.
    pub model: Model,
    collisions: OnCollision,
}

impl Schemas {
    /// Reads a folder of schemas, or one file. Warnings are left to `codegen`.
    ///
    /// # Errors
    /// When there is an error among the findings.
    pub fn load(spec: &Path) -> anyhow::Result<Self> {
        let mut findings = Vec::new();
        let loaded = super::load(spec, false, &mut findings);
        match loaded {
            Some((model, collisions)) if !findings.iter().any(is_error) => Ok(Self { model, collisions }),
            _ => bail!(
                "{} cannot be generated from: {}",
                spec.display(),
                findings
                    .iter()
                    .find(|finding| is_error(finding))
                    .map(ToString::to_string)
                    .unwrap_or_default()
            ),
        }
    }

    /// A model that was made of schemas of others.
    pub fn of(model: Model) -> Self {
        Self { model, collisions: OnCollision::Respell }
    }

    /// The registry of one language: source text that its codec process is built with.
    ///
    /// # Errors
    /// When there is no such language, or a name cannot be spelled in it.
    pub fn registry(&self, language: &str) -> anyhow::Result<String> {
        let printer = super::choose(&[language.to_owned()])?[0];
        let spelled = names::resolve(&self.model, language, printer.rules(), self.collisions);
        let Ok(names) = spelled else {
            bail!("a name cannot be spelled in {language}; `codegen` says which")
        };
        let input = Input { model: &self.model, names: &names, standalone: true, package: None };
        printer.registry(&input).with_context(|| format!("{language} has no codecs"))
    }
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}
