//! Exact nearest neighbours by cosine: a first pass over 8-bit codes with a proven error bound, then
//! the floats of what is left. The loops are plain so that the compiler vectorises them.

use super::View;
use super::postings::as_u32;
use super::top::Top;
use smooai_smooth_operator_store::{Access, Document, Hit};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

/// The vectors of a segment, one group per dimension (one, unless the model was changed).
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
    /// How far the codes are from the vector, and the vector's length.
    errors: Vec<(f32, f32)>,
}

impl Vectors {
    /// Encodes the embeddings of the documents' chunks; empty ones and ones that are not finite are left
    /// out.
    pub(super) fn of(documents: &[Arc<Document>]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let chunks = documents.iter().flat_map(|document| &document.chunks);
        for (chunk, embedding) in chunks.map(|chunk| &chunk.embedding).enumerate() {
            if embedding.is_empty() || !embedding.iter().all(|x| x.is_finite()) {
                continue;
            }
            let dimension = embedding.len();
            let at = groups.iter().position(|group| group.dimension == dimension).unwrap_or_else(|| {
                groups.push(Group::new(dimension));
                groups.len() - 1
            });
            groups[at].push(as_u32(chunk), embedding);
        }
        Self { groups }
    }

    fn group(&self, dimension: usize) -> Option<&Group> {
        self.groups.iter().find(|group| group.dimension == dimension)
    }
}

/// A vector in 8-bit codes: `vector = codes · scale + error`, where `‖error‖ ≤ residual`.
struct Coded {
    codes: Vec<i8>,
    scale: f32,
    residual: f32,
    length: f32,
}

impl Coded {
    #[expect(clippy::cast_possible_truncation, reason = "scaled into -127..=127 before")]
    fn of(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let scale = largest / 127.0;
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let codes: Vec<i8> = vector.iter().map(|x| (x * inverse).round() as i8).collect();
        let square = |x: f32| x * x;
        let residual: f32 =
            vector.iter().zip(&codes).map(|(x, code)| square(x - f32::from(*code) * scale)).sum();
        let length: f32 = vector.iter().map(|x| square(*x)).sum();
        Self { codes, scale, residual: residual.sqrt(), length: length.sqrt() }
    }
}

impl Group {
    fn new(dimension: usize) -> Self {
        Self { dimension, chunks: Vec::new(), codes: Vec::new(), scales: Vec::new(), errors: Vec::new() }
    }

    fn push(&mut self, chunk: u32, vector: &[f32]) {
        let coded = Coded::of(vector);
        self.chunks.push(chunk);
        self.codes.extend_from_slice(&coded.codes);
        self.scales.push(coded.scale);
        self.errors.push((coded.residual, coded.length));
    }

    fn within(&self, chunks: &Range<u32>) -> Range<usize> {
        let start = self.chunks.partition_point(|chunk| *chunk < chunks.start);
        start..start + self.chunks[start..].partition_point(|chunk| *chunk < chunks.end)
    }

    /// Bounds of the product with the query. With v = v̂ + eᵥ and q = q̂ + e_q,
    /// |v·q − v̂·q̂| ≤ ‖v‖·‖e_q‖ + ‖eᵥ‖·‖q̂‖ (Cauchy–Schwarz), plus rounding.
    #[expect(clippy::cast_precision_loss, reason = "the rounding is part of the bound")]
    fn bounds(&self, at: usize, query: &Coded) -> (f32, f32) {
        let codes = &self.codes[at * self.dimension..(at + 1) * self.dimension];
        let product = dot_codes(codes, &query.codes) as f32 * self.scales[at] * query.scale;
        let (residual, length) = self.errors[at];
        let reach = length * query.residual + residual * (query.length + query.residual);
        let reach = reach * 1.001 + 1e-4 * length * query.length;
        (product - reach, product + reach)
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
    if limit == 0 || vector.is_empty() || !vector.iter().all(|x| x.is_finite()) {
        return Vec::new();
    }
    let mut candidates = Vec::new();
    let floor = first_pass(views, access, &Coded::of(vector), limit, &mut candidates);
    let mut top = Top::new(limit);
    for candidate in candidates.iter().filter(|candidate| candidate.upper >= floor) {
        let (document, ordinal) = candidate.view.segment.owner(candidate.chunk);
        let embedding = &document.chunks[ordinal as usize].embedding;
        top.offer(dot(embedding, vector), &document.id, ordinal);
    }
    top.into_hits()
}

/// Collects all chunks that may be among the nearest `limit`; the result is what their upper bound must
/// reach.
fn first_pass<'a>(
    views: &'a [View],
    access: &Access,
    query: &Coded,
    limit: usize,
    candidates: &mut Vec<Candidate<'a>>,
) -> f32 {
    // The best lower bounds so far: a chunk whose upper bound is below all of them is out.
    let mut lowers: BinaryHeap<Reverse<Ordered>> = BinaryHeap::new();
    let mut floor = f32::NEG_INFINITY;
    for view in views {
        let Some(group) = view.segment.vectors().group(query.codes.len()) else { continue };
        for range in &view.segment.admitted(access, &view.dead).ranges {
            for at in group.within(range) {
                let chunk = group.chunks[at];
                let (lower, upper) = group.bounds(at, query);
                if upper < floor || view.dead.has_chunk(chunk) {
                    continue;
                }
                candidates.push(Candidate { upper, view, chunk });
                lowers.push(Reverse(Ordered(lower)));
                if lowers.len() > limit {
                    lowers.pop();
                }
                if lowers.len() == limit {
                    floor = lowers.peek().map_or(f32::NEG_INFINITY, |lowest| lowest.0.0);
                }
            }
        }
    }
    floor
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
fn dot_codes(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}

/// Eight sums side by side: vectorisable, and always added up in the same order.
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
