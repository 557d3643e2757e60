//! The pipeline of one question: both legs in parallel, fused, relevance, optional rerank.

use crate::analyse::{Analyser, Language};
use crate::embed::{EmbedError, EmbedKind, Embedder};
use crate::fuse::fuse;
use crate::relevance::Relevance;
use crate::rerank::Reranker;
use smooai_smooth_operator_store::{Access, ChunkRef, DocumentId, Hit, KnowledgeStore, Passage, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// So many passages are given to a model for a question.
pub const PASSAGE_LIMIT: usize = 8;

/// How long one leg may take, and how long a reranker may, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(3);

/// A question longer than this is searched by its beginning, in characters.
const LONGEST_QUERY: usize = 4_000;

/// How many chunks each leg is asked for, at least.
const CANDIDATES: usize = 100;

/// How many fused chunks are read, judged and given to the reranker, at least.
const POOL: usize = 32;

/// So many passages of one document go before those of others.
const SAME_DOCUMENT: usize = 3;

/// A passage with how well it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredPassage {
    /// The passage.
    pub passage: Passage,
    /// From 0 to 1; larger is better.
    pub score: f32,
}

/// What was found for a question, best first. What the model is given and what is cited are this.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retrieved {
    /// The passages; empty when nothing readable is about the question.
    pub passages: Vec<ScoredPassage>,
}

/// Why one leg gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LegError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The question could not be embedded.
    #[error("the question could not be embedded")]
    Embed(#[from] EmbedError),
    /// The embedder answered with something else than one vector of its dimension.
    #[error("the embedder gave no vector of {expected} numbers for the question")]
    Shape {
        /// The dimension it declares.
        expected: usize,
    },
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
}

/// Why a question could not be searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetrieveError {
    /// Neither leg answered.
    #[error("neither search leg answered; keyword: {keyword}; dense: {dense}")]
    BothLegs {
        /// Why the keyword leg failed.
        #[source]
        keyword: LegError,
        /// Why the dense leg failed.
        dense: LegError,
    },
    /// What was found could not be read.
    #[error("the passages found could not be read")]
    Passages(#[source] LegError),
}

/// Finds the passages that answer a question, for one reader at a time.
#[derive(Clone)]
pub struct Retriever {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
    reranker: Option<Arc<dyn Reranker>>,
    analyser: Arc<Analyser>,
    leg_deadline: Duration,
    rerank_deadline: Duration,
}

impl Retriever {
    /// A retriever without a reranker, for English text, with deadlines of 3 s.
    #[must_use]
    pub fn new(store: Arc<dyn KnowledgeStore>, embedder: Arc<dyn Embedder>) -> Self {
        Self {
            store,
            embedder,
            reranker: None,
            analyser: Arc::new(Analyser::default()),
            leg_deadline: DEADLINE,
            rerank_deadline: DEADLINE,
        }
    }

    /// Orders what was found by this model. When it fails, the fused order stands.
    #[must_use]
    pub fn with_reranker(mut self, reranker: Arc<dyn Reranker>) -> Self {
        self.reranker = Some(reranker);
        self
    }

    /// The language that relevance is judged in; the same as the store's.
    #[must_use]
    pub fn with_language(mut self, language: Language) -> Self {
        self.analyser = Arc::new(Analyser::new(language));
        self
    }

    /// How long a leg, and how long the reranker, may take.
    #[must_use]
    pub fn with_deadlines(mut self, leg: Duration, rerank: Duration) -> Self {
        self.leg_deadline = leg;
        self.rerank_deadline = rerank;
        self
    }

    /// At most `limit` passages that the reader may see and that are about the question, best first.
    ///
    /// # Errors
    /// When neither leg answered, or what they found could not be read. One failing leg, or a failing
    /// reranker, is logged and done without.
    pub async fn retrieve(
        &self,
        access: &Access,
        query: &str,
        limit: usize,
    ) -> Result<Retrieved, RetrieveError> {
        let query = beginning(query);
        if limit == 0 || query.trim().is_empty() {
            return Ok(Retrieved::default());
        }
        let candidates = CANDIDATES.max(limit * 4);
        let (keyword, dense) =
            tokio::join!(self.keyword(access, query, candidates), self.dense(access, query, candidates));
        let (keyword, dense) = either(keyword, dense)?;
        let pool = Pool {
            read: POOL.max(limit * 2),
            enough: if self.reranker.is_some() { usize::MAX } else { limit },
        };
        let passages = self.relevant(access, query, (&keyword, &dense), pool).await?;
        let passages = self.reranked(query, passages).await;
        Ok(Retrieved { passages: spread(passages, limit) })
    }

    async fn keyword(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>, LegError> {
        within(self.leg_deadline, async { Ok(self.store.keyword(access, query, limit).await?) }).await
    }

    async fn dense(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>, LegError> {
        within(self.leg_deadline, async {
            let vectors = self.embedder.embed(EmbedKind::Query, &[query.to_owned()]).await?;
            let expected = self.embedder.dimension();
            let vector = vectors
                .into_iter()
                .next()
                .filter(|vector| vector.len() == expected && vector.iter().all(|x| x.is_finite()))
                .ok_or(LegError::Shape { expected })?;
            if vector.iter().all(|x| *x == 0.0) {
                return Ok(Vec::new());
            }
            Ok(self.store.dense(access, &vector, limit).await?)
        })
        .await
    }

    /// Reads the best of both legs and leaves out what is not about the question.
    async fn relevant(
        &self,
        access: &Access,
        query: &str,
        (keyword, dense): (&[Hit], &[Hit]),
        pool: Pool,
    ) -> Result<Vec<ScoredPassage>, RetrieveError> {
        let fused = fuse(keyword, dense, self.embedder.weight(), pool.read);
        let chunks: Vec<ChunkRef> = fused.iter().map(|f| f.chunk.clone()).collect();
        let read = async { Ok(self.store.passages(access, &chunks).await?) };
        let passages = within(self.leg_deadline, read).await.map_err(RetrieveError::Passages)?;
        // A document may have changed since it was found: passages are matched by name, not by place.
        let mut by_chunk: HashMap<ChunkRef, Passage> =
            passages.into_iter().map(|passage| (passage.chunk.clone(), passage)).collect();
        let relevance = Relevance::new(&self.analyser, query, self.embedder.relevant_cosine());
        let mut relevant = Vec::new();
        let mut taken = Taken::default();
        for f in fused {
            let Some(passage) = by_chunk.remove(&f.chunk) else { continue };
            if relevance.admits(&passage, f.cosine) {
                taken.take(&passage.chunk.document);
                relevant.push(ScoredPassage { passage, score: f.score });
            }
            if taken.first == pool.enough {
                break;
            }
        }
        Ok(relevant)
    }

    /// The passages in the reranker's order, or as they were.
    async fn reranked(&self, query: &str, fused: Vec<ScoredPassage>) -> Vec<ScoredPassage> {
        let Some(reranker) = &self.reranker else { return fused };
        if fused.len() < 2 {
            return fused;
        }
        let texts: Vec<String> = fused.iter().map(|scored| shown(&scored.passage)).collect();
        let asked = tokio::time::timeout(self.rerank_deadline, reranker.rerank(query, &texts, texts.len()));
        let order = match asked.await {
            Ok(Ok(order)) => order,
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "rerank failed; the fused order stands"
                );
                return fused;
            }
            Err(_) => {
                let limit_ms = self.rerank_deadline.as_millis();
                tracing::warn!(limit_ms, "rerank took too long; the fused order stands");
                return fused;
            }
        };
        reorder(fused, &order)
    }
}

/// How many passages are looked at.
struct Pool {
    /// So many are read.
    read: usize,
    /// When so many are relevant that go before others of their documents, the rest is not judged: it
    /// could not be among the best. Judging is most of the work after the search.
    enough: usize,
}

/// How many passages of each document were taken.
#[derive(Default)]
struct Taken {
    of: HashMap<DocumentId, usize>,
    /// Those that are among the first [`SAME_DOCUMENT`] of their documents.
    first: usize,
}

impl Taken {
    /// Takes one more of the document; whether it is among its first.
    fn take(&mut self, document: &DocumentId) -> bool {
        let taken = self.of.entry(document.clone()).or_default();
        *taken += 1;
        let first = *taken <= SAME_DOCUMENT;
        self.first += usize::from(first);
        first
    }
}

/// What a reranker reads of a passage.
fn shown(passage: &Passage) -> String {
    let mut text = passage.title.clone();
    for heading in &passage.headings {
        if *heading != passage.title {
            text.push_str(" › ");
            text.push_str(heading);
        }
    }
    text.push('\n');
    text.push_str(&passage.text);
    text
}

/// Takes the named places in their order; a place named twice or outside is ignored, and one that was
/// not named is left out. An empty order leaves all as it was.
fn reorder(fused: Vec<ScoredPassage>, order: &[(usize, f32)]) -> Vec<ScoredPassage> {
    let mut slots: Vec<Option<ScoredPassage>> = fused.into_iter().map(Some).collect();
    let scores = order.iter().map(|(_, score)| *score).filter(|score| score.is_finite());
    // Some models give logits; the logistic function brings them into the range and keeps the order.
    let logits = scores.clone().any(|score| !(0.0..=1.0).contains(&score));
    let mut out = Vec::with_capacity(order.len());
    for (place, score) in order {
        let Some(mut scored) = slots.get_mut(*place).and_then(Option::take) else { continue };
        let score = if score.is_finite() { *score } else { 0.0 };
        scored.score = if logits { 1.0 / (1.0 + (-score).exp()) } else { score };
        out.push(scored);
    }
    if out.is_empty() { slots.into_iter().flatten().collect() } else { out }
}

/// The best `limit` passages, of which no more than [`SAME_DOCUMENT`] are of one document as long as
/// there are others: a long document must not hide a short one that answers better.
fn spread(passages: Vec<ScoredPassage>, limit: usize) -> Vec<ScoredPassage> {
    let mut taken = Taken::default();
    let (mut kept, surplus): (Vec<_>, Vec<_>) =
        passages.into_iter().partition(|scored| taken.take(&scored.passage.chunk.document));
    kept.extend(surplus);
    kept.truncate(limit);
    kept.sort_by(|a, b| b.score.total_cmp(&a.score));
    kept
}

/// Goes on with the leg that answered; fails when none did.
fn either(
    keyword: Result<Vec<Hit>, LegError>,
    dense: Result<Vec<Hit>, LegError>,
) -> Result<(Vec<Hit>, Vec<Hit>), RetrieveError> {
    match (keyword, dense) {
        (Ok(keyword), Ok(dense)) => Ok((keyword, dense)),
        (Ok(keyword), Err(error)) => {
            tracing::warn!(
                leg = "dense",
                error = &error as &dyn std::error::Error,
                "a search leg failed; going on with keywords"
            );
            Ok((keyword, Vec::new()))
        }
        (Err(error), Ok(dense)) => {
            tracing::warn!(
                leg = "keyword",
                error = &error as &dyn std::error::Error,
                "a search leg failed; going on with vectors"
            );
            Ok((Vec::new(), dense))
        }
        (Err(keyword), Err(dense)) => Err(RetrieveError::BothLegs { keyword, dense }),
    }
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, LegError>>,
) -> Result<T, LegError> {
    tokio::time::timeout(deadline, work).await.unwrap_or(Err(LegError::Deadline(deadline)))
}

fn beginning(query: &str) -> &str {
    query.char_indices().nth(LONGEST_QUERY).map_or(query, |(end, _)| &query[..end])
}
