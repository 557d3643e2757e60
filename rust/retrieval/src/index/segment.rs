//! An immutable group of documents with their postings and vectors, and the marks of the dead in it.

use super::View;
use super::dense::Vectors;
use super::postings::{Builder, Postings, as_u32};
use crate::bm25::{Terms, chunk_texts};
use hashbrown::HashTable;
use smooai_smooth_operator_store::{Access, AccessList, Document, DocumentId};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::Arc;

/// Documents with the same access list, and the chunks they take.
struct Class {
    documents: Range<usize>,
    chunks: Range<u32>,
    /// The terms of all its chunks.
    length: u64,
}

/// An immutable group of documents. Those with one access list stand together.
pub(super) struct Segment {
    documents: Vec<Arc<Document>>,
    /// The places of the documents, by id.
    by_id: Vec<u32>,
    /// The same by the hashes of the ids: to find one takes fewer steps through memory than halving does.
    by_hash: HashTable<u32>,
    hashes: RandomState,
    classes: Vec<Class>,
    /// Where a document's chunks begin; one more than documents.
    first_chunk: Vec<u32>,
    /// The document of every chunk.
    owners: Vec<u32>,
    /// The number of terms of every chunk.
    lengths: Vec<u32>,
    postings: Postings,
    vectors: Vectors,
}

/// What a reader may see of a segment.
pub(super) struct Admitted {
    /// The chunks, in ascending ranges that do not touch.
    pub(super) ranges: Vec<Range<u32>>,
    /// How many of them are live.
    pub(super) chunks: u64,
    /// The terms of the live ones.
    pub(super) length: u64,
}

impl Segment {
    /// The segment of one document.
    pub(super) fn of(document: Arc<Document>, terms: &mut Terms<'_>) -> Self {
        let mut lengths = Vec::with_capacity(document.chunks.len());
        let mut entries: Vec<(u64, u32)> = Vec::new();
        for (ordinal, chunk) in document.chunks.iter().enumerate() {
            let before = entries.len();
            for text in chunk_texts(&document, chunk) {
                terms.each(text, &mut |hash| entries.push((hash, as_u32(ordinal))));
            }
            lengths.push(as_u32(entries.len() - before));
        }
        entries.sort_unstable();
        let mut builder = Builder::new(&lengths);
        for term in entries.chunk_by(|a, b| a.0 == b.0) {
            let counted: Vec<(u32, u16)> = term
                .chunk_by(|a, b| a.1 == b.1)
                .map(|same| (same[0].1, u16::try_from(same.len()).unwrap_or(u16::MAX)))
                .collect();
            builder.term(term[0].0, &counted);
        }
        let (postings, vectors) = (builder.finish(), Vectors::of(&document));
        Self::assemble(vec![document], lengths, postings, vectors)
    }

    /// The live documents of several segments in one.
    pub(super) fn merge(views: &[View]) -> Self {
        let mut live: Vec<(usize, usize)> = Vec::new();
        for (at, view) in views.iter().enumerate() {
            let places = 0..view.segment.documents.len();
            live.extend(places.filter(|place| !view.dead.has_document(*place)).map(|place| (at, place)));
        }
        // Documents with one access list move together; lists stand in the order they are met.
        let mut ranks: HashMap<&AccessList, usize> = HashMap::new();
        let mut ordered: Vec<(usize, usize, usize)> = Vec::with_capacity(live.len());
        for (at, place) in live {
            let next = ranks.len();
            let rank = *ranks.entry(&views[at].segment.documents[place].acl).or_insert(next);
            ordered.push((rank, at, place));
        }
        ordered.sort_unstable();

        let mut documents = Vec::with_capacity(ordered.len());
        let mut moves: Vec<(usize, Range<u32>, u32)> = Vec::with_capacity(ordered.len());
        let mut lengths: Vec<u32> = Vec::new();
        let mut moved: Vec<Vec<u32>> =
            views.iter().map(|view| vec![u32::MAX; view.segment.chunk_count()]).collect();
        for (_, at, place) in ordered {
            let segment = &views[at].segment;
            moves.push((at, segment.chunks_of(place), as_u32(lengths.len())));
            for chunk in segment.chunks_of(place) {
                moved[at][chunk as usize] = as_u32(lengths.len());
                lengths.push(segment.lengths[chunk as usize]);
            }
            documents.push(Arc::clone(&segment.documents[place]));
        }
        let postings = merge_postings(views, &moved, &lengths);
        let vectors = Vectors::merged(views, moves.into_iter());
        Self::assemble(documents, lengths, postings, vectors)
    }

    /// Puts the parts together; documents with one access list already stand together.
    fn assemble(
        documents: Vec<Arc<Document>>,
        lengths: Vec<u32>,
        postings: Postings,
        vectors: Vectors,
    ) -> Self {
        let mut first_chunk = Vec::with_capacity(documents.len() + 1);
        let mut owners = Vec::with_capacity(lengths.len());
        for (place, document) in documents.iter().enumerate() {
            first_chunk.push(as_u32(owners.len()));
            owners.extend(std::iter::repeat_n(as_u32(place), document.chunks.len()));
        }
        first_chunk.push(as_u32(owners.len()));
        let mut by_id: Vec<u32> = (0..as_u32(documents.len())).collect();
        by_id.sort_unstable_by(|a, b| documents[*a as usize].id.cmp(&documents[*b as usize].id));
        let hashes = RandomState::new();
        let hash = |place: &u32| hashes.hash_one(&documents[*place as usize].id);
        let mut by_hash = HashTable::with_capacity(documents.len());
        for place in 0..as_u32(documents.len()) {
            by_hash.insert_unique(hash(&place), place, hash);
        }
        let mut classes: Vec<Class> = Vec::new();
        for (place, document) in documents.iter().enumerate() {
            let chunks = first_chunk[place]..first_chunk[place + 1];
            let length: u64 =
                lengths[chunks.start as usize..chunks.end as usize].iter().map(|n| u64::from(*n)).sum();
            match classes.last_mut() {
                Some(class) if documents[class.documents.start].acl == document.acl => {
                    class.documents.end = place + 1;
                    class.chunks.end = chunks.end;
                    class.length += length;
                }
                _ => classes.push(Class { documents: place..place + 1, chunks, length }),
            }
        }
        Self { documents, by_id, by_hash, hashes, classes, first_chunk, owners, lengths, postings, vectors }
    }

    pub(super) fn chunk_count(&self) -> usize {
        self.owners.len()
    }

    pub(super) fn document_count(&self) -> usize {
        self.documents.len()
    }

    pub(super) fn document(&self, place: usize) -> &Document {
        &self.documents[place]
    }

    pub(super) fn postings(&self) -> &Postings {
        &self.postings
    }

    pub(super) fn vectors(&self) -> &Vectors {
        &self.vectors
    }

    pub(super) fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// The document of a chunk, and the chunk's ordinal in it.
    pub(super) fn owner(&self, chunk: u32) -> (&Document, u32) {
        let place = self.owners[chunk as usize] as usize;
        (&self.documents[place], chunk - self.first_chunk[place])
    }

    /// Where the document with the id stands.
    pub(super) fn place(&self, id: &DocumentId) -> Option<usize> {
        let is_it = |place: &u32| self.documents[*place as usize].id == *id;
        self.by_hash.find(self.hashes.hash_one(id), is_it).map(|place| *place as usize)
    }

    /// The places of the documents after an id, by id.
    pub(super) fn by_id_after(&self, after: Option<&DocumentId>) -> impl Iterator<Item = usize> {
        let from = after.map_or(0, |after| {
            self.by_id.partition_point(|place| self.documents[*place as usize].id <= *after)
        });
        self.by_id[from..].iter().map(|place| *place as usize)
    }

    /// What the reader may see.
    pub(super) fn admitted(&self, access: &Access, dead: &Dead) -> Admitted {
        let mut admitted = Admitted { ranges: Vec::new(), chunks: 0, length: 0 };
        for (number, class) in self.classes.iter().enumerate() {
            if class.chunks.is_empty() || !access.admits(&self.documents[class.documents.start].acl) {
                continue;
            }
            let (gone, gone_length) = dead.of_class(number);
            admitted.chunks += u64::from(class.chunks.end - class.chunks.start) - gone;
            admitted.length += class.length - gone_length;
            match admitted.ranges.last_mut() {
                Some(last) if last.end == class.chunks.start => last.end = class.chunks.end,
                _ => admitted.ranges.push(class.chunks.clone()),
            }
        }
        admitted
    }

    fn chunks_of(&self, place: usize) -> Range<u32> {
        self.first_chunk[place]..self.first_chunk[place + 1]
    }
}

/// The postings of several segments with their chunks renumbered; `u32::MAX` marks a dead chunk.
fn merge_postings(views: &[View], moved: &[Vec<u32>], lengths: &[u32]) -> Postings {
    let mut places: Vec<(u64, usize, usize)> = Vec::new();
    for (at, view) in views.iter().enumerate() {
        let terms = view.segment.postings.terms();
        places.extend(terms.iter().enumerate().map(|(place, hash)| (*hash, at, place)));
    }
    places.sort_unstable();
    let mut builder = Builder::new(lengths);
    let mut entries: Vec<(u32, u16)> = Vec::new();
    for same in places.chunk_by(|a, b| a.0 == b.0) {
        entries.clear();
        for (_, at, place) in same {
            let term = views[*at].segment.postings.at(*place);
            for (chunk, count) in term.chunks.iter().zip(term.counts) {
                let chunk = moved[*at][*chunk as usize];
                if chunk != u32::MAX {
                    entries.push((chunk, *count));
                }
            }
        }
        if !entries.is_empty() {
            entries.sort_unstable_by_key(|(chunk, _)| *chunk);
            builder.term(same[0].0, &entries);
        }
    }
    builder.finish()
}

/// Which documents of a segment are deleted.
#[derive(Clone)]
pub(super) struct Dead {
    documents: Bits,
    chunks: Bits,
    document_count: usize,
    chunk_count: usize,
    /// Of a class: the dead chunks and their terms.
    classes: HashMap<usize, (u64, u64)>,
}

impl Dead {
    pub(super) fn none(segment: &Segment) -> Self {
        Self {
            documents: Bits::new(segment.document_count()),
            chunks: Bits::new(segment.chunk_count()),
            document_count: 0,
            chunk_count: 0,
            classes: HashMap::new(),
        }
    }

    /// The marks with one more document, which is live until now.
    pub(super) fn with(&self, segment: &Segment, place: usize) -> Self {
        let mut next = self.clone();
        let class = segment.classes.partition_point(|class| class.documents.end <= place);
        let of_class = next.classes.entry(class).or_default();
        next.documents.set(place);
        next.document_count += 1;
        for chunk in segment.chunks_of(place) {
            next.chunks.set(chunk as usize);
            next.chunk_count += 1;
            of_class.0 += 1;
            of_class.1 += u64::from(segment.lengths[chunk as usize]);
        }
        next
    }

    pub(super) fn document_count(&self) -> usize {
        self.document_count
    }

    pub(super) fn chunk_count(&self) -> usize {
        self.chunk_count
    }

    pub(super) fn has_document(&self, place: usize) -> bool {
        self.document_count > 0 && self.documents.has(place)
    }

    pub(super) fn has_chunk(&self, chunk: u32) -> bool {
        self.chunk_count > 0 && self.chunks.has(chunk as usize)
    }

    /// The dead chunks of the range, ascending.
    pub(super) fn chunks(&self, range: &Range<u32>) -> impl Iterator<Item = u32> {
        let (start, end) = (range.start, range.end);
        self.chunks.ones(start as usize / 64, end as usize / 64 + 1).filter(move |c| (start..end).contains(c))
    }

    fn of_class(&self, class: usize) -> (u64, u64) {
        self.classes.get(&class).copied().unwrap_or_default()
    }
}

/// A set of small numbers.
#[derive(Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    /// The members inside the words `from..to`.
    fn ones(&self, from: usize, to: usize) -> impl Iterator<Item = u32> {
        let words = self.0.iter().enumerate().take(to).skip(from);
        words.flat_map(|(at, word)| {
            let word = *word;
            (0..64_u32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| as_u32(at) * 64 + bit)
        })
    }
}
