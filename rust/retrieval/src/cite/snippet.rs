//! The piece of a passage that shows the match: plain text, cut at words, at most 280 characters.

use crate::analyse::Analyser;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::HashMap;
use std::ops::Range;

/// A snippet's length, in characters, the marks of a cut included.
const LONGEST: usize = 280;

/// How much of the text before the first match is shown, in characters, where the text is longer.
const LEAD: usize = 60;

/// Finds snippets for one question.
pub(super) struct Finder {
    analyser: Analyser,
    terms: HashMap<String, usize>,
}

impl Finder {
    /// Matches are found with English stems; words of other languages match as well, because question
    /// and text are cut the same way.
    pub(super) fn new(query: &str) -> Self {
        let analyser = Analyser::default();
        let mut terms = HashMap::new();
        for term in analyser.terms(query) {
            let next = terms.len();
            terms.entry(term).or_insert(next);
        }
        Self { analyser, terms }
    }

    /// The part of the Markdown text where most different words of the question stand together.
    pub(super) fn snippet(&self, markdown: &str) -> String {
        let text = plain(markdown);
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if starts.len() <= LONGEST {
            return text;
        }
        let from = self.best_start(&text, &starts);
        cut(&text, &starts, from)
    }

    /// The character at which the densest window of matches begins, less some text before it.
    fn best_start(&self, text: &str, starts: &[usize]) -> usize {
        let mut matches: Vec<(usize, usize)> = Vec::new();
        self.analyser.each(text, &mut |token| {
            if let Some(term) = self.terms.get(token.term) {
                matches.push((starts.partition_point(|at| *at < token.span.start), *term));
            }
        });
        // A whole identifier comes after its parts, with an earlier place.
        matches.sort_unstable();
        let mut best = (0, 0);
        for (first, (from, _)) in matches.iter().enumerate() {
            let window = matches[first..].iter().take_while(|(at, _)| at - from < LONGEST - LEAD - 10);
            let mut seen: Vec<usize> = window.map(|(_, term)| *term).collect();
            seen.sort_unstable();
            seen.dedup();
            if seen.len() > best.0 {
                best = (seen.len(), *from);
            }
        }
        best.1.saturating_sub(LEAD)
    }
}

/// Cuts about [`LONGEST`] characters from the character `from`, at the ends of words, and marks the cuts.
fn cut(text: &str, starts: &[usize], from: usize) -> String {
    let from = from.min(starts.len().saturating_sub(LONGEST - 1));
    let begin = if from == 0 { 0 } else { after_space(text, starts, from) };
    let marks = usize::from(begin > 0);
    let mut end = (begin + LONGEST - marks).min(starts.len());
    if end < starts.len() {
        end -= 1;
        let limit = end - (end - begin) / 4;
        end = (limit..=end).rev().find(|at| is_space(text, starts, *at)).unwrap_or(end);
    }
    let range: Range<usize> = starts[begin]..starts.get(end).copied().unwrap_or(text.len());
    let mut out = String::new();
    if begin > 0 {
        out.push('…');
    }
    out.push_str(text[range].trim());
    if end < starts.len() {
        out.push('…');
    }
    out
}

/// The first word's beginning at or after the character `from`, if one is near.
fn after_space(text: &str, starts: &[usize], from: usize) -> usize {
    (from..(from + LEAD / 2).min(starts.len() - 1))
        .find(|at| is_space(text, starts, at.saturating_sub(1)))
        .unwrap_or(from)
}

fn is_space(text: &str, starts: &[usize], at: usize) -> bool {
    starts.get(at).is_some_and(|byte| text[*byte..].starts_with(' '))
}

/// The text of the Markdown without its marks, with single spaces.
fn plain(markdown: &str) -> String {
    let mut raw = String::with_capacity(markdown.len());
    let mut hidden = 0_usize;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(Tag::MetadataBlock(_)) => hidden += 1,
            Event::End(TagEnd::MetadataBlock(_)) => hidden = hidden.saturating_sub(1),
            Event::Text(text) | Event::Code(text) if hidden == 0 => raw.push_str(&text),
            Event::End(end) if ends_block(end) => raw.push(' '),
            Event::SoftBreak | Event::HardBreak | Event::Rule | Event::Html(_) => raw.push(' '),
            _ => {}
        }
    }
    let plain = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() { markdown.split_whitespace().collect::<Vec<_>>().join(" ") } else { plain }
}

fn ends_block(end: TagEnd) -> bool {
    !matches!(
        end,
        TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Superscript
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_shown_whole_without_marks() {
        let finder = Finder::new("returns");
        assert_eq!(
            finder.snippet(
                "## Returns\n\nAccepted within **17 days**, see [how](x.md):\n\n- `unworn`\n- clean"
            ),
            "Returns Accepted within 17 days, see how: unworn clean"
        );
    }

    #[test]
    fn a_long_text_is_cut_around_the_match_at_words() {
        let filler = "Something else entirely stands here. ".repeat(30);
        let text = format!("{filler}The return window closes after 17 days. {filler}");
        let snippet = Finder::new("how long is the return window?").snippet(&text);
        assert!(snippet.contains("return window closes after 17 days"), "{snippet}");
        assert!(snippet.chars().count() <= LONGEST, "{}", snippet.chars().count());
        assert!(snippet.starts_with('…') && snippet.ends_with('…'), "{snippet}");
        let words: Vec<&str> = text.split_whitespace().collect();
        let shown = snippet.trim_matches('…');
        assert!(shown.split_whitespace().all(|word| words.contains(&word)), "{snippet}");
    }

    #[test]
    fn a_text_without_spaces_or_with_wide_letters_is_cut_at_letters() {
        for text in ["配送".repeat(400), "x".repeat(1000), "é🙂".repeat(300), "a ".repeat(900)] {
            let snippet = Finder::new("配送 return").snippet(&text);
            let length = snippet.chars().count();
            assert!((1..=LONGEST).contains(&length), "{length}");
        }
    }

    #[test]
    fn identifiers_and_their_parts_match() {
        let text = format!("{} call setMaxWidth now {}", "word ".repeat(80), "word ".repeat(80));
        for question in ["setMaxWidth", "max width", "width setMaxWidth set"] {
            let snippet = Finder::new(question).snippet(&text);
            assert!(snippet.contains("setMaxWidth"), "{question}: {snippet}");
        }
    }

    #[test]
    fn a_text_of_marks_only_is_shown_as_it_is() {
        assert_eq!(Finder::new("x").snippet("<br>\n\n***"), "<br> ***");
    }
}
