//! Markdown text as sentences, each with the headings above it.

use unicode_segmentation::UnicodeSegmentation;

/// The longest sentence that is quoted, in characters; a longer one is cut.
const MAX_LENGTH: usize = 400;

/// A sentence that can be quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) text: String,
    pub(super) heading: String,
}

/// The sentences of a text. Lines of a paragraph are joined; list items and table rows stand for
/// themselves; headings and code are no sentences.
pub(super) fn of(text: &str) -> Vec<Sentence> {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line.trim());
    }
    reader.end_paragraph();
    reader.sentences
}

#[derive(Default)]
struct Reader {
    paragraph: String,
    heading: String,
    in_code: bool,
    sentences: Vec<Sentence>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if line.starts_with("```") || line.starts_with("~~~") {
            self.end_paragraph();
            self.in_code = !self.in_code;
            return;
        }
        if self.in_code {
            return;
        }
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if (1..=6).contains(&level) && line[level..].starts_with(' ') {
            self.end_paragraph();
            self.heading = line[level..].trim().trim_end_matches('#').trim_end().to_owned();
            return;
        }
        match item(line) {
            Some(rest) => {
                self.end_paragraph();
                self.paragraph.push_str(rest);
            }
            None if line.is_empty() || line.starts_with('|') => {
                self.end_paragraph();
                self.row(line);
            }
            None => {
                if !self.paragraph.is_empty() {
                    self.paragraph.push(' ');
                }
                self.paragraph.push_str(line);
            }
        }
    }

    /// A table's row as one sentence; the line below its head has no words.
    fn row(&mut self, line: &str) {
        if line.chars().any(char::is_alphanumeric) {
            self.push(line.trim_matches('|').trim());
        }
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        for sentence in paragraph.unicode_sentences() {
            self.push(sentence.trim());
        }
    }

    fn push(&mut self, text: &str) {
        let text = match text.char_indices().nth(MAX_LENGTH) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        self.sentences.push(Sentence { text, heading: self.heading.clone() });
    }
}

/// What follows a list item's or quotation's mark.
fn item(line: &str) -> Option<&str> {
    let bullet = ["- ", "* ", "+ ", "> "].iter().find_map(|mark| line.strip_prefix(mark));
    let numbered = || {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < line.len())
            .then(|| rest.strip_prefix(". ").or_else(|| rest.strip_prefix(") ")))
            .flatten()
    };
    bullet.or_else(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let got = of(text);
        let got: Vec<(&str, &str)> =
            got.iter().map(|sentence| (sentence.heading.as_str(), sentence.text.as_str())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn paragraphs_lists_tables_and_code() {
        check(
            "# Top #\nOne goes\non here. Two (e.g. this, 3.5) ends?\n\n## Low\n- a thing\n  wrapped\n1. first\n2) second\n\
             > said\n\n```sh\nrm -rf x. Boom.\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\nAfter. #notaheading",
            &[
                ("Top", "One goes on here."),
                ("Top", "Two (e.g. this, 3.5) ends?"),
                ("Low", "a thing wrapped"),
                ("Low", "first"),
                ("Low", "second"),
                ("Low", "said"),
                ("Low", "a | b"),
                ("Low", "1 | 2"),
                ("Low", "After. #notaheading"),
            ],
        );
    }

    #[test]
    fn a_sentence_without_end_is_cut() {
        let sentences = of(&"äö ".repeat(1_000));
        assert_eq!(sentences[0].text.chars().count(), MAX_LENGTH + 1);
        assert!(sentences[0].text.ends_with('…'));
    }
}
