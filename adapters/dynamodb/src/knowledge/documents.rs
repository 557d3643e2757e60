//! Writing, removing, listing and reading documents.

use super::head::{Head, Text, chunk, class, class_of, document, manifest, version_of};
use super::postings::{Occurrence, Posting, Written};
use super::{Knowledge, TRIES};
use crate::body;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{Outcome, Range, Reading, Write, back_off};
use crate::vectors::Owner;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use smooai_smooth_operator_retrieval::bm25::each_chunk_term;
use smooai_smooth_operator_store::{
    Access, Chunk, ChunkRef, Document, DocumentId, DocumentInfo, OrganizationId, Passage, Put, Result,
    StoreError,
};
use std::collections::{BTreeMap, HashMap};

/// A version that nobody turned to within this time was left by a writer that died.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(1);

impl Knowledge {
    pub(super) async fn head(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<Head>> {
        Ok(self.head_item(organization, id).await?.map(|(head, _)| head))
    }

    async fn head_item(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<(Head, u64)>> {
        let Some(item) = self.table.get(&document(organization, id)?).await? else { return Ok(None) };
        Ok(Some((body::open(&self.table, &item).await?, item.get_number("rev")?)))
    }

    pub(super) async fn replace(&self, document: Document) -> Result<Put> {
        self.sweep(&document.organization, document.updated_at).await?;
        for attempt in 0..TRIES {
            let before = self.head_item(&document.organization, &document.id).await?;
            if before.as_ref().is_some_and(|(head, _)| head.info.content_hash == document.content_hash) {
                return Ok(Put::Unchanged);
            }
            let old = before.as_ref().map(|(head, _)| head);
            let (head, postings) = self.describe(&document, old);
            self.write_version(&document, &head, &postings).await?;
            if self.turn_to(Some(&head), before.as_ref()).await? {
                if let Some(old) = old {
                    self.remove_version(old).await?;
                }
                return Ok(if before.is_some() { Put::Replaced } else { Put::Created });
            }
            // Another writer was faster. What it wrote may be the same version as ours.
            let now = self.head(&document.organization, &document.id).await?;
            if now.is_none_or(|now| now.version != head.version) {
                self.remove_version(&head).await?;
            }
            back_off(attempt, &head.version).await;
        }
        Err(StoreError::Unavailable {
            context: "too many writers of one document at once".to_owned(),
            source: None,
        })
    }

    pub(super) async fn remove(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        for attempt in 0..TRIES {
            let Some(before) = self.head_item(organization, id).await? else { return Ok(false) };
            if self.turn_to(None, Some(&before)).await? {
                self.remove_version(&before.0).await?;
                return Ok(true);
            }
            back_off(attempt, id.as_str()).await;
        }
        Err(StoreError::Unavailable {
            context: "too many writers of one document at once".to_owned(),
            source: None,
        })
    }

    /// The head and the postings of a new version.
    fn describe(&self, document: &Document, before: Option<&Head>) -> (Head, Vec<Posting>) {
        let info = DocumentInfo {
            id: document.id.clone(),
            source: document.source.clone(),
            title: document.title.clone(),
            url: document.url.clone(),
            acl: document.acl.clone(),
            content_hash: document.content_hash.clone(),
            chunk_count: document.chunks.len(),
            updated_at: document.updated_at,
        };
        let (postings, length) = self.postings(document);
        let mut dimensions: Vec<usize> = document.chunks.iter().map(|chunk| chunk.embedding.len()).collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        let head = Head {
            organization: document.organization.clone(),
            version: version_of(&document.organization, &info, before),
            class: class_of(&document.acl),
            info,
            length,
            dimensions,
        };
        (head, postings)
    }

    fn postings(&self, document: &Document) -> (Vec<Posting>, u64) {
        let mut by_term: BTreeMap<u64, Vec<Occurrence>> = BTreeMap::new();
        let mut whole = 0;
        for (ordinal, chunk) in (0_u32..).zip(&document.chunks) {
            let mut counts: BTreeMap<u64, u16> = BTreeMap::new();
            let mut length = 0_u32;
            each_chunk_term(document, chunk, &self.analyser, &mut |term| {
                let count = counts.entry(term).or_default();
                *count = count.saturating_add(1);
                length = length.saturating_add(1);
            });
            whole += u64::from(length);
            for (term, count) in counts {
                by_term.entry(term).or_default().push(Occurrence { ordinal, count, length });
            }
        }
        (by_term.into_iter().map(|(term, occurrences)| Posting { term, occurrences }).collect(), whole)
    }

    /// Writes everything of a version but what makes it count.
    async fn write_version(&self, document: &Document, head: &Head, postings: &[Posting]) -> Result<()> {
        let key = manifest(&document.organization, &head.version);
        let manifest = Item::new("G", &key).text("at", &keys::inverted(document.updated_at));
        self.table.put(body::seal(&self.table, manifest, "a document", head).await?).await?;
        let mut items = Vec::with_capacity(document.chunks.len());
        for (ordinal, part) in (0..).zip(&document.chunks) {
            let text = Text {
                text: part.text.clone(),
                headings: part.headings.clone(),
                start: part.start,
                end: part.end,
            };
            let bytes = part.embedding.iter().flat_map(|x| x.to_le_bytes()).collect();
            let item =
                Item::new("V", &chunk(&head.version, ordinal)).number("number", ordinal).bytes("e", bytes);
            items.push(body::seal(&self.table, item, "a chunk", &text).await?);
        }
        self.table.write_all(items, Vec::new()).await?;
        self.written(head).add(&self.table, postings).await?;
        let owner = Owner {
            organization: head.organization.as_str(),
            class: &head.class,
            document: head.info.id.as_str(),
            version: &head.version,
        };
        self.vectors.put(owner, &document.chunks).await
    }

    fn written<'a>(&self, head: &'a Head) -> Written<'a> {
        Written {
            organization: head.organization.as_str(),
            class: &head.class,
            document: head.info.id.as_str(),
            version: &head.version,
        }
    }

    /// Makes one version count and another not, and counts both in their classes, in one transaction.
    async fn turn_to(&self, new: Option<&Head>, before: Option<&(Head, u64)>) -> Result<bool> {
        let Some(any) = new.or(before.map(|(head, _)| head)) else { return Ok(true) };
        let key = document(&any.organization, &any.info.id)?;
        let mut writes = Vec::new();
        match (new, before) {
            (Some(new), before) => {
                let revision = before.map(|(_, revision)| *revision);
                let item = Item::new("D", &key).number("rev", revision.map_or(0, |revision| revision + 1));
                let item = body::seal(&self.table, item, "a document", new).await?;
                writes.push(match revision {
                    Some(revision) => Write::Revision(item, revision),
                    None => Write::New(item),
                });
                writes.push(Write::Delete(manifest(&new.organization, &new.version)));
            }
            (None, Some((_, revision))) => {
                writes.push(Write::DeleteIf(key, "rev", AttributeValue::N(revision.to_string())));
            }
            (None, None) => return Ok(true),
        }
        if let Some((old, _)) = before {
            let key = manifest(&old.organization, &old.version);
            let item = Item::new("G", &key).text("at", &keys::inverted(Timestamp::MIN));
            writes.push(Write::Put(body::seal(&self.table, item, "a document", old).await?));
        }
        writes.extend(counts(new, before.map(|(head, _)| head))?);
        Ok(self.table.transact(writes).await? == Outcome::Done)
    }

    /// Removes what a version that does not count has left. Can be done again at any time.
    async fn remove_version(&self, head: &Head) -> Result<()> {
        let chunks = self.chunk_items(&head.version).await?;
        let document = self.assemble(head, &chunks).await?;
        let (postings, _) = self.postings(&document);
        self.written(head).remove(&self.table, &postings).await?;
        self.vectors
            .remove(head.organization.as_str(), &head.version, head.info.chunk_count, &head.dimensions)
            .await?;
        for item in &chunks {
            body::discard(&self.table, item, None).await?;
        }
        let gone = chunks.iter().map(Item::key).collect::<Result<_>>()?;
        self.table.write_all(Vec::new(), gone).await?;
        self.table.delete(&manifest(&head.organization, &head.version)).await.map(|_| ())
    }

    /// Removes versions that writers left behind which died.
    async fn sweep(&self, organization: &OrganizationId, now: Timestamp) -> Result<()> {
        let pk = keys::of('G', organization.as_str());
        let reading = Reading { newest_first: false, limit: 4, consistent: true };
        let left = self.table.query(Range { pk: &pk, from: "0", to: "g" }, reading, None).await?;
        let Ok(long_ago) = now.checked_sub(ABANDONED_AFTER) else { return Ok(()) };
        for item in left.items {
            if item.get_text("at")? <= keys::inverted(long_ago).as_str() {
                continue;
            }
            let head: Head = body::open(&self.table, &item).await?;
            let counts = self.head(&head.organization, &head.info.id).await?;
            if counts.is_none_or(|counts| counts.version != head.version) {
                self.remove_version(&head).await?;
            }
        }
        Ok(())
    }

    /// The chunks of a version, in order.
    async fn chunk_items(&self, version: &str) -> Result<Vec<Item>> {
        let pk = keys::of('V', version);
        self.table.query_all(Range { pk: &pk, from: "0", to: "9999999999999" }).await
    }

    async fn assemble(&self, head: &Head, chunks: &[Item]) -> Result<Document> {
        let mut read = Vec::with_capacity(chunks.len());
        for item in chunks {
            let text: Text = body::open(&self.table, item).await?;
            let bytes = item.find_bytes("e").unwrap_or_default();
            let number =
                |bytes: &[u8]| <[u8; 4]>::try_from(bytes).map(f32::from_le_bytes).unwrap_or_default();
            let embedding = bytes.chunks_exact(4).map(number).collect();
            let Text { text, headings, start, end } = text;
            read.push(Chunk { text, headings, start, end, embedding });
        }
        let info = head.info.clone();
        Ok(Document {
            id: info.id,
            organization: head.organization.clone(),
            source: info.source,
            title: info.title,
            url: info.url,
            acl: info.acl,
            content_hash: info.content_hash,
            chunks: read,
            updated_at: info.updated_at,
        })
    }

    /// The document of a head's item, for moving data; `None` if it changed while it was read.
    pub(crate) async fn whole(&self, item: &Item) -> Result<Option<Document>> {
        let mut head: Head = body::open(&self.table, item).await?;
        for _ in 0..TRIES {
            let chunks = self.chunk_items(&head.version).await?;
            if chunks.len() == head.info.chunk_count {
                return self.assemble(&head, &chunks).await.map(Some);
            }
            match self.head(&head.organization, &head.info.id).await? {
                Some(now) if now.version != head.version => head = now,
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    pub(super) async fn readable(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        let organization = &access.organization;
        let pk = keys::of('D', organization.as_str());
        let mut place = after.map(|after| document(organization, after)).transpose()?;
        let mut found = Vec::new();
        while found.len() < limit {
            let reading = Reading { newest_first: false, limit: 100, consistent: true };
            let range = Range { pk: &pk, from: "=", to: "=\u{10FFFF}\u{10FFFF}" };
            let page = self.table.query(range, reading, place.as_ref()).await?;
            for item in &page.items {
                let head: Head = body::open(&self.table, item).await?;
                if access.admits(&head.info.acl) && found.len() < limit {
                    found.push(head.info);
                }
            }
            match page.next {
                Some(next) => place = Some(next),
                None => break,
            }
        }
        Ok(found)
    }

    /// The heads of those documents that the reader may see.
    pub(super) async fn heads<'a>(
        &self,
        access: &Access,
        documents: impl Iterator<Item = &'a str>,
    ) -> Result<HashMap<String, Head>> {
        let mut keys = HashMap::new();
        for id in documents {
            if let Ok(key) = document(&access.organization, &DocumentId::new(id)) {
                keys.insert(id, key);
            }
        }
        let keys: Vec<Key> = keys.into_values().collect();
        let mut heads = HashMap::with_capacity(keys.len());
        for item in self.table.get_all(&keys).await? {
            let head: Head = body::open(&self.table, &item).await?;
            if access.admits(&head.info.acl) {
                heads.insert(head.info.id.as_str().to_owned(), head);
            }
        }
        Ok(heads)
    }

    pub(super) async fn read_passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        for attempt in 0..TRIES {
            let heads = self.heads(access, chunks.iter().map(|chunk| chunk.document.as_str())).await?;
            let mut wanted: HashMap<Key, Option<Text>> = HashMap::new();
            for one in chunks {
                if let Some(key) = place(&heads, one) {
                    wanted.insert(key, None);
                }
            }
            let keys: Vec<Key> = wanted.keys().cloned().collect();
            for item in self.table.get_all(&keys).await? {
                wanted.insert(item.key()?, Some(body::open(&self.table, &item).await?));
            }
            if wanted.values().all(Option::is_some) {
                let passage = |one: &ChunkRef| {
                    let text = wanted.get(&place(&heads, one)?)?.clone()?;
                    Some(passage(heads.get(one.document.as_str())?, one, text))
                };
                return Ok(chunks.iter().filter_map(passage).collect());
            }
            // A document was replaced between the two reads.
            back_off(attempt, access.organization.as_str()).await;
        }
        Err(StoreError::Unavailable {
            context: "documents change too fast to be read".to_owned(),
            source: None,
        })
    }
}

fn place(heads: &HashMap<String, Head>, one: &ChunkRef) -> Option<Key> {
    let head = heads.get(one.document.as_str())?;
    ((one.ordinal as usize) < head.info.chunk_count).then(|| chunk(&head.version, u64::from(one.ordinal)))
}

fn passage(head: &Head, one: &ChunkRef, text: Text) -> Passage {
    let Text { text, headings, start, end } = text;
    Passage {
        chunk: one.clone(),
        source: head.info.source.clone(),
        title: head.info.title.clone(),
        url: head.info.url.clone(),
        headings,
        text,
        start,
        end,
    }
}

/// The writes that count a change in the classes it touches; one per class, as a transaction wants.
fn counts(new: Option<&Head>, old: Option<&Head>) -> Result<Vec<Write>> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut by_class: BTreeMap<&str, (&Head, i64, i64)> = BTreeMap::new();
    for (head, sign) in new.map(|head| (head, 1)).into_iter().chain(old.map(|head| (head, -1))) {
        let count = by_class.entry(&head.class).or_insert((head, 0, 0));
        count.1 += sign * signed(head.info.chunk_count as u64);
        count.2 += sign * signed(head.length);
    }
    by_class
        .into_values()
        .map(|(head, chunks, length)| {
            let acl = serde_json::to_string(&head.info.acl).map_err(|error| StoreError::Corrupt {
                context: format!("writing an access list: {error}"),
            })?;
            let item = Item::new("L", &class(&head.organization, &head.class)).text("acl", &acl);
            Ok(Write::Add { item, numbers: vec![("chunks", chunks), ("length", length)] })
        })
        .collect()
}
