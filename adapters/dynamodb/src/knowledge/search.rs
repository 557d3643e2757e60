//! Both legs of a search. The keyword leg reads the postings of each term and class in pages, those that
//! can score most first, and stops when nothing unread can enter the result (Fagin's algorithm without
//! random access, then exact scores for what is left).

use super::head::{Head, Text, chunk};
use super::postings::{bound, impact_of, partition, read};
use super::{Knowledge, TRIES};
use crate::body;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{ItemPage, Range, Reading, back_off};
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use smooai_smooth_operator_retrieval::bm25::{MOST_TERMS, each_chunk_term, idf, question_terms, term_score};
use smooai_smooth_operator_store::{
    Access, AccessList, Chunk, ChunkRef, Document, DocumentId, Hit, Result, StoreError,
};
use std::collections::{HashMap, HashSet};

/// Postings per page; a page of short ones is about 30 KB, 8 read units.
const PAGE: usize = 200;
/// Pages that one question may read beyond the first of each list. With it a question costs at most
/// 8 · (lists + 64) read units for its postings, two for each chunk that is scored by its text, and one
/// for each document looked at.
const MORE_PAGES: usize = 64;
/// A question of more distinct terms is looked at by so many.
const MOST_LOOKED_AT: usize = 128;
/// So many chunks whose score is not yet exact are scored by their texts.
const MOST_RESCORED: usize = 100;
/// So many more than asked for are looked at, in case some belong to versions that count no more.
const SPARE: usize = 20;
/// Lists read side by side.
const SIDE_BY_SIDE: usize = 16;

/// What to search by.
#[derive(Clone, Copy)]
pub(super) enum Leg<'a> {
    /// The words of a question.
    Keyword(&'a str),
    /// A vector of unit length.
    Dense(&'a [f32]),
}

/// A chunk of a version that may be in the result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) document: String,
    pub(super) version: String,
    pub(super) ordinal: u32,
    pub(super) score: f32,
}

/// What of an organisation a reader may search: the documents that share an access list, and the sums
/// over all such classes.
struct Readable {
    classes: Vec<String>,
    chunks: u64,
    average_length: f32,
}

/// The postings of one term in one class, as far as they are read.
struct List {
    term: u64,
    class: usize,
    pk: String,
    /// How many chunks hold the term.
    held: u64,
    postings: Vec<Item>,
    next: Option<Key>,
}

impl List {
    /// The most that an unread posting can add to a score.
    fn bound(&self, idf: f32, average_length: f32) -> f32 {
        match &self.next {
            Some(key) => bound(idf, impact_of(&key.sk).unwrap_or(1.0), average_length),
            None => 0.0,
        }
    }
}

/// A chunk with what is known of it.
struct Seen {
    class: usize,
    /// What each term of the question adds; `None` as long as it is not known.
    parts: Vec<Option<f32>>,
}

impl Seen {
    fn lower(&self) -> f32 {
        self.parts.iter().map(|part| part.unwrap_or_default()).sum()
    }

    /// With the bounds of the class's lists, by term.
    fn upper(&self, bounds: &[Vec<f32>]) -> f32 {
        let parts = self.parts.iter().zip(&bounds[self.class]);
        parts.map(|(part, bound)| part.unwrap_or(*bound)).sum()
    }
}

/// Document, version and ordinal.
type Place = (String, String, u32);

/// What is known of all chunks that were met.
struct Board {
    /// The question's terms, ascending, with their weights.
    terms: Vec<(u64, f32)>,
    average_length: f32,
    seen: HashMap<Place, Seen>,
}

impl Knowledge {
    /// Runs a leg until its candidates are of versions that count, and gives those that the reader may
    /// see.
    pub(super) async fn search(&self, access: &Access, leg: Leg<'_>, limit: usize) -> Result<Vec<Hit>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut looked_for = HashSet::new();
        for attempt in 0..TRIES {
            let found = match leg {
                Leg::Keyword(question) => self.by_words(access, question, limit).await?,
                Leg::Dense(vector) => self.by_vector(access, vector, limit).await?,
            };
            let heads = self.heads(access, found.iter().map(|one| one.document.as_str())).await?;
            let counts =
                |one: &Candidate| heads.get(&one.document).is_some_and(|head| head.version == one.version);
            // A document that was found by a version that does not count, and not by the one that does, may
            // have been replaced between the two reads: look again, once for each version that counts.
            let is_found = |head: &Head| found.iter().any(|one| one.version == head.version);
            let heads_of_found = found.iter().filter_map(|one| heads.get(&one.document));
            let mut missed = false;
            for head in heads_of_found.filter(|head| !is_found(head)) {
                missed |= looked_for.insert(head.version.clone());
            }
            if missed && attempt + 1 < TRIES {
                back_off(attempt, access.organization.as_str()).await;
                continue;
            }
            let hit = |one: Candidate| Hit {
                chunk: ChunkRef { document: DocumentId::new(one.document), ordinal: one.ordinal },
                score: one.score,
            };
            return Ok(found.into_iter().filter(counts).take(limit).map(hit).collect());
        }
        Ok(Vec::new())
    }

    async fn readable_classes(&self, access: &Access) -> Result<Readable> {
        let pk = keys::of('A', access.organization.as_str());
        let mut readable = Readable { classes: Vec::new(), chunks: 0, average_length: 0.0 };
        let mut length = 0;
        for item in self.table.query_all(Range { pk: &pk, from: "0", to: "g" }).await? {
            // The count may be below zero for a moment, which is no number here.
            let chunks = item.find_number("chunks").unwrap_or_default();
            if chunks > 0 && access.admits(&self.list_of(&item).await?) {
                readable.classes.push(item.key()?.sk);
                readable.chunks += chunks;
                length += item.find_number("length").unwrap_or_default();
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "the quotient is an average")]
        if readable.chunks > 0 {
            readable.average_length = (length as f64 / readable.chunks as f64) as f32;
        }
        Ok(readable)
    }

    /// The list of a class; one that cannot be read admits nobody.
    async fn list_of(&self, item: &Item) -> Result<AccessList> {
        match body::open(&self.table, item).await {
            Err(StoreError::Corrupt { .. }) => Ok(AccessList::Nobody),
            list => list,
        }
    }

    /// The chunks that the question's terms are in, best first, with exact scores.
    pub(super) async fn by_words(
        &self,
        access: &Access,
        query: &str,
        limit: usize,
    ) -> Result<Vec<Candidate>> {
        let readable = self.readable_classes(access).await?;
        let mut terms = question_terms(&self.analyser, query);
        terms.truncate(MOST_LOOKED_AT);
        if readable.average_length <= 0.0 || terms.is_empty() {
            return Ok(Vec::new());
        }
        let organization = access.organization.as_str();
        let mut opening = Vec::with_capacity(readable.classes.len() * terms.len());
        for (class, name) in readable.classes.iter().enumerate() {
            opening.extend(terms.iter().map(|term| self.open_list(organization, name, class, *term)));
        }
        let mut lists: Vec<List> = iter(opening).buffered(SIDE_BY_SIDE).try_collect().await?;
        let mut board = Board::new(&lists, &terms, &readable);
        lists.retain(|list| board.weight(list.term).is_some());
        for list in &lists {
            board.add(list, &list.postings)?;
        }
        let mut pages = MORE_PAGES;
        loop {
            let bounds = board.bounds(&lists, readable.classes.len());
            let floor = board.floor(limit);
            let unread: Vec<usize> = (0..lists.len()).filter(|at| lists[*at].next.is_some()).collect();
            let reach = bounds.iter().map(|bounds| bounds.iter().sum::<f32>()).fold(0.0, f32::max);
            if unread.is_empty() || reach < floor || pages < unread.len() {
                return self.best(access, &board, &bounds, floor, limit).await;
            }
            pages -= unread.len();
            for at in unread {
                let list = &mut lists[at];
                let page = self.page_of(&list.pk, PAGE, list.next.as_ref()).await?;
                list.next = page.next;
                board.add(list, &page.items)?;
            }
        }
    }

    async fn page_of(&self, pk: &str, limit: usize, after: Option<&Key>) -> Result<ItemPage> {
        let reading = Reading { newest_first: false, limit, consistent: true };
        self.table.query(Range { pk, from: "!", to: "g" }, reading, after).await
    }

    /// The first page of a list: its counts stand before its postings.
    async fn open_list(&self, organization: &str, name: &str, class: usize, term: u64) -> Result<List> {
        let pk = partition(organization, name, term);
        let page = self.page_of(&pk, PAGE, None).await?;
        let mut list = List { term, class, pk, held: 0, postings: Vec::new(), next: page.next };
        for item in page.items {
            match item.find_number("n") {
                Some(held) => list.held += held,
                None if item.get_text("sk")?.starts_with('!') => {}
                None => list.postings.push(item),
            }
        }
        Ok(list)
    }

    /// The chunks that may be among the best, with exact scores.
    async fn best(
        &self,
        access: &Access,
        board: &Board,
        bounds: &[Vec<f32>],
        floor: f32,
        limit: usize,
    ) -> Result<Vec<Candidate>> {
        let mut known = Vec::new();
        let mut open = Vec::new();
        for (place, seen) in &board.seen {
            let upper = seen.upper(bounds);
            if upper < floor {
                continue;
            }
            // A list that is read to its end cannot add to a chunk that is not in it.
            let (document, version, ordinal) = place.clone();
            let one = Candidate { document, version, ordinal, score: seen.lower() };
            if upper > one.score { open.push((upper, one)) } else { known.push(one) }
        }
        open.sort_by(|a, b| b.0.total_cmp(&a.0));
        open.truncate(limit.saturating_mul(2).max(MOST_RESCORED));
        let open = open.into_iter().map(|(_, one)| one).collect();
        known.extend(self.rescore(access, board, open).await?);
        sort(&mut known);
        known.truncate(limit.saturating_mul(2).saturating_add(SPARE));
        Ok(known)
    }

    /// Scores chunks by their texts.
    async fn rescore(&self, access: &Access, board: &Board, open: Vec<Candidate>) -> Result<Vec<Candidate>> {
        let heads = self.heads(access, open.iter().map(|one| one.document.as_str())).await?;
        let mut texts: HashMap<Key, Text> = HashMap::new();
        let keys: Vec<Key> = open.iter().map(|one| chunk(&one.version, u64::from(one.ordinal))).collect();
        for item in self.table.get_all(&keys).await? {
            if let Some(text) = body::find(&self.table, &item).await? {
                texts.insert(item.key()?, text);
            }
        }
        let scored = |mut one: Candidate| {
            let head = heads.get(&one.document).filter(|head| head.version == one.version);
            let text = texts.remove(&chunk(&one.version, u64::from(one.ordinal)));
            if let (Some(head), Some(text)) = (head, text) {
                one.score = self.score_text(board, head, text);
            }
            one
        };
        Ok(open.into_iter().map(scored).collect())
    }

    fn score_text(&self, board: &Board, head: &Head, text: Text) -> f32 {
        let Text { text, headings, start, end } = text;
        let chunk = Chunk { text, headings, start, end, embedding: Vec::new() };
        let info = &head.info;
        let document = Document {
            id: info.id.clone(),
            organization: head.organization.clone(),
            source: info.source.clone(),
            title: info.title.clone(),
            url: None,
            acl: AccessList::Nobody,
            content_hash: String::new(),
            chunks: Vec::new(),
            updated_at: info.updated_at,
        };
        let mut counts = vec![0_u16; board.terms.len()];
        let mut length = 0_u32;
        each_chunk_term(&document, &chunk, &self.analyser, &mut |term| {
            length = length.saturating_add(1);
            if let Ok(at) = board.terms.binary_search_by_key(&term, |(term, _)| *term) {
                counts[at] = counts[at].saturating_add(1);
            }
        });
        let parts = board.terms.iter().zip(counts).filter(|(_, count)| *count > 0);
        parts.map(|((_, idf), count)| term_score(*idf, count, length, board.average_length)).sum()
    }

    /// The chunks nearest to a vector.
    pub(super) async fn by_vector(
        &self,
        access: &Access,
        vector: &[f32],
        limit: usize,
    ) -> Result<Vec<Candidate>> {
        let readable = self.readable_classes(access).await?;
        let organization = access.organization.as_str();
        let mut found = Vec::new();
        for near in self.vectors.nearest(organization, &readable.classes, vector).await? {
            found.push(Candidate {
                document: near.document,
                version: near.version,
                ordinal: near.ordinal,
                score: near.score,
            });
        }
        sort(&mut found);
        // Each document costs a read; some may be of versions that count no more.
        found.truncate(limit.saturating_mul(2));
        Ok(found)
    }
}

/// Best first, ties by the chunk.
fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score);
        by_score.then_with(|| a.document.cmp(&b.document)).then_with(|| a.ordinal.cmp(&b.ordinal))
    });
}

impl Board {
    /// Weighs the terms by what the reader may see, and keeps the rarest.
    fn new(lists: &[List], terms: &[u64], readable: &Readable) -> Self {
        let mut weighted = Vec::with_capacity(terms.len());
        for term in terms {
            let held: u64 = lists.iter().filter(|list| list.term == *term).map(|list| list.held).sum();
            if held > 0 {
                weighted.push((*term, idf(readable.chunks, held.min(readable.chunks))));
            }
        }
        if weighted.len() > MOST_TERMS {
            weighted.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            weighted.truncate(MOST_TERMS);
            weighted.sort_unstable_by_key(|(term, _)| *term);
        }
        Self { terms: weighted, average_length: readable.average_length, seen: HashMap::new() }
    }

    fn weight(&self, term: u64) -> Option<(usize, f32)> {
        let at = self.terms.binary_search_by_key(&term, |(term, _)| *term).ok()?;
        Some((at, self.terms[at].1))
    }

    fn add(&mut self, list: &List, postings: &[Item]) -> Result<()> {
        let Some((at, idf)) = self.weight(list.term) else { return Ok(()) };
        for item in postings {
            let (document, version, occurrences) = read(item)?;
            for one in occurrences {
                let place = (document.to_owned(), version.to_owned(), one.ordinal);
                let count = self.terms.len();
                let new = || Seen { class: list.class, parts: vec![None; count] };
                let score = term_score(idf, one.count, one.length, self.average_length);
                self.seen.entry(place).or_insert_with(new).parts[at] = Some(score);
            }
        }
        Ok(())
    }

    /// For every class and term: the most that an unread posting can add.
    fn bounds(&self, lists: &[List], classes: usize) -> Vec<Vec<f32>> {
        let mut bounds = vec![vec![0.0; self.terms.len()]; classes];
        for list in lists {
            if let Some((at, idf)) = self.weight(list.term) {
                bounds[list.class][at] = list.bound(idf, self.average_length);
            }
        }
        bounds
    }

    /// What a chunk must reach to be among the best `limit`.
    fn floor(&self, limit: usize) -> f32 {
        let mut lowers: Vec<f32> = self.seen.values().map(Seen::lower).collect();
        lowers.sort_unstable_by(|a, b| b.total_cmp(a));
        lowers.get(limit - 1).copied().unwrap_or(0.0)
    }
}
