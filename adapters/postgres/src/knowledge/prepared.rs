//! A document as columns of rows: its words cut, its vectors written.

use super::{document_key, readers_of};
use crate::failure::Failure;
use crate::row::json;
use crate::text::{self, key};
use sha2::{Digest as _, Sha256};
use smooai_smooth_operator_retrieval::analyse::Analyser;
use smooai_smooth_operator_retrieval::bm25::each_chunk_term;
use smooai_smooth_operator_store::{Chunk, Document, StoreError};
use std::fmt::Write as _;

/// So many chunks are written by one statement.
const BATCH: usize = 128;
/// pgvector holds vectors of at most so many numbers.
const LONGEST_VECTOR: usize = 16_000;

/// What is written of a document besides its own texts.
pub(super) struct Prepared {
    pub(super) acl: String,
    pub(super) readers: Vec<String>,
    pub(super) digest: Vec<u8>,
    /// The terms of all chunks, with repetitions.
    pub(super) term_count: i64,
    pub(super) batches: Vec<Batch>,
}

/// Some chunks; their postings and vectors name them by their ordinal.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) ordinals: Vec<i64>,
    pub(super) bodies: Vec<String>,
    pub(super) headings: Vec<String>,
    pub(super) starts: Vec<i64>,
    pub(super) ends: Vec<i64>,
    /// The distinct terms of each, as an array's literal.
    pub(super) terms: Vec<String>,
    pub(super) postings: Postings,
    pub(super) vectors: Vectors,
}

#[derive(Default)]
pub(super) struct Postings {
    pub(super) ordinals: Vec<i64>,
    pub(super) terms: Vec<i64>,
    pub(super) counts: Vec<i32>,
    pub(super) lengths: Vec<i32>,
}

#[derive(Default)]
pub(super) struct Vectors {
    pub(super) ordinals: Vec<i64>,
    pub(super) dimensions: Vec<i32>,
    /// Each as a vector's literal.
    pub(super) embeddings: Vec<String>,
}

impl Prepared {
    /// Cuts the document's words.
    pub(super) fn of(document: &Document, analyser: &Analyser) -> Result<Self, Failure> {
        key("organisation", document.organization.as_str())?;
        document_key(&document.id)?;
        let readers = readers_of(&document.acl);
        let digest = Sha256::digest(json(&readers)?).to_vec();
        let mut prepared =
            Self { acl: json(&document.acl)?, readers, digest, term_count: 0, batches: Vec::new() };
        for (at, chunks) in document.chunks.chunks(BATCH).enumerate() {
            let mut batch = Batch::default();
            for (ordinal, chunk) in (at * BATCH..).zip(chunks) {
                let mut terms: Vec<i64> = Vec::new();
                each_chunk_term(document, chunk, analyser, &mut |hash| terms.push(hash.cast_signed()));
                prepared.term_count += text::counted(terms.len());
                batch.add(text::counted(ordinal), chunk, terms)?;
            }
            prepared.batches.push(batch);
        }
        Ok(prepared)
    }
}

impl Batch {
    fn add(&mut self, ordinal: i64, chunk: &Chunk, mut terms: Vec<i64>) -> Result<(), Failure> {
        self.ordinals.push(ordinal);
        self.bodies.push(text::escaped(&chunk.text).into_owned());
        self.headings.push(json(&chunk.headings)?);
        self.starts.push(text::counted(chunk.start));
        self.ends.push(text::counted(chunk.end));
        let length = i32::try_from(terms.len()).unwrap_or(i32::MAX);
        terms.sort_unstable();
        for same in terms.chunk_by(|a, b| a == b) {
            self.postings.ordinals.push(ordinal);
            self.postings.terms.push(same[0]);
            self.postings.counts.push(i32::try_from(same.len()).unwrap_or(i32::MAX));
            self.postings.lengths.push(length);
        }
        terms.dedup();
        self.terms.push(literal('{', &terms, '}'));
        let embedding = &chunk.embedding;
        if embedding.len() > LONGEST_VECTOR {
            let limit = LONGEST_VECTOR * size_of::<f32>();
            return Err(StoreError::TooLarge { what: "an embedding", limit }.into());
        }
        // One that is not finite is nowhere near anything.
        if !embedding.is_empty() && embedding.iter().all(|x| x.is_finite()) {
            self.vectors.ordinals.push(ordinal);
            self.vectors.dimensions.push(i32::try_from(embedding.len()).unwrap_or(i32::MAX));
            self.vectors.embeddings.push(literal('[', embedding, ']'));
        }
        Ok(())
    }
}

fn literal(open: char, values: &[impl std::fmt::Display], close: char) -> String {
    let mut out = String::with_capacity(values.len() * 12 + 2);
    out.push(open);
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        // Writing into a string cannot fail.
        let _ = write!(out, "{value}");
    }
    out.push(close);
    out
}
