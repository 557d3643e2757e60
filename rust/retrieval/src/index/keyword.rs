//! BM25 over the chunks a reader may see, with block-max pruning (Ding,
//! Suel 2011): a block of postings whose best chunk could not enter the result is skipped unread.

use super::View;
use super::postings::{BLOCK, Bound, Term};
use super::segment::Admitted;
use super::top::Top;
use crate::bm25::{MOST_TERMS, idf, term_score};
use smooai_smooth_operator_store::{Access, Hit};
use std::ops::Range;

/// Bounds are sums in another order than scores; this is more than the rounding can amount to.
const SLACK: f32 = 1.0001;

/// What scores depend on besides the chunk itself.
struct Scorer {
    /// Terms with their inverse document frequency, ascending by term.
    terms: Vec<(u64, f32)>,
    average_length: f32,
}

impl Scorer {
    /// Counts over all that the reader may see, and nothing else.
    #[expect(clippy::cast_precision_loss, reason = "the quotient is an average")]
    fn new(views: &[(&View, Admitted)], terms: &[u64]) -> Option<Self> {
        let chunks: u64 = views.iter().map(|(_, admitted)| admitted.chunks).sum();
        let length: u64 = views.iter().map(|(_, admitted)| admitted.length).sum();
        if chunks == 0 || length == 0 {
            return None;
        }
        let mut weighted: Vec<(u64, f32)> = Vec::with_capacity(terms.len());
        for term in terms {
            let holding: u32 = views.iter().map(|(view, admitted)| live_count(view, admitted, *term)).sum();
            if holding > 0 {
                weighted.push((*term, idf(chunks, u64::from(holding))));
            }
        }
        if weighted.len() > MOST_TERMS {
            weighted.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            weighted.truncate(MOST_TERMS);
            weighted.sort_unstable_by_key(|(term, _)| *term);
        }
        Some(Self { terms: weighted, average_length: (length as f64 / chunks as f64) as f32 })
    }

    fn score(&self, idf: f32, count: u16, length: u32) -> f32 {
        term_score(idf, count, length, self.average_length)
    }

    fn bound(&self, idf: f32, bound: Bound) -> f32 {
        self.score(idf, bound.count, bound.length) * SLACK
    }
}

fn live_count(view: &View, admitted: &Admitted, term: u64) -> u32 {
    let Some(postings) = view.segment.postings().get(term) else { return 0 };
    admitted.ranges.iter().map(|range| postings.live_count(range, &view.dead)).sum()
}

/// The best chunks of all views.
pub(super) fn search(views: &[View], access: &Access, terms: &[u64], limit: usize) -> Vec<Hit> {
    if limit == 0 || terms.is_empty() {
        return Vec::new();
    }
    let views: Vec<(&View, Admitted)> = views
        .iter()
        .map(|view| (view, view.segment.admitted(access, &view.dead)))
        .filter(|(_, admitted)| admitted.chunks > 0)
        .collect();
    let Some(scorer) = Scorer::new(&views, terms) else { return Vec::new() };
    let mut top = Top::new(limit);
    for (view, admitted) in &views {
        let held: Vec<(usize, f32, Term<'_>)> = scorer
            .terms
            .iter()
            .enumerate()
            .filter_map(|(at, (term, idf))| Some((at, *idf, view.segment.postings().get(*term)?)))
            .collect();
        for range in &admitted.ranges {
            let cursors =
                held.iter().filter_map(|(at, idf, term)| Cursor::new(*at, *idf, *term, range, &scorer));
            Walk { view, scorer: &scorer, cursors: cursors.collect() }.run(&mut top);
        }
    }
    top.into_hits()
}

/// A place in the postings of one term.
struct Cursor<'a> {
    /// The term's number in the question.
    term: usize,
    idf: f32,
    postings: Term<'a>,
    at: usize,
    end: usize,
    /// The chunk at the place; `u32::MAX` past the end.
    chunk: u32,
    /// No chunk of the range scores more for this term.
    best: f32,
    /// The block whose bound was asked for last, and the bound.
    bounded: (usize, f32),
}

impl<'a> Cursor<'a> {
    fn new(term: usize, idf: f32, postings: Term<'a>, range: &Range<u32>, scorer: &Scorer) -> Option<Self> {
        let places = postings.within(range);
        if places.is_empty() {
            return None;
        }
        let blocks = places.start / BLOCK..(places.end - 1) / BLOCK + 1;
        let bound = postings.blocks[blocks].iter().copied().reduce(Bound::join)?;
        let best = scorer.bound(idf, bound);
        let chunk = postings.chunks[places.start];
        Some(Self {
            term,
            idf,
            postings,
            at: places.start,
            end: places.end,
            chunk,
            best,
            bounded: (usize::MAX, 0.0),
        })
    }

    /// Moves to the first chunk at or after `target`, block by block and then inside one.
    fn seek(&mut self, target: u32) {
        if self.chunk >= target {
            return;
        }
        let mut block_end = self.block_end(self.at);
        while self.at < self.end && self.postings.chunks[block_end - 1] < target {
            self.at = block_end;
            if self.at < self.end {
                block_end = self.block_end(self.at);
            }
        }
        if self.at < self.end {
            self.at += self.postings.chunks[self.at..block_end].partition_point(|chunk| *chunk < target);
        }
        self.chunk = if self.at < self.end { self.postings.chunks[self.at] } else { u32::MAX };
    }

    fn block_end(&self, at: usize) -> usize {
        ((at / BLOCK + 1) * BLOCK).min(self.end)
    }

    /// The bound of the block that would hold `target`, and that block's last chunk.
    fn bound_at(&mut self, target: u32, scorer: &Scorer) -> (f32, u32) {
        let mut at = self.at;
        while at < self.end {
            let last = self.postings.chunks[self.block_end(at) - 1];
            if last >= target {
                let block = at / BLOCK;
                if self.bounded.0 != block {
                    self.bounded = (block, scorer.bound(self.idf, self.postings.blocks[block]));
                }
                return (self.bounded.1, last);
            }
            at = self.block_end(at);
        }
        (0.0, u32::MAX - 1)
    }
}

/// The walk over one range of one segment, all terms side by side.
struct Walk<'a, 'b> {
    view: &'a View,
    scorer: &'b Scorer,
    cursors: Vec<Cursor<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn run(mut self, top: &mut Top<'a>) {
        loop {
            self.cursors.retain(|cursor| cursor.chunk != u32::MAX);
            self.cursors.sort_unstable_by_key(|cursor| cursor.chunk);
            let threshold = top.threshold();
            let Some((last, pivot)) = self.pivot(threshold) else { return };
            if let Some(next) = self.skip_to(last, pivot, threshold) {
                for cursor in &mut self.cursors[..=last] {
                    cursor.seek(next);
                }
                continue;
            }
            if self.cursors[0].chunk == pivot {
                self.offer(pivot, top);
                for cursor in &mut self.cursors[..=last] {
                    cursor.seek(pivot + 1);
                }
            } else {
                for cursor in &mut self.cursors[..=last] {
                    cursor.seek(pivot);
                }
            }
        }
    }

    /// The first chunk whose terms together could reach the threshold, and the last cursor that may
    /// stand on it.
    fn pivot(&self, threshold: f32) -> Option<(usize, u32)> {
        let mut sum = 0.0;
        for (at, cursor) in self.cursors.iter().enumerate() {
            sum += cursor.best;
            if sum >= threshold {
                let same = self.cursors[at..].iter().take_while(|other| other.chunk == cursor.chunk).count();
                return Some((at + same - 1, cursor.chunk));
            }
        }
        None
    }

    /// Where to go on when the blocks around the pivot cannot reach the threshold.
    fn skip_to(&mut self, last: usize, pivot: u32, threshold: f32) -> Option<u32> {
        let mut sum = 0.0;
        let mut next = self.cursors.get(last + 1).map_or(u32::MAX, |cursor| cursor.chunk);
        for cursor in &mut self.cursors[..=last] {
            let (bound, block_last) = cursor.bound_at(pivot, self.scorer);
            sum += bound;
            next = next.min(block_last + 1);
        }
        (sum < threshold).then_some(next.max(pivot + 1))
    }

    /// Scores a chunk, adding up in the order of the terms so that equal chunks get equal bits.
    fn offer(&self, chunk: u32, top: &mut Top<'a>) {
        if self.view.dead.has_chunk(chunk) {
            return;
        }
        let length = self.view.segment.lengths()[chunk as usize];
        let mut parts = [0.0_f32; MOST_TERMS];
        for cursor in self.cursors.iter().take_while(|cursor| cursor.chunk == chunk) {
            parts[cursor.term] = self.scorer.score(cursor.idf, cursor.postings.counts[cursor.at], length);
        }
        let score = parts.iter().sum();
        let (document, ordinal) = self.view.segment.owner(chunk);
        top.offer(score, &document.id, ordinal);
    }
}
