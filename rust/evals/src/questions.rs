//! The questions and what they are asked over.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// A question with the files that answer it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What is asked.
    pub ask: String,
    /// The files that answer it; one is enough.
    pub files: Vec<String>,
}

/// A set of questions over the documentation of packages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionSet {
    /// npm packages, each with its version: `name@1.2.3`.
    pub packages: Vec<String>,
    /// The questions.
    pub questions: Vec<Question>,
}

/// The questions of this crate.
///
/// # Errors
/// When the file is malformed.
pub fn bundled() -> Result<QuestionSet> {
    let set: QuestionSet = toml::from_str(include_str!("../questions.toml")).context("questions.toml")?;
    ensure!(set.questions.iter().all(|q| !q.files.is_empty()), "a question names no file");
    Ok(set)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bundled_questions_read_and_every_package_is_pinned() {
        let set = super::bundled().unwrap();
        assert_eq!(set.questions.len(), 20);
        assert!(set.packages.iter().all(|package| package[1..].contains('@')));
    }
}
