//! What a reader gets equals what he would get from a store that holds only what he may read, and ranks
//! as the memory adapter ranks it.

use crate::database::{Database, in_database, store};
use crate::records::at;
use smooai_smooth_operator_adapter_memory as memory;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_retrieval::{DeterministicEmbedder, Retriever, cite};
use smooai_smooth_operator_store::{Access, AccessList, Chunk, ChunkRef, Document, Hit, KnowledgeStore};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const CASES: u64 = 500;

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

    fn document(&mut self, organization: &str, embedder: &DeterministicEmbedder, version: usize) -> Document {
        let title = self.words(2);
        let chunks = (0..self.below(4)).map(|_| {
            let text = self.words(25);
            let embedding = if self.below(8) == 0 { Vec::new() } else { embedder.vector(&text) };
            Chunk { start: 0, end: text.len(), headings: vec![self.words(2)], text, embedding }
        });
        let chunks = chunks.collect();
        Document {
            id: format!("d{}", self.below(14)).into(),
            organization: organization.into(),
            source: "s".to_owned(),
            title,
            url: None,
            acl: self.list(),
            content_hash: version.to_string(),
            chunks,
            updated_at: at(0),
        }
    }
}

fn moved(document: &Document, organization: &str) -> Document {
    Document { organization: organization.into(), ..document.clone() }
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

/// One store of many organisations: the case's documents are in one, and in another only those that the
/// reader may see. The documents of all earlier cases are beside them.
async fn case(store: &Arc<dyn KnowledgeStore>, seed: u64) {
    let mut numbers = Numbers(seed.wrapping_mul(0xD134_2543_DE82_EF95));
    let embedder = DeterministicEmbedder::with(Language::English, 64);
    let whole = format!("whole {seed}");
    let mut documents = BTreeMap::new();
    for version in 0..1 + numbers.below(20) {
        let document = numbers.document(&whole, &embedder, version);
        if numbers.below(6) == 0 {
            store.delete(&document.organization, &document.id).await.unwrap();
            documents.remove(&document.id);
        } else {
            store.put(document.clone()).await.unwrap();
            documents.insert(document.id.clone(), document);
        }
    }
    let (access, question, limit) = (numbers.reader(&whole), numbers.words(5), 1 + numbers.below(8));
    let alone = format!("alone {seed}");
    for document in documents.values().filter(|document| access.admits(&document.acl)) {
        store.put(moved(document, &alone)).await.unwrap();
    }
    let access_alone = Access { organization: alone.into(), ..access.clone() };
    let (whole, alone) =
        (seen(store, &access, &question, limit).await, seen(store, &access_alone, &question, limit).await);
    assert_eq!(whole, alone, "seed {seed}, {access:?}, {question:?}, limit {limit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn a_reader_gets_what_a_store_of_his_own_documents_gives() {
    println!("seeds 0..{CASES}");
    in_database(async |database| {
        let store = database.store().await.knowledge;
        for seed in 0..CASES {
            case(&store, seed).await;
        }
    })
    .await;
}

/// The share of the memory adapter's best ten that are among these, for one search.
fn overlap(found: &[Hit], expected: &[Hit]) -> f64 {
    if expected.is_empty() {
        return f64::from(u8::from(found.is_empty()));
    }
    let names = |hits: &[Hit]| hits.iter().map(|hit| hit.chunk.clone()).collect::<BTreeSet<_>>();
    names(found).intersection(&names(expected)).count() as f64 / expected.len() as f64
}

struct Overlaps {
    keyword: f64,
    dense: f64,
    /// The greatest difference of the scores of one rank.
    apart: f32,
}

/// 400 documents and 100 questions by changing readers, on this database and in memory.
async fn compare(database: &Database, exact_up_to: &str) -> Overlaps {
    const QUESTIONS: u32 = 100;
    let postgres = store(&database.with("exact_up_to", exact_up_to)).await.knowledge;
    let model = memory::adapter().knowledge;
    let embedder = DeterministicEmbedder::new();
    let mut numbers = Numbers(7);
    for n in 0..400 {
        let mut document = numbers.document("o", &embedder, n);
        document.id = format!("d{n:03}").into();
        postgres.put(document.clone()).await.unwrap();
        model.put(document).await.unwrap();
    }
    database.run("ANALYZE").await;
    let mut sums = Overlaps { keyword: 0.0, dense: 0.0, apart: 0.0 };
    for _ in 0..QUESTIONS {
        let (access, question) = (numbers.reader("o"), numbers.words(6));
        let vector = embedder.vector(&question);
        let keyword = postgres.keyword(&access, &question, 10).await.unwrap();
        let expected = model.keyword(&access, &question, 10).await.unwrap();
        sums.keyword += overlap(&keyword, &expected);
        let pairs = keyword.iter().zip(&expected);
        sums.apart = pairs.fold(sums.apart, |most, (a, b)| most.max((a.score - b.score).abs()));
        let dense = postgres.dense(&access, &vector, 10).await.unwrap();
        let expected = model.dense(&access, &vector, 10).await.unwrap();
        assert_eq!(dense.len(), expected.len(), "as many as there are, however few the reader may see");
        sums.dense += overlap(&dense, &expected);
    }
    let questions = f64::from(QUESTIONS);
    Overlaps { keyword: sums.keyword / questions, dense: sums.dense / questions, ..sums }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn the_best_ten_are_those_of_the_memory_adapter() {
    in_database(async |database| {
        let found = compare(&database, "10000").await;
        println!("keyword {:.4}, dense {:.4}, scores apart {:e}", found.keyword, found.dense, found.apart);
        assert!(found.keyword >= 0.99 && found.dense >= 0.99, "{} {}", found.keyword, found.dense);
        assert!(found.apart < 1e-4, "{}", found.apart);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn the_approximate_index_loses_little_under_a_readers_filter() {
    in_database(async |database| {
        let found = compare(&database, "0").await;
        println!("dense {:.4}", found.dense);
        assert!(found.dense >= 0.95, "{}", found.dense);
    })
    .await;
}
