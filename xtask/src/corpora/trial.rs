//! One language's turn: what is generated is written, checked by the language's own tools, and run as a codec process.
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::collect::UNION;
use super::compilers;
use crate::codec::{self, Answer, Package, Peer, Process};
use crate::codegen;
use crate::codegen::json::Json;
use crate::codegen::model::Model;
use crate::codegen::printer::{Output, Printer};

/// A language's generated code, running.
pub struct Trial {
    /// Why it does not run.
    pub fault: Option<String>,
    /// How long printing took, in seconds.
    pub printed: f64,
    /// How long its compilers took, in seconds.
    pub compiled: f64,
    peer: Option<Process>,
}

impl Trial {
    /// Prints, checks, compiles and starts.
    pub fn start(printer: &dyn Printer, model: &Model, root: &Path, work: &Path) -> Self {
        let mut trial = Self { fault: None, printed: 0.0, compiled: 0.0, peer: None };
        if let Err(error) = trial.prepare(printer, model, root, work) {
            trial.fault = Some(format!("{error:#}"));
        }
        trial
    }

    fn prepare(&mut self, printer: &dyn Printer, model: &Model, root: &Path, work: &Path) -> Result<()> {
        let language = printer.language();
        let start = Instant::now();
        let outputs = codegen::print_foreign(model, printer).map_err(|findings| {
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })?;
        let out = work.join("out");
        write(&out.join(language), &outputs)?;
        self.printed = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let package = Package::of_model("corpora", model.clone(), &out);
        let checked =
            compilers::check(language, root, &out.join(language), &work.join("check").join(language));
        let started = checked.and_then(|()| codec::start(language, &package));
        self.compiled = start.elapsed().as_secs_f64();
        self.peer = Some(started?);
        Ok(())
    }

    /// Whether a compiler's words name a type of a case; all are to blame when it names none.
    pub fn blames(&self, prefix: &str) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.contains(prefix))
    }

    fn ask(&mut self, message: &str) -> Result<Answer> {
        self.peer.as_mut().context("it does not run")?.ask(UNION, message)
    }

    /// Whether a message is decoded and valid.
    pub fn accepts(&mut self, message: &str) -> Result<bool> {
        match self.ask(message)? {
            Answer::Text(_) => Ok(true),
            Answer::Refused(_) => Ok(false),
            Answer::NoSuchType => bail!("there is no type {UNION}"),
        }
    }

    /// Checks that a message comes back as it went in, but for properties that its schema does not know.
    pub fn keeps(&mut self, message: &str) -> Result<()> {
        match self.ask(message)? {
            Answer::Text(text) => {
                let (before, after) = (Json::parse(message)?, Json::parse(&text)?);
                match difference(&before, &after, "") {
                    None => Ok(()),
                    Some(place) => bail!("it comes back changed at {place}"),
                }
            }
            Answer::Refused(refusal) => bail!("refused at {}: {}", refusal.pointer, refusal.message),
            Answer::NoSuchType => bail!("there is no type {UNION}"),
        }
    }
}

/// Where what came back differs from what was sent. A property that is not declared does not come back.
fn difference(sent: &Json, back: &Json, place: &str) -> Option<String> {
    match (sent, back) {
        (Json::Object(sent), Json::Object(entries)) => {
            let known = |key: &String| sent.iter().any(|(other, _)| other == key);
            let added = entries.iter().find(|(key, _)| !known(key)).map(|(key, _)| format!("{place}/{key}"));
            added.or_else(|| {
                sent.iter()
                    .find_map(|(key, sent)| difference(sent, back.get(key)?, &format!("{place}/{key}")))
            })
        }
        (Json::Array(sent), Json::Array(back)) if sent.len() == back.len() => {
            let mut pairs = sent.iter().zip(back).enumerate();
            pairs.find_map(|(index, (sent, back))| difference(sent, back, &format!("{place}/{index}")))
        }
        (Json::Number(sent), Json::Number(back)) if sent.as_f64() == back.as_f64() => None,
        _ if sent == back => None,
        _ => Some(place.to_owned()),
    }
}

/// Writes what has changed and deletes what is no longer made: builds go by times.
fn write(folder: &Path, outputs: &[Output]) -> Result<()> {
    let mut wanted = BTreeSet::new();
    for output in outputs {
        let path = folder.join(&output.path);
        wanted.insert(path.clone());
        if std::fs::read_to_string(&path).is_ok_and(|found| found == output.contents) {
            continue;
        }
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        std::fs::write(&path, &output.contents)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    delete_others(folder, &wanted)
}

fn delete_others(folder: &Path, wanted: &BTreeSet<std::path::PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            delete_others(&path, wanted)?;
        } else if !wanted.contains(&path) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_declared_may_be_lost() {
        let check =
            |sent: &str, back: &str| difference(&Json::parse(sent).unwrap(), &Json::parse(back).unwrap(), "");
        assert_eq!(check(r#"{"a": [1.0, {"b": 2}], "c": null}"#, r#"{"a": [1, {}]}"#), None);
        assert_eq!(check(r#"{"a": [1]}"#, r#"{"a": [2]}"#), Some("/a/0".to_owned()));
        assert_eq!(check(r#"{"a": []}"#, r#"{"a": [], "b": 1}"#), Some("/b".to_owned()));
        assert_eq!(check(r#"{"a": null}"#, r#"{"a": {}}"#), Some("/a".to_owned()));
    }
}
