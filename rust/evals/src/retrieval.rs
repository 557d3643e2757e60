//! Asks the questions of a store that holds the corpus, leg by leg and through the whole pipeline.

use crate::metrics::{first_rank, ndcg, recall, reciprocal_rank};
use crate::questions::Question;
use anyhow::Result;
use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_ingestion::{Connector, Files, Pipeline, Report};
use smooai_smooth_operator_retrieval::{
    CITATION_LIMIT, DeterministicEmbedder, PASSAGE_LIMIT, Retriever, cite,
};
use smooai_smooth_operator_store::{Access, AccessList, Hit, KnowledgeStore};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A store with the corpus.
pub struct Bench {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<DeterministicEmbedder>,
    access: Access,
}

/// The documents found for one question, best first.
#[derive(Debug, Clone, Default)]
pub struct Rankings {
    /// By words alone.
    pub keyword: Vec<String>,
    /// By vectors alone.
    pub dense: Vec<String>,
    /// As a person is shown them: the citations of the whole pipeline.
    pub cited: Vec<String>,
}

/// The means over all questions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Questions whose first document is right.
    pub hit_1: usize,
    /// Questions with a right document among the first three.
    pub hit_3: usize,
    /// Mean reciprocal rank.
    pub mrr: f64,
    /// Mean nDCG of the first ten.
    pub ndcg_10: f64,
    /// Mean recall of the first ten.
    pub recall_10: f64,
}

impl Bench {
    /// Loads every Markdown file below the folder.
    ///
    /// # Errors
    /// When the folder has none.
    pub async fn load(folder: &Path) -> Result<(Self, Report)> {
        let bench = Self {
            store: adapter().knowledge,
            embedder: Arc::new(DeterministicEmbedder::new()),
            access: Access::public("evals"),
        };
        let files: Arc<dyn Connector> = Arc::new(Files::new(folder, "**/*.md", AccessList::Public)?);
        let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
        let pipeline =
            Pipeline::new(Arc::clone(&bench.store), Arc::clone(&bench.embedder) as _, "evals", clock);
        let report = pipeline.run(&[files], &|_| {}).await;
        Ok((bench, report))
    }

    /// What is found for a question.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ask(&self, question: &str) -> Result<Rankings> {
        let keyword = self.store.keyword(&self.access, question, 50).await?;
        let vector = self.embedder.vector(question);
        let dense = self.store.dense(&self.access, &vector, 50).await?;
        let retriever = Retriever::new(Arc::clone(&self.store), Arc::clone(&self.embedder) as _);
        let found = retriever.retrieve(&self.access, question, PASSAGE_LIMIT).await?;
        let cited = cite(question, &found.passages, CITATION_LIMIT);
        Ok(Rankings {
            keyword: documents(&keyword),
            dense: documents(&dense),
            cited: cited.into_iter().map(|citation| citation.id.to_string()).collect(),
        })
    }
}

/// The documents of the hits, each once.
fn documents(hits: &[Hit]) -> Vec<String> {
    let mut seen = HashSet::new();
    let names = hits.iter().map(|hit| hit.chunk.document.as_str());
    names.filter(|name| seen.insert(*name)).take(10).map(str::to_owned).collect()
}

/// The place of the right document for a question.
#[must_use]
pub fn rank(ranking: &[String], question: &Question) -> Option<usize> {
    first_rank(ranking, &question.files.iter().cloned().collect())
}

/// The means of one way to search.
#[must_use]
pub fn totals<'a>(rankings: impl Iterator<Item = (&'a [String], &'a Question)>) -> Totals {
    let mut totals = Totals::default();
    let mut asked = 0_u32;
    for (ranking, question) in rankings {
        let right: HashSet<String> = question.files.iter().cloned().collect();
        let first = first_rank(ranking, &right).unwrap_or(usize::MAX);
        totals.hit_1 += usize::from(first <= 1);
        totals.hit_3 += usize::from(first <= 3);
        totals.mrr += reciprocal_rank(ranking, &right);
        totals.ndcg_10 += ndcg(ranking, &right, 10);
        totals.recall_10 += recall(ranking, &right, 10);
        asked += 1;
    }
    let asked = f64::from(asked.max(1));
    totals.mrr /= asked;
    totals.ndcg_10 /= asked;
    totals.recall_10 /= asked;
    totals
}

impl fmt::Display for Totals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hit_1, hit_3, mrr, ndcg_10, recall_10 } = self;
        write!(out, "{hit_1:>5} {hit_3:>5} {mrr:>7.3} {ndcg_10:>8.3} {recall_10:>10.3}")
    }
}
