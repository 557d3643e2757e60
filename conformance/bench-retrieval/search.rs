//! The measures of searching: the index by itself, and a store through the pipeline of a question.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use smooai_smooth_operator_retrieval::analyse::Analyser;
use smooai_smooth_operator_retrieval::index::Snapshot;
use smooai_smooth_operator_retrieval::{EmbedError, EmbedKind, Embedder, Retriever};
use smooai_smooth_operator_store::{Access, ChunkRef, Hit, KnowledgeStore};

use crate::corpus::{Corpus, DIMENSION, Question};
use crate::exact::Exact;
use crate::rival::Rival;
use crate::table::{Aim, Table, Times};

/// Recall is of so many.
const BEST: usize = 10;
/// Questions before those that are measured.
const WARM_UP: usize = 20;

/// The questions, what is right for each, and who asks.
pub struct Task {
    reader: Access,
    questions: Vec<Question>,
    right: Vec<Right>,
}

/// The exact answers to a question.
struct Right {
    keyword: Vec<ChunkRef>,
    dense: Vec<ChunkRef>,
    hybrid: Vec<ChunkRef>,
}

impl Task {
    /// So many questions, answered by the exact search.
    pub async fn new(corpus: &Corpus, exact: &Arc<Exact>, count: usize) -> Result<Self> {
        let reader = corpus.reader();
        let questions: Vec<Question> = (0..count).map(|n| corpus.question(n)).collect();
        let retriever = retriever(Arc::clone(exact) as _, &questions);
        let mut right = Vec::with_capacity(count);
        for question in &questions {
            right.push(Right {
                keyword: chunks(exact.keyword(&reader, &question.text, BEST).await?),
                dense: chunks(exact.dense(&reader, &question.vector, BEST).await?),
                hybrid: retrieve(&retriever, &reader, question).await?,
            });
        }
        Ok(Self { reader, questions, right })
    }

    fn embedding(&self) -> &[Question] {
        &self.questions
    }
}

/// A pipeline whose questions are embedded already: what a model takes for that is not the store's.
fn retriever(store: Arc<dyn KnowledgeStore>, questions: &[Question]) -> Retriever {
    let vectors = questions.iter().map(|question| (question.text.clone(), question.vector.clone()));
    let embedder = Arc::new(Prepared(vectors.collect()));
    // A deadline would cut off what is to be measured.
    Retriever::new(store, embedder).with_deadlines(Duration::from_secs(60), Duration::from_secs(60))
}

async fn retrieve(retriever: &Retriever, reader: &Access, question: &Question) -> Result<Vec<ChunkRef>> {
    let retrieved = retriever.retrieve(reader, &question.text, BEST).await?;
    Ok(retrieved.passages.into_iter().map(|scored| scored.passage.chunk).collect())
}

struct Prepared(HashMap<String, Vec<f32>>);

#[async_trait]
impl Embedder for Prepared {
    fn id(&self) -> &str {
        "prepared"
    }

    fn dimension(&self) -> usize {
        DIMENSION
    }

    async fn embed(&self, _kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let vectors = texts.iter().map(|text| self.0.get(text).cloned());
        vectors.collect::<Option<_>>().ok_or_else(|| EmbedError::new("a question that was not prepared"))
    }
}

fn chunks(hits: Vec<Hit>) -> Vec<ChunkRef> {
    hits.into_iter().map(|hit| hit.chunk).collect()
}

/// How many of the right ones were found.
#[derive(Default)]
struct Recall {
    found: usize,
    all: usize,
}

impl Recall {
    fn add<T: Eq + Hash>(&mut self, found: &[T], right: &[T]) {
        let found: HashSet<&T> = found.iter().collect();
        self.found += right.iter().filter(|chunk| found.contains(chunk)).count();
        self.all += right.len();
    }

    fn share(&self) -> f64 {
        self.found as f64 / self.all as f64
    }
}

/// The index of the embedded stores beside tantivy and beside plain floats, one question after another
/// by each in turn.
pub fn index(
    table: &mut Table,
    task: &Task,
    snapshot: &Snapshot,
    exact: &Exact,
    rival: &Rival,
) -> Result<()> {
    let analyser = Analyser::default();
    let [mut keyword, mut tantivy, mut dense, mut floats]: [Times; 4] = Default::default();
    let mut agreed = Recall::default();
    for (n, question) in task.questions.iter().take(WARM_UP).chain(&task.questions).enumerate() {
        let measured = n >= WARM_UP;
        let timed = |times: &mut Times, from: Instant| {
            let took = from.elapsed();
            if measured {
                times.push(took);
            }
        };
        let from = Instant::now();
        let ours = snapshot.keyword(&task.reader, &analyser, &question.text, BEST);
        timed(&mut keyword, from);
        let from = Instant::now();
        let theirs = rival.search(&analyser, &question.text, BEST)?;
        timed(&mut tantivy, from);
        let from = Instant::now();
        black_box(snapshot.dense(&task.reader, &question.vector, BEST));
        timed(&mut dense, from);
        let from = Instant::now();
        black_box(exact.by_floats(&question.vector, BEST));
        timed(&mut floats, from);
        let theirs: Vec<ChunkRef> = theirs.iter().map(|place| exact.chunk(*place as usize).clone()).collect();
        agreed.add(&theirs, &chunks(ours));
    }
    table.compare("index: keyword p50, ms", keyword.p50(), (tantivy.p50(), "tantivy"), Aim::RatioAtMost(2.0));
    table.compare("… p99, ms", keyword.p99(), (tantivy.p99(), "tantivy"), Aim::None);
    table.single("… top 10 that tantivy finds too", agreed.share(), Aim::None);
    table.compare("index: dense p50, ms", dense.p50(), (floats.p50(), "plain floats"), Aim::None);
    table.compare("… p99, ms", dense.p99(), (floats.p99(), "plain floats"), Aim::None);
    Ok(())
}

/// A store: each leg by itself, and both through the pipeline.
pub async fn store(
    table: &mut Table,
    name: &str,
    task: &Task,
    store: Arc<dyn KnowledgeStore>,
    aims: [Aim; 2],
) -> Result<()> {
    let [mut keyword, mut dense, mut hybrid]: [Times; 3] = Default::default();
    let [mut by_words, mut by_vectors, mut by_both]: [Recall; 3] = Default::default();
    let retriever = retriever(Arc::clone(&store), task.embedding());
    for question in task.questions.iter().take(WARM_UP) {
        retrieve(&retriever, &task.reader, question).await?;
    }
    for (question, right) in task.questions.iter().zip(&task.right) {
        let from = Instant::now();
        let found = store.keyword(&task.reader, &question.text, BEST).await.context("searching by words")?;
        keyword.push(from.elapsed());
        by_words.add(&chunks(found), &right.keyword);
        let from = Instant::now();
        let found =
            store.dense(&task.reader, &question.vector, BEST).await.context("searching by vectors")?;
        dense.push(from.elapsed());
        by_vectors.add(&chunks(found), &right.dense);
        let from = Instant::now();
        let found = retrieve(&retriever, &task.reader, question).await?;
        hybrid.push(from.elapsed());
        by_both.add(&found, &right.hybrid);
    }
    let [speed, recall] = aims;
    table.single(&format!("{name}: hybrid p50, ms"), hybrid.p50(), speed);
    table.single("… p99, ms", hybrid.p99(), Aim::None);
    table.single("… recall@10 against exact search", by_both.share(), recall);
    table.single(&format!("{name}: keyword p50, ms"), keyword.p50(), Aim::None);
    table.single("… p99, ms", keyword.p99(), Aim::None);
    table.single("… recall@10 against exact search", by_words.share(), recall);
    table.single(&format!("{name}: dense p50, ms"), dense.p50(), Aim::None);
    table.single("… p99, ms", dense.p99(), Aim::None);
    table.single("… recall@10 against exact search", by_vectors.share(), recall);
    Ok(())
}
