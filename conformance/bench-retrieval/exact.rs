//! What the searches are held against: BM25 and cosine over everything, in double precision, without
//! an index that leaves anything out.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use smooai_smooth_operator_retrieval::analyse::Analyser;
use smooai_smooth_operator_retrieval::bm25::{B, K1, each_chunk_term, question_terms};
use smooai_smooth_operator_store::{
    Access, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore, OrganizationId, Passage, Put,
    Result, StoreError,
};

use crate::corpus::Corpus;

/// All chunks, and for every term the chunks that hold it.
pub struct Exact {
    analyser: Analyser,
    chunks: Vec<ChunkRef>,
    lengths: Vec<f64>,
    vectors: Vec<f32>,
    postings: HashMap<u64, Vec<(u32, u32)>>,
    /// Where passages are read.
    passages: Arc<dyn KnowledgeStore>,
}

impl Exact {
    /// The documents of a corpus, which `passages` holds as well.
    pub fn new(corpus: &Corpus, passages: Arc<dyn KnowledgeStore>) -> Self {
        let mut exact = Self {
            analyser: Analyser::default(),
            chunks: Vec::new(),
            lengths: Vec::new(),
            vectors: Vec::new(),
            postings: HashMap::new(),
            passages,
        };
        for n in 0..corpus.documents {
            exact.take(&corpus.document(n));
        }
        exact
    }

    fn take(&mut self, document: &Document) {
        for (ordinal, chunk) in (0..).zip(&document.chunks) {
            let mut counts: HashMap<u64, u32> = HashMap::new();
            each_chunk_term(document, chunk, &self.analyser, &mut |term| {
                *counts.entry(term).or_default() += 1;
            });
            let place = self.chunks.len() as u32;
            self.lengths.push(counts.values().sum::<u32>().into());
            for (term, count) in counts {
                self.postings.entry(term).or_default().push((place, count));
            }
            self.vectors.extend_from_slice(&chunk.embedding);
            self.chunks.push(ChunkRef { document: document.id.clone(), ordinal });
        }
    }

    /// The terms of every chunk with how often they occur, by the chunk's place.
    pub fn terms(&self) -> Vec<Vec<(u64, u32)>> {
        let mut terms = vec![Vec::new(); self.chunks.len()];
        for (term, postings) in &self.postings {
            for (place, count) in postings {
                terms[*place as usize].push((*term, *count));
            }
        }
        terms
    }

    /// Where a chunk stands.
    pub fn chunk(&self, place: usize) -> &ChunkRef {
        &self.chunks[place]
    }

    /// The nearest by plain floats: what a search without codes costs.
    pub fn by_floats(&self, vector: &[f32], limit: usize) -> Vec<usize> {
        let vectors = self.vectors.chunks_exact(vector.len());
        let mut scored: Vec<(f32, usize)> = vectors
            .zip(0..)
            .map(|(each, place)| (each.iter().zip(vector).map(|(a, b)| a * b).sum(), place))
            .collect();
        let limit = limit.min(scored.len().saturating_sub(1));
        scored.select_nth_unstable_by(limit, |a, b| b.0.total_cmp(&a.0));
        scored.truncate(limit);
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().map(|(_, place)| place).collect()
    }

    fn best(&self, scores: impl Iterator<Item = (usize, f64)>, limit: usize) -> Vec<Hit> {
        let mut scored: Vec<(f64, &ChunkRef)> =
            scores.map(|(place, score)| (score, &self.chunks[place])).collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let hit = |(score, chunk): (f64, &ChunkRef)| Hit { chunk: chunk.clone(), score: score as f32 };
        scored.into_iter().take(limit).map(hit).collect()
    }
}

fn unused<T>() -> Result<T> {
    Err(StoreError::Unavailable { context: "the exact search is only searched".to_owned(), source: None })
}

#[async_trait]
impl KnowledgeStore for Exact {
    async fn put(&self, _document: Document) -> Result<Put> {
        unused()
    }

    async fn content_hash(&self, _organization: &OrganizationId, _id: &DocumentId) -> Result<Option<String>> {
        unused()
    }

    async fn delete(&self, _organization: &OrganizationId, _id: &DocumentId) -> Result<bool> {
        unused()
    }

    async fn list(
        &self,
        _access: &Access,
        _after: Option<&DocumentId>,
        _limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        unused()
    }

    async fn keyword(&self, _access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>> {
        let count = self.chunks.len() as f64;
        let average = self.lengths.iter().sum::<f64>() / count;
        let (k1, b) = (f64::from(K1), f64::from(B));
        let mut scores: HashMap<usize, f64> = HashMap::new();
        for term in question_terms(&self.analyser, query) {
            let Some(postings) = self.postings.get(&term) else { continue };
            let holding = postings.len() as f64;
            let idf = (1.0 + (count - holding + 0.5) / (holding + 0.5)).ln();
            for (place, times) in postings {
                let (place, times) = (*place as usize, f64::from(*times));
                let norm = k1 * (1.0 - b + b * self.lengths[place] / average);
                *scores.entry(place).or_default() += idf * times * (k1 + 1.0) / (times + norm);
            }
        }
        Ok(self.best(scores.into_iter(), limit))
    }

    async fn dense(&self, _access: &Access, vector: &[f32], limit: usize) -> Result<Vec<Hit>> {
        let product =
            |each: &[f32]| each.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        Ok(self.best(self.vectors.chunks_exact(vector.len()).map(product).enumerate(), limit))
    }

    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        self.passages.passages(access, chunks).await
    }
}
