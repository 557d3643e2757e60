//! Exact nearest neighbours by cosine: a first pass over 8-bit codes with a proven error bound, then
//! the floats of what is left. The loops are plain, so that the compiler vectorises them, and are built
//! once for each width of SIMD registers; the widest that the machine has is taken at run time.

use super::View;
use super::postings::as_u32;
use super::top::Top;
use fearless_simd::{Level, dispatch};
use smooai_smooth_operator_store::{Access, Document, Hit};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// So many vectors are bounded at once.
const BLOCK: usize = 256;

/// A block is read in so many places side by side: a processor fetches ahead of each of them.
const STREAMS: usize = 4;

/// A vector whose numbers are all smaller has no codes: their unit could not be told from 0.
const SMALLEST: f32 = 1e-30;

/// More than what is lost of a product because its numbers are too small for a float.
const UNDERFLOW: f32 = 1e-30;

/// The vectors of a segment, one group per dimension (one, unless the model was changed).
#[derive(Default)]
pub(super) struct Vectors {
    groups: Vec<Group>,
}

struct Group {
    dimension: usize,
    /// The chunks that have a vector, ascending.
    chunks: Vec<u32>,
    codes: Vec<i8>,
    /// What a code's unit stands for, per vector.
    scales: Vec<f32>,
    /// How far the codes are from the vector, per vector.
    residuals: Vec<f32>,
    /// The vectors' lengths.
    lengths: Vec<f32>,
}

impl Vectors {
    /// Encodes the embeddings of a document's chunks, as far as they can be searched.
    pub(super) fn of(document: &Document) -> Self {
        let mut vectors = Self::default();
        for (chunk, embedding) in document.chunks.iter().map(|chunk| &chunk.embedding).enumerate() {
            if is_searchable(embedding) {
                vectors.group_mut(embedding.len(), 1).push(as_u32(chunk), embedding);
            }
        }
        vectors
    }

    /// The vectors of several segments under the new numbers of their chunks, which come as ranges of
    /// the old ones in the order of the new ones: the segment, the range, and its first new number.
    pub(super) fn merged(views: &[View], moves: impl Iterator<Item = (usize, Range<u32>, u32)>) -> Self {
        let mut merged = Self::default();
        for group in views.iter().flat_map(|view| &view.segment.vectors().groups) {
            let dimension = group.dimension;
            if merged.group(dimension).is_none() {
                let same = views.iter().filter_map(|view| view.segment.vectors().group(dimension));
                merged.groups.push(Group::new(dimension, same.map(|group| group.chunks.len()).sum()));
            }
        }
        for (at, chunks, first) in moves {
            for group in &views[at].segment.vectors().groups {
                let places = group.within(&chunks);
                if !places.is_empty() {
                    merged.group_mut(group.dimension, places.len()).take(group, places, chunks.start, first);
                }
            }
        }
        merged
    }

    fn group(&self, dimension: usize) -> Option<&Group> {
        self.groups.iter().find(|group| group.dimension == dimension)
    }

    /// The group of the dimension, made with room for `count` vectors if there is none.
    fn group_mut(&mut self, dimension: usize, count: usize) -> &mut Group {
        let at = self.groups.iter().position(|group| group.dimension == dimension).unwrap_or_else(|| {
            self.groups.push(Group::new(dimension, count));
            self.groups.len() - 1
        });
        &mut self.groups[at]
    }
}

/// Whether products with the vector can be bounded: it is neither empty nor so far from unit length that
/// they could overflow.
fn is_searchable(vector: &[f32]) -> bool {
    !vector.is_empty() && vector.iter().all(|x| x.abs() < 1e9)
}

/// A vector in 8-bit codes: `vector = codes · scale + error`, where `‖error‖ ≤ residual`.
struct Coded<Code = i8> {
    codes: Vec<Code>,
    scale: f32,
    residual: f32,
    length: f32,
}

impl Coded {
    fn of(level: Level, vector: &[f32]) -> Self {
        dispatch!(level, _ => Self::of_plain(vector))
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "scaled into -127..=127 before")]
    fn of_plain(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let (scale, inverse) =
            if largest < SMALLEST { (0.0, 0.0) } else { (largest / 127.0, 127.0 / largest) };
        let codes: Vec<i8> = vector.iter().map(|x| (x * inverse).round() as i8).collect();
        let (mut residual, mut length) = (Squares::NONE, Squares::NONE);
        for (numbers, codes) in vector.chunks(LANES).zip(codes.chunks(LANES)) {
            for (lane, (x, code)) in numbers.iter().zip(codes).enumerate() {
                residual.add(lane, x - f32::from(*code) * scale);
                length.add(lane, *x);
            }
        }
        Self { codes, scale, residual: residual.root(), length: length.root() }
    }

    /// As a query: its codes are as wide as the multiplication is, so that only a vector's are widened for it.
    fn widened(self) -> Coded<i16> {
        let Self { codes, scale, residual, length } = self;
        Coded { codes: codes.into_iter().map(i16::from).collect(), scale, residual, length }
    }
}

/// Sums side by side are vectorisable, and are always added up in the same order.
const LANES: usize = 8;

/// A sum of squares, in double precision so that the smallest numbers count.
struct Squares([f64; LANES]);

impl Squares {
    const NONE: Self = Self([0.0; LANES]);

    #[inline(always)]
    fn add(&mut self, lane: usize, x: f32) {
        self.0[lane] += f64::from(x) * f64::from(x);
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the rounding is part of the bound")]
    fn root(&self) -> f32 {
        self.0.iter().sum::<f64>().sqrt() as f32
    }
}

/// What the products of a block's vectors with the query cannot be below and above.
struct Bounds {
    lower: [f32; BLOCK],
    upper: [f32; BLOCK],
}

impl Bounds {
    const NONE: Self = Self { lower: [0.0; BLOCK], upper: [0.0; BLOCK] };
}

impl Group {
    fn new(dimension: usize, count: usize) -> Self {
        Self {
            dimension,
            chunks: Vec::with_capacity(count),
            codes: Vec::with_capacity(count * dimension),
            scales: Vec::with_capacity(count),
            residuals: Vec::with_capacity(count),
            lengths: Vec::with_capacity(count),
        }
    }

    fn push(&mut self, chunk: u32, vector: &[f32]) {
        let coded = Coded::of(Level::new(), vector);
        self.chunks.push(chunk);
        self.codes.extend_from_slice(&coded.codes);
        self.scales.push(coded.scale);
        self.residuals.push(coded.residual);
        self.lengths.push(coded.length);
    }

    /// Takes vectors over from another group; the chunk `from` there is `to` here.
    fn take(&mut self, other: &Self, places: Range<usize>, from: u32, to: u32) {
        self.chunks.extend(other.chunks[places.clone()].iter().map(|chunk| chunk - from + to));
        self.codes.extend_from_slice(other.codes_of(&places));
        self.scales.extend_from_slice(&other.scales[places.clone()]);
        self.residuals.extend_from_slice(&other.residuals[places.clone()]);
        self.lengths.extend_from_slice(&other.lengths[places]);
    }

    fn codes_of(&self, places: &Range<usize>) -> &[i8] {
        &self.codes[places.start * self.dimension..places.end * self.dimension]
    }

    fn within(&self, chunks: &Range<u32>) -> Range<usize> {
        let start = self.chunks.partition_point(|chunk| *chunk < chunks.start);
        start..start + self.chunks[start..].partition_point(|chunk| *chunk < chunks.end)
    }

    /// The products of at most [`BLOCK`] vectors' codes with the query's.
    #[inline(always)]
    fn products(&self, places: &Range<usize>, query: &[i16]) -> [i32; BLOCK] {
        let codes = self.codes_of(places);
        let mut products = [0_i32; BLOCK];
        let part = places.len().div_ceil(STREAMS);
        for first in 0..part {
            for at in (first..places.len()).step_by(part) {
                products[at] = dot_codes(&codes[at * self.dimension..][..self.dimension], query);
            }
        }
        products
    }

    /// Bounds the products of at most [`BLOCK`] vectors with the query; whether any may reach `floor`.
    ///
    /// With v = v̂ + eᵥ and q = q̂ + e_q, |v·q − v̂·q̂| ≤ ‖v‖·‖e_q‖ + ‖eᵥ‖·‖q̂‖ (Cauchy–Schwarz), plus
    /// rounding.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "the rounding is part of the bound")]
    fn bound(&self, places: Range<usize>, query: &Coded<i16>, floor: f32, bounds: &mut Bounds) -> bool {
        let products = self.products(&places, &query.codes);
        let (scales, residuals) = (&self.scales[places.clone()], &self.residuals[places.clone()]);
        let by_length = query.residual * 1.001 + 1e-4 * query.length;
        let by_residual = (query.length + query.residual) * 1.001;
        let mut any = false;
        for (at, length) in self.lengths[places].iter().enumerate() {
            let product = products[at] as f32 * scales[at] * query.scale;
            let reach = length * by_length + residuals[at] * by_residual + UNDERFLOW;
            bounds.lower[at] = product - reach;
            bounds.upper[at] = product + reach;
            any |= product + reach >= floor;
        }
        any
    }
}

/// A chunk that may be among the nearest.
struct Candidate<'a> {
    upper: f32,
    view: &'a View,
    chunk: u32,
}

/// The nearest chunks of all views.
pub(super) fn search(views: &[View], access: &Access, vector: &[f32], limit: usize) -> Vec<Hit> {
    search_with(Level::new(), views, access, vector, limit)
}

/// The same with registers of one width.
fn search_with(level: Level, views: &[View], access: &Access, vector: &[f32], limit: usize) -> Vec<Hit> {
    if limit == 0 || !is_searchable(vector) {
        return Vec::new();
    }
    let query = Coded::of(level, vector).widened();
    let mut nearest = Nearest::new(limit);
    for view in views {
        let Some(group) = view.segment.vectors().group(vector.len()) else { continue };
        for range in &view.segment.admitted(access, &view.dead).ranges {
            nearest.look_through(level, view, group, group.within(range), &query);
        }
    }
    let candidates = nearest.candidates();
    let mut top = Top::new(limit);
    dispatch!(level, _ => score(&candidates, vector, &mut top));
    top.into_hits()
}

/// Scores the candidates by their floats.
#[inline(always)]
fn score<'a>(candidates: &[Candidate<'a>], vector: &[f32], top: &mut Top<'a>) {
    for candidate in candidates {
        let (document, ordinal) = candidate.view.segment.owner(candidate.chunk);
        top.offer(dot(&document.chunks[ordinal as usize].embedding, vector), &document.id, ordinal);
    }
}

/// The chunks that may be among the nearest, of those that were looked at.
struct Nearest<'a> {
    limit: usize,
    candidates: Vec<Candidate<'a>>,
    /// The best lower bounds.
    lowers: BinaryHeap<Reverse<Ordered>>,
    /// The lowest of them, when there are `limit`: a chunk whose upper bound is below is out.
    floor: f32,
    /// Room for the bounds of a block.
    bounds: Bounds,
}

impl<'a> Nearest<'a> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            candidates: Vec::new(),
            lowers: BinaryHeap::new(),
            floor: f32::NEG_INFINITY,
            bounds: Bounds::NONE,
        }
    }

    fn look_through(
        &mut self,
        level: Level,
        view: &'a View,
        group: &Group,
        within: Range<usize>,
        query: &Coded<i16>,
    ) {
        for start in within.clone().step_by(BLOCK) {
            let places = start..within.end.min(start + BLOCK);
            let chunks = &group.chunks[places.clone()];
            let (floor, bounds) = (self.floor, &mut self.bounds);
            if !dispatch!(level, _ => group.bound(places, query, floor, bounds)) {
                continue;
            }
            for (at, chunk) in chunks.iter().enumerate() {
                let upper = self.bounds.upper[at];
                if upper >= self.floor && !view.dead.has_chunk(*chunk) {
                    self.candidates.push(Candidate { upper, view, chunk: *chunk });
                    self.offer(self.bounds.lower[at]);
                }
            }
        }
    }

    fn offer(&mut self, lower: f32) {
        if self.lowers.len() == self.limit && lower <= self.floor {
            return;
        }
        self.lowers.push(Reverse(Ordered(lower)));
        if self.lowers.len() > self.limit {
            self.lowers.pop();
        }
        if self.lowers.len() == self.limit {
            self.floor = self.lowers.peek().map_or(f32::NEG_INFINITY, |lowest| lowest.0.0);
        }
    }

    /// Without those that were taken in before the floor was as high as it is now.
    fn candidates(mut self) -> Vec<Candidate<'a>> {
        self.candidates.retain(|candidate| candidate.upper >= self.floor);
        self.candidates
    }
}

/// A finite float with a total order.
#[derive(PartialEq)]
struct Ordered(f32);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// At most 127² per dimension: 2³¹ is reached beyond 130,000 dimensions only.
#[inline(always)]
fn dot_codes(vector: &[i8], query: &[i16]) -> i32 {
    vector.iter().zip(query).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}

/// Eight sums side by side: vectorisable, and always added up in the same order, so that a score has
/// the same bits on every machine.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a_parts, a_rest) = a.as_chunks::<8>();
    let (b_parts, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_parts.iter().zip(b_parts) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests;
