//! Documents: who may read them, their passages, and the two searches.

mod prepared;
mod put;
mod search;

use crate::database::{Database, Statement, Who, Work};
use crate::failure::Failure;
use crate::row::Columns;
use crate::text::{self, key};
use async_trait::async_trait;
use prepared::Prepared;
use smooai_smooth_operator_retrieval::analyse::{Analyser, Language};
use smooai_smooth_operator_retrieval::bm25::question_terms;
use smooai_smooth_operator_store::{
    Access, AccessList, ChunkRef, Document, DocumentId, DocumentInfo, Hit, KnowledgeStore, OrganizationId,
    Passage, Put, Result, StoreError,
};
use sqlx::postgres::PgRow;
use std::sync::Arc;

/// A hash of words that were cut in another language is none: the document is to be put again.
const HASH: &str = "SELECT content_hash FROM documents WHERE organization = $1 AND id = $2 AND language = $3";
const LIST: &str = "\
    SELECT id, source, title, url, acl::text, content_hash, chunk_count, updated_at FROM documents \
    WHERE organization = $1 AND ($3::text IS NULL OR id > $3) \
        AND audience IN (SELECT id FROM audiences WHERE organization = $1 AND readers && $2) \
    ORDER BY id LIMIT $4";
const PASSAGES: &str = "\
    SELECT c.document, c.ordinal, d.source, d.title, d.url, c.headings::text, c.body, c.starts_at, c.ends_at \
    FROM unnest($3::text[], $4::bigint[]) WITH ORDINALITY AS asked (document, ordinal, place) \
    JOIN chunks c ON c.organization = $1 AND c.document = asked.document COLLATE \"C\" \
        AND c.ordinal = asked.ordinal \
    JOIN documents d ON d.organization = $1 AND d.id = c.document \
    WHERE c.audience IN (SELECT id FROM audiences WHERE organization = $1 AND readers && $2) \
    ORDER BY asked.place";

/// Everyone in the organisation.
const EVERYONE: &str = "*";

/// The documents of all organisations.
pub(crate) struct Knowledge {
    pub(crate) database: Database,
    analyser: Arc<Analyser>,
}

/// Who is let in by a list, as it is written.
fn readers_of(list: &AccessList) -> Vec<String> {
    match list {
        AccessList::Public => vec![EVERYONE.to_owned()],
        AccessList::Nobody => Vec::new(),
        AccessList::Restricted { users, groups } => {
            users.iter().map(|user| as_user(user)).chain(groups.iter().map(|group| as_group(group))).collect()
        }
    }
}

/// As whom a reader is let in.
fn readers(access: &Access) -> Vec<String> {
    let user = access.user.iter().map(|user| as_user(user));
    let groups = access.groups.iter().map(|group| as_group(group));
    [EVERYONE.to_owned()].into_iter().chain(user).chain(groups).collect()
}

fn as_user(name: &str) -> String {
    format!("u:{}", text::escaped(name))
}

fn as_group(name: &str) -> String {
    format!("g:{}", text::escaped(name))
}

/// A statement of a reader; the first two values are the organisation and as whom he is let in.
fn read_by<'q>(sql: &'q str, access: &'q Access) -> Statement<'q> {
    sqlx::query(sql).bind(text::organization(&access.organization)).bind(readers(access))
}

impl Knowledge {
    pub(crate) fn new(database: Database, language: Language) -> Self {
        Self { database, analyser: Arc::new(Analyser::new(language)) }
    }

    fn language(&self) -> &'static str {
        self.analyser.language().as_str()
    }
}

#[async_trait]
impl KnowledgeStore for Knowledge {
    async fn put(&self, document: Document) -> Result<Put> {
        let analyser = Arc::clone(&self.analyser);
        let work = move || Prepared::of(&document, &analyser).map(|prepared| (document, prepared));
        let (document, prepared) = aside(work).await?.map_err(Failure::into_error)?;
        let put = || put::put(&self.database, &document, &prepared, self.language());
        self.database.retried(put).await
    }

    async fn content_hash(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<String>> {
        let statement = || {
            sqlx::query(HASH)
                .bind(text::organization(organization))
                .bind(text::escaped(id.as_str()))
                .bind(self.language())
        };
        let row = self.database.row(Who::Organization(organization), Work::Read, statement).await?;
        row.as_ref().map(|row| Columns::of(row).text()).transpose().map_err(Failure::into_error)
    }

    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        self.database.retried(|| put::delete(&self.database, organization, id)).await
    }

    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        let statement = || {
            read_by(LIST, access).bind(after.map(|id| text::escaped(id.as_str()))).bind(text::counted(limit))
        };
        let rows = self.database.rows(Who::Organization(&access.organization), Work::Read, statement).await?;
        rows.iter().map(|row| info(row).map_err(Failure::into_error)).collect()
    }

    async fn keyword(&self, access: &Access, query: &str, limit: usize) -> Result<Vec<Hit>> {
        let terms: Vec<i64> =
            question_terms(&self.analyser, query).into_iter().map(u64::cast_signed).collect();
        search::keyword(&self.database, access, &terms, limit).await
    }

    async fn dense(&self, access: &Access, vector: &[f32], limit: usize) -> Result<Vec<Hit>> {
        search::dense(&self.database, access, vector, limit).await
    }

    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        let documents: Vec<String> =
            chunks.iter().map(|chunk| text::escaped(chunk.document.as_str()).into_owned()).collect();
        let ordinals: Vec<i64> = chunks.iter().map(|chunk| i64::from(chunk.ordinal)).collect();
        let statement = || read_by(PASSAGES, access).bind(&documents).bind(&ordinals);
        let rows = self.database.rows(Who::Organization(&access.organization), Work::Read, statement).await?;
        rows.iter().map(|row| passage(row).map_err(Failure::into_error)).collect()
    }
}

fn info(row: &PgRow) -> Result<DocumentInfo, Failure> {
    let mut columns = Columns::of(row);
    Ok(DocumentInfo {
        id: columns.id()?,
        source: columns.text()?,
        title: columns.text()?,
        url: columns.optional_text()?,
        acl: columns.json()?,
        content_hash: columns.text()?,
        chunk_count: columns.count()?,
        updated_at: columns.instant()?,
    })
}

fn passage(row: &PgRow) -> Result<Passage, Failure> {
    let mut columns = Columns::of(row);
    Ok(Passage {
        chunk: ChunkRef { document: columns.id()?, ordinal: columns.count()? },
        source: columns.text()?,
        title: columns.text()?,
        url: columns.optional_text()?,
        headings: columns.json()?,
        text: columns.text()?,
        start: columns.count()?,
        end: columns.count()?,
    })
}

/// Runs work that takes a while beside the threads that serve sockets.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Unavailable {
        context: "a document was not cut into words".to_owned(),
        source: Some(Box::new(error)),
    })
}

/// The document id as part of a key.
fn document_key(id: &DocumentId) -> Result<(), Failure> {
    key("document id", id.as_str()).map(|_| ())
}
