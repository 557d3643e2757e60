//! Cuts Markdown into pieces that are searched and cited: at headings first, then between blocks.
//!
//! A piece is about 300 tokens ([`TARGET`]) and never more than 600 ([`LONGEST`]). A code block, a table
//! or a list item stays whole up to that limit. A piece that had to end inside a section is continued
//! with up to 45 tokens ([`OVERLAP`]) of whole sentences from before; code and tables are not repeated.

mod blocks;

pub use blocks::first_heading;
use blocks::{Block, Kind, blocks};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// A piece is ended before a block that would make it longer, in tokens.
pub const TARGET: usize = 300;

/// No piece is longer, in tokens.
pub const LONGEST: usize = 600;

/// So much of the sentences before is repeated at most, in tokens.
pub const OVERLAP: usize = 45;

/// A section with less than this does not end at the next heading, in tokens.
const SMALL: usize = 75;

/// Names this way of cutting; a change of it embeds all documents anew.
pub const CHUNKER: &str = "markdown-1:300:45";

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it stands, in bytes of the document.
    pub range: Range<usize>,
    /// The headings it stands under, outermost first.
    pub headings: Vec<String>,
}

/// About how many tokens a model would make of the text: a quarter per ASCII character, a half per
/// character of other alphabets, and one per character from U+2E80 on (Chinese, Japanese, Korean,
/// emoji). Within 20% of the common byte-pair tokenisers on prose.
#[must_use]
pub fn estimate_tokens(text: &str) -> usize {
    text.chars().map(quarters).sum::<usize>().div_ceil(4)
}

fn quarters(letter: char) -> usize {
    match letter {
        '\0'..='\u{7F}' => 1,
        '\u{80}'..='\u{2E7F}' => 2,
        _ => 4,
    }
}

/// The pieces of the document, in order. Together they cover all of it but white space; the start and
/// the end of a piece never lie before those of the piece before.
#[must_use]
pub fn chunk(text: &str) -> Vec<Piece> {
    let mut packer = Packer { text, pieces: Vec::new(), path: Vec::new(), open: None };
    for block in blocks(text) {
        for part in parts(text, &block) {
            packer.add(part, &block.kind);
        }
    }
    packer.close();
    packer.pieces
}

/// The block itself, or its parts if it is too long.
fn parts(text: &str, block: &Block) -> Vec<Range<usize>> {
    if estimate_tokens(&text[block.range.clone()]) <= LONGEST {
        return vec![block.range.clone()];
    }
    let inside = &text[block.range.clone()];
    let ends: Vec<usize> = match block.kind {
        Kind::Lines => inside.split_inclusive('\n').map(str::len).collect(),
        Kind::Prose | Kind::Heading { .. } => inside.split_sentence_bounds().map(str::len).collect(),
    };
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut cost = usize::MAX;
    let mut at = block.range.start;
    for length in ends {
        for part in words(text, at..at + length) {
            let more = estimate_tokens(&text[part.clone()]);
            match parts.last_mut() {
                Some(last) if cost.saturating_add(more) <= TARGET => {
                    last.end = part.end;
                    cost += more;
                }
                _ => {
                    parts.push(part);
                    cost = more;
                }
            }
        }
        at += length;
    }
    parts
}

/// The range itself, or if it is too long, pieces cut at spaces where there are some.
fn words(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = range.start;
    let mut space = None;
    let mut cost = 0;
    let limit = TARGET * 4;
    for (at, letter) in text[range.clone()].char_indices() {
        let at = range.start + at;
        if cost + quarters(letter) > limit {
            let cut = space.filter(|space| *space > start).unwrap_or(at);
            out.push(start..cut);
            cost = text[cut..at].chars().map(quarters).sum();
            start = cut;
            space = None;
        }
        cost += quarters(letter);
        if letter.is_whitespace() {
            space = Some(at + letter.len_utf8());
        }
    }
    out.push(start..range.end);
    out
}

/// A piece that still grows.
struct Open {
    range: Range<usize>,
    headings: Vec<String>,
    tokens: usize,
    /// Nothing but headings so far.
    bare: bool,
    /// The last part, if its sentences may be repeated.
    tail: Option<Range<usize>>,
}

struct Packer<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
    path: Vec<(u8, String)>,
    open: Option<Open>,
}

impl Packer<'_> {
    fn add(&mut self, part: Range<usize>, kind: &Kind) {
        if let Kind::Heading { level, title } = kind {
            if self.open.as_ref().is_some_and(|open| !open.bare && open.tokens >= SMALL) {
                self.close();
            }
            if self.path.last().is_none_or(|(last, text)| (last, text) != (level, title)) {
                self.path.retain(|(above, _)| above < level);
                self.path.push((*level, title.clone()));
            }
        }
        let tokens = estimate_tokens(&self.text[part.clone()]);
        let mut start = part.start;
        if let Some(open) = &self.open {
            let limit = if open.bare { LONGEST } else { TARGET };
            if open.tokens + tokens > limit {
                start = self
                    .repeat_from(open)
                    .filter(|from| self.cost(*from..part.end) <= LONGEST)
                    .unwrap_or(start);
                self.close();
            }
        }
        let heading = matches!(kind, Kind::Heading { .. });
        let tail = matches!(kind, Kind::Prose).then(|| part.clone());
        if let Some(open) = &mut self.open {
            if open.bare {
                open.headings = titles(&self.path);
            }
            open.range.end = part.end;
            open.tokens += tokens;
            open.bare &= heading;
            open.tail = tail;
            return;
        }
        self.open = Some(Open {
            tokens: self.cost(start..part.end),
            range: start..part.end,
            headings: titles(&self.path),
            bare: heading,
            tail,
        });
    }

    fn cost(&self, range: Range<usize>) -> usize {
        estimate_tokens(&self.text[range])
    }

    /// Where the whole sentences begin that the next piece repeats.
    fn repeat_from(&self, open: &Open) -> Option<usize> {
        let tail = open.tail.clone()?;
        let text = &self.text[tail.clone()];
        text.split_sentence_bound_indices()
            .map(|(at, _)| tail.start + at)
            .find(|at| self.cost(*at..tail.end) <= OVERLAP)
            .filter(|at| *at > open.range.start)
    }

    /// Ends the open piece, less the white space around it; the indentation of its first line stays.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let inside = &self.text[open.range.clone()];
        let body = inside.trim_start();
        if body.is_empty() {
            return;
        }
        let indent = &inside[..inside.len() - body.len()];
        let start = open.range.start + indent.rfind('\n').map_or(0, |newline| newline + 1);
        let end = open.range.start + inside.trim_end().len();
        self.pieces.push(Piece { range: start..end, headings: open.headings });
    }
}

fn titles(path: &[(u8, String)]) -> Vec<String> {
    path.iter().map(|(_, title)| title.clone()).filter(|title| !title.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece per paragraph of the expectation: its headings, then its text.
    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let pieces = chunk(text);
        let shown: Vec<(String, &str)> =
            pieces.iter().map(|piece| (piece.headings.join(" › "), &text[piece.range.clone()])).collect();
        let shown: Vec<(&str, &str)> = shown.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_short_document_is_one_piece() {
        let text = "# Returns\n\nWithin 17 days.\n\n## How\n\nBy post.\n";
        check(text, &[("Returns", "# Returns\n\nWithin 17 days.\n\n## How\n\nBy post.")]);
    }

    #[test]
    fn a_heading_begins_a_piece_and_is_its_context() {
        let long = "Word after word fills the section. ".repeat(12);
        let long = long.trim_end();
        let text =
            format!("# Guide\n\n{long}\n\n## Install\n\n{long}\n\n### Linux\n\n{long}\n\n## Use\n\n{long}\n");
        check(
            &text,
            &[
                ("Guide", &format!("# Guide\n\n{long}")),
                ("Guide › Install", &format!("## Install\n\n{long}")),
                ("Guide › Install › Linux", &format!("### Linux\n\n{long}")),
                ("Guide › Use", &format!("## Use\n\n{long}")),
            ],
        );
    }

    #[test]
    fn a_code_block_stays_whole_and_a_long_section_goes_on_with_its_last_sentence() {
        let prose = "This sentence is part of a long paragraph. ".repeat(22);
        let prose = format!("{prose}The last one matters.");
        let code = format!("```rust\n{}```", "    let x = compute(1, 2, 3);\n".repeat(30));
        let text = format!("# A\n\n{prose}\n\nShort one.\n\n{code}\n");
        let pieces = chunk(&text);
        assert_eq!(pieces.len(), 2, "{pieces:?}");
        let second = &text[pieces[1].range.clone()];
        assert!(second.starts_with("Short one.") && second.ends_with(&code), "{second}");
        assert!(text[pieces[0].range.clone()].ends_with("Short one."));
    }

    #[test]
    fn a_code_block_beyond_the_limit_is_cut_at_lines() {
        let code = format!("```\n{}```\n", "let value = 1;\n".repeat(400));
        for piece in chunk(&code) {
            assert!(code[piece.range.clone()].lines().all(|l| ["```", "let value = 1;"].contains(&l)));
        }
    }

    #[test]
    fn indentation_stays_and_a_document_without_text_has_no_piece() {
        check("\n\n    code\n    more\n\n", &[("", "    code\n    more")]);
        check(" \n\n\t\n", &[]);
        check("", &[]);
    }

    #[test]
    fn the_first_heading_is_plain_text() {
        assert_eq!(first_heading("text\n\n# The `x` *way*\n\n# B").as_deref(), Some("The x way"));
        assert_eq!(first_heading("Title\n=====\n").as_deref(), Some("Title"));
        assert_eq!(first_heading("no heading"), None);
    }
}
