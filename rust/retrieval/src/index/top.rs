//! The best so far: a bounded heap with a total order.

use smooai_smooth_operator_store::{ChunkRef, DocumentId, Hit};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A candidate; the greatest is the worst, so that the heap gives up the worst first.
struct Candidate<'a> {
    score: f32,
    document: &'a DocumentId,
    ordinal: u32,
}

impl Ord for Candidate<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then_with(|| self.document.cmp(other.document))
            .then_with(|| self.ordinal.cmp(&other.ordinal))
    }
}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate<'_> {}

/// Keeps the best `limit` candidates by score, ties by document id and ordinal.
pub(super) struct Top<'a> {
    limit: usize,
    heap: BinaryHeap<Candidate<'a>>,
}

impl<'a> Top<'a> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, heap: BinaryHeap::with_capacity(limit.min(1024) + 1) }
    }

    /// A candidate below this score cannot enter; one that equals it may.
    pub(super) fn threshold(&self) -> f32 {
        if self.heap.len() < self.limit {
            f32::NEG_INFINITY
        } else {
            self.heap.peek().map_or(f32::INFINITY, |worst| worst.score)
        }
    }

    pub(super) fn offer(&mut self, score: f32, document: &'a DocumentId, ordinal: u32) {
        if score < self.threshold() {
            return;
        }
        self.heap.push(Candidate { score, document, ordinal });
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Best first.
    pub(super) fn into_hits(self) -> Vec<Hit> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|c| Hit {
                chunk: ChunkRef { document: c.document.clone(), ordinal: c.ordinal },
                score: c.score,
            })
            .collect()
    }
}
