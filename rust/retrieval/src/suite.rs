//! What every backend promises of access, as a property: what a reader gets equals what he would get from
//! a store that holds only what he may read; and what is answered while documents change. And of search:
//! the best ten are those of another backend. For the tests of adapters.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod while_written;

pub use while_written::answers_while_written;

use crate::analyse::Language;
use crate::rerank::{RerankError, Reranker};
use crate::{DeterministicEmbedder, Retriever, cite};
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Access, AccessList, Chunk, ChunkRef, Document, DocumentId, Hit, KnowledgeStore, OrganizationId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::Arc;
use tokio::task::JoinSet;

/// A seed makes one random set of documents and so many readers with a question each.
pub const READERS: usize = 3;

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    /// Each makes a set of documents and [`READERS`] cases.
    pub seeds: Range<u64>,
    /// How many documents a set has at most.
    pub documents: usize,
    /// How many words a chunk has at most.
    pub words: usize,
    /// How many seeds are tried side by side.
    pub at_once: usize,
}

impl Cases {
    /// So many cases of small sets, or up to two more.
    #[must_use]
    pub fn new(count: u64) -> Self {
        Self { seeds: 0..count.div_ceil(READERS as u64), documents: 7, words: 16, at_once: 32 }
    }
}

/// Makes random documents in organisations of the store that nobody else uses, and asks random questions:
/// the same chunks, order, scores, lists, counts, passages and citations must come as from an organisation
/// that holds only what the reader may see; for every other seed after a reranker. Then one document's list
/// is changed or the document removed, and the first reader asks again: the change holds at once.
///
/// # Panics
/// When they do not; the message holds the seed.
pub async fn non_interference(store: Arc<dyn KnowledgeStore>, cases: Cases) {
    let mut running = JoinSet::new();
    for seed in cases.seeds.clone() {
        while running.len() >= cases.at_once {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(case(Arc::clone(&store), seed, cases.clone()));
    }
    running.join_all().await;
}

async fn case(store: Arc<dyn KnowledgeStore>, seed: u64, cases: Cases) {
    let mut numbers = Numbers::new(seed.wrapping_mul(0xD134_2543_DE82_EF95));
    let organization = format!("o {seed}");
    let mut documents = BTreeMap::new();
    for version in 0..1 + numbers.below(cases.documents + 1) {
        let id = format!("d{}", numbers.below(cases.documents));
        let document = numbers.document(&organization, &id, cases.words, version);
        if numbers.below(6) == 0 {
            store.delete(&document.organization, &document.id).await.unwrap();
            documents.remove(&document.id);
        } else {
            store.put(document.clone()).await.unwrap();
            documents.insert(document.id.clone(), document);
        }
    }
    let set = Set { store, organization: organization.clone().into(), size: cases.documents };
    // Readers who may see the same documents share the organisation that holds no others.
    let mut alone: BTreeMap<BTreeSet<DocumentId>, OrganizationId> = BTreeMap::new();
    let first = numbers.reader(&organization);
    for n in 0..READERS {
        let access = if n == 0 { first.clone() } else { numbers.reader(&organization) };
        let asked = Asked { question: numbers.words(5), limit: 1 + numbers.below(8), rerank: seed % 2 == 1 };
        let names = readable(&documents, &access).map(|document| document.id.clone()).collect();
        let elsewhere = OrganizationId::new(format!("o {seed} alone {n}"));
        let organization = alone.entry(names).or_insert_with(|| elsewhere.clone()).clone();
        if organization == elsewhere {
            set.put_alone(&documents, &access, &organization).await;
        }
        set.compare(&access, &organization, &asked).await;
    }
    let Some(changed) = documents.keys().nth(numbers.below(documents.len().max(1))).cloned() else { return };
    if numbers.below(4) == 0 {
        set.store.delete(&set.organization, &changed).await.unwrap();
        documents.remove(&changed);
    } else if let Some(document) = documents.get_mut(&changed) {
        document.acl = numbers.list();
        document.content_hash.push_str(" changed");
        set.store.put(document.clone()).await.unwrap();
    }
    let elsewhere = OrganizationId::new(format!("o {seed} changed"));
    set.put_alone(&documents, &first, &elsewhere).await;
    let asked = Asked { question: numbers.words(5), limit: 8, rerank: false };
    set.compare(&first, &elsewhere, &asked).await;
}

/// What a reader wants to know.
#[derive(Debug)]
struct Asked {
    question: String,
    limit: usize,
    rerank: bool,
}

fn readable<'a>(
    documents: &'a BTreeMap<DocumentId, Document>,
    access: &Access,
) -> impl Iterator<Item = &'a Document> {
    documents.values().filter(|document| access.admits(&document.acl))
}

/// A set of documents in an organisation of its own.
struct Set {
    store: Arc<dyn KnowledgeStore>,
    organization: OrganizationId,
    /// How many documents it has at most.
    size: usize,
}

impl Set {
    /// Puts what the reader may see into an organisation that holds nothing else.
    async fn put_alone(
        &self,
        documents: &BTreeMap<DocumentId, Document>,
        access: &Access,
        organization: &OrganizationId,
    ) {
        let mut count = 0;
        for document in readable(documents, access) {
            let organization = organization.clone();
            self.store.put(Document { organization, ..document.clone() }).await.unwrap();
            count += 1;
        }
        let listed = self.store.list(access, None, 100).await.unwrap();
        assert_eq!(listed.len(), count, "{access:?}");
    }

    /// Holds what the reader gets against what he gets where only his documents are.
    async fn compare(&self, access: &Access, elsewhere: &OrganizationId, asked: &Asked) {
        let alone = Access { organization: elsewhere.clone(), ..access.clone() };
        let (whole, alone) = (self.seen(access, asked).await, self.seen(&alone, asked).await);
        assert_eq!(whole, alone, "{access:?}, {asked:?}, compared with {elsewhere:?}");
    }

    /// Everything that a reader gets to see for a question.
    async fn seen(&self, access: &Access, asked: &Asked) -> String {
        let (store, embedder) = (&self.store, embedder());
        let (question, limit) = (asked.question.as_str(), asked.limit);
        let keyword = store.keyword(access, question, limit).await.unwrap();
        let dense = store.dense(access, &embedder.vector(question), limit).await.unwrap();
        let list = store.list(access, None, limit).await.unwrap();
        let page = store.list(access, Some(&"d2".into()), limit).await.unwrap();
        let every: Vec<ChunkRef> = (0..self.size)
            .flat_map(|n| (0..3).map(move |ordinal| ChunkRef { document: format!("d{n}").into(), ordinal }))
            .collect();
        let passages = store.passages(access, &every).await.unwrap();
        let mut retriever = Retriever::new(Arc::clone(store), Arc::new(embedder));
        if asked.rerank {
            retriever = retriever.with_reranker(Arc::new(ByContent));
        }
        let retrieved = retriever.retrieve(access, question, limit).await.unwrap();
        let cited = cite(question, &retrieved.passages, 8);
        format!("{keyword:?}\n{dense:?}\n{list:?}\n{page:?}\n{passages:?}\n{retrieved:?}\n{cited:?}")
    }
}

/// Orders passages by a number made of their texts and the question: whatever it is shown counts.
struct ByContent;

#[async_trait]
impl Reranker for ByContent {
    async fn rerank(
        &self,
        query: &str,
        texts: &[String],
        top: usize,
    ) -> Result<Vec<(usize, f32)>, RerankError> {
        let weigh = |text: &String| {
            let mut hash = DefaultHasher::new();
            (query, text, texts.len()).hash(&mut hash);
            f32::from(u16::try_from(hash.finish() % 1_000).unwrap()) / 1_000.0
        };
        let mut order: Vec<(usize, f32)> = texts.iter().map(weigh).enumerate().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        order.truncate(top);
        Ok(order)
    }
}

fn embedder() -> DeterministicEmbedder {
    DeterministicEmbedder::with(Language::English, 32)
}

/// How alike two stores answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlaps {
    /// The share of the model's best ten by words that are among the store's, on average.
    pub keyword: f64,
    /// The same by vectors.
    pub dense: f64,
    /// The greatest difference of the scores of one rank, by words.
    pub apart: f32,
}

const QUESTIONS: u32 = 100;

/// Puts the same random documents into both stores.
///
/// # Panics
/// When a store refuses one.
pub async fn fill_alike(store: &Arc<dyn KnowledgeStore>, model: &Arc<dyn KnowledgeStore>, documents: usize) {
    let mut numbers = Numbers::new(7);
    for n in 0..documents {
        let document = numbers.document("o", &format!("d{n:03}"), 25, n);
        store.put(document.clone()).await.unwrap();
        model.put(document).await.unwrap();
    }
}

/// Asks both stores 100 questions by changing readers, after [`fill_alike`].
///
/// # Panics
/// When a store fails, or finds fewer by vectors than there are.
pub async fn compare(store: &Arc<dyn KnowledgeStore>, model: &Arc<dyn KnowledgeStore>) -> Overlaps {
    let (mut numbers, embedder) = (Numbers::new(8), embedder());
    let mut sums = Overlaps { keyword: 0.0, dense: 0.0, apart: 0.0 };
    for _ in 0..QUESTIONS {
        let (access, question) = (numbers.reader("o"), numbers.words(6));
        let keyword = store.keyword(&access, &question, 10).await.unwrap();
        let expected = model.keyword(&access, &question, 10).await.unwrap();
        sums.keyword += overlap(&keyword, &expected);
        let pairs = keyword.iter().zip(&expected);
        sums.apart = pairs.fold(sums.apart, |most, (a, b)| most.max((a.score - b.score).abs()));
        let vector = embedder.vector(&question);
        if vector.iter().all(|x| *x == 0.0) {
            // A question of stop words has no direction, and nothing is near it.
            sums.dense += 1.0;
            continue;
        }
        let dense = store.dense(&access, &vector, 10).await.unwrap();
        let expected = model.dense(&access, &vector, 10).await.unwrap();
        assert_eq!(dense.len(), expected.len(), "as many as there are, however few the reader may see");
        sums.dense += overlap(&dense, &expected);
    }
    let questions = f64::from(QUESTIONS);
    Overlaps { keyword: sums.keyword / questions, dense: sums.dense / questions, ..sums }
}

/// The share of the expected that were found.
#[expect(clippy::cast_precision_loss, reason = "there are ten")]
fn overlap(found: &[Hit], expected: &[Hit]) -> f64 {
    if expected.is_empty() {
        return f64::from(u8::from(found.is_empty()));
    }
    let names = |hits: &[Hit]| hits.iter().map(|hit| hit.chunk.clone()).collect::<BTreeSet<_>>();
    names(found).intersection(&names(expected)).count() as f64 / expected.len() as f64
}

const WORDS: [&str; 20] = [
    "refund",
    "parcel",
    "window",
    "policy",
    "returns",
    "courier",
    "invoices",
    "account",
    "password",
    "deliver",
    "customs",
    "voucher",
    "warranty",
    "repairs",
    "stock",
    "colour",
    "the",
    "of",
    "confidential",
    "merger",
];
const USERS: [&str; 3] = ["ada", "bob", "eve"];
const GROUPS: [&str; 3] = ["support", "sales", "board"];

/// Numbers from a seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn some(&mut self, of: &[&str]) -> Vec<String> {
        of.iter().filter(|_| self.below(3) == 0).map(|name| (*name).to_owned()).collect()
    }

    fn words(&mut self, most: usize) -> String {
        let count = 1 + self.below(most);
        (0..count).map(|_| WORDS[self.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
    }

    fn list(&mut self) -> AccessList {
        match self.below(5) {
            0 | 1 => AccessList::Public,
            2 => AccessList::Nobody,
            _ => AccessList::Restricted {
                users: self.some(&USERS).into_iter().collect(),
                groups: self.some(&GROUPS).into_iter().collect(),
            },
        }
    }

    fn reader(&mut self, organization: &str) -> Access {
        if self.below(4) == 0 {
            return Access::public(organization);
        }
        let user = USERS[self.below(USERS.len())];
        Access::user(organization, user, self.some(&GROUPS))
    }

    fn document(&mut self, organization: &str, id: &str, words: usize, version: usize) -> Document {
        let embedder = embedder();
        let title = self.words(2);
        let chunks = (0..self.below(4)).map(|_| {
            let text = self.words(words);
            let embedding = if self.below(8) == 0 { Vec::new() } else { embedder.vector(&text) };
            Chunk { start: 0, end: text.len(), headings: vec![self.words(2)], text, embedding }
        });
        let chunks = chunks.collect();
        Document {
            id: id.into(),
            organization: organization.into(),
            source: format!("{}.md", self.words(1)),
            title,
            url: (self.below(2) == 0).then(|| format!("https://docs.example.org/{}", self.below(9))),
            acl: self.list(),
            content_hash: version.to_string(),
            chunks,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }
}
