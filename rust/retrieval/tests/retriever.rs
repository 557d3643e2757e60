//! The pipeline of one question: legs that fail or hang, reranking, and what is not about the question.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use smooai_smooth_operator_retrieval::{
    DeterministicEmbedder, EmbedError, EmbedKind, Embedder, LegError, RerankError, Reranker, RetrieveError,
    Retriever, cite,
};
use smooai_smooth_operator_store::{
    Access, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore, OrganizationId, Passage, Put,
    Result, StoreError,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a part does when asked.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Answers,
    Fails,
    Hangs,
}

impl Mood {
    async fn act<T, E>(self, answer: T, error: impl FnOnce() -> E) -> Result<T, E> {
        match self {
            Self::Answers => Ok(answer),
            Self::Fails => Err(error()),
            Self::Hangs => std::future::pending().await,
        }
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { context: "asked".to_owned(), source: None }
}

/// A store of given hits; every document has the text of its id.
struct Fixed {
    keyword: (Mood, Vec<Hit>),
    dense: (Mood, Vec<Hit>),
}

fn hits(of: &[(&str, f32)]) -> Vec<Hit> {
    of.iter().map(|(text, score)| Hit { chunk: at(text, 0), score: *score }).collect()
}

fn at(document: &str, ordinal: u32) -> ChunkRef {
    ChunkRef { document: document.into(), ordinal }
}

#[async_trait]
impl KnowledgeStore for Fixed {
    async fn put(&self, _: Document) -> Result<Put> {
        Err(away())
    }
    async fn content_hash(&self, _: &OrganizationId, _: &DocumentId) -> Result<Option<String>> {
        Err(away())
    }
    async fn delete(&self, _: &OrganizationId, _: &DocumentId) -> Result<bool> {
        Err(away())
    }
    async fn list(&self, _: &Access, _: Option<&DocumentId>, _: usize) -> Result<Vec<DocumentInfo>> {
        Err(away())
    }
    async fn keyword(&self, _: &Access, _: &str, _: usize) -> Result<Vec<Hit>> {
        self.keyword.0.act(self.keyword.1.clone(), away).await
    }
    async fn dense(&self, _: &Access, _: &[f32], _: usize) -> Result<Vec<Hit>> {
        self.dense.0.act(self.dense.1.clone(), away).await
    }
    async fn passages(&self, _: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        Ok(chunks.iter().map(passage).collect())
    }
}

fn passage(chunk: &ChunkRef) -> Passage {
    let text = chunk.document.to_string();
    Passage {
        chunk: chunk.clone(),
        source: String::new(),
        title: String::new(),
        url: None,
        headings: Vec::new(),
        start: 0,
        end: text.len(),
        text,
    }
}

/// An embedder of another kind than words: passages from a cosine of 0.4 on are about the question.
struct Meaning(Mood, Vec<f32>);

#[async_trait]
impl Embedder for Meaning {
    fn id(&self) -> &str {
        "meaning:2"
    }
    fn dimension(&self) -> usize {
        2
    }
    async fn embed(&self, _: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        assert_eq!(texts.len(), 1);
        self.0.act(vec![self.1.clone()], || EmbedError::new("no model")).await
    }
}

fn unit() -> Arc<Meaning> {
    Arc::new(Meaning(Mood::Answers, vec![1.0, 0.0]))
}

struct Order(Mood, Vec<(usize, f32)>, Mutex<Vec<String>>);

#[async_trait]
impl Reranker for Order {
    async fn rerank(&self, _: &str, passages: &[String], _: usize) -> Result<Vec<(usize, f32)>, RerankError> {
        *self.2.lock().unwrap() = passages.to_vec();
        self.0.act(self.1.clone(), || RerankError::new("no model")).await
    }
}

const KEYWORD: [(&str, f32); 3] = [("return window", 9.0), ("return label", 5.0), ("return parcel", 2.0)];
const DENSE: [(&str, f32); 2] = [("return label", 0.9), ("sending it back", 0.8)];

fn retriever(keyword: Mood, dense: Mood, embedder: Arc<dyn Embedder>) -> Retriever {
    let store = Fixed { keyword: (keyword, hits(&KEYWORD)), dense: (dense, hits(&DENSE)) };
    let short = Duration::from_millis(30);
    Retriever::new(Arc::new(store), embedder).with_deadlines(short, short)
}

async fn found(retriever: &Retriever, question: &str, limit: usize) -> Vec<String> {
    let got = retriever.retrieve(&Access::public("o"), question, limit).await.unwrap();
    assert!(got.passages.iter().all(|scored| (0.0..=1.0).contains(&scored.score)));
    assert!(got.passages.is_sorted_by(|a, b| a.score >= b.score));
    got.passages.into_iter().map(|scored| scored.passage.text).collect()
}

#[tokio::test]
async fn both_legs_are_fused() {
    let retriever = retriever(Mood::Answers, Mood::Answers, unit());
    let all = ["return label", "return window", "sending it back", "return parcel"];
    assert_eq!(found(&retriever, "return", 9).await, all);
    assert_eq!(found(&retriever, "return", 2).await, all[..2]);
    assert!(found(&retriever, "return", 0).await.is_empty());
    assert!(found(&retriever, "  ", 9).await.is_empty());
}

#[tokio::test]
async fn one_leg_that_fails_or_hangs_is_done_without() {
    let words = ["return window", "return label", "return parcel"];
    for mood in [Mood::Fails, Mood::Hangs] {
        assert_eq!(found(&retriever(Mood::Answers, mood, unit()), "return", 9).await, words);
        let dumb = Arc::new(Meaning(mood, Vec::new()));
        assert_eq!(found(&retriever(Mood::Answers, Mood::Answers, dumb), "return", 9).await, words);
        let meant = ["return label", "sending it back"];
        assert_eq!(found(&retriever(mood, Mood::Answers, unit()), "return", 9).await, meant);
    }
    for wrong in [vec![1.0], vec![f32::NAN, 1.0], vec![0.0, 0.0]] {
        let wrong = Arc::new(Meaning(Mood::Answers, wrong));
        assert_eq!(found(&retriever(Mood::Answers, Mood::Answers, wrong), "return", 9).await, words);
    }
}

#[tokio::test]
async fn without_either_leg_the_question_fails_with_both_reasons() {
    let retriever = retriever(Mood::Hangs, Mood::Fails, unit());
    let error = retriever.retrieve(&Access::public("o"), "return", 9).await.unwrap_err();
    let RetrieveError::BothLegs { keyword, dense } = &error else { unreachable!("{error}") };
    assert!(matches!(keyword, LegError::Deadline(_)), "{keyword}");
    assert!(matches!(dense, LegError::Store(_)), "{dense}");
    assert!(error.to_string().contains("within 30 ms"), "{error}");
}

#[tokio::test]
async fn what_is_not_about_the_question_is_left_out() {
    // Shares no word and is not near: the noise that a search gives when nothing answers.
    let noise = hits(&[("football results", 0.39), ("sending it back", 0.41)]);
    let store = |dense: Vec<Hit>| {
        Arc::new(Fixed { keyword: (Mood::Answers, hits(&KEYWORD)), dense: (Mood::Answers, dense) })
    };
    let near = Retriever::new(store(noise.clone()), unit());
    assert_eq!(found(&near, "zeppelin", 9).await, ["sending it back"]);
    // An embedder that knows words only vouches for nothing.
    let words = Retriever::new(store(noise), Arc::new(DeterministicEmbedder::new()));
    assert!(found(&words, "zeppelin", 9).await.is_empty());
    // Of a long question, one common word is not enough.
    assert!(
        found(&words, "how tall, heavy and fast was the parcel zeppelin called Hindenburg", 9)
            .await
            .is_empty()
    );
    assert_eq!(found(&words, "zeppelin parcel", 9).await, ["return parcel"]);
}

#[tokio::test]
async fn the_rerankers_order_counts_and_without_it_the_fused_one() {
    let fused = ["return label", "return window", "sending it back", "return parcel"];
    let with = |mood, order: &[(usize, f32)]| {
        let order = Arc::new(Order(mood, order.to_vec(), Mutex::default()));
        let retriever =
            retriever(Mood::Answers, Mood::Answers, unit()).with_reranker(Arc::clone(&order) as _);
        (retriever, order)
    };
    let (reranked, order) = with(Mood::Answers, &[(2, 0.9), (0, 0.5), (2, 0.4), (77, 0.3)]);
    assert_eq!(found(&reranked, "return", 9).await, ["sending it back", "return label"]);
    assert!(order.2.lock().unwrap()[0].contains("return label"));
    // Logits are brought into the range.
    let (reranked, _) = with(Mood::Answers, &[(3, 4.5), (1, -2.0)]);
    assert_eq!(found(&reranked, "return", 9).await, ["return parcel", "return window"]);
    for (mood, order) in [(Mood::Fails, vec![]), (Mood::Hangs, vec![]), (Mood::Answers, vec![(99, 1.0)])] {
        assert_eq!(found(&with(mood, &order).0, "return", 9).await, fused);
    }
}

#[tokio::test]
async fn a_long_document_does_not_hide_the_others() {
    let mut keyword: Vec<Hit> =
        (0..20_u8).map(|n| Hit { chunk: at("return long", n.into()), score: 30.0 - f32::from(n) }).collect();
    keyword.extend(hits(&[("return short", 1.0)]));
    let store = Fixed { keyword: (Mood::Answers, keyword), dense: (Mood::Answers, Vec::new()) };
    let retriever = Retriever::new(Arc::new(store), unit());
    let got = retriever.retrieve(&Access::public("o"), "return", 8).await.unwrap();
    assert_eq!(got.passages.len(), 8);
    let cited = cite("return", &got.passages, 8);
    assert_eq!(cited.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["return long", "return short"]);
}
