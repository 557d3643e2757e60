//! Reciprocal rank fusion of the two legs (Cormack, Clarke, Büttcher 2009).

use smooai_smooth_operator_store::{ChunkRef, Hit};
use std::collections::HashMap;

/// The constant of the published formula `Σ 1 / (k + rank)`, ranks from 1.
const K: f32 = 60.0;

/// A chunk with its place in the fused order.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// Which chunk.
    pub chunk: ChunkRef,
    /// From 0 to 1: 1 is first in every leg.
    pub score: f32,
    /// Its cosine, where the dense leg found it.
    pub cosine: Option<f32>,
}

/// Joins the legs and keeps the best `limit`, best first, ties by [`ChunkRef`]; the dense leg counts `weight`
/// against 1 for the keyword leg. A leg that failed is passed as empty.
#[must_use]
pub fn fuse(keyword: &[Hit], dense: &[Hit], weight: f32, limit: usize) -> Vec<Fused> {
    let best = (1.0 + weight) / (K + 1.0);
    let mut found: HashMap<&ChunkRef, (f32, Option<f32>)> = HashMap::new();
    for (rank, hit) in keyword.iter().enumerate() {
        found.entry(&hit.chunk).or_default().0 += reciprocal(rank);
    }
    for (rank, hit) in dense.iter().enumerate() {
        let entry = found.entry(&hit.chunk).or_default();
        entry.0 += weight * reciprocal(rank);
        entry.1 = Some(hit.score);
    }
    let mut fused: Vec<_> = found.into_iter().collect();
    fused.sort_unstable_by(|(a_chunk, (a, _)), (b_chunk, (b, _))| {
        b.total_cmp(a).then_with(|| a_chunk.cmp(b_chunk))
    });
    fused.truncate(limit);
    fused
        .into_iter()
        .map(|(chunk, (score, cosine))| Fused {
            chunk: chunk.clone(),
            score: (score / best).min(1.0),
            cosine,
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^24")]
fn reciprocal(rank: usize) -> f32 {
    1.0 / (K + 1.0 + rank as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{DeterministicEmbedder, Embedder};
    use smooai_smooth_operator_store::DocumentId;

    fn hits(names: &[&str]) -> Vec<Hit> {
        names
            .iter()
            .map(|name| Hit { chunk: ChunkRef { document: DocumentId::new(*name), ordinal: 0 }, score: 0.5 })
            .collect()
    }

    fn order(fused: &[Fused]) -> Vec<&str> {
        fused.iter().map(|f| f.chunk.document.as_str()).collect()
    }

    #[test]
    fn a_chunk_that_both_legs_found_comes_before_one_that_a_single_leg_ranks_higher() {
        let fused = fuse(&hits(&["a", "b", "c"]), &hits(&["d", "b"]), 1.0, 10);
        assert_eq!(order(&fused), ["b", "a", "d", "c"]);
        assert_eq!(fused[0].cosine, Some(0.5));
        assert_eq!(fused[1].cosine, None);
    }

    #[test]
    fn first_in_both_legs_scores_one() {
        let fused = fuse(&hits(&["a"]), &hits(&["a"]), 0.5, 10);
        assert!((fused[0].score - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_leg_of_little_weight_decides_between_neighbours_only() {
        let fused = fuse(&hits(&["a", "b", "c"]), &hits(&["x", "c", "b"]), 0.01, 10);
        assert_eq!(order(&fused), ["a", "b", "c", "x"]);
    }

    #[test]
    fn the_deterministic_embedder_moves_a_chunk_by_a_place_or_two() {
        let weight = DeterministicEmbedder::new().weight();
        let keyword = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let fused = fuse(&hits(&keyword), &hits(&["h", "g", "c"]), weight, 10);
        assert_eq!(order(&fused), ["a", "c", "b", "d", "e", "g", "f", "h"]);
    }

    #[test]
    fn no_more_than_the_limit_are_kept_and_those_are_the_best() {
        let both = (hits(&["a", "b", "c"]), hits(&["d", "b"]));
        assert_eq!(order(&fuse(&both.0, &both.1, 1.0, 2)), ["b", "a"]);
    }

    #[test]
    fn one_leg_alone_keeps_its_order() {
        assert_eq!(order(&fuse(&hits(&["c", "a", "b"]), &[], 1.0, 10)), ["c", "a", "b"]);
    }
}
