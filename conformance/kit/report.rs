//! What a run leaves: the matrix on stdout, a JUnit file, and a trace of every cell that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::outcome::Outcome;
use crate::place::Place;

/// The matrix as text: a row per scenario, a column per client.
pub fn matrix(outcomes: &[Outcome]) -> String {
    let clients: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.client.as_str()).collect();
    let mut rows: BTreeMap<&str, BTreeMap<&str, &Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        rows.entry(&outcome.scenario).or_default().insert(&outcome.client, outcome);
    }
    let width = rows.keys().map(|name| name.len()).max().unwrap_or(0);
    let mut text = format!("{:width$}", "");
    for client in &clients {
        let _ = write!(text, " {client:>11}");
    }
    text.push('\n');
    for (scenario, cells) in rows {
        let _ = write!(text, "{scenario:width$}");
        for client in &clients {
            let cell = match cells.get(client) {
                None => String::new(),
                Some(outcome) if outcome.known.is_some() => "known".to_owned(),
                Some(outcome) if outcome.passed() => format!("ok {}", outcome.checks.made),
                Some(_) => "FAILED".to_owned(),
            };
            let _ = write!(text, " {cell:>11}");
        }
        text.push('\n');
    }
    text
}

/// Where the traces of a place are.
pub fn folder(root: &Path, place: Place) -> PathBuf {
    let folder = root.join("conformance/out");
    place.folder().map_or_else(|| folder.clone(), |own| folder.join(own))
}

/// Writes the JUnit file and the traces of what failed.
pub fn write(folder: &Path, outcomes: &[Outcome]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    std::fs::write(folder.join("junit.xml"), junit(outcomes)).context("writing junit.xml")?;
    for outcome in outcomes {
        let path = folder.join(&outcome.client).join(format!("{}.txt", outcome.scenario));
        // A trace of an earlier run would tell of a failure that is no more.
        if outcome.passed() {
            let _ = std::fs::remove_file(&path);
            continue;
        }
        std::fs::create_dir_all(folder.join(&outcome.client))?;
        let text = format!("to repeat it: {}\n\n{}", repeat(outcome), outcome.trace);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The command that repeats one cell.
pub fn repeat(outcome: &Outcome) -> String {
    let who = match outcome.client.as_str() {
        "own" => " --driver 'COMMAND'".to_owned(),
        "(raw)" => String::new(),
        client => format!(" --client {client}"),
    };
    let (services, flags) = (outcome.place.services(), outcome.place.flags());
    format!("{services}cargo xtask conformance{who} --scenario {}{flags}", outcome.scenario)
}

fn junit(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"conformance\" tests=\"{}\" failures=\"{failed}\">\n",
        outcomes.len()
    );
    for outcome in outcomes {
        let (class, name) = (escaped(&outcome.client), escaped(&outcome.scenario));
        let took = outcome.took.as_secs_f64();
        let _ = write!(text, "  <testcase classname=\"{class}\" name=\"{name}\" time=\"{took:.3}\"");
        if outcome.passed() {
            text.push_str("/>\n");
        } else {
            let (why, repeat) = (escaped(&outcome.why()), escaped(&repeat(outcome)));
            let _ = write!(text, ">\n    <failure message=\"{why}\">{repeat}</failure>\n  </testcase>\n");
        }
    }
    text.push_str("</testsuite>\n");
    text
}

/// Text for XML: without its special characters, and without those that XML has no place for.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{junit, matrix, write};
    use crate::outcome::{Checks, Covered, Outcome};
    use crate::place::Place;

    fn outcome(client: &str, checks: usize, fails: bool) -> Outcome {
        let mut made = Checks { made: checks, failures: Vec::new() };
        if fails {
            made.check("order", Err(anyhow::anyhow!("a \"token\" <after> the end & more\u{1}")));
        }
        let (took, covered) = (Duration::from_millis(5), Covered::default());
        let (scenario, client, trace) = ("streaming".to_owned(), client.to_owned(), "frames".to_owned());
        Outcome { scenario, client, place: Place::USUAL, checks: made, took, trace, covered, known: None }
    }

    #[test]
    fn a_cell_without_a_check_has_failed() {
        assert!(!outcome("go", 0, false).passed());
        assert!(outcome("go", 1, false).passed());
        assert!(!outcome("go", 5, true).passed());
    }

    #[test]
    fn the_matrix_and_the_junit_file_tell_what_failed() {
        let outcomes = [outcome("go", 3, false), outcome("rust", 3, true)];
        let table = matrix(&outcomes);
        assert!(table.contains("streaming") && table.contains("ok 3") && table.contains("FAILED"), "{table}");
        let xml = junit(&outcomes);
        assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
        assert!(xml.contains("&quot;token&quot; &lt;after&gt; the end &amp; more\u{fffd}"), "{xml}");
        assert!(xml.contains("--client rust --scenario streaming"), "{xml}");
    }

    #[test]
    fn a_failed_cell_leaves_a_trace_and_a_passed_one_takes_it_away() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[outcome("go", 3, true)]).unwrap();
        let path = folder.path().join("go/streaming.txt");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("to repeat it: cargo xtask conformance"));
        write(folder.path(), &[outcome("go", 3, false)]).unwrap();
        assert!(!path.exists());
    }
}
