//! The search that embedded stores use: one organisation's documents as an immutable value.
//!
//! A [`Snapshot`] is made of segments. A put adds a small segment and marks the old document dead;
//! segments of like size are merged, so a document is rewritten about log₈(n) times. Readers hold a
//! snapshot and are never stopped. Inside a segment, documents with the same access list stand
//! together, so a reader's documents are a few ranges and every count is taken over them alone.

mod bulk;
mod dense;
mod keyword;
mod postings;
mod segment;
mod top;

use crate::analyse::Analyser;
use crate::bm25::{Terms, question_terms};
use segment::{Dead, Segment};
use smooai_smooth_operator_store::{Access, ChunkRef, Document, DocumentId, DocumentInfo, Hit, Passage, Put};
use std::sync::Arc;

/// So many segments of like size are merged into one; a size class is this many times the one below.
const FAN_IN: usize = 8;

/// A segment is rewritten when more than one in this many of its chunks is dead.
const DEAD_SHARE: usize = 8;

/// A segment with the marks of what was deleted from it.
#[derive(Clone)]
struct View {
    segment: Arc<Segment>,
    dead: Arc<Dead>,
}

/// One organisation's documents at one moment. Cheap to clone; a change gives a new value.
#[derive(Clone, Default)]
pub struct Snapshot {
    views: Vec<View>,
}

impl Snapshot {
    /// No documents.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These documents, whose ids differ; much faster than one after another, and on all cores.
    ///
    /// # Errors
    /// The first error among the documents.
    pub fn of<E>(
        documents: impl IntoIterator<Item = Result<Document, E>>,
        analyser: &Analyser,
    ) -> Result<Self, E> {
        let merged = bulk::index(documents.into_iter(), analyser)?;
        let views = if merged.is_empty() { merged } else { vec![View::new(Segment::merge(&merged))] };
        Ok(Self { views })
    }

    /// How many chunks there are, whoever may read them.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.views.iter().map(|view| view.segment.chunk_count() - view.dead.chunk_count()).sum()
    }

    /// The documents with this one in place of the one with its id.
    #[must_use]
    pub fn with(&self, document: Document, analyser: &Analyser) -> (Self, Put) {
        let outcome = match self.content_hash(&document.id) {
            Some(hash) if hash == document.content_hash => return (self.clone(), Put::Unchanged),
            Some(_) => Put::Replaced,
            None => Put::Created,
        };
        let mut next = self.without(&document.id).unwrap_or_else(|| self.clone());
        next.views.push(View::new(Segment::of(Arc::new(document), &mut Terms::new(analyser))));
        next.merge();
        (next, outcome)
    }

    /// The documents without this one; `None` if there is none of that id.
    #[must_use]
    pub fn without(&self, id: &DocumentId) -> Option<Self> {
        let (at, place) = self.find(id)?;
        let mut next = self.clone();
        let view = &mut next.views[at];
        view.dead = Arc::new(view.dead.with(&view.segment, place));
        next.rewrite();
        Some(next)
    }

    /// The content hash of a document.
    #[must_use]
    pub fn content_hash(&self, id: &DocumentId) -> Option<&str> {
        self.document(id).map(|document| document.content_hash.as_str())
    }

    /// The documents that the reader may see, by id, after `after`, at most `limit`.
    #[must_use]
    pub fn list(&self, access: &Access, after: Option<&DocumentId>, limit: usize) -> Vec<DocumentInfo> {
        let mut found: Vec<&Document> = Vec::new();
        for view in &self.views {
            found.extend(
                view.segment
                    .by_id_after(after)
                    .filter(|place| !view.dead.has_document(*place))
                    .map(|place| view.segment.document(place))
                    .filter(|document| access.admits(&document.acl))
                    .take(limit),
            );
        }
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found.truncate(limit);
        found.into_iter().map(info).collect()
    }

    /// The best chunks by BM25 (k₁ = 1.2, b = 0.75; a chunk is the unit) that the reader may see, best
    /// first, ties by [`ChunkRef`]. Every statistic is taken over what he may see, so scores say nothing
    /// about other documents.
    #[must_use]
    pub fn keyword(&self, access: &Access, analyser: &Analyser, query: &str, limit: usize) -> Vec<Hit> {
        keyword::search(&self.views, access, &question_terms(analyser, query), limit)
    }

    /// The nearest chunks by cosine to a unit vector that the reader may see, best first, ties by
    /// [`ChunkRef`]. The answer is exact. Chunks whose embedding has another dimension are not searched.
    #[must_use]
    pub fn dense(&self, access: &Access, vector: &[f32], limit: usize) -> Vec<Hit> {
        dense::search(&self.views, access, vector, limit)
    }

    /// The named chunks that the reader may see, in the order asked.
    #[must_use]
    pub fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Vec<Passage> {
        chunks
            .iter()
            .filter_map(|chunk| {
                let document = self.document(&chunk.document)?;
                access.admits(&document.acl).then(|| passage(document, chunk)).flatten()
            })
            .collect()
    }

    /// All documents by id, after `after`, at most `limit`, whoever may read them: for moving data to
    /// another store, never for a reader.
    #[must_use]
    pub fn all_after(&self, after: Option<&DocumentId>, limit: usize) -> Vec<Document> {
        let mut found: Vec<&Document> = Vec::new();
        for view in &self.views {
            let places = view.segment.by_id_after(after);
            let live = places.filter(|place| !view.dead.has_document(*place));
            found.extend(live.map(|place| view.segment.document(place)).take(limit));
        }
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found.truncate(limit);
        found.into_iter().cloned().collect()
    }

    fn document(&self, id: &DocumentId) -> Option<&Document> {
        let (at, place) = self.find(id)?;
        Some(self.views[at].segment.document(place))
    }

    /// The view and the place in it of a live document.
    fn find(&self, id: &DocumentId) -> Option<(usize, usize)> {
        self.views.iter().enumerate().rev().find_map(|(at, view)| {
            let place = view.segment.place(id)?;
            (!view.dead.has_document(place)).then_some((at, place))
        })
    }

    /// Merges segments of a size class that has become full.
    fn merge(&mut self) {
        loop {
            let mut counts = [0_usize; 24];
            for view in &self.views {
                counts[view.size_class()] += 1;
            }
            let Some(full) = counts.iter().position(|count| *count >= FAN_IN) else { return };
            let (merge, keep): (Vec<View>, Vec<View>) =
                self.views.drain(..).partition(|view| view.size_class() == full);
            self.views = keep;
            let merged = Segment::merge(&merge);
            if merged.document_count() > 0 {
                self.views.push(View::new(merged));
            }
        }
    }

    /// Rewrites segments with many dead chunks, so that counting round the dead stays cheap.
    fn rewrite(&mut self) {
        for view in &mut self.views {
            let crowded = view.dead.chunk_count() * DEAD_SHARE > view.segment.chunk_count();
            if crowded && view.dead.document_count() < view.segment.document_count() {
                *view = View::new(Segment::merge(std::slice::from_ref(view)));
            }
        }
        self.views.retain(|view| view.dead.document_count() < view.segment.document_count());
    }
}

impl View {
    fn new(segment: Segment) -> Self {
        Self { dead: Arc::new(Dead::none(&segment)), segment: Arc::new(segment) }
    }

    /// ⌊log₈⌋ of the size.
    fn size_class(&self) -> usize {
        let size = (self.segment.chunk_count() + self.segment.document_count()).max(1);
        size.ilog(FAN_IN) as usize
    }
}

fn info(document: &Document) -> DocumentInfo {
    DocumentInfo {
        id: document.id.clone(),
        source: document.source.clone(),
        title: document.title.clone(),
        url: document.url.clone(),
        acl: document.acl.clone(),
        content_hash: document.content_hash.clone(),
        chunk_count: document.chunks.len(),
        updated_at: document.updated_at,
    }
}

fn passage(document: &Document, at: &ChunkRef) -> Option<Passage> {
    let chunk = document.chunks.get(at.ordinal as usize)?;
    Some(Passage {
        chunk: at.clone(),
        source: document.source.clone(),
        title: document.title.clone(),
        url: document.url.clone(),
        headings: chunk.headings.clone(),
        text: chunk.text.clone(),
        start: chunk.start,
        end: chunk.end,
    })
}
