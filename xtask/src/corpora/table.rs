//! The table of what is known to be right, which is committed and may only grow.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The committed table, relative to the root.
pub const PATH: &str = "xtask/testdata/corpora/counts.json";
/// What writes it.
pub const COMMAND: &str = "cargo xtask corpora --update";

/// All counts, by the suite's file.
pub type Table = BTreeMap<String, Row>;

/// The counts of one file of the suite.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
pub struct Row {
    pub groups: u64,
    /// Groups of which a finding says that the types do not say all of them.
    pub diagnosed: u64,
    pub instances: u64,
    /// By language.
    pub verdicts: BTreeMap<String, Verdicts>,
}

/// How many instances a language judges rightly and wrongly.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Verdicts {
    pub right: u64,
    /// Accepted, and should be refused.
    pub lax: u64,
    /// Refused, and should be accepted.
    pub strict: u64,
}

/// How counts stand to those of the table.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    Same,
    Better,
    Worse(String),
}

impl Verdicts {
    /// Whether these are worse than `known` anywhere.
    pub fn against(self, known: Self) -> Change {
        if self.right < known.right || self.lax > known.lax || self.strict > known.strict {
            let problem = format!(
                "{} right, {} lax, {} strict; the table says {}, {}, {}",
                self.right, self.lax, self.strict, known.right, known.lax, known.strict
            );
            return Change::Worse(problem);
        }
        if self == known { Change::Same } else { Change::Better }
    }
}

/// The committed table; empty if there is none yet.
pub fn read(root: &Path) -> Result<Table> {
    let path = root.join(PATH);
    if !path.exists() {
        return Ok(Table::new());
    }
    let text = std::fs::read_to_string(&path)?;
    serde_json::from_str(&text).with_context(|| format!("{PATH} is not a table of counts"))
}

/// Writes the table, a line for each language of a file so that a change is easy to see.
pub fn write(root: &Path, table: &Table) -> Result<()> {
    let mut out = "{\n".to_owned();
    for (index, (keyword, row)) in table.iter().enumerate() {
        let Row { groups, diagnosed, instances, verdicts } = row;
        writeln!(out, "  \"{keyword}\": {{")?;
        writeln!(
            out,
            "    \"groups\": {groups},\n    \"diagnosed\": {diagnosed},\n    \"instances\": {instances},"
        )?;
        writeln!(out, "    \"verdicts\": {{")?;
        for (index, (language, Verdicts { right, lax, strict })) in verdicts.iter().enumerate() {
            let comma = if index + 1 < verdicts.len() { "," } else { "" };
            writeln!(
                out,
                "      \"{language}\": {{ \"right\": {right}, \"lax\": {lax}, \"strict\": {strict} }}{comma}"
            )?;
        }
        writeln!(out, "    }}\n  }}{}", if index + 1 < table.len() { "," } else { "" })?;
    }
    out.push_str("}\n");
    let path = root.join(PATH);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, out).with_context(|| format!("cannot write {PATH}"))
}

/// The table as Markdown: one row for each file, and right, lax and strict for each language.
pub fn markdown(table: &Table, languages: &[&str]) -> String {
    let mut out = format!("| file | groups | diagnosed | instances | {} |\n", languages.join(" | "));
    let _ = writeln!(out, "|---|--:|--:|--:|{}", "--:|".repeat(languages.len()));
    let mut sum = Row::default();
    for (keyword, row) in table {
        let _ = writeln!(out, "{}", line(keyword, row, languages));
        sum.groups += row.groups;
        sum.diagnosed += row.diagnosed;
        sum.instances += row.instances;
        for (language, more) in &row.verdicts {
            let verdicts = sum.verdicts.entry(language.clone()).or_default();
            verdicts.right += more.right;
            verdicts.lax += more.lax;
            verdicts.strict += more.strict;
        }
    }
    let _ = writeln!(out, "{}", line("**all**", &sum, languages));
    out
}

fn line(name: &str, row: &Row, languages: &[&str]) -> String {
    let cells: Vec<String> = languages
        .iter()
        .map(|language| match row.verdicts.get(*language) {
            Some(Verdicts { right, lax, strict }) => format!("{right} / {lax} / {strict}"),
            None => "–".to_owned(),
        })
        .collect();
    format!("| {name} | {} | {} | {} | {} |", row.groups, row.diagnosed, row.instances, cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let verdicts = [("go", 3, 1, 0), ("rust", 4, 0, 0)]
            .map(|(language, right, lax, strict)| (language.to_owned(), Verdicts { right, lax, strict }));
        let row = Row { groups: 2, diagnosed: 1, instances: 4, verdicts: verdicts.into_iter().collect() };
        let table: Table = [("not".to_owned(), row.clone()), ("allOf".to_owned(), row)].into_iter().collect();
        write(folder.path(), &table).unwrap();
        assert_eq!(read(folder.path()).unwrap(), table);
        assert!(
            markdown(&table, &["rust", "go"]).ends_with("| **all** | 4 | 2 | 8 | 8 / 0 / 0 | 6 / 2 / 0 |\n")
        );
    }

    #[test]
    fn counts_may_only_grow() {
        let known = Verdicts { right: 5, lax: 2, strict: 0 };
        assert_eq!(known.against(known), Change::Same);
        assert_eq!(Verdicts { right: 6, lax: 1, strict: 0 }.against(known), Change::Better);
        let worse = Verdicts { right: 5, lax: 1, strict: 1 }.against(known);
        assert_eq!(worse, Change::Worse("5 right, 1 lax, 1 strict; the table says 5, 2, 0".to_owned()));
        assert!(matches!(Verdicts { right: 4, lax: 2, strict: 0 }.against(known), Change::Worse(_)));
    }
}
