//! Writing and removing a document: one transaction, so that a reader sees the old one or the new one.

use super::prepared::{Batch, Prepared};
use crate::database::{Database, Statement, Unit, Who, Work};
use crate::failure::Failure;
use crate::row::Columns;
use crate::text;
use smooai_smooth_operator_store::{Document, DocumentId, OrganizationId, Put};
use sqlx::postgres::PgRow;

/// What is there, locked: two that write one document come one after the other.
const FIND: &str = "\
    SELECT content_hash, language, audience, chunk_count, term_count FROM documents \
    WHERE organization = $1 AND id = $2 FOR UPDATE";
/// Vectors go with their chunks.
const EMPTY: &str = "\
    WITH gone AS ( \
        DELETE FROM chunks WHERE organization = $1 AND document = $2 RETURNING id, audience, terms \
    ), unposted AS ( \
        DELETE FROM postings p USING gone, unnest(gone.terms) AS t (term) \
        WHERE p.audience = gone.audience AND p.term = t.term AND p.chunk = gone.id RETURNING p.chunk \
    ) SELECT count(*) FROM unposted";
/// No row if another transaction has made the audience since this statement began.
const AUDIENCE: &str = "\
    WITH made AS ( \
        INSERT INTO audiences (organization, digest, readers, chunk_count, term_count) \
        VALUES ($1, $2, $3, 0, 0) ON CONFLICT (organization, digest) DO NOTHING RETURNING id \
    ) SELECT id FROM made UNION ALL SELECT id FROM audiences WHERE organization = $1 AND digest = $2";
const INSERT: &str = "\
    INSERT INTO documents (organization, id, audience, source, title, url, acl, content_hash, language, \
        chunk_count, term_count, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8, $9, $10, $11, $12)";
const UPDATE: &str = "\
    UPDATE documents SET audience = $3, source = $4, title = $5, url = $6, acl = $7::text::json, \
        content_hash = $8, language = $9, chunk_count = $10, term_count = $11, updated_at = $12 \
    WHERE organization = $1 AND id = $2";
const CHUNKS: &str = "\
    WITH made AS ( \
        INSERT INTO chunks (organization, document, audience, ordinal, body, headings, starts_at, ends_at, terms) \
        SELECT $1, $2, $3, ordinal, body, headings::json, starts_at, ends_at, terms::bigint[] \
        FROM unnest($4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[]) \
            AS c (ordinal, body, headings, starts_at, ends_at, terms) \
        RETURNING id, ordinal \
    ), posted AS ( \
        INSERT INTO postings (audience, term, chunk, count, length) \
        SELECT $3, p.term, made.id, p.count, p.length \
        FROM unnest($10::bigint[], $11::bigint[], $12::int[], $13::int[]) AS p (ordinal, term, count, length) \
        JOIN made USING (ordinal) \
    ) \
    INSERT INTO vectors (chunk, audience, dimension, embedding) \
    SELECT made.id, $3, v.dimension, v.embedding::vector \
    FROM unnest($14::bigint[], $15::int[], $16::text[]) AS v (ordinal, dimension, embedding) \
    JOIN made USING (ordinal)";
/// The last statement, because others that write for the same audience wait from here on.
const COUNT: &str = "\
    UPDATE audiences SET chunk_count = chunk_count + $2, term_count = term_count + $3 WHERE id = $1";
const DELETE: &str = "DELETE FROM documents WHERE organization = $1 AND id = $2";

/// The document that is there.
struct There {
    content_hash: String,
    language: String,
    share: Share,
}

/// What a document adds to its audience.
#[derive(Clone, Copy)]
struct Share {
    audience: i64,
    chunks: i64,
    terms: i64,
}

fn there(row: &PgRow) -> Result<There, Failure> {
    let mut columns = Columns::of(row);
    Ok(There {
        content_hash: columns.text()?,
        language: columns.text()?,
        share: Share { audience: columns.value()?, chunks: columns.value()?, terms: columns.value()? },
    })
}

fn named<'q>(sql: &'static str, organization: &'q OrganizationId, id: &'q DocumentId) -> Statement<'q> {
    sqlx::query(sql).bind(text::organization(organization)).bind(text::escaped(id.as_str()))
}

async fn find(
    unit: &mut Unit,
    organization: &OrganizationId,
    id: &DocumentId,
) -> Result<Option<There>, Failure> {
    let rows = unit.rows(named(FIND, organization, id)).await?;
    rows.first().map(there).transpose()
}

async fn count(unit: &mut Unit, share: Share) -> Result<(), Failure> {
    let statement = sqlx::query(COUNT).bind(share.audience).bind(share.chunks).bind(share.terms);
    unit.run(statement).await.map(|_| ())
}

/// Stores the document in place of the one with its id.
pub(super) async fn put(
    database: &Database,
    document: &Document,
    prepared: &Prepared,
    language: &str,
) -> Result<Put, Failure> {
    let (organization, id) = (&document.organization, &document.id);
    let mut unit = database.begin(Who::Organization(organization), Work::Write).await?;
    let old = find(&mut unit, organization, id).await?;
    let is_same = |old: &There| old.content_hash == document.content_hash && old.language == language;
    if old.as_ref().is_some_and(is_same) {
        return Ok(Put::Unchanged);
    }
    if old.is_some() {
        unit.rows(named(EMPTY, organization, id)).await?;
    }
    let audience = audience(&mut unit, organization, prepared).await?;
    let chunks = text::counted(document.chunks.len());
    let statement = named(if old.is_some() { UPDATE } else { INSERT }, organization, id)
        .bind(audience)
        .bind(text::escaped(&document.source))
        .bind(text::escaped(&document.title))
        .bind(document.url.as_deref().map(text::escaped))
        .bind(&prepared.acl)
        .bind(text::escaped(&document.content_hash))
        .bind(language)
        .bind(chunks)
        .bind(prepared.term_count)
        .bind(text::nanoseconds(document.updated_at));
    unit.run(statement).await.map_err(Failure::overtaken)?;
    for batch in &prepared.batches {
        unit.run(written(named(CHUNKS, organization, id).bind(audience), batch)).await?;
    }
    if let Some(There { share, .. }) = old {
        count(&mut unit, Share { chunks: -share.chunks, terms: -share.terms, ..share }).await?;
    }
    count(&mut unit, Share { audience, chunks, terms: prepared.term_count }).await?;
    unit.commit().await?;
    Ok(if old.is_some() { Put::Replaced } else { Put::Created })
}

async fn audience(unit: &mut Unit, of: &OrganizationId, prepared: &Prepared) -> Result<i64, Failure> {
    let statement =
        sqlx::query(AUDIENCE).bind(text::organization(of)).bind(&prepared.digest).bind(&prepared.readers);
    let rows = unit.rows(statement).await?;
    Columns::of(rows.first().ok_or(Failure::Overtaken)?).value()
}

fn written<'q>(statement: Statement<'q>, batch: &'q Batch) -> Statement<'q> {
    let Batch { postings, vectors, .. } = batch;
    statement
        .bind(&batch.ordinals)
        .bind(&batch.bodies)
        .bind(&batch.headings)
        .bind(&batch.starts)
        .bind(&batch.ends)
        .bind(&batch.terms)
        .bind(&postings.ordinals)
        .bind(&postings.terms)
        .bind(&postings.counts)
        .bind(&postings.lengths)
        .bind(&vectors.ordinals)
        .bind(&vectors.dimensions)
        .bind(&vectors.embeddings)
}

/// Removes the document; `false` if there was none.
pub(super) async fn delete(
    database: &Database,
    organization: &OrganizationId,
    id: &DocumentId,
) -> Result<bool, Failure> {
    let mut unit = database.begin(Who::Organization(organization), Work::Write).await?;
    let Some(There { share, .. }) = find(&mut unit, organization, id).await? else { return Ok(false) };
    unit.rows(named(EMPTY, organization, id)).await?;
    unit.run(named(DELETE, organization, id)).await?;
    count(&mut unit, Share { chunks: -share.chunks, terms: -share.terms, ..share }).await?;
    unit.commit().await?;
    Ok(true)
}
