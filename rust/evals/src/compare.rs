//! Asks the questions of a set in several ways, and says how good each way is and how sure that is.

use crate::metrics::{interval, mean, ndcg, recall, reciprocal_rank};
use anyhow::{Result, ensure};
use async_trait::async_trait;
use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_ingestion::{
    Connector, ConnectorError, Item, Listing, Pipeline, Report, SourceDocument,
};
use smooai_smooth_operator_retrieval::{EmbedKind, Embedder, Reranker, Retriever};
use smooai_smooth_operator_store::{Access, AccessList, KnowledgeStore};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The organisation that owns what is searched.
const ORGANIZATION: &str = "evals";

/// So many chunks are ranked, so that there are ten documents among them.
const CHUNKS: usize = 32;

/// So many documents of a ranking count.
const PLACES: usize = 10;

/// A model on two cores takes longer than a gateway, and here nobody waits.
const PATIENCE: Duration = Duration::from_secs(240);

/// A document of a set.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its title, where it is not the first heading.
    pub title: Option<String>,
    /// Its text.
    pub text: String,
}

/// A question of a set.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What is asked.
    pub ask: String,
    /// The ids of all documents that are right.
    pub right: HashSet<String>,
}

/// Documents, and questions to which the right documents are known.
#[derive(Debug, Clone)]
pub struct Set {
    /// The documents.
    pub documents: Vec<Source>,
    /// The questions.
    pub questions: Vec<Asked>,
}

/// A store with the documents of a set, embedded by one embedder.
pub struct Loaded {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
    access: Access,
}

/// A way to search.
pub enum Way<'a> {
    /// By words.
    Keyword(&'a Loaded),
    /// By vectors.
    Dense(&'a Loaded),
    /// The product's pipeline.
    Fused(&'a Loaded),
    /// The product's pipeline with a reranker.
    Reranked(&'a Loaded, Arc<dyn Reranker>),
}

/// How good one way is for every question of a set, in the set's order.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    ndcg_10: Vec<f64>,
    recall_10: Vec<f64>,
    reciprocal: Vec<f64>,
}

impl Loaded {
    /// Cuts, embeds and stores the documents as the product does.
    ///
    /// # Errors
    /// When a document was left out or has no vectors.
    pub async fn new(set: &Set, embedder: Arc<dyn Embedder>) -> Result<(Self, Report)> {
        let store = adapter().knowledge;
        let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
        let pipeline = Pipeline::new(Arc::clone(&store), Arc::clone(&embedder), ORGANIZATION, clock);
        let connector: Arc<dyn Connector> = Arc::new(InMemory(set.documents.clone()));
        let report = pipeline.run(&[connector], &|_| {}).await;
        let (skipped, bare) = (report.skipped.len(), report.unembedded);
        ensure!(skipped + bare == 0, "{skipped} documents were left out, {bare} were not embedded");
        Ok((Self { store, embedder, access: Access::public(ORGANIZATION) }, report))
    }
}

impl Way<'_> {
    /// Asks all questions, one after another.
    ///
    /// # Errors
    /// When a search fails.
    pub async fn marks(&self, set: &Set) -> Result<Marks> {
        let mut marks = Marks::default();
        for Asked { ask, right } in &set.questions {
            let ranking = self.ranking(ask).await?;
            marks.ndcg_10.push(ndcg(&ranking, right, PLACES));
            marks.recall_10.push(recall(&ranking, right, PLACES));
            marks.reciprocal.push(reciprocal_rank(&ranking, right));
        }
        Ok(marks)
    }

    /// The best documents, each once.
    async fn ranking(&self, ask: &str) -> Result<Vec<String>> {
        let chunks: Vec<String> = match self {
            Self::Keyword(Loaded { store, access, .. }) => {
                let hits = store.keyword(access, ask, CHUNKS * 4).await?;
                hits.into_iter().map(|hit| hit.chunk.document.to_string()).collect()
            }
            Self::Dense(Loaded { store, embedder, access }) => {
                let vectors = embedder.embed(EmbedKind::Query, &[ask.to_owned()]).await?;
                let hits = store.dense(access, &vectors.concat(), CHUNKS * 4).await?;
                hits.into_iter().map(|hit| hit.chunk.document.to_string()).collect()
            }
            Self::Fused(loaded) => loaded.retrieved(ask, None).await?,
            Self::Reranked(loaded, reranker) => loaded.retrieved(ask, Some(Arc::clone(reranker))).await?,
        };
        let mut seen = HashSet::new();
        Ok(chunks.into_iter().filter(|document| seen.insert(document.clone())).take(PLACES).collect())
    }
}

impl Loaded {
    async fn retrieved(&self, ask: &str, reranker: Option<Arc<dyn Reranker>>) -> Result<Vec<String>> {
        let retriever = Retriever::new(Arc::clone(&self.store), Arc::clone(&self.embedder));
        let mut retriever = retriever.with_deadlines(PATIENCE, PATIENCE);
        if let Some(reranker) = reranker {
            retriever = retriever.with_reranker(reranker);
        }
        let found = retriever.retrieve(&self.access, ask, CHUNKS).await?;
        Ok(found.passages.into_iter().map(|found| found.passage.chunk.document.to_string()).collect())
    }
}

impl Marks {
    /// The marks of every second question: of the first, third, fifth, or of the others.
    #[must_use]
    pub fn half(&self, first: bool) -> Self {
        let half = |marks: &[f64]| marks.iter().skip(usize::from(!first)).step_by(2).copied().collect();
        Self {
            ndcg_10: half(&self.ndcg_10),
            recall_10: half(&self.recall_10),
            reciprocal: half(&self.reciprocal),
        }
    }
}

/// The means, each with the interval that it lies in with 95 %.
impl fmt::Display for Marks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for marks in [&self.ndcg_10, &self.recall_10, &self.reciprocal] {
            let (low, high) = interval(marks);
            write!(out, "{separator}{:.3} ({low:.3}–{high:.3})", mean(marks))?;
            separator = " | ";
        }
        Ok(())
    }
}

/// The documents of a set, for the product's own load.
struct InMemory(Vec<Source>);

#[async_trait]
impl Connector for InMemory {
    fn name(&self) -> &str {
        "a set of documents"
    }

    async fn list(&self) -> Result<Listing, ConnectorError> {
        let item = |(at, source): (usize, &Source)| Item {
            id: source.id.as_str().into(),
            acl: AccessList::Public,
            locator: at.to_string(),
        };
        Ok(Listing { items: self.0.iter().enumerate().map(item).collect(), skipped: Vec::new() })
    }

    async fn read(&self, item: &Item) -> Result<SourceDocument, ConnectorError> {
        let source = item.locator.parse().ok().and_then(|at: usize| self.0.get(at));
        let source = source.ok_or_else(|| ConnectorError::new("there is no such document"))?;
        let Source { id, title, text } = source.clone();
        Ok(SourceDocument { source: id, title, url: None, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smooai_smooth_operator_retrieval::{DeterministicEmbedder, RerankError};

    struct Backwards;

    #[async_trait]
    impl Reranker for Backwards {
        async fn rerank(
            &self,
            _query: &str,
            passages: &[String],
            _top: usize,
        ) -> Result<Vec<(usize, f32)>, RerankError> {
            Ok((0..passages.len()).rev().map(|at| (at, at as f32 / 100.0)).collect())
        }
    }

    fn set() -> Set {
        let source = |id: &str, text: &str| Source { id: id.to_owned(), title: None, text: text.to_owned() };
        let documents = vec![
            source("returns", "# Returns\n\nGoods are taken back within 17 days of delivery."),
            source("shipping", "# Shipping\n\nA delivery takes five days, an express delivery two days."),
        ];
        let right = HashSet::from(["returns".to_owned()]);
        Set {
            documents,
            questions: vec![Asked { ask: "taken back within days of delivery".to_owned(), right }],
        }
    }

    #[tokio::test]
    async fn every_way_ranks_documents_and_a_reranker_is_heard() {
        let set = set();
        let (loaded, report) = Loaded::new(&set, Arc::new(DeterministicEmbedder::new())).await.unwrap();
        assert_eq!(report.documents(), 2);
        for way in [Way::Keyword(&loaded), Way::Dense(&loaded), Way::Fused(&loaded)] {
            assert_eq!(way.marks(&set).await.unwrap().reciprocal, [1.0]);
        }
        let marks = Way::Reranked(&loaded, Arc::new(Backwards)).marks(&set).await.unwrap();
        assert_eq!(marks.reciprocal, [0.5]);
        assert_eq!(marks.recall_10, [1.0]);
    }

    #[test]
    fn halves_take_turns() {
        let marks = Marks { ndcg_10: vec![1.0, 0.0, 1.0], recall_10: vec![1.0; 3], reciprocal: vec![0.5; 3] };
        assert_eq!(marks.half(true).ndcg_10, [1.0, 1.0]);
        assert_eq!(marks.half(false).ndcg_10, [0.0]);
        let shown = marks.half(true).to_string();
        assert_eq!(shown, "1.000 (1.000–1.000) | 1.000 (1.000–1.000) | 0.500 (0.500–0.500)");
    }
}
