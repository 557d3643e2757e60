//! The search against one that scores every vector by its floats: the same chunks, order and bits, for
//! any numbers and at every width of registers.

use super::*;
use crate::analyse::Analyser;
use crate::index::Snapshot;
use jiff::Timestamp;
use proptest::prelude::*;
use smooai_smooth_operator_store::{AccessList, Chunk, ChunkRef, Document};
use std::convert::Infallible;

/// The widest registers that this machine has, the narrowest, and those between.
pub(super) fn levels() -> Vec<Level> {
    [Level::new(), Level::baseline()].into_iter().chain(between()).collect()
}

#[cfg(target_arch = "x86_64")]
fn between() -> impl Iterator<Item = Level> {
    let widest = Level::new();
    let narrow = [widest.as_sse2().map(Level::Sse2), widest.as_sse4_2().map(Level::Sse4_2)];
    narrow.into_iter().chain([widest.as_avx2().map(Level::Avx2)]).flatten()
}

#[cfg(not(target_arch = "x86_64"))]
fn between() -> impl Iterator<Item = Level> {
    std::iter::empty()
}

/// One number of a vector: of usual size, nothing, next to nothing, or very large.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -1.0..1.0_f32,
        2 => prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 0.5, 0.25]),
        1 => prop::sample::select(vec![1e-45, -1e-45, 1e-40, f32::MIN_POSITIVE, -1e-38, 1e-31, -1e-29]),
        1 => prop::sample::select(vec![1e-20, -1e-20, 1e-6, 9.9e8, -9.9e8]),
    ]
}

/// A vector that is anything but what a model gives.
pub(super) fn hostile(dimension: usize) -> impl Strategy<Value = Vec<f32>> {
    let unit = prop::collection::vec(-1.0..1.0_f32, dimension).prop_map(|mut vector| {
        crate::normalise(&mut vector);
        vector
    });
    let tiny = [1e-45, 1e-42, 1e-38, 1e-31, 1e-29, 1e-22, 1e-15];
    prop_oneof![
        4 => unit.clone(),
        2 => prop::collection::vec(number(), dimension),
        1 => (0..dimension, number()).prop_map(move |(at, number)| {
            let mut vector = vec![0.0; dimension];
            vector[at] = number;
            vector
        }),
        1 => number().prop_map(move |number| vec![number; dimension]),
        1 => (unit, prop::sample::select(tiny.to_vec())).prop_map(|(mut vector, by)| {
            vector.iter_mut().for_each(|x| *x *= by);
            vector
        }),
    ]
}

/// Many vectors, most of which are one of a few with a number changed by as little as a float can be:
/// their codes are equal, and so are many of their scores.
fn crowd(dimension: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let few = prop::collection::vec(hostile(dimension), 1..6);
    let change = (any::<prop::sample::Index>(), 0..dimension, -2..=2_i8);
    (few, prop::collection::vec(change, 1..700), prop::collection::vec(hostile(dimension), 0..24)).prop_map(
        |(few, changes, others)| {
            let changed = changes.into_iter().map(|(which, at, by)| {
                let mut vector = which.get(&few).clone();
                let x = &mut vector[at];
                for _ in 0..by.abs() {
                    *x = if by > 0 { x.next_up() } else { x.next_down() };
                }
                vector
            });
            changed.chain(others).collect()
        },
    )
}

/// Documents of up to 40 chunks.
fn snapshot(vectors: &[Vec<f32>]) -> Snapshot {
    let documents = vectors.chunks(40).enumerate().map(|(n, vectors)| Document {
        id: format!("d{}", n * 7919 % 100).into(),
        organization: "o".into(),
        source: String::new(),
        title: String::new(),
        url: None,
        acl: AccessList::Public,
        content_hash: String::new(),
        chunks: vectors
            .iter()
            .map(|vector| Chunk {
                text: String::new(),
                headings: Vec::new(),
                start: 0,
                end: 0,
                embedding: vector.clone(),
            })
            .collect(),
        updated_at: Timestamp::UNIX_EPOCH,
    });
    let Ok(snapshot) = Snapshot::of(documents.map(Ok::<_, Infallible>), &Analyser::default());
    snapshot
}

/// Every vector scored by its floats.
fn plain(snapshot: &Snapshot, query: &[f32], limit: usize) -> Vec<(ChunkRef, u32)> {
    let documents = snapshot.all_after(None, usize::MAX);
    let mut hits: Vec<Hit> = Vec::new();
    for document in &documents {
        for (ordinal, chunk) in (0..).zip(&document.chunks) {
            let chunk_ref = ChunkRef { document: document.id.clone(), ordinal };
            hits.push(Hit { chunk: chunk_ref, score: dot(&chunk.embedding, query) });
        }
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.chunk.cmp(&b.chunk)));
    hits.truncate(limit);
    bits(hits)
}

fn bits(hits: Vec<Hit>) -> Vec<(ChunkRef, u32)> {
    hits.into_iter().map(|hit| (hit.chunk, hit.score.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_found_is_what_a_plain_search_finds_at_every_level(
        (vectors, other) in prop::sample::select(vec![1, 7, 8, 31, 64, 65, 100])
            .prop_flat_map(|dimension| (crowd(dimension), hostile(dimension))),
        near in any::<prop::sample::Index>(),
        limit in prop::sample::select(vec![1, 2, 10, 100, 1000]),
    ) {
        let snapshot = snapshot(&vectors);
        let access = Access::public("o");
        for query in [&other, near.get(&vectors)] {
            let expected = plain(&snapshot, query, limit);
            for level in levels() {
                let found = search_with(level, &snapshot.views, &access, query, limit);
                prop_assert_eq!(bits(found), expected.clone());
            }
        }
    }
}

/// Numbers from a seed, between -1 and 1.
fn numbers(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn codes_are_the_same_and_bounds_hold_at_every_level(
        (vectors, query) in (1..400_usize).prop_flat_map(|dimension| {
            (prop::collection::vec(hostile(dimension), 1..24), hostile(dimension))
        })
    ) {
        let mut group = Group::new(query.len(), 0);
        for (chunk, vector) in vectors.iter().enumerate() {
            group.push(as_u32(chunk), vector);
        }
        let plain = Coded::of_plain(&query);
        for level in levels() {
            let coded = Coded::of(level, &query);
            prop_assert_eq!(&coded.codes, &plain.codes);
            let parts = |coded: &Coded| [coded.scale, coded.residual, coded.length].map(f32::to_bits);
            prop_assert_eq!(parts(&coded), parts(&plain));
            let (all, mut bounds, query_codes) = (0..vectors.len(), Bounds::NONE, coded.widened());
            let any = dispatch!(level, _ => group.bound(all, &query_codes, f32::NEG_INFINITY, &mut bounds));
            prop_assert!(any);
            for (vector, (lower, upper)) in vectors.iter().zip(bounds.lower.iter().zip(&bounds.upper)) {
                let product: f64 =
                    vector.iter().zip(&query).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                prop_assert!(f64::from(*lower) <= product && product <= f64::from(*upper));
            }
        }
    }
}

#[test]
fn most_vectors_are_left_out_by_their_codes_and_none_wrongly() {
    let mut numbers = numbers(1);
    let vectors: Vec<Vec<f32>> = std::iter::repeat_with(|| {
        let mut vector: Vec<f32> = numbers.by_ref().take(384).collect();
        crate::normalise(&mut vector);
        vector
    })
    .take(2_000)
    .collect();
    let snapshot = snapshot(&vectors);
    let access = Access::public("o");
    for (query, limit) in vectors.iter().zip([1, 10, 100]) {
        let found = search_with(Level::new(), &snapshot.views, &access, query, limit);
        assert_eq!(bits(found), plain(&snapshot, query, limit));
        let (query, mut nearest) = (Coded::of(Level::new(), query).widened(), Nearest::new(limit));
        for view in &snapshot.views {
            if let Some(group) = view.segment.vectors().group(384) {
                nearest.look_through(Level::new(), view, group, 0..group.chunks.len(), &query);
            }
        }
        let left = nearest.candidates().len();
        assert!((limit..limit * 2 + 10).contains(&left), "{left}");
    }
}

#[test]
fn a_score_has_the_same_bits_whatever_the_machine_has() {
    for dimension in [1, 7, 8, 100, 384, 385] {
        let a: Vec<f32> = numbers(1).take(dimension).collect();
        let b: Vec<f32> = numbers(2).take(dimension).collect();
        for level in levels() {
            let here = dispatch!(level, _ => dot(&a, &b));
            assert_eq!(here.to_bits(), dot(&a, &b).to_bits(), "{dimension}");
        }
    }
}
