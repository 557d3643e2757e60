//! Which words of an answer stand word for word in a document that it was made from, so that they can be
//! taken out again when the document may no longer be read.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// So many words in a row are a quotation.
const WORDS: usize = 4;

/// What stands where a quotation was taken out.
pub(crate) const CUT: &str = "[…]";

/// A stretch of an answer that is quoted from a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quote {
    /// The document's id.
    pub document: String,
    /// Where it begins in the answer, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
}

/// What an earlier answer quoted. An answer that repeats it quotes the same document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quoted {
    /// The document's id.
    pub document: String,
    /// The words, as the answer has them.
    pub text: String,
}

/// What of the answer is quoted from which of these texts, each with its document.
pub(crate) fn quotes<'a>(answer: &str, texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Quote> {
    let (said, places): (Vec<String>, Vec<Range<usize>>) = words(answer).unzip();
    let mut found = BTreeSet::new();
    for (document, text) in texts {
        let written: Vec<String> = words(text).map(|(word, _)| word).collect();
        let runs: HashSet<&[String]> = written.windows(WORDS).collect();
        let mut open: Option<Range<usize>> = None;
        for (at, run) in said.windows(WORDS).enumerate() {
            if !runs.contains(run) {
                continue;
            }
            let place = places[at].start..places[at + WORDS - 1].end;
            open = Some(match open.take() {
                Some(before) if place.start <= before.end => before.start..place.end,
                Some(before) => {
                    found.insert((document, before.start, before.end));
                    place
                }
                None => place,
            });
        }
        found.extend(open.map(|last| (document, last.start, last.end)));
    }
    let quote =
        |(document, start, end): (&str, usize, usize)| Quote { document: document.to_owned(), start, end };
    found.into_iter().map(quote).collect()
}

/// Runs of letters and digits in lower case: Markdown and punctuation do not make another word.
fn words(text: &str) -> impl Iterator<Item = (String, Range<usize>)> {
    let mut rest = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|(_, c)| !c.is_alphanumeric()).is_some() {}
        let (start, _) = *rest.peek()?;
        let (mut word, mut end) = (String::new(), start);
        while let Some((at, c)) = rest.next_if(|(_, c)| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
            end = at + c.len_utf8();
        }
        Some((word, start..end))
    })
}

/// The answer without what is quoted from documents that may not be read. What a readable document says
/// as well stays.
pub(crate) fn without(answer: &str, quotes: &[Quote], readable: impl Fn(&str) -> bool) -> String {
    let mut gone = vec![false; answer.len()];
    let mut mark = |quote: &Quote, value: bool| {
        if let Some(bytes) = gone.get_mut(quote.start..quote.end) {
            bytes.fill(value);
        }
    };
    let (kept, revoked): (Vec<&Quote>, Vec<&Quote>) =
        quotes.iter().partition(|quote| readable(&quote.document));
    revoked.into_iter().for_each(|quote| mark(quote, true));
    kept.into_iter().for_each(|quote| mark(quote, false));
    let mut out = String::with_capacity(answer.len());
    let mut cutting = false;
    for (at, c) in answer.char_indices() {
        if !gone[at] {
            out.push(c);
        } else if !cutting {
            out.push_str(CUT);
        }
        cutting = gone[at];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "# Salaries\n\nThe **chief** salary is 1 doubloon. Nobody else has one.";
    const B: &str = "Returns are taken for 17 days. The chief salary is secret.";

    fn shown(answer: &str, readable: &[&str]) -> String {
        let quotes = quotes(answer, [("a", A), ("b", B)]);
        without(answer, &quotes, |document| readable.contains(&document))
    }

    #[test]
    fn what_is_quoted_is_taken_out_with_the_document_and_the_rest_stays() {
        let answer = "As they say, “the chief salary is 1 doubloon”; and returns are taken for 17 days!";
        assert_eq!(shown(answer, &["a", "b"]), answer);
        assert_eq!(
            shown(answer, &["b"]),
            "As they say, “the chief salary is[…]”; and returns are taken for 17 days!"
        );
        assert_eq!(shown(answer, &["a"]), "As they say, “the chief salary is 1 doubloon”; and […]!");
        assert_eq!(shown(answer, &[]), "As they say, “[…]”; and […]!");
    }

    #[test]
    fn a_few_common_words_are_no_quotation() {
        for answer in ["A chief salary, is that it?", "Nobody else has, alas.", "", "«é»", "17 days"] {
            assert_eq!(shown(answer, &[]), answer);
        }
    }

    #[test]
    fn a_whole_document_is_one_quotation() {
        let found = quotes(A, [("a", A)]);
        assert_eq!(found, [Quote { document: "a".to_owned(), start: 2, end: A.len() - 1 }]);
        assert_eq!(without(A, &found, |_| false), "# […].");
    }

    #[test]
    fn places_that_do_not_fit_the_text_take_out_nothing() {
        let odd = |start, end| Quote { document: "a".to_owned(), start, end };
        assert_eq!(without("é é", &[odd(0, 99), odd(3, 2)], |_| false), "é é");
        assert_eq!(without("é é", &[odd(1, 3)], |_| false), "é[…]é");
    }
}
