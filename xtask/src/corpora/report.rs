//! What came of it: counts for each file of the suite and language, faults in words, and one line of tests.
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::Corpora;
use super::collect::{Made, VALUE, rules};
use super::suite::{self, Instance};
use super::table::{self, Change, Table, Verdicts};
use super::trial::Trial;

/// How many examples of one kind of fault are told.
const EXAMPLES: usize = 5;

/// What was counted, beside what is known.
pub struct Report {
    known: Table,
    counted: Table,
    languages: Vec<&'static str>,
    verbose: bool,
    passed: u64,
    faults: Vec<String>,
    better: bool,
}

impl Report {
    pub fn new(known: Table, verbose: bool) -> Self {
        let (counted, languages, faults) = (Table::new(), Vec::new(), Vec::new());
        Self { known, counted, languages, verbose, passed: 0, faults, better: false }
    }

    /// One test.
    fn test(&mut self, name: &str, problems: &[String]) {
        match problems {
            [] => self.passed += 1,
            problems => {
                println!("test {name} ... FAILED");
                self.faults.push(format!("{name}: {}", problems.join("\n  ")));
            }
        }
    }

    /// What the generator made of the schemas.
    pub fn generation(&mut self, corpora: &Corpora) {
        for entry in &corpora.groups {
            let row = self.counted.entry(entry.of.0.clone()).or_default();
            row.groups += 1;
            row.diagnosed += u64::from(entry.made.is_diagnosed());
            row.instances += entry.of.1.len() as u64;
        }
        let mut panicked = Vec::new();
        let cases = corpora.groups.iter().map(|entry| (&entry.case, &entry.made));
        for (case, made) in cases.chain(corpora.published.iter().map(|entry| (&entry.case, &entry.made))) {
            match made {
                Made::Model(_, findings) | Made::Refused(findings) if self.verbose => {
                    findings.iter().for_each(|finding| println!("{}: {finding}", case.name));
                }
                Made::Model(..) | Made::Refused(_) => {}
                Made::Panicked => panicked.push(case.name.clone()),
            }
        }
        self.test("no schema makes the generator panic", &panicked);
        let known = self.known.clone();
        for (keyword, row) in &self.counted.clone() {
            let before = known.get(keyword).map_or(u64::MAX, |known| known.diagnosed);
            self.better |= row.diagnosed < before && before != u64::MAX;
            let worse = row.diagnosed > before;
            let problem = format!("{} groups are diagnosed; the table says {before}", row.diagnosed);
            self.test(&format!("suite {keyword}"), if worse { std::slice::from_ref(&problem) } else { &[] });
        }
        println!("\n| schema | types | what is told of it |\n|---|--:|---|");
        for entry in &corpora.published {
            let (types, told) = match &entry.made {
                Made::Model(model, findings) => (model.types.len().saturating_sub(1), rules(findings)),
                Made::Refused(findings) => (0, format!("refused: {}", rules(findings))),
                Made::Panicked => (0, "panicked".to_owned()),
            };
            println!("| {} | {types} | {told} |", entry.case.name);
        }
        println!();
    }

    /// What came of it in one language.
    pub fn language(&mut self, language: &'static str, corpora: &Corpora, trial: Trial) {
        self.languages.push(language);
        let mut trial = trial;
        if let Some(fault) = &trial.fault {
            println!("{language}: {fault}");
        }
        println!("{language}: generated in {:.1} s, compiled in {:.1} s", trial.printed, trial.compiled);
        let mut wrong: Vec<(String, String)> = Vec::new();
        for entry in &corpora.groups {
            let (keyword, instances) = &entry.of;
            let mut verdicts = Verdicts::default();
            for instance in instances.iter().filter(|_| matches!(entry.made, Made::Model(..))) {
                let accepted = trial.accepts(&suite::message(&entry.case, VALUE, &instance.text));
                let verdict = judge(&mut verdicts, instance, accepted.as_ref().ok().copied());
                let Some(verdict) = verdict else { continue };
                let told = if let Err(error) = accepted { format!(" ({error:#})") } else { String::new() };
                let problem =
                    format!("{} is {verdict}: {} `{}`{told}", entry.case.name, instance.what, instance.text);
                if self.verbose {
                    println!("{language}: {problem}");
                }
                if !entry.made.is_diagnosed() || verdict == "strict" {
                    wrong.push((keyword.clone(), problem));
                }
            }
            let row = self.counted.entry(keyword.clone()).or_default();
            let sum = row.verdicts.entry(language.to_owned()).or_default();
            sum.right += verdicts.right;
            sum.lax += verdicts.lax;
            sum.strict += verdicts.strict;
        }
        self.compare(language, &wrong, trial.fault.as_deref());
        self.published(language, corpora, &mut trial);
    }

    /// A test for each file of the suite.
    fn compare(&mut self, language: &str, wrong: &[(String, String)], fault: Option<&str>) {
        for (keyword, row) in &self.counted.clone() {
            let counted = row.verdicts.get(language).copied().unwrap_or_default();
            let known = self.known.get(keyword).and_then(|known| known.verdicts.get(language)).copied();
            let mut problems: Vec<String> = Vec::new();
            match known.map(|known| counted.against(known)) {
                Some(Change::Worse(problem)) => problems.push(problem),
                Some(Change::Better) | None => self.better = true,
                Some(Change::Same) => {}
            }
            let own = wrong.iter().filter(|(other, _)| other == keyword);
            problems.extend(own.map(|(_, problem)| problem.clone()).take(EXAMPLES));
            if fault.is_some() {
                problems = vec!["it does not compile".to_owned()];
            }
            self.test(&format!("suite {keyword} in {language}"), &problems);
        }
    }

    /// A test for each published schema.
    fn published(&mut self, language: &str, corpora: &Corpora, trial: &mut Trial) {
        for entry in &corpora.published {
            let mut problems = Vec::new();
            if !matches!(entry.made, Made::Model(..)) {
                problems.push("nothing is generated".to_owned());
            } else if trial.fault.is_some() && trial.blames(&entry.case.prefix) {
                problems.push("it does not compile".to_owned());
            } else if trial.fault.is_none() {
                for (path, text) in &entry.of {
                    let message = suite::message(&entry.case, VALUE, text);
                    if let Err(error) = trial.keeps(&message) {
                        problems.push(format!("{path}: {error:#}"));
                    }
                }
            }
            self.test(&format!("{} in {language}", entry.case.name), &problems);
        }
    }

    /// Takes over from the table what was not counted this time: the other languages.
    fn keep_others(&mut self) {
        for (keyword, row) in &mut self.counted {
            for (language, known) in self.known.get(keyword).iter().flat_map(|row| &row.verdicts) {
                row.verdicts.entry(language.clone()).or_insert(*known);
            }
        }
    }

    /// Prints the counts and what is wrong, and writes the table if asked to.
    pub fn finish(mut self, root: &Path, update: bool) -> Result<ExitCode> {
        println!("\n{}", table::markdown(&self.counted, &self.languages));
        println!("(a cell: right / lax / strict)\n");
        if update {
            self.keep_others();
            table::write(root, &self.counted)?;
            println!("{} is written", table::PATH);
        }
        for fault in &self.faults {
            println!("{fault}");
        }
        let all: Vec<&String> = self.known.values().flat_map(|row| row.verdicts.keys()).collect();
        if self.better && !update && all.iter().any(|language| self.languages.contains(&language.as_str())) {
            println!("It is better than {} says: keep that with `{}`.", table::PATH, table::COMMAND);
        }
        let word = if self.faults.is_empty() { "ok" } else { "FAILED" };
        println!("\ntest result: {word}. {} passed; {} failed", self.passed, self.faults.len());
        Ok(if self.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Counts a verdict, and names it if it is wrong. No answer at all is worse than either, and counts as nothing.
fn judge(verdicts: &mut Verdicts, instance: &Instance, accepted: Option<bool>) -> Option<&'static str> {
    match (instance.valid, accepted) {
        (_, None) => Some("not judged"),
        (true, Some(true)) | (false, Some(false)) => {
            verdicts.right += 1;
            None
        }
        (false, Some(true)) => {
            verdicts.lax += 1;
            Some("lax")
        }
        (true, Some(false)) => {
            verdicts.strict += 1;
            Some("strict")
        }
    }
}
