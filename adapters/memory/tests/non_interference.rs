//! What a reader gets equals what he would get from a store that holds only what he may read: the same
//! chunks, order, scores, lists, passages and citations, for random stores, readers and questions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_retrieval::{DeterministicEmbedder, Retriever, cite};
use smooai_smooth_operator_store::{Access, AccessList, Chunk, ChunkRef, Document, KnowledgeStore};
use std::collections::BTreeMap;
use std::sync::Arc;

const CASES: u64 = 1_000;

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

    fn reader(&mut self) -> Access {
        if self.below(4) == 0 {
            return Access::public("o");
        }
        let user = USERS[self.below(USERS.len())];
        Access::user("o", user, self.some(&GROUPS))
    }

    fn document(&mut self, embedder: &DeterministicEmbedder, version: usize) -> Document {
        let title = self.words(2);
        let chunks = (0..self.below(4)).map(|_| {
            let text = self.words(25);
            let embedding = if self.below(8) == 0 { Vec::new() } else { embedder.vector(&text) };
            Chunk { start: 0, end: text.len(), headings: vec![self.words(2)], text, embedding }
        });
        let chunks = chunks.collect();
        Document {
            id: format!("d{}", self.below(14)).into(),
            organization: "o".into(),
            source: "s".to_owned(),
            title,
            url: None,
            acl: self.list(),
            content_hash: version.to_string(),
            chunks,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }
}

/// Everything that a reader gets to see for a question.
async fn seen(store: &Arc<dyn KnowledgeStore>, access: &Access, question: &str, limit: usize) -> String {
    let embedder = DeterministicEmbedder::with(Language::English, 64);
    let keyword = store.keyword(access, question, limit).await.unwrap();
    let dense = store.dense(access, &embedder.vector(question), limit).await.unwrap();
    let list = store.list(access, None, limit).await.unwrap();
    let page = store.list(access, Some(&"d2".into()), limit).await.unwrap();
    let every: Vec<ChunkRef> = (0..14)
        .flat_map(|n| (0..3).map(move |ordinal| ChunkRef { document: format!("d{n}").into(), ordinal }))
        .collect();
    let passages = store.passages(access, &every).await.unwrap();
    let retriever = Retriever::new(Arc::clone(store), Arc::new(embedder));
    let retrieved = retriever.retrieve(access, question, limit).await.unwrap();
    let cited = cite(question, &retrieved.passages, 8);
    format!("{keyword:#?}\n{dense:#?}\n{list:#?}\n{page:#?}\n{passages:#?}\n{retrieved:#?}\n{cited:#?}")
}

async fn case(seed: u64) {
    let mut numbers = Numbers(seed.wrapping_mul(0xD134_2543_DE82_EF95));
    let embedder = DeterministicEmbedder::with(Language::English, 64);
    let store = adapter().knowledge;
    let mut documents = BTreeMap::new();
    for version in 0..1 + numbers.below(30) {
        let document = numbers.document(&embedder, version);
        if numbers.below(6) == 0 {
            store.delete(&document.organization, &document.id).await.unwrap();
            documents.remove(&document.id);
        } else {
            store.put(document.clone()).await.unwrap();
            documents.insert(document.id.clone(), document);
        }
    }
    for _ in 0..3 {
        let (access, question, limit) = (numbers.reader(), numbers.words(5), 1 + numbers.below(8));
        let alone = adapter().knowledge;
        for document in documents.values().filter(|document| access.admits(&document.acl)) {
            alone.put(document.clone()).await.unwrap();
        }
        let (whole, alone) =
            (seen(&store, &access, &question, limit).await, seen(&alone, &access, &question, limit).await);
        assert_eq!(whole, alone, "seed {seed}, {access:?}, {question:?}, limit {limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_gets_what_a_store_of_his_own_documents_gives() {
    println!("seeds 0..{CASES}, three readers each");
    for seed in 0..CASES {
        case(seed).await;
    }
}
