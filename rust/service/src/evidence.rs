//! What a turn was given from the documents: the one place where its citations come from.

use crate::quotes::{Quote, Quoted, quotes};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use smooai_smooth_operator_core::{KnowledgeBase, KnowledgeError, KnowledgePassage};
use smooai_smooth_operator_protocol::Citation;
use smooai_smooth_operator_retrieval::{Retriever, ScoredPassage, cite};
use smooai_smooth_operator_store::{Access, DocumentId, Passage};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One search and what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finding {
    query: String,
    passages: Vec<(Passage, f32)>,
}

impl Finding {
    /// The documents that its passages are of.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &DocumentId> {
        self.passages.iter().map(|(passage, _)| &passage.chunk.document)
    }

    /// Takes the passages of all other documents out; returns the source and title of each.
    pub(crate) fn keep(&mut self, readable: &BTreeSet<DocumentId>) -> Vec<(String, String)> {
        let gone = self.passages.extract_if(.., |(passage, _)| !readable.contains(&passage.chunk.document));
        gone.map(|(passage, _)| (passage.source, passage.title)).collect()
    }
}

/// The documents as one reader sees them. It remembers what it gave out, so that what the model was
/// given is what is cited.
pub(crate) struct Evidence {
    retriever: Arc<Retriever>,
    access: Access,
    findings: Mutex<Vec<Finding>>,
    /// What the answers of the turn's memory quote.
    quoted: Vec<Quoted>,
}

impl Evidence {
    pub(crate) fn new(
        retriever: Arc<Retriever>,
        access: Access,
        findings: Vec<Finding>,
        quoted: Vec<Quoted>,
    ) -> Self {
        Self { retriever, access, findings: Mutex::new(findings), quoted }
    }

    /// What was found so far, for a checkpoint.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.lock().clone()
    }

    /// Whose eyes these are.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// At most `limit` citations, one per document, in the order of the searches' best passages.
    pub(crate) fn citations(&self, limit: usize) -> Vec<Citation> {
        let mut cited: Vec<Citation> = Vec::new();
        for finding in self.lock().iter() {
            let passages: Vec<ScoredPassage> = finding
                .passages
                .iter()
                .map(|(passage, score)| ScoredPassage { passage: passage.clone(), score: *score })
                .collect();
            for citation in cite(&finding.query, &passages, limit) {
                let id = citation.id.to_string();
                if cited.len() < limit && cited.iter().all(|other| other.id != id) {
                    cited.push(Citation {
                        id,
                        title: citation.title,
                        url: citation.url,
                        snippet: citation.snippet,
                        score: f64::from(citation.score),
                    });
                }
            }
        }
        cited
    }

    /// What of an answer is quoted from what was found, now or for an earlier answer.
    pub(crate) fn quotes(&self, answer: &str) -> Vec<Quote> {
        let findings = self.lock();
        let passages = findings.iter().flat_map(|finding| &finding.passages);
        let found = passages.map(|(passage, _)| (passage.chunk.document.as_str(), passage.text.as_str()));
        let earlier = self.quoted.iter().map(|quoted| (quoted.document.as_str(), quoted.text.as_str()));
        quotes(answer, found.chain(earlier))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Finding>> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KnowledgeBase for Evidence {
    async fn search(&self, query: &str, limit: usize) -> Result<Vec<KnowledgePassage>, KnowledgeError> {
        let retrieved = self.retriever.retrieve(&self.access, query, limit).await;
        let retrieved = retrieved.map_err(|error| KnowledgeError(Box::new(error)))?;
        let shown = retrieved.passages.iter().map(|scored| KnowledgePassage {
            source: scored.passage.source.clone(),
            title: scored.passage.title.clone(),
            text: scored.passage.text.clone(),
        });
        let shown = shown.collect();
        let passages = retrieved.passages.into_iter().map(|scored| (scored.passage, scored.score)).collect();
        self.lock().push(Finding { query: query.to_owned(), passages });
        Ok(shown)
    }
}
