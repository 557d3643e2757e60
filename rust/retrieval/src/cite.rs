//! From passages to citations: one per document, best first, with a snippet around the match.

mod snippet;

use crate::retriever::ScoredPassage;
use smooai_smooth_operator_store::DocumentId;
use std::collections::HashMap;

/// At most this many citations go with an answer.
pub const CITATION_LIMIT: usize = 8;

/// What an answer is grounded in, as it is shown to a reader.
#[derive(Debug, Clone, PartialEq)]
pub struct Citation {
    /// The document's id.
    pub id: DocumentId,
    /// Its title.
    pub title: String,
    /// Where a reader can open it.
    pub url: Option<String>,
    /// At most 280 characters around what matches the question, without Markdown marks.
    pub snippet: String,
    /// From 0 to 1; larger is better.
    pub score: f32,
}

/// The documents of the passages, each cited once by its best passage, best first, at most `limit`.
/// All passages that a [`Retriever`](crate::Retriever) returns are relevant, so all may be cited; those
/// of several searches may be put together.
#[must_use]
pub fn cite(query: &str, passages: &[ScoredPassage], limit: usize) -> Vec<Citation> {
    let mut best: Vec<&ScoredPassage> = Vec::new();
    let mut place: HashMap<&DocumentId, usize> = HashMap::new();
    for scored in passages {
        let at = *place.entry(&scored.passage.chunk.document).or_insert(best.len());
        match best.get_mut(at) {
            Some(kept) if scored.score > kept.score => *kept = scored,
            Some(_) => {}
            None => best.push(scored),
        }
    }
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    best.truncate(limit);
    let finder = snippet::Finder::new(query);
    best.into_iter()
        .map(|scored| Citation {
            id: scored.passage.chunk.document.clone(),
            title: scored.passage.title.clone(),
            url: scored.passage.url.clone(),
            snippet: finder.snippet(&scored.passage.text),
            score: scored.score.clamp(0.0, 1.0),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use smooai_smooth_operator_store::{ChunkRef, Passage};

    fn passage(document: &str, ordinal: u32, text: &str, score: f32) -> ScoredPassage {
        let passage = Passage {
            chunk: ChunkRef { document: document.into(), ordinal },
            source: document.to_owned(),
            title: format!("Title of {document}"),
            url: None,
            headings: Vec::new(),
            text: text.to_owned(),
            start: 0,
            end: text.len(),
        };
        ScoredPassage { passage, score }
    }

    #[test]
    fn a_document_is_cited_once_by_its_best_passage_and_the_best_comes_first() {
        let found = [
            passage("a", 0, "first of a", 0.5),
            passage("b", 0, "first of b", 0.9),
            passage("a", 1, "second of a", 0.7),
        ];
        let cited = cite("second", &found, CITATION_LIMIT);
        let shown: Vec<_> = cited.iter().map(|c| (c.id.as_str(), c.snippet.as_str())).collect();
        assert_eq!(shown, [("b", "first of b"), ("a", "second of a")]);
    }

    #[test]
    fn no_more_than_the_limit_and_no_score_beyond_one() {
        let found: Vec<_> = (0..20).map(|n| passage(&format!("d{n}"), 0, "text", 1.5)).collect();
        let cited = cite("text", &found, CITATION_LIMIT);
        assert_eq!(cited.len(), CITATION_LIMIT);
        assert!(cited.iter().all(|c| c.score <= 1.0));
    }
}
