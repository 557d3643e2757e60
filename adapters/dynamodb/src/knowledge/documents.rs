//! Writing, removing, listing and reading documents.

use super::head::{Head, Text, chunk, class, class_of, document, manifest};
use super::postings::{MOST_OCCURRENCES, Occurrence, Posting, Written};
use super::{Knowledge, TRIES};
use crate::body;
use crate::failure::contended;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{Change, Outcome, Range, Reading, Write, back_off, unique};
use crate::vectors::Owner;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use smooai_smooth_operator_retrieval::bm25::each_chunk_term;
use smooai_smooth_operator_store::{
    Access, Chunk, ChunkRef, Document, DocumentId, DocumentInfo, OrganizationId, Passage, Put, Result,
    StoreError,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A version that nobody turned to within this time was left by a writer that died.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How often a document waits for others of its class.
const MEETINGS: u32 = 30;

/// A document as it was found.
struct Found {
    head: Head,
    item: Item,
    revision: u64,
}

/// What a put writes.
struct Version {
    head: Head,
    postings: Vec<Posting>,
    /// When it was begun, as its manifest says.
    begun: String,
}

impl Knowledge {
    pub(super) async fn head(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<Head>> {
        Ok(self.found(organization, id).await?.map(|found| found.head))
    }

    async fn found(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<Found>> {
        let Some(item) = self.table.get(&document(organization, id)?).await? else { return Ok(None) };
        let revision = item.get_number("rev")?;
        Ok(Some(Found { head: body::open(&self.table, &item).await?, item, revision }))
    }

    pub(super) async fn replace(&self, document: Document) -> Result<Put> {
        self.sweep(&document.organization, document.updated_at).await?;
        for attempt in 0..TRIES {
            let before = self.found(&document.organization, &document.id).await?;
            if before.as_ref().is_some_and(|found| found.head.info.content_hash == document.content_hash) {
                return Ok(Put::Unchanged);
            }
            let version = self.describe(&document);
            self.write_version(&document, &version).await?;
            if self.turn_to(Some(&version), before.as_ref()).await? {
                let Some(old) = before else { return Ok(Put::Created) };
                self.remove_version(&old.head).await?;
                return Ok(Put::Replaced);
            }
            // Another writer was faster.
            self.remove_version(&version.head).await?;
            back_off(attempt, &version.head.version).await;
        }
        Err(contended("document"))
    }

    pub(super) async fn remove(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        for attempt in 0..TRIES {
            let Some(before) = self.found(organization, id).await? else { return Ok(false) };
            if self.turn_to(None, Some(&before)).await? {
                self.remove_version(&before.head).await?;
                return Ok(true);
            }
            back_off(attempt, id.as_str()).await;
        }
        Err(contended("document"))
    }

    /// The head and the postings of a new version.
    fn describe(&self, document: &Document) -> Version {
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
            version: unique(),
            class: class_of(&document.acl),
            info,
            length,
            dimensions,
        };
        Version { head, postings, begun: keys::inverted(document.updated_at) }
    }

    /// The postings, each small enough for its item, and the number of terms of all chunks.
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
        let split = |(term, all): (u64, Vec<Occurrence>)| {
            let some = |some: &[Occurrence]| Posting { term, occurrences: some.to_vec() };
            all.chunks(MOST_OCCURRENCES).map(some).collect::<Vec<_>>()
        };
        (by_term.into_iter().flat_map(split).collect(), whole)
    }

    /// Writes everything of a version but what makes it count.
    async fn write_version(&self, document: &Document, version: &Version) -> Result<()> {
        let Version { head, postings, begun } = version;
        self.table.put(self.manifest_of(head, begun).await?).await?;
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
            let name = parts_of(&head.version, ordinal);
            items.push(body::seal_named(&self.table, item, "a chunk", &text, &name).await?);
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

    async fn manifest_of(&self, head: &Head, begun: &str) -> Result<Item> {
        let key = manifest(&head.organization, &head.version);
        let item = Item::new("G", &key).text("begun", begun);
        body::seal(&self.table, item, "a document", &head.for_removal()).await
    }

    fn written<'a>(&self, head: &'a Head) -> Written<'a> {
        Written {
            organization: head.organization.as_str(),
            class: &head.class,
            document: head.info.id.as_str(),
            version: &head.version,
        }
    }

    /// Makes one version count and another not, and counts both in their classes, in one transaction;
    /// `false` if another writer was faster, or has given the new version up as abandoned.
    async fn turn_to(&self, new: Option<&Version>, before: Option<&Found>) -> Result<bool> {
        let mut writes = Vec::new();
        let mut sealed = None;
        if let Some(Version { head, begun, .. }) = new {
            let revision = before.map(|found| found.revision);
            let key = document(&head.organization, &head.info.id)?;
            let item = Item::new("D", &key).number("rev", revision.map_or(0, |revision| revision + 1));
            let item = body::seal(&self.table, item, "a document", head).await?;
            sealed = Some(item.clone());
            writes.push(match revision {
                Some(revision) => Write::Revision(item, revision),
                None => Write::New(item),
            });
            let key = manifest(&head.organization, &head.version);
            writes.push(Write::DeleteIf(key, "begun", AttributeValue::S(begun.clone())));
        }
        if let Some(old) = before {
            if new.is_none() {
                let revision = AttributeValue::N(old.revision.to_string());
                writes.push(Write::DeleteIf(old.item.key()?, "rev", revision));
            }
            writes.push(Write::Put(self.manifest_of(&old.head, &given_up()).await?));
        }
        let (new, old) = (new.map(|version| &version.head), before.map(|found| &found.head));
        writes.extend(self.counts(new, old).await?);
        let done = self.transact_patiently(writes).await?;
        let left = if done { before.map(|found| &found.item) } else { sealed.as_ref() };
        if let Some(left) = left {
            body::discard(&self.table, left).await?;
        }
        Ok(done)
    }

    /// Writes all or nothing; `false` when a condition does not hold. Documents of one class meet on its
    /// counts: that is waited for, because what was written of the version is good.
    async fn transact_patiently(&self, writes: Vec<Write>) -> Result<bool> {
        for attempt in 0..MEETINGS {
            match self.table.transact(writes.clone()).await? {
                Outcome::Done => return Ok(true),
                Outcome::Refused(failed) if failed.contains(&true) => return Ok(false),
                Outcome::Refused(_) => back_off(attempt, &unique()).await,
            }
        }
        Ok(false)
    }

    /// The writes that count a change in the classes it touches; one per class, as a transaction wants.
    async fn counts(&self, new: Option<&Head>, old: Option<&Head>) -> Result<Vec<Write>> {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut by_class: BTreeMap<&str, (&Head, i64, i64)> = BTreeMap::new();
        for (head, sign) in new.map(|head| (head, 1)).into_iter().chain(old.map(|head| (head, -1))) {
            let count = by_class.entry(&head.class).or_insert((head, 0, 0));
            count.1 += sign * signed(head.info.chunk_count as u64);
            count.2 += sign * signed(head.length);
        }
        let mut writes = Vec::new();
        for (head, chunks, length) in by_class.into_values() {
            let item = self.class_item(head).await?;
            writes.push(Write::Add { item, numbers: vec![("chunks", chunks), ("length", length)] });
        }
        Ok(writes)
    }

    /// The item of a document's class, which holds the list. A list of many names stands in parts; all
    /// that name the class write the same ones.
    async fn class_item(&self, head: &Head) -> Result<Item> {
        let key = class(&head.organization, &head.class);
        let name = keys::digest(&[key.pk.as_bytes(), key.sk.as_bytes()]);
        body::seal_named(&self.table, Item::new("L", &key), "an access list", &head.info.acl, &name).await
    }

    /// Removes what a version that does not count has left. Can be done again at any time: a chunk whose
    /// text is gone already has no postings any more.
    async fn remove_version(&self, head: &Head) -> Result<()> {
        let chunks = self.chunk_items(&head.version).await?;
        let document = self.assemble(head, &chunks).await?;
        let (postings, _) = self.postings(&document);
        self.written(head).remove(&self.table, &postings).await?;
        self.vectors
            .remove(head.organization.as_str(), &head.version, head.info.chunk_count, &head.dimensions)
            .await?;
        let mut missing: BTreeSet<u64> = (0..head.info.chunk_count as u64).collect();
        for item in &chunks {
            missing.remove(&item.get_number("number")?);
            body::discard(&self.table, item).await?;
        }
        // The writer may have died between the parts of a chunk and its item.
        for ordinal in missing {
            body::discard_named(&self.table, &parts_of(&head.version, ordinal)).await?;
        }
        let gone = chunks.iter().map(Item::key).collect::<Result<_>>()?;
        self.table.write_all(Vec::new(), gone).await?;
        let key = manifest(&head.organization, &head.version);
        if let Some(manifest) = self.table.get(&key).await? {
            body::discard(&self.table, &manifest).await?;
        }
        self.table.delete(&key).await
    }

    /// Removes versions that writers left behind which died. As long as its manifest is there, a version
    /// does not count, and one whose manifest has been marked never will.
    async fn sweep(&self, organization: &OrganizationId, now: Timestamp) -> Result<()> {
        let pk = keys::of('G', organization.as_str());
        let reading = Reading { newest_first: false, limit: 4, consistent: true };
        let left = self.table.query(Range { pk: &pk, from: "0", to: "g" }, reading, None).await?;
        let Ok(long_ago) = now.checked_sub(ABANDONED_AFTER) else { return Ok(()) };
        for item in left.items {
            let begun = item.get_text("begun")?;
            if begun <= keys::inverted(long_ago).as_str() {
                continue;
            }
            let text = |text: &str| AttributeValue::S(text.to_owned());
            let values = [(":begun".to_owned(), text(begun)), (":mark".to_owned(), text(&given_up()))].into();
            let mark = Change { set: "begun = :mark", add: "", condition: "begun = :begun", values };
            if self.table.update(&item.key()?, mark).await? {
                let head: Head = body::open(&self.table, &item).await?;
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

    /// The document of a head and those of its chunks whose texts are there.
    async fn assemble(&self, head: &Head, chunks: &[Item]) -> Result<Document> {
        let mut read = Vec::with_capacity(chunks.len());
        for item in chunks {
            let Some(text) = body::find::<Text>(&self.table, item).await? else { continue };
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
            let document = self.assemble(&head, &chunks).await?;
            if document.chunks.len() == head.info.chunk_count {
                return Ok(Some(document));
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
                wanted.insert(item.key()?, body::find(&self.table, &item).await?);
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

/// The name of the parts of a chunk that is too long for its item.
fn parts_of(version: &str, ordinal: u64) -> String {
    format!("{version}.{ordinal}")
}

/// The mark of a version that counts no more, or never will: older than everything.
fn given_up() -> String {
    keys::inverted(Timestamp::MIN)
}
