//! What every backend promises of access, as a property: what a reader gets equals what he would get from
//! a store that holds only what he may read. For the tests of adapters.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::analyse::Language;
use crate::rerank::{RerankError, Reranker};
use crate::{DeterministicEmbedder, Retriever, cite};
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Access, AccessList, Chunk, ChunkRef, Document, DocumentId, KnowledgeStore,
};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::Arc;
use tokio::task::JoinSet;

/// A seed makes one random set of documents and so many readers with a question each.
pub const READERS: usize = 3;

/// So many seeds are tried at once.
const AT_ONCE: usize = 32;

/// Makes random documents in organisations of the store that nobody else uses, and asks random questions:
/// the same chunks, order, scores, lists, counts, passages and citations must come as from an organisation
/// that holds only what the reader may see; for every other seed after a reranker. Then one document's list
/// is changed or the document removed, and the first reader asks again: the change holds at once.
///
/// # Panics
/// When they do not; the message holds the seed.
pub async fn non_interference(store: Arc<dyn KnowledgeStore>, seeds: Range<u64>) {
    let mut running = JoinSet::new();
    for seed in seeds {
        while running.len() >= AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(case(Arc::clone(&store), seed));
    }
    running.join_all().await;
}

async fn case(store: Arc<dyn KnowledgeStore>, seed: u64) {
    let mut numbers = Numbers(seed.wrapping_mul(0xD134_2543_DE82_EF95));
    let organization = format!("o {seed}");
    let mut documents = BTreeMap::new();
    for version in 0..1 + numbers.below(8) {
        let document = numbers.document(&organization, version);
        if numbers.below(6) == 0 {
            store.delete(&document.organization, &document.id).await.unwrap();
            documents.remove(&document.id);
        } else {
            store.put(document.clone()).await.unwrap();
            documents.insert(document.id.clone(), document);
        }
    }
    let first = numbers.reader(&organization);
    for n in 0..READERS {
        let access = if n == 0 { first.clone() } else { numbers.reader(&organization) };
        let asked = Asked { question: numbers.words(5), limit: 1 + numbers.below(8), rerank: seed % 2 == 1 };
        compare(&store, &documents, &access, &format!("o {seed} alone {n}"), &asked).await;
    }
    let Some(changed) = documents.keys().nth(numbers.below(documents.len().max(1))).cloned() else { return };
    if numbers.below(4) == 0 {
        store.delete(&organization.clone().into(), &changed).await.unwrap();
        documents.remove(&changed);
    } else if let Some(document) = documents.get_mut(&changed) {
        document.acl = numbers.list();
        document.content_hash.push_str(" changed");
        store.put(document.clone()).await.unwrap();
    }
    let asked = Asked { question: numbers.words(5), limit: 8, rerank: false };
    compare(&store, &documents, &first, &format!("o {seed} changed"), &asked).await;
}

/// What a reader wants to know.
#[derive(Debug)]
struct Asked {
    question: String,
    limit: usize,
    rerank: bool,
}

/// Holds what the reader gets against what he gets where only his documents are.
async fn compare(
    store: &Arc<dyn KnowledgeStore>,
    documents: &BTreeMap<DocumentId, Document>,
    access: &Access,
    elsewhere: &str,
    asked: &Asked,
) {
    let alone = Access { organization: elsewhere.into(), ..access.clone() };
    let mut readable = 0;
    for document in documents.values().filter(|document| access.admits(&document.acl)) {
        let organization = alone.organization.clone();
        store.put(Document { organization, ..document.clone() }).await.unwrap();
        readable += 1;
    }
    let listed = store.list(access, None, 100).await.unwrap();
    assert_eq!(listed.len(), readable, "{access:?}");
    let (whole, alone) = (seen(store, access, asked).await, seen(store, &alone, asked).await);
    assert_eq!(whole, alone, "{access:?}, {asked:?}, compared with {elsewhere:?}");
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

/// Everything that a reader gets to see for a question.
async fn seen(store: &Arc<dyn KnowledgeStore>, access: &Access, asked: &Asked) -> String {
    let (question, limit) = (asked.question.as_str(), asked.limit);
    let embedder = embedder();
    let keyword = store.keyword(access, question, limit).await.unwrap();
    let dense = store.dense(access, &embedder.vector(question), limit).await.unwrap();
    let list = store.list(access, None, limit).await.unwrap();
    let page = store.list(access, Some(&"d2".into()), limit).await.unwrap();
    let every: Vec<ChunkRef> = (0..7)
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

    fn document(&mut self, organization: &str, version: usize) -> Document {
        let embedder = embedder();
        let title = self.words(2);
        let chunks = (0..self.below(4)).map(|_| {
            let text = self.words(16);
            let embedding = if self.below(8) == 0 { Vec::new() } else { embedder.vector(&text) };
            Chunk { start: 0, end: text.len(), headings: vec![self.words(2)], text, embedding }
        });
        let chunks = chunks.collect();
        Document {
            id: format!("d{}", self.below(7)).into(),
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
