//! BM25 (Robertson, Zaragoza 2009) as numbers: the terms that a chunk is found by, the terms of a
//! question, and what a term adds to a score. Every store ranks with these, so that all rank alike.

use crate::analyse::{Analyser, Token, term_hash, word_indices};
use smooai_smooth_operator_store::{Chunk, Document};
use std::collections::HashMap;

/// How fast a further occurrence of a term counts less.
pub const K1: f32 = 1.2;
/// How much a long chunk counts less.
pub const B: f32 = 0.75;
/// A question of more distinct terms is searched by its rarest.
pub const MOST_TERMS: usize = 32;

/// The distinct terms of a question, ascending, as [`term_hash`]es.
#[must_use]
pub fn question_terms(analyser: &Analyser, question: &str) -> Vec<u64> {
    let mut terms = Vec::new();
    analyser.each(question, &mut |token| terms.push(term_hash(token.term)));
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The terms a chunk is found by, as [`term_hash`]es with repetitions: its own, and those of the source,
/// the title and the headings above it. Their number is the chunk's length.
pub fn each_chunk_term(document: &Document, chunk: &Chunk, analyser: &Analyser, take: &mut dyn FnMut(u64)) {
    for text in chunk_texts(document, chunk) {
        analyser.each(text, &mut |token| take(term_hash(token.term)));
    }
}

/// The texts whose terms a chunk is found by.
pub(crate) fn chunk_texts<'a>(document: &'a Document, chunk: &'a Chunk) -> impl Iterator<Item = &'a str> {
    let headings = chunk.headings.iter().filter(|heading| **heading != document.title);
    let around = [&document.source, &document.title].into_iter().chain(headings);
    around.chain([&chunk.text]).map(String::as_str)
}

/// The terms of many texts. A word that came before is looked up instead of cut to its stem again,
/// which is most of the work of indexing.
pub(crate) struct Terms<'a> {
    analyser: &'a Analyser,
    known: HashMap<Box<str>, Box<[u64]>>,
    lower: String,
}

/// No more words than these are remembered; then it begins anew.
const MOST_KNOWN: usize = 1 << 16;

impl<'a> Terms<'a> {
    pub(crate) fn new(analyser: &'a Analyser) -> Self {
        Self { analyser, known: HashMap::new(), lower: String::new() }
    }

    /// The terms of a text as [`term_hash`]es, as [`Analyser::each`] gives them.
    pub(crate) fn each(&mut self, text: &str, take: &mut dyn FnMut(u64)) {
        for (_, word) in word_indices(text) {
            if let Some(terms) = self.known.get(word) {
                terms.iter().for_each(|term| take(*term));
                continue;
            }
            let mut terms = Vec::new();
            let mut push = |token: Token<'_>| terms.push(term_hash(token.term));
            self.analyser.each_of_word(word, 0, &mut self.lower, &mut push);
            terms.iter().for_each(|term| take(*term));
            if self.known.len() == MOST_KNOWN {
                self.known.clear();
            }
            self.known.insert(word.into(), terms.into());
        }
    }
}

/// The inverse document frequency of a term that `holding` of `chunks` chunks hold.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a rounded count changes a logarithm by less than its own rounding"
)]
pub fn idf(chunks: u64, holding: u64) -> f32 {
    let (n, df) = (chunks as f32, holding as f32);
    (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
}

/// What a term with that inverse document frequency adds to the score of a chunk of `length` terms that
/// holds it `count` times.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a chunk has far fewer than 2^24 terms")]
pub fn term_score(idf: f32, count: u16, length: u32, average_length: f32) -> f32 {
    let count = f32::from(count);
    let norm = K1 * (1.0 - B + B * length as f32 / average_length);
    idf * (count * (K1 + 1.0)) / (count + norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_are_remembered_are_those_that_the_analyser_gives() {
        let analyser = Analyser::default();
        let mut terms = Terms::new(&analyser);
        for text in ["The maxWidth of returned parcels", "return the Parcels: maxWidth, v1.2.3", "配送 的"]
        {
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            terms.each(text, &mut |term| found.push(term));
            analyser.each(text, &mut |token| expected.push(term_hash(token.term)));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_rare_term_in_a_short_chunk_counts_most() {
        let (rare, common) = (idf(100, 1), idf(100, 90));
        assert!(rare > common && common > 0.0);
        assert!(term_score(rare, 1, 10, 50.0) > term_score(rare, 1, 100, 50.0));
        assert!(term_score(rare, 3, 10, 50.0) > term_score(rare, 1, 10, 50.0));
        // ln(1 + 99.5 / 1.5) and the fraction 2.2 / (1 + 1.2 · 1).
        assert!((term_score(rare, 1, 50, 50.0) - 67.333_33_f32.ln()).abs() < 1e-4);
    }
}
