//! The inverted index of one segment: for every term the chunks that hold it, in blocks with bounds.

use super::segment::Dead;
use std::ops::Range;

/// Postings per block; a block that cannot reach the result is skipped as a whole.
pub(super) const BLOCK: usize = 128;

/// What the best chunk of a block could have: enough to bound its score whatever the average length is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// The most occurrences of the term in a chunk.
    pub(super) count: u16,
    /// The fewest terms of a chunk.
    pub(super) length: u32,
}

impl Bound {
    const NONE: Self = Self { count: 0, length: u32::MAX };

    fn widen(&mut self, count: u16, length: u32) {
        self.count = self.count.max(count);
        self.length = self.length.min(length);
    }

    pub(super) fn join(self, other: Self) -> Self {
        Self { count: self.count.max(other.count), length: self.length.min(other.length) }
    }
}

/// The postings of all terms of a segment.
#[derive(Default)]
pub(super) struct Postings {
    /// The terms' hashes, ascending.
    terms: Vec<u64>,
    /// Where a term's postings begin; one more than terms.
    offsets: Vec<u32>,
    /// The chunks, ascending inside a term.
    chunks: Vec<u32>,
    /// How often the term occurs in the chunk.
    counts: Vec<u16>,
    /// Where a term's blocks begin; one more than terms.
    block_offsets: Vec<u32>,
    blocks: Vec<Bound>,
}

/// The postings of one term.
#[derive(Clone, Copy)]
pub(super) struct Term<'a> {
    pub(super) chunks: &'a [u32],
    pub(super) counts: &'a [u16],
    pub(super) blocks: &'a [Bound],
}

/// Collects the postings of a segment, term by term.
pub(super) struct Builder<'a> {
    postings: Postings,
    lengths: &'a [u32],
}

impl<'a> Builder<'a> {
    pub(super) fn new(lengths: &'a [u32]) -> Self {
        Self { postings: Postings::default(), lengths }
    }

    /// Adds a term; terms come in ascending order, and so do the chunks of one.
    pub(super) fn term(&mut self, hash: u64, entries: &[(u32, u16)]) {
        let postings = &mut self.postings;
        postings.terms.push(hash);
        postings.offsets.push(as_u32(postings.chunks.len()));
        postings.block_offsets.push(as_u32(postings.blocks.len()));
        for block in entries.chunks(BLOCK) {
            let mut bound = Bound::NONE;
            for (chunk, count) in block {
                postings.chunks.push(*chunk);
                postings.counts.push(*count);
                bound.widen(*count, self.lengths[*chunk as usize]);
            }
            postings.blocks.push(bound);
        }
    }

    pub(super) fn finish(mut self) -> Postings {
        let postings = &mut self.postings;
        postings.offsets.push(as_u32(postings.chunks.len()));
        postings.block_offsets.push(as_u32(postings.blocks.len()));
        postings.terms.shrink_to_fit();
        postings.offsets.shrink_to_fit();
        postings.chunks.shrink_to_fit();
        postings.counts.shrink_to_fit();
        postings.block_offsets.shrink_to_fit();
        postings.blocks.shrink_to_fit();
        self.postings
    }
}

impl Postings {
    pub(super) fn terms(&self) -> &[u64] {
        &self.terms
    }

    /// The postings of the term at a place of [`Postings::terms`].
    pub(super) fn at(&self, place: usize) -> Term<'_> {
        let range = self.offsets[place] as usize..self.offsets[place + 1] as usize;
        let blocks = self.block_offsets[place] as usize..self.block_offsets[place + 1] as usize;
        Term {
            chunks: &self.chunks[range.clone()],
            counts: &self.counts[range],
            blocks: &self.blocks[blocks],
        }
    }

    /// The postings of a term.
    pub(super) fn get(&self, hash: u64) -> Option<Term<'_>> {
        self.terms.binary_search(&hash).ok().map(|place| self.at(place))
    }
}

impl Term<'_> {
    /// The places of the postings whose chunk is in the range.
    pub(super) fn within(&self, chunks: &Range<u32>) -> Range<usize> {
        let start = self.chunks.partition_point(|chunk| *chunk < chunks.start);
        let end = start + self.chunks[start..].partition_point(|chunk| *chunk < chunks.end);
        start..end
    }

    /// How many live chunks of the range hold the term.
    pub(super) fn live_count(&self, range: &Range<u32>, dead: &Dead) -> u32 {
        let places = self.within(range);
        let all = places.len();
        let gone = if dead.chunk_count() == 0 {
            0
        } else if all <= dead.chunk_count() * 4 {
            self.chunks[places].iter().filter(|chunk| dead.has_chunk(**chunk)).count()
        } else {
            let chunks = &self.chunks[places];
            dead.chunks(range).filter(|chunk| chunks.binary_search(chunk).is_ok()).count()
        };
        as_u32(all - gone)
    }
}

/// A segment is merged long before it has 2³² postings: that many would take 24 GiB.
#[expect(clippy::cast_possible_truncation, reason = "bounded by memory, see above")]
pub(super) fn as_u32(n: usize) -> u32 {
    debug_assert!(u32::try_from(n).is_ok());
    n as u32
}
