//! Documents as rows: written as a whole, and read as a whole.

use crate::error::Failure;
use crate::row::{get_instant, get_json, instant, json};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use smooai_smooth_operator_retrieval::analyse::Analyser;
use smooai_smooth_operator_retrieval::index::Snapshot;
use smooai_smooth_operator_store::{AccessList, Chunk, Document, DocumentId, OrganizationId};
use std::collections::BTreeSet;

/// Puts the document in place of the one with its id.
pub(super) fn replace(connection: &Connection, document: &Document) -> Result<(), Failure> {
    remove(connection, &document.organization, &document.id)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO documents (organization, id, source, title, url, acl, content_hash, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let number = insert.insert(params![
        document.organization.as_str(),
        document.id.as_str(),
        document.source,
        document.title,
        document.url,
        json(&document.acl)?,
        document.content_hash,
        instant(document.updated_at),
    ])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO chunks (document, ordinal, text, headings, starts_at, ends_at, embedding)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    for (ordinal, chunk) in document.chunks.iter().enumerate() {
        let embedding: Vec<u8> = chunk.embedding.iter().flat_map(|x| x.to_le_bytes()).collect();
        insert.execute(params![
            number,
            ordinal,
            chunk.text,
            json(&chunk.headings)?,
            chunk.start,
            chunk.end,
            embedding,
        ])?;
    }
    Ok(())
}

/// Removes the document with its chunks.
pub(super) fn remove(
    connection: &Connection,
    organization: &OrganizationId,
    id: &DocumentId,
) -> Result<(), Failure> {
    let mut remove = connection.prepare_cached("DELETE FROM documents WHERE organization = ? AND id = ?")?;
    remove.execute((organization.as_str(), id.as_str()))?;
    Ok(())
}

/// The first documents after an organisation and an id.
pub(crate) fn documents_after(
    connection: &Connection,
    after: &(String, String),
    limit: usize,
) -> Result<Vec<Document>, Failure> {
    let mut found = connection.prepare_cached(
        "SELECT * FROM documents WHERE (organization, id) > (?, ?) ORDER BY organization, id LIMIT ?",
    )?;
    let found = found.query_map(params![after.0, after.1, limit], |row| document(connection, row))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Those of the documents that are there.
pub(super) fn documents(
    connection: &Connection,
    organization: &OrganizationId,
    named: &BTreeSet<DocumentId>,
) -> Result<Vec<Document>, Failure> {
    let mut find = connection.prepare_cached("SELECT * FROM documents WHERE organization = ? AND id = ?")?;
    let mut found = Vec::with_capacity(named.len());
    for id in named {
        let one = find.query_row((organization.as_str(), id.as_str()), |row| document(connection, row));
        found.extend(one.optional()?);
    }
    Ok(found)
}

/// All documents, ready to be searched, by organisation.
pub(super) fn snapshots(
    connection: &Connection,
    analyser: &Analyser,
) -> rusqlite::Result<Vec<(OrganizationId, Snapshot)>> {
    let mut names = connection.prepare("SELECT DISTINCT organization FROM documents")?;
    let names: Vec<String> = names.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut found = connection.prepare("SELECT * FROM documents WHERE organization = ?")?;
    let mut snapshots = Vec::with_capacity(names.len());
    for name in names {
        let documents = found.query_map([&name], |row| document(connection, row))?;
        let snapshot = Snapshot::of(documents, analyser)?;
        snapshots.push((OrganizationId::new(name), snapshot));
    }
    Ok(snapshots)
}

fn document(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Document> {
    let number: i64 = row.get("number")?;
    let mut chunks = connection.prepare_cached("SELECT * FROM chunks WHERE document = ? ORDER BY ordinal")?;
    let chunks = chunks.query_map([number], chunk)?.collect::<rusqlite::Result<_>>()?;
    Ok(Document {
        id: DocumentId::new(row.get::<_, String>("id")?),
        organization: OrganizationId::new(row.get::<_, String>("organization")?),
        source: row.get("source")?,
        title: row.get("title")?,
        url: row.get("url")?,
        // One that cannot be read hides its document; the others are there.
        acl: row.get_ref("acl")?.as_str().map_or(AccessList::Nobody, AccessList::read),
        content_hash: row.get("content_hash")?,
        chunks,
        updated_at: get_instant(row, "updated_at")?,
    })
}

fn chunk(row: &Row<'_>) -> rusqlite::Result<Chunk> {
    let embedding = row.get_ref("embedding")?;
    let embedding = embedding.as_blob()?;
    let (floats, _) = embedding.as_chunks::<4>();
    Ok(Chunk {
        text: row.get("text")?,
        headings: get_json(row, "headings")?,
        start: row.get("starts_at")?,
        end: row.get("ends_at")?,
        embedding: floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    })
}
