//! Which passages are about the question at all. Search always finds something nearest; what is nearest
//! to an off-topic question is noise, and is neither given to the model nor cited.

use crate::analyse::{Analyser, word_indices};
use smooai_smooth_operator_store::Passage;
use std::collections::HashSet;

/// No more words than these need to be shared, however long the question is.
const MOST_NEEDED: usize = 3;

/// The words of a question that a passage is held against.
pub(crate) struct Relevance<'a> {
    analyser: &'a Analyser,
    terms: HashSet<String>,
    needed: usize,
    cosine: f32,
}

impl<'a> Relevance<'a> {
    /// A passage is relevant when it holds at least a quarter of the question's distinct words (one at
    /// least, three at most; stems, function words not counted), or when its cosine reaches `cosine`.
    pub(crate) fn new(analyser: &'a Analyser, query: &str, cosine: f32) -> Self {
        let mut terms = HashSet::new();
        analyser.each(query, &mut |token| {
            if !token.compound {
                terms.insert(token.term.to_owned());
            }
        });
        let needed = terms.len().div_ceil(4).clamp(1, MOST_NEEDED);
        Self { analyser, terms, needed, cosine }
    }

    /// Whether the passage is about the question.
    pub(crate) fn admits(&self, passage: &Passage, cosine: Option<f32>) -> bool {
        if cosine.is_some_and(|cosine| cosine >= self.cosine) {
            return true;
        }
        let mut shared = HashSet::new();
        let mut lower = String::new();
        let headings = passage.headings.iter().map(String::as_str);
        let texts = [passage.source.as_str(), passage.title.as_str(), passage.text.as_str()];
        for (_, word) in texts.into_iter().chain(headings).flat_map(word_indices) {
            self.analyser.each_of_word(word, 0, &mut lower, &mut |token| {
                if let Some(term) = self.terms.get(token.term) {
                    shared.insert(term.as_str());
                }
            });
            // Most passages that were found by words hold them early: the rest is not read.
            if shared.len() >= self.needed {
                return true;
            }
        }
        false
    }
}
