//! Rules about files as a whole: what they are called, what they weigh, whether they are text.

use super::{Findings, Project};
use anyhow::Result;

const DECISION_LIMIT: usize = 60;
const WEIGHT_LIMIT: u64 = 1024 * 1024;

/// Words that say nothing about what a file owns.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "common", "manager", "managers", "handler", "handlers", "runner",
    "runners",
];

pub fn names(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in &project.repository.files {
        let mut words = file.split(['/', '_', '-', '.']).map(str::to_lowercase);
        if let Some(word) = words.find(|word| EMPTY_NAMES.contains(&word.as_str())) {
            let advice = format!("the name says `{word}`: name it after the noun or verb that it owns");
            found.add(file, 1, advice);
        }
    }
    Ok(())
}

pub fn weight(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in &project.repository.files {
        let weight = std::fs::metadata(project.repository.root.join(file))?.len();
        if weight > WEIGHT_LIMIT {
            let advice =
                format!("{weight} bytes, the limit is {WEIGHT_LIMIT}: fetch or make it when it is needed");
            found.add(file, 1, advice);
        }
    }
    Ok(())
}

pub fn binary(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in &project.repository.files {
        if project.repository.text(file)?.is_none() {
            found.add(file, 1, "not UTF-8 text: keep the source that it is made from instead");
        }
    }
    Ok(())
}

pub fn last_line(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in project.repository.files.iter().filter(|file| file.ends_with(".md")) {
        let Some(text) = project.repository.text(file)? else { continue };
        if !text.ends_with('\n') || text.ends_with("\n\n") {
            found.add(file, text.lines().count(), "end the file with exactly one newline");
        }
    }
    Ok(())
}

pub fn decisions(project: &Project, found: &mut Findings<'_>) -> Result<()> {
    for file in project.repository.files.iter().filter(|file| file.starts_with("docs/decisions/")) {
        let lines = project.repository.text(file)?.map_or(0, |text| text.lines().count());
        if lines > DECISION_LIMIT {
            let advice =
                format!("{lines} lines, the limit is {DECISION_LIMIT}: keep what was decided and why");
            found.add(file, DECISION_LIMIT, advice);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{findings, finds, passes};

    #[test]
    fn empty_names_are_found_in_files_and_folders() {
        finds("file-name", &[("src/utils.rs", "")], "src/utils.rs:1", "`utils`");
        finds("file-name", &[("tests/common/mod.rs", "")], "tests/common/mod.rs:1", "noun or verb");
        finds("file-name", &[("src/test_helpers.ts", "")], "src/test_helpers.ts:1", "`helpers`");
        passes("file-name", &[("src/commonmark.rs", ""), ("src/checkpoint.rs", "")]);
    }

    #[test]
    fn a_file_of_one_mebibyte_is_the_largest() {
        let full = "x".repeat(1024 * 1024);
        passes("file-weight", &[("a.txt", &full)]);
        finds("file-weight", &[("a.txt", &format!("{full}x"))], "a.txt:1", "1048577 bytes");
    }

    #[test]
    fn a_zero_byte_makes_a_file_binary() {
        finds("binary", &[("a.bin", "text\0text")], "a.bin:1", "not UTF-8 text");
        passes("binary", &[("a.txt", "grün")]);
    }

    #[test]
    fn a_decision_has_sixty_lines() {
        let page = "Because.\n".repeat(60);
        passes("decision-size", &[("docs/decisions/0001.md", &page), ("docs/guide.md", &page.repeat(2))]);
        let longer = format!("{page}And.\n");
        finds(
            "decision-size",
            &[("docs/decisions/0001.md", &longer)],
            "docs/decisions/0001.md:60",
            "61 lines",
        );
    }

    #[test]
    fn markdown_ends_with_one_newline() {
        finds("last-line", &[("a.md", "one\ntwo")], "a.md:2", "exactly one newline");
        assert_eq!(findings("last-line", &[("a.md", "one\n\n")]).len(), 1);
        passes("last-line", &[("a.md", "one\n"), ("a.txt", "no newline")]);
    }
}
