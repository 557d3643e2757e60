//! The load: list, read, cut, embed, put. Several documents at a time, and none stops the others.

use crate::connector::{Connector, Item, SourceDocument};
use crate::report::{Progress, Report, Skipped};
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use smooai_smooth_operator_retrieval::chunk::{CHUNKER, chunk, first_heading};
use smooai_smooth_operator_retrieval::{EmbedError, EmbedKind, Embedder};
use smooai_smooth_operator_store::{
    AccessList, Chunk, Document, DocumentId, KnowledgeStore, OrganizationId, Put, StoreError,
};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Where the present instant comes from.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// So many documents are on their way at once, unless told otherwise.
const CONCURRENCY: usize = 8;

/// So many texts are embedded with one call.
const BATCH: usize = 64;

/// After so many failed calls, the rest of a load is stored without vectors.
const EMBED_FAILURES: usize = 3;

/// Feeds one organisation's documents to the store.
pub struct Pipeline {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
    organization: OrganizationId,
    clock: Clock,
    concurrency: usize,
}

/// What became of one document.
enum Outcome {
    Put { put: Put, chunks: usize, embedded: bool },
    Skipped(Skipped),
}

impl Pipeline {
    /// A pipeline that works on 8 documents at once.
    pub fn new(
        store: Arc<dyn KnowledgeStore>,
        embedder: Arc<dyn Embedder>,
        organization: impl Into<OrganizationId>,
        clock: Clock,
    ) -> Self {
        Self { store, embedder, organization: organization.into(), clock, concurrency: CONCURRENCY }
    }

    /// So many documents at once; at least one.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.max(1);
        self
    }

    /// Loads everything that the connectors have and tells `progress` after every document. What fails
    /// is in the report, with its reason.
    pub async fn run(
        &self,
        connectors: &[Arc<dyn Connector>],
        progress: &(dyn Fn(&Progress) + Send + Sync),
    ) -> Report {
        let begun = Instant::now();
        let mut report = Report::default();
        let items = self.list(connectors, &mut report).await;
        let mut state = Progress { files_total: items.len(), ..Progress::default() };
        let failures = AtomicUsize::new(0);
        let mut outcomes = stream::iter(items)
            .map(|(connector, item)| self.load(connector, item, &failures))
            .buffer_unordered(self.concurrency);
        while let Some(outcome) = outcomes.next().await {
            state.files += 1;
            match outcome {
                Outcome::Put { put, chunks, embedded } => {
                    match put {
                        Put::Created => report.created += 1,
                        Put::Replaced => report.replaced += 1,
                        Put::Unchanged => report.unchanged += 1,
                    }
                    report.unembedded += usize::from(!embedded);
                    state.chunks += chunks;
                }
                Outcome::Skipped(skipped) => report.skipped.push(skipped),
            }
            state.elapsed = begun.elapsed();
            progress(&state);
        }
        report.skipped.sort_by(|a, b| a.source.cmp(&b.source));
        report.chunks = state.chunks;
        report.elapsed = begun.elapsed();
        report
    }

    /// What all connectors have, each document once.
    async fn list(
        &self,
        connectors: &[Arc<dyn Connector>],
        report: &mut Report,
    ) -> Vec<(Arc<dyn Connector>, Item)> {
        let mut found: Vec<(Arc<dyn Connector>, Item)> = Vec::new();
        let mut places: HashMap<DocumentId, usize> = HashMap::new();
        for connector in connectors {
            let listing = match connector.list().await {
                Ok(listing) => listing,
                Err(error) => {
                    let source = connector.name().to_owned();
                    report.skipped.push(Skipped { source, reason: error.to_string() });
                    continue;
                }
            };
            report.skipped.extend(listing.skipped);
            for item in listing.items {
                match places.get(&item.id).map(|at| &mut found[*at].1) {
                    None => {
                        places.insert(item.id.clone(), found.len());
                        found.push((Arc::clone(connector), item));
                    }
                    // Two entries disagree on who may read it: it is shown to nobody until they agree.
                    Some(first) if first.acl != item.acl => {
                        first.acl = AccessList::Nobody;
                        let reason = "two entries give it different access lists; nobody may read it until \
                                      only one entry names it or both agree";
                        let source = item.id.to_string();
                        if !report.skipped.iter().any(|skipped| skipped.source == source) {
                            report.skipped.push(Skipped { source, reason: reason.to_owned() });
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        found
    }

    async fn load(&self, connector: Arc<dyn Connector>, item: Item, failures: &AtomicUsize) -> Outcome {
        let source = item.id.to_string();
        let skipped = |reason: String| Outcome::Skipped(Skipped { source: source.clone(), reason });
        match connector.read(&item).await {
            Ok(document) => match self.store(item, document, failures).await {
                Ok(outcome) => outcome,
                Err(error) => skipped(format!("it could not be stored: {error}")),
            },
            Err(error) => skipped(error.to_string()),
        }
    }

    async fn store(
        &self,
        item: Item,
        read: SourceDocument,
        failures: &AtomicUsize,
    ) -> Result<Outcome, StoreError> {
        let title = read
            .title
            .or_else(|| first_heading(&read.text))
            .filter(|title| !title.trim().is_empty())
            .unwrap_or_else(|| read.source.clone());
        let mut document = Document {
            id: item.id,
            organization: self.organization.clone(),
            source: read.source,
            title,
            url: read.url,
            acl: item.acl,
            content_hash: String::new(),
            chunks: Vec::new(),
            updated_at: (self.clock)(),
        };
        document.content_hash = content_hash(&document, &read.text, self.embedder.id());
        let stored = self.store.content_hash(&self.organization, &document.id).await?;
        if stored.as_ref() == Some(&document.content_hash) {
            return Ok(Outcome::Put { put: Put::Unchanged, chunks: 0, embedded: true });
        }
        document.chunks = cut(&read.text);
        let embedded = self.embed(&mut document, failures).await;
        if !embedded {
            document.content_hash = content_hash(&document, &read.text, "");
        }
        let chunks = document.chunks.len();
        let put = self.store.put(document).await?;
        let chunks = if put == Put::Unchanged { 0 } else { chunks };
        Ok(Outcome::Put { put, chunks, embedded })
    }

    /// Gives every chunk its vector, or none where the embedder fails; says which.
    async fn embed(&self, document: &mut Document, failures: &AtomicUsize) -> bool {
        let texts: Vec<String> = document.chunks.iter().map(|chunk| embedded_text(document, chunk)).collect();
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            if failures.load(Ordering::Relaxed) >= EMBED_FAILURES {
                return false;
            }
            match self.embed_batch(batch).await {
                Ok(batch) => vectors.extend(batch),
                Err(error) => {
                    failures.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(
                        document = %document.id,
                        error = &error as &dyn std::error::Error,
                        "a document could not be embedded; it is found by keywords only"
                    );
                    return false;
                }
            }
        }
        for (chunk, vector) in document.chunks.iter_mut().zip(vectors) {
            chunk.embedding = vector;
        }
        true
    }

    async fn embed_batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let vectors = self.embedder.embed(EmbedKind::Document, texts).await?;
        let dimension = self.embedder.dimension();
        if vectors.len() == texts.len() && vectors.iter().all(|vector| vector.len() == dimension) {
            return Ok(vectors);
        }
        let (asked, got) = (texts.len(), vectors.len());
        Err(EmbedError::new(format!(
            "asked for {asked} vectors of {dimension} numbers, got {got} vectors or other lengths"
        )))
    }
}

fn cut(text: &str) -> Vec<Chunk> {
    chunk(text)
        .into_iter()
        .map(|piece| Chunk {
            text: text[piece.range.clone()].to_owned(),
            headings: piece.headings,
            start: piece.range.start,
            end: piece.range.end,
            embedding: Vec::new(),
        })
        .collect()
}

/// What is embedded of a chunk: the title and the headings above it give the text its context.
fn embedded_text(document: &Document, chunk: &Chunk) -> String {
    let mut text = document.title.clone();
    for heading in chunk.headings.iter().filter(|heading| **heading != document.title) {
        text.push_str(" › ");
        text.push_str(heading);
    }
    text.push_str("\n\n");
    text.push_str(&chunk.text);
    text
}

/// SHA-256 over all that a stored document depends on; lengths keep the parts apart.
fn content_hash(document: &Document, text: &str, embedder: &str) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &str| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes.as_bytes());
    };
    part(CHUNKER);
    part(embedder);
    part(&document.source);
    part(&document.title);
    part(document.url.as_deref().unwrap_or_default());
    match &document.acl {
        AccessList::Public => part("public"),
        AccessList::Nobody => part("nobody"),
        AccessList::Restricted { users, groups } => {
            part("restricted");
            part(&users.len().to_string());
            users.iter().chain(groups).for_each(|name| part(name));
        }
    }
    part(text);
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
