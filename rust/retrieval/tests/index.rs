//! The index against a search that reads everything: same chunks, same order, same scores, for every
//! reader, after any order of puts and deletes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use proptest::prelude::*;
use smooai_smooth_operator_retrieval::analyse::Analyser;
use smooai_smooth_operator_retrieval::index::Snapshot;
use smooai_smooth_operator_retrieval::{DeterministicEmbedder, normalise};
use smooai_smooth_operator_store::{Access, AccessList, Chunk, ChunkRef, Document, Hit, Put};
use std::collections::{BTreeMap, HashMap};

const WORDS: [&str; 16] = [
    "refund", "parcel", "window", "policy", "return", "courier", "invoice", "account", "password",
    "delivery", "customs", "voucher", "warranty", "repair", "stock", "colour",
];

fn list(kind: usize) -> AccessList {
    match kind {
        0 => AccessList::Public,
        1 => AccessList::Restricted { users: ["ada".into()].into(), groups: [].into() },
        2 => AccessList::Restricted { users: [].into(), groups: ["support".into()].into() },
        3 => AccessList::Restricted { users: ["bob".into()].into(), groups: ["support".into()].into() },
        _ => AccessList::Nobody,
    }
}

fn readers() -> Vec<Access> {
    vec![
        Access::public("o"),
        Access::user("o", "ada", [""; 0]),
        Access::user("o", "bob", ["sales"]),
        Access::user("o", "eve", ["support"]),
    ]
}

fn document(id: &str, acl: AccessList, chunks: &[Vec<usize>], version: usize) -> Document {
    let embedder = DeterministicEmbedder::new();
    let chunk = |words: &Vec<usize>| {
        let text = words.iter().map(|w| WORDS[*w]).collect::<Vec<_>>().join(" ");
        Chunk {
            embedding: embedder.vector(&text),
            start: 0,
            end: text.len(),
            text,
            headings: vec!["Colour".into()],
        }
    };
    Document {
        id: id.into(),
        organization: "o".into(),
        source: String::new(),
        title: "Stock".into(),
        url: None,
        acl,
        content_hash: format!("{version}"),
        chunks: chunks.iter().map(chunk).collect(),
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// BM25 as it stands in the paper, in double precision, over all that the reader may read.
fn brute_keyword(documents: &BTreeMap<String, Document>, access: &Access, query: &str) -> Vec<Hit> {
    let analyser = Analyser::default();
    let mut chunks: Vec<(ChunkRef, HashMap<String, f64>, f64)> = Vec::new();
    for document in documents.values().filter(|d| access.admits(&d.acl)) {
        for (ordinal, chunk) in document.chunks.iter().enumerate() {
            let text = format!("{} {} {}", document.title, chunk.headings.join(" "), chunk.text);
            let terms = analyser.terms(&text);
            let length = terms.len() as f64;
            let mut counts = HashMap::new();
            terms.into_iter().for_each(|t| *counts.entry(t).or_insert(0.0) += 1.0);
            let at = ChunkRef { document: document.id.clone(), ordinal: u32::try_from(ordinal).unwrap() };
            chunks.push((at, counts, length));
        }
    }
    let n = chunks.len() as f64;
    let average = chunks.iter().map(|(_, _, length)| length).sum::<f64>() / n;
    let mut terms = analyser.terms(query);
    terms.sort();
    terms.dedup();
    let mut hits: Vec<Hit> = Vec::new();
    for (at, counts, length) in &chunks {
        let mut score = 0.0;
        for term in &terms {
            let df = chunks.iter().filter(|(_, counts, _)| counts.contains_key(term)).count() as f64;
            let tf = counts.get(term).copied().unwrap_or(0.0);
            let idf = (1.0 + (n - df + 0.5) / (df + 0.5)).ln();
            score += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / average));
        }
        if score > 0.0 {
            hits.push(Hit { chunk: at.clone(), score: score as f32 });
        }
    }
    sorted(hits)
}

fn brute_dense(documents: &BTreeMap<String, Document>, access: &Access, vector: &[f32]) -> Vec<Hit> {
    let mut hits = Vec::new();
    for document in documents.values().filter(|d| access.admits(&d.acl)) {
        for (ordinal, chunk) in document.chunks.iter().enumerate() {
            let score =
                chunk.embedding.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let at = ChunkRef { document: document.id.clone(), ordinal: u32::try_from(ordinal).unwrap() };
            hits.push(Hit { chunk: at, score: score as f32 });
        }
    }
    sorted(hits)
}

fn sorted(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
    hits
}

/// The same scores rank by rank, and every chunk with the score that the full search gives it.
fn agree(found: &[Hit], all: &[Hit], limit: usize) {
    assert_eq!(found.len(), all.len().min(limit));
    let by_chunk: HashMap<&ChunkRef, f32> = all.iter().map(|h| (&h.chunk, h.score)).collect();
    for (hit, expected) in found.iter().zip(all) {
        assert!((hit.score - expected.score).abs() < 1e-4, "{hit:?} {expected:?}");
        assert!((hit.score - by_chunk[&hit.chunk]).abs() < 1e-4, "{hit:?}");
    }
    for pair in found.windows(2) {
        let order = pair[1].score.total_cmp(&pair[0].score).then_with(|| pair[0].chunk.cmp(&pair[1].chunk));
        assert!(order.is_lt(), "{pair:?}");
    }
}

#[track_caller]
fn check(snapshot: &Snapshot, documents: &BTreeMap<String, Document>, query: &str, limit: usize) {
    let analyser = Analyser::default();
    let vector = DeterministicEmbedder::new().vector(query);
    for access in readers() {
        let keyword = snapshot.keyword(&access, &analyser, query, limit);
        agree(&keyword, &brute_keyword(documents, &access, query), limit);
        let dense = snapshot.dense(&access, &vector, limit);
        agree(&dense, &brute_dense(documents, &access, &vector), limit);

        let mut alone = Snapshot::new();
        for document in documents.values().filter(|d| access.admits(&d.acl)) {
            alone = alone.with(document.clone(), &analyser).0;
        }
        assert_eq!(keyword, alone.keyword(&access, &analyser, query, limit), "{access:?}");
        assert_eq!(dense, alone.dense(&access, &vector, limit), "{access:?}");
        assert_eq!(snapshot.list(&access, None, 5), alone.list(&access, None, 5));
        let after = "d3".into();
        assert_eq!(snapshot.list(&access, Some(&after), 5), alone.list(&access, Some(&after), 5));
        let everything: Vec<ChunkRef> = documents
            .values()
            .flat_map(|d| (0..4).map(|ordinal| ChunkRef { document: d.id.clone(), ordinal }))
            .collect();
        assert_eq!(snapshot.passages(&access, &everything), alone.passages(&access, &everything));
    }
}

#[derive(Debug, Clone)]
enum Change {
    Put { id: usize, acl: usize, chunks: Vec<Vec<usize>> },
    Delete { id: usize },
}

fn change() -> impl Strategy<Value = Change> {
    let chunk = prop::collection::vec(0..WORDS.len(), 0..12);
    prop_oneof![
        4 => (0..24_usize, 0..5_usize, prop::collection::vec(chunk, 0..4))
            .prop_map(|(id, acl, chunks)| Change::Put { id, acl, chunks }),
        1 => (0..24_usize).prop_map(|id| Change::Delete { id }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_changes_every_reader_finds_what_a_full_search_finds(
        changes in prop::collection::vec(change(), 1..60),
        query in prop::collection::vec(0..WORDS.len(), 1..5),
        limit in 1..12_usize,
    ) {
        let analyser = Analyser::default();
        let mut snapshot = Snapshot::new();
        let mut documents = BTreeMap::new();
        for (version, change) in changes.into_iter().enumerate() {
            match change {
                Change::Put { id, acl, chunks } => {
                    let document = document(&format!("d{id}"), list(acl), &chunks, version);
                    let (next, put) = snapshot.with(document.clone(), &analyser);
                    let replaced = documents.insert(document.id.to_string(), document).is_some();
                    prop_assert_eq!(put, if replaced { Put::Replaced } else { Put::Created });
                    snapshot = next;
                }
                Change::Delete { id } => {
                    let id = format!("d{id}");
                    let next = snapshot.without(&id.as_str().into());
                    prop_assert_eq!(next.is_some(), documents.remove(&id).is_some());
                    snapshot = next.unwrap_or(snapshot);
                }
            }
        }
        let chunks: usize = documents.values().map(|d| d.chunks.len()).sum();
        prop_assert_eq!(snapshot.chunk_count(), chunks);
        let query = query.into_iter().map(|w| WORDS[w]).collect::<Vec<_>>().join(" ");
        check(&snapshot, &documents, &query, limit);
    }
}

/// A small generator (SplitMix64), so that the test needs no randomness from outside.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

#[test]
fn long_postings_are_pruned_without_losing_a_hit() {
    let mut numbers = Numbers(7);
    let analyser = Analyser::default();
    let mut snapshot = Snapshot::new();
    let mut documents = BTreeMap::new();
    for id in 0..240 {
        // Skewed, so that some terms have many blocks and others few postings.
        let chunk = |numbers: &mut Numbers| {
            let length = 1 + numbers.below(20);
            (0..length).map(|_| numbers.below(WORDS.len()).min(numbers.below(WORDS.len()))).collect()
        };
        let chunks: Vec<Vec<usize>> = (0..4).map(|_| chunk(&mut numbers)).collect();
        let document = document(&format!("d{id}"), list(numbers.below(5)), &chunks, 0);
        documents.insert(document.id.to_string(), document.clone());
        snapshot = snapshot.with(document, &analyser).0;
    }
    for id in (0..240).step_by(9) {
        documents.remove(&format!("d{id}"));
        snapshot = snapshot.without(&format!("d{id}").as_str().into()).unwrap();
    }
    for query in ["colour", "refund parcel", "window colour stock repair", "policies of returning invoices"] {
        for limit in [1, 10] {
            check(&snapshot, &documents, query, limit);
        }
    }
}

#[test]
fn an_unchanged_document_is_not_written_and_a_changed_one_loses_its_old_words() {
    let analyser = Analyser::default();
    let access = Access::public("o");
    let (snapshot, put) = Snapshot::new().with(document("d", list(0), &[vec![0]], 1), &analyser);
    assert_eq!(put, Put::Created);
    let (snapshot, put) = snapshot.with(document("d", list(0), &[vec![1]], 1), &analyser);
    assert_eq!(put, Put::Unchanged);
    assert_eq!(snapshot.keyword(&access, &analyser, "refunds", 9).len(), 1);
    let (snapshot, put) = snapshot.with(document("d", list(0), &[vec![1], vec![1]], 2), &analyser);
    assert_eq!(put, Put::Replaced);
    assert_eq!(snapshot.keyword(&access, &analyser, "refunds", 9), []);
    assert_eq!(snapshot.keyword(&access, &analyser, "parcels", 9).len(), 2);
}

#[test]
fn vectors_of_another_dimension_or_that_are_no_numbers_are_not_searched() {
    let analyser = Analyser::default();
    let access = Access::public("o");
    let mut snapshot = Snapshot::new();
    for (id, embedding) in [
        ("a", vec![0.6, 0.8]),
        ("b", vec![1.0, 0.0, 0.0]),
        ("c", vec![f32::NAN, 1.0]),
        ("e", Vec::new()),
        ("f", vec![f32::MAX, f32::MAX]),
    ] {
        let mut document = document(id, list(0), &[vec![0]], 0);
        document.chunks[0].embedding = embedding;
        snapshot = snapshot.with(document, &analyser).0;
    }
    let mut query = vec![3.0, 4.0];
    normalise(&mut query);
    let found = snapshot.dense(&access, &query, 9);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].chunk.document.as_str(), "a");
    assert!((found[0].score - 1.0).abs() < 1e-6);
    assert_eq!(snapshot.dense(&access, &[f32::NAN, 1.0], 9), []);
    assert_eq!(snapshot.dense(&access, &[f32::MAX, 1.0], 9), []);
    assert_eq!(snapshot.dense(&access, &[], 9), []);
}

#[test]
fn a_question_of_many_words_or_none_is_answered() {
    let analyser = Analyser::default();
    let access = Access::public("o");
    let (snapshot, _) = Snapshot::new().with(document("d", list(0), &[vec![0, 1]], 0), &analyser);
    let long: String = (0..5000).map(|n| format!("word{n} ")).collect::<String>() + "refund";
    assert_eq!(snapshot.keyword(&access, &analyser, &long, 9).len(), 1);
    assert_eq!(snapshot.keyword(&access, &analyser, "what is the", 9), []);
    assert_eq!(snapshot.keyword(&access, &analyser, "refund", 0), []);
}
