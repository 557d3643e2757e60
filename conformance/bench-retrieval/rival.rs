//! Tantivy over the same terms: one segment in memory, searched by one thread. It is given the terms
//! already cut to their stems, so that what is compared is finding, not cutting.

use anyhow::Result;
use smooai_smooth_operator_retrieval::analyse::Analyser;
use smooai_smooth_operator_retrieval::bm25::question_terms;
use tantivy::collector::TopDocs;
use tantivy::query::BooleanQuery;
use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexWriter, Searcher, TantivyDocument, Term};

use crate::exact::Exact;

/// What the writer may take before it begins a second segment.
const ROOM: usize = 2_000_000_000;

/// An index.
pub struct Rival {
    searcher: Searcher,
    body: Field,
}

impl Rival {
    /// Indexes all chunks.
    pub fn new(exact: &Exact) -> Result<Self> {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer("whitespace")
            .set_index_option(IndexRecordOption::WithFreqs);
        let body = schema.add_text_field("body", TextOptions::default().set_indexing_options(indexing));
        let place = schema.add_u64_field("place", FAST);
        let index = Index::create_in_ram(schema.build());
        let mut writer: IndexWriter = index.writer_with_num_threads(1, ROOM)?;
        for (at, terms) in (0_u64..).zip(exact.terms()) {
            let words =
                terms.iter().flat_map(|(term, count)| std::iter::repeat_n(name(*term), *count as usize));
            let mut document = TantivyDocument::default();
            document.add_text(body, words.collect::<Vec<_>>().join(" "));
            document.add_u64(place, at);
            writer.add_document(document)?;
        }
        writer.commit()?;
        let segments = index.searchable_segment_ids()?;
        if segments.len() > 1 {
            writer.merge(&segments).wait()?;
        }
        writer.wait_merging_threads()?;
        Ok(Self { searcher: index.reader()?.searcher(), body })
    }

    /// The places of the best chunks by BM25, best first.
    pub fn search(&self, analyser: &Analyser, question: &str, limit: usize) -> Result<Vec<u64>> {
        let terms = question_terms(analyser, question);
        let terms = terms.iter().map(|term| Term::from_field_text(self.body, &name(*term)));
        let query = BooleanQuery::new_multiterms_query(terms.collect());
        let found = self.searcher.search(&query, &TopDocs::with_limit(limit).order_by_score())?;
        let place = |segment: u32, document| -> Result<u64> {
            let column = self.searcher.segment_reader(segment).fast_fields().u64("place")?;
            Ok(column.first(document).unwrap_or(u64::MAX))
        };
        found.iter().map(|(_, at)| place(at.segment_ord, at.doc_id)).collect()
    }
}

fn name(term: u64) -> String {
    format!("{term:x}")
}
