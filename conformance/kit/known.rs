//! The failures that are known: `conformance/known-failing/CLIENT.txt`, a line `SCENARIO: REASON` each.
//! The files are meant to be empty.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use crate::outcome::{Failure, Outcome};

/// The known failures of one client, with their reasons.
pub fn read(folder: &Path, client: &str) -> Result<BTreeMap<String, String>> {
    let path = folder.join(format!("{client}.txt"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (scenario, reason) = line.split_once(": ").filter(|(_, reason)| !reason.trim().is_empty())?;
        Some((scenario.to_owned(), reason.to_owned()))
    };
    lines
        .map(|line| {
            entry(line).ok_or_else(|| anyhow!("{}: {line:?} is not SCENARIO: REASON", path.display()))
        })
        .collect()
}

/// Marks what is known to fail. What is listed and passed has failed, and so has what is listed and did
/// not run, if everything was to be run.
pub fn judge(
    outcomes: &mut [Outcome],
    known: &BTreeMap<String, String>,
    client: &str,
    whole: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (scenario, reason) in known {
        let own = outcomes.iter_mut().find(|cell| cell.client == client && cell.scenario == *scenario);
        match own {
            Some(cell) if cell.passed() => {
                let what = format!("it passed, but is listed as failing: {reason}; take it off the list");
                cell.checks.failures.push(Failure { check: "known-failing", what });
            }
            Some(cell) => cell.known = Some(reason.clone()),
            None if whole => wrong.push(format!("{client}: {scenario} is listed as failing and did not run")),
            None => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::{judge, read};
    use crate::outcome::{Checks, Covered, Outcome};
    use crate::place::Place;

    fn cell(fails: bool) -> Outcome {
        let mut checks = Checks { made: 1, failures: Vec::new() };
        if fails {
            checks.check("order", Err(anyhow::anyhow!("no")));
        }
        let (scenario, client, trace) = ("a".to_owned(), "go".to_owned(), String::new());
        let (took, covered) = (Duration::ZERO, Covered::default());
        Outcome { scenario, client, place: Place::USUAL, checks, took, trace, covered, known: None }
    }

    #[test]
    fn a_list_is_read_and_a_line_without_a_reason_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), "go").unwrap().is_empty());
        std::fs::write(folder.path().join("go.txt"), "# none\n\na: it does not yet\n").unwrap();
        assert_eq!(read(folder.path(), "go").unwrap()["a"], "it does not yet");
        std::fs::write(folder.path().join("go.txt"), "a\n").unwrap();
        assert!(read(folder.path(), "go").is_err());
    }

    #[test]
    fn an_unexpected_pass_fails_and_so_does_what_did_not_run() {
        let known = BTreeMap::from([("a".to_owned(), "reason".to_owned())]);
        let mut cells = [cell(true)];
        assert!(judge(&mut cells, &known, "go", true).is_empty());
        assert!(cells[0].known.is_some());
        let mut cells = [cell(false)];
        judge(&mut cells, &known, "go", true);
        assert!(!cells[0].passed());
        assert_eq!(judge(&mut [], &known, "go", true).len(), 1);
        assert_eq!(judge(&mut [], &known, "go", false).len(), 0);
    }
}
