//! Everything the store holds, read page by page under a role that sees all organisations and can only
//! read, and taken in record by record.

use crate::admin;
use crate::conversations::{self, conversation, scoped};
use crate::database::{Database, Statement, Who, Work};
use crate::failure::Failure;
use crate::journal;
use crate::knowledge::Knowledge;
use crate::messages::{self, message};
use crate::row::{Columns, json, name};
use crate::sessions::{self, Sessions};
use crate::text::{self, key};
use crate::turns::{Written, parked};
use async_trait::async_trait;
use smooai_smooth_operator_store::{
    AdminStore as _, Chunk, Conversation, ConversationId, Document, JournalRecord, KnowledgeStore as _,
    MessageRecord, OrganizationId, Record, RecordKind, RecordPage, Result, Scope, SessionStore as _,
    StoreError, TransferStore, TurnHold, TurnsRecord,
};
use sqlx::postgres::PgRow;
use std::sync::Arc;

const CONVERSATIONS: &str = concat!(
    "SELECT ",
    conversations::columns!(),
    " FROM conversations WHERE (organization, id) > ($1, $2) ORDER BY organization, id LIMIT $3"
);
const MESSAGES: &str = "\
    SELECT m.organization, c.principal, m.conversation, m.place, m.id, m.outbound, m.body, \
        m.structured::text, m.from_participant, m.to_participant, m.request_id, m.created_at \
    FROM messages m JOIN conversations c ON c.organization = m.organization AND c.id = m.conversation \
    WHERE (m.organization, m.conversation, m.place) > ($1, $2, $3) \
    ORDER BY m.organization, m.conversation, m.place LIMIT $4";
const SESSIONS: &str = concat!(
    "SELECT ",
    sessions::columns!(),
    " FROM sessions WHERE (organization, id) > ($1, $2) ORDER BY organization, id LIMIT $3"
);
const TURNS: &str = "\
    SELECT organization, principal, conversation, ended, park IS NOT NULL, held_until, turn, request_id, \
        fence, park, session, reason, detail::text, checkpoint::text, attempts_remaining, held_until \
    FROM turns WHERE (organization, conversation) > ($1, $2) ORDER BY organization, conversation LIMIT $3";
const JOURNAL: &str = "\
    SELECT organization, principal, conversation, turn, ordinal, call, tool, outcome, at FROM journal \
    WHERE (turn, organization, ordinal) > ($1, $2, $3) ORDER BY turn, organization, ordinal LIMIT $4";
/// A row for each chunk of the documents of the page, and one for a document without any.
const DOCUMENTS: &str = "\
    SELECT d.organization, d.id, d.source, d.title, d.url, d.acl::text, d.content_hash, d.updated_at, \
        c.ordinal, c.body, c.headings::text, c.starts_at, c.ends_at, v.embedding::real[] \
    FROM (SELECT * FROM documents WHERE (organization, id) > ($1, $2) ORDER BY organization, id LIMIT $3) d \
    LEFT JOIN chunks c ON c.organization = d.organization AND c.document = d.id \
    LEFT JOIN vectors v ON v.chunk = c.id \
    ORDER BY d.organization, d.id, c.ordinal";
const ADMIN: &str = "\
    SELECT organization, kind, id, value::text, updated_at FROM admin \
    WHERE (organization, kind, id) > ($1, $2, $3) ORDER BY organization, kind, id LIMIT $4";

/// Leaves what is there, whichever of the two keys it has.
const TAKE_CONVERSATION: &str = "\
    INSERT INTO conversations (organization, principal, id, idempotency_key, platform, title, \
        user_participant, agent_participant, message_count, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, 0, $9, $10) ON CONFLICT DO NOTHING";
/// Takes the place of what has a lower number.
const TAKE_TURNS: &str = "\
    WITH own AS ( \
        SELECT 1 FROM conversations WHERE organization = $1 AND principal = $2 AND id = $3 \
    ), taken AS ( \
        INSERT INTO turns AS held (organization, principal, conversation, fence, turn, request_id, lines, \
            held_until, ended, park, session, reason, detail, checkpoint, attempts_remaining) \
        SELECT $1, $2, $3, $4, $5, $6, \
            (SELECT coalesce(max(ordinal) + 1, 0) FROM journal WHERE turn = $5 AND organization = $1), \
            $7, $8, $9, $10, $11, $12::text::json, $13::text::json, $14 FROM own \
        ON CONFLICT (organization, conversation) DO UPDATE SET fence = excluded.fence, \
            turn = excluded.turn, request_id = excluded.request_id, lines = excluded.lines, \
            held_until = excluded.held_until, ended = excluded.ended, park = excluded.park, \
            session = excluded.session, reason = excluded.reason, detail = excluded.detail, \
            checkpoint = excluded.checkpoint, attempts_remaining = excluded.attempts_remaining \
        WHERE held.fence < excluded.fence RETURNING fence \
    ) SELECT EXISTS (SELECT 1 FROM own), (SELECT fence FROM taken)";
const TAKE_LINE: &str = "\
    WITH own AS ( \
        SELECT 1 FROM conversations WHERE organization = $1 AND principal = $2 AND id = $3 \
    ), taken AS ( \
        INSERT INTO journal (organization, principal, conversation, turn, ordinal, call, tool, outcome, at) \
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM own \
        ON CONFLICT (turn, organization, ordinal) DO NOTHING RETURNING ordinal \
    ), counted AS ( \
        UPDATE turns SET lines = greatest(lines, $5 + 1) \
        WHERE organization = $1 AND conversation = $3 AND turn = $4 RETURNING lines \
    ) SELECT EXISTS (SELECT 1 FROM own), (SELECT ordinal FROM taken), (SELECT lines FROM counted)";

/// All parts of the store.
pub(crate) struct Transfer {
    pub(crate) database: Database,
    pub(crate) knowledge: Arc<Knowledge>,
}

/// Several texts as one that [`open`] takes apart again.
fn seal(parts: &[&str]) -> String {
    serde_json::Value::from(parts.to_vec()).to_string()
}

fn open<const N: usize>(cursor: Option<&str>) -> Result<[String; N]> {
    let Some(cursor) = cursor else { return Ok([const { String::new() }; N]) };
    let parts: Vec<String> = serde_json::from_str(cursor).map_err(|_| StoreError::UnknownCursor)?;
    parts.try_into().map_err(|_| StoreError::UnknownCursor)
}

fn number(text: &str, cursor: Option<&str>) -> Result<i64> {
    if cursor.is_none() { Ok(-1) } else { text.parse().map_err(|_| StoreError::UnknownCursor) }
}

/// An organisation that sorts before all others where there is no cursor.
fn from<'a>(organization: &'a str, cursor: Option<&str>) -> std::borrow::Cow<'a, str> {
    if cursor.is_none() { "".into() } else { text::organization_text(organization) }
}

/// What a row became, and the cursor after it.
type Numbered = (Record, String);

fn scope(columns: &mut Columns<'_>) -> Result<Scope, Failure> {
    Ok(Scope { organization: text::organization_of(columns.value()?), principal: columns.id()? })
}

fn conversation_record(row: &PgRow) -> Result<Numbered, Failure> {
    let found = conversation(row)?;
    let next = seal(&[found.organization.as_str(), found.id.as_str()]);
    Ok((Record::Conversation(Box::new(found)), next))
}

fn message_record(row: &PgRow) -> Result<Numbered, Failure> {
    let mut columns = Columns::of(row);
    let scope = scope(&mut columns)?;
    let of: ConversationId = columns.id()?;
    let place: i64 = columns.value()?;
    let next = seal(&[scope.organization.as_str(), of.as_str(), &place.to_string()]);
    let message = message(&mut columns, &of)?;
    Ok((Record::Message(Box::new(MessageRecord { scope, message })), next))
}

fn session_record(row: &PgRow) -> Result<Numbered, Failure> {
    let found = sessions::session(row)?;
    let next = seal(&[found.organization.as_str(), found.id.as_str()]);
    Ok((Record::Session(Box::new(found)), next))
}

fn turns_record(row: &PgRow) -> Result<Numbered, Failure> {
    let mut columns = Columns::of(row);
    let scope = scope(&mut columns)?;
    let conversation: ConversationId = columns.id()?;
    let ended = columns.texts()?;
    let (is_parked, held_until): (bool, Option<i64>) = (columns.value()?, columns.value()?);
    let (fence, hold) = match (is_parked, held_until) {
        (true, _) => {
            let parked = parked(&mut columns, &conversation)?;
            (parked.claim.fence, TurnHold::Parked(Box::new(parked)))
        }
        (false, until) => {
            let (turn, request_id) = (columns.id()?, columns.text()?);
            let hold = until.map(|until| {
                Ok::<_, Failure>(TurnHold::Running { turn, request_id, lease_until: text::instant(until)? })
            });
            (columns.count()?, hold.transpose()?.unwrap_or_default())
        }
    };
    let next = seal(&[scope.organization.as_str(), conversation.as_str()]);
    Ok((Record::Turns(Box::new(TurnsRecord { scope, conversation, fence, hold, ended })), next))
}

fn journal_record(row: &PgRow) -> Result<Numbered, Failure> {
    let mut columns = Columns::of(row);
    let record = JournalRecord {
        scope: scope(&mut columns)?,
        conversation: columns.id()?,
        turn: columns.id()?,
        ordinal: columns.count()?,
        entry: journal::entry(&mut columns)?,
    };
    let organization = record.scope.organization.as_str();
    let next = seal(&[record.turn.as_str(), organization, &record.ordinal.to_string()]);
    Ok((Record::Journal(Box::new(record)), next))
}

fn admin_record(row: &PgRow) -> Result<Numbered, Failure> {
    let found = admin::record(row)?;
    let next = seal(&[found.organization.as_str(), &found.kind, &found.id]);
    Ok((Record::Admin(Box::new(found)), next))
}

/// Joins the rows of each document.
fn documents(rows: &[PgRow]) -> Result<Vec<Document>, Failure> {
    let mut found: Vec<Document> = Vec::new();
    for row in rows {
        let mut columns = Columns::of(row);
        let mut document = Document {
            organization: text::organization_of(columns.value()?),
            id: columns.id()?,
            source: columns.text()?,
            title: columns.text()?,
            url: columns.optional_text()?,
            acl: columns.json()?,
            content_hash: columns.text()?,
            updated_at: columns.instant()?,
            chunks: Vec::new(),
        };
        let is_next = |last: &Document| last.organization != document.organization || last.id != document.id;
        if let Some(last) = found.pop_if(|last| !is_next(last)) {
            document = last;
        }
        if columns.value::<Option<i64>>()?.is_some() {
            document.chunks.push(Chunk {
                text: columns.text()?,
                headings: columns.json()?,
                start: columns.count()?,
                end: columns.count()?,
                embedding: columns.value::<Option<Vec<f32>>>()?.unwrap_or_default(),
            });
        }
        found.push(document);
    }
    Ok(found)
}

impl Transfer {
    async fn read<'q>(&self, statement: impl Fn() -> Statement<'q> + Send + Sync) -> Result<Vec<PgRow>> {
        self.database.rows(Who::Everyone, Work::Read, statement).await
    }

    /// A page of records that are one row each.
    async fn page<'q>(
        &self,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
        limit: i64,
        record: fn(&PgRow) -> Result<Numbered, Failure>,
    ) -> Result<RecordPage> {
        let rows = self.read(|| statement().bind(limit)).await?;
        let mut next = None;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            let (one, after) = record(row).map_err(Failure::into_error)?;
            records.push(one);
            next = Some(after);
        }
        let is_full = text::counted(records.len()) == limit;
        Ok(RecordPage { records, next: next.filter(|_| is_full) })
    }

    async fn pairs(
        &self,
        sql: &'static str,
        after: Option<&str>,
        limit: i64,
        record: fn(&PgRow) -> Result<Numbered, Failure>,
    ) -> Result<RecordPage> {
        let [organization, id] = open(after)?;
        let statement = || sqlx::query(sql).bind(from(&organization, after)).bind(text::escaped(&id));
        self.page(statement, limit, record).await
    }

    async fn documents(&self, after: Option<&str>, limit: i64) -> Result<RecordPage> {
        let [organization, id] = open(after)?;
        let statement =
            || sqlx::query(DOCUMENTS).bind(from(&organization, after)).bind(text::escaped(&id)).bind(limit);
        let found = documents(&self.read(statement).await?).map_err(Failure::into_error)?;
        let is_full = text::counted(found.len()) == limit;
        let name = |document: &Document| seal(&[document.organization.as_str(), document.id.as_str()]);
        let next = found.last().filter(|_| is_full).map(name);
        let records = found.into_iter().map(|document| Record::Document(Box::new(document))).collect();
        Ok(RecordPage { records, next })
    }

    /// Runs a statement whose first column says whether the conversation is there.
    async fn of_conversation<'q>(
        &self,
        organization: &OrganizationId,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
    ) -> Result<()> {
        let row = self.database.row(Who::Organization(organization), Work::Write, statement).await?;
        let there = row.as_ref().map(|row| Columns::of(row).value()).transpose();
        match there.map_err(Failure::into_error)? {
            Some(true) => Ok(()),
            _ => Err(StoreError::NotFound("conversation")),
        }
    }

    async fn take(&self, record: Record) -> Result<()> {
        match record {
            Record::Conversation(conversation) => self.take_conversation(&conversation).await,
            Record::Message(record) => {
                let new = messages::New::of(&record.scope, &record.message).map_err(Failure::into_error)?;
                new.add(&self.database).await
            }
            Record::Session(session) => Sessions(self.database.clone()).create(*session).await,
            Record::Turns(record) => self.take_turns(&record).await,
            Record::Journal(record) => self.take_line(&record).await,
            Record::Document(document) => self.knowledge.put(*document).await.map(|_| ()),
            Record::Admin(record) => admin::Admin(self.database.clone()).put(*record).await,
        }
    }

    async fn take_conversation(&self, made: &Conversation) -> Result<()> {
        key("conversation id", made.id.as_str()).map_err(Failure::into_error)?;
        let (user, agent) = (json(&made.user), json(&made.agent));
        let (user, agent) = (user.map_err(Failure::into_error)?, agent.map_err(Failure::into_error)?);
        let statement = || {
            sqlx::query(TAKE_CONVERSATION)
                .bind(text::organization(&made.organization))
                .bind(text::escaped(made.principal.as_str()))
                .bind(text::escaped(made.id.as_str()))
                .bind(text::escaped(&made.idempotency_key))
                .bind(text::escaped(&made.platform))
                .bind(made.title.as_deref().map(text::escaped))
                .bind(&user)
                .bind(&agent)
                .bind(text::nanoseconds(made.created_at))
                .bind(text::nanoseconds(made.updated_at))
        };
        self.database.rows(Who::Organization(&made.organization), Work::Write, statement).await.map(|_| ())
    }

    async fn take_turns(&self, record: &TurnsRecord) -> Result<()> {
        let (turn, request_id, until, parked) = match &record.hold {
            TurnHold::Free => ("", "", None, None),
            TurnHold::Running { turn, request_id, lease_until } => {
                (turn.as_str(), request_id.as_str(), Some(*lease_until), None)
            }
            TurnHold::Parked(parked) => {
                let claim = &parked.claim;
                (claim.turn.as_str(), claim.request_id.as_str(), Some(parked.expires_at), Some(parked))
            }
        };
        let written = parked.map(|parked| Written::of(parked)).transpose().map_err(Failure::into_error)?;
        let ended: Vec<String> = record.ended.iter().map(|id| text::escaped(id).into_owned()).collect();
        let statement = || {
            scoped(TAKE_TURNS, &record.scope)
                .bind(text::escaped(record.conversation.as_str()))
                .bind(text::counted(record.fence))
                .bind(text::escaped(turn))
                .bind(text::escaped(request_id))
                .bind(until.map(text::nanoseconds))
                .bind(&ended)
                .bind(parked.map(|parked| text::escaped(parked.id.as_str())))
                .bind(parked.map(|parked| text::escaped(parked.session.as_str())))
                .bind(written.as_ref().map(|written| &written.reason))
                .bind(written.as_ref().map(|written| &written.detail))
                .bind(written.as_ref().map(|written| &written.checkpoint))
                .bind(parked.map(|parked| text::counted(parked.attempts_remaining)))
        };
        self.of_conversation(&record.scope.organization, statement).await
    }

    async fn take_line(&self, record: &JournalRecord) -> Result<()> {
        let outcome = name(&record.entry.outcome).map_err(Failure::into_error)?;
        let statement = || {
            scoped(TAKE_LINE, &record.scope)
                .bind(text::escaped(record.conversation.as_str()))
                .bind(text::escaped(record.turn.as_str()))
                .bind(i64::from(record.ordinal))
                .bind(text::escaped(&record.entry.call))
                .bind(text::escaped(&record.entry.tool))
                .bind(&outcome)
                .bind(text::nanoseconds(record.entry.at))
        };
        self.of_conversation(&record.scope.organization, statement).await
    }
}

#[async_trait]
impl TransferStore for Transfer {
    async fn export(&self, kind: RecordKind, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let limit = text::counted(limit.max(1));
        match kind {
            RecordKind::Conversation => self.pairs(CONVERSATIONS, after, limit, conversation_record).await,
            RecordKind::Session => self.pairs(SESSIONS, after, limit, session_record).await,
            RecordKind::Turns => self.pairs(TURNS, after, limit, turns_record).await,
            RecordKind::Document => self.documents(after, limit).await,
            RecordKind::Message => {
                let [organization, conversation, place] = open(after)?;
                let place = number(&place, after)?;
                let statement = || {
                    sqlx::query(MESSAGES)
                        .bind(from(&organization, after))
                        .bind(text::escaped(&conversation))
                        .bind(place)
                };
                self.page(statement, limit, message_record).await
            }
            RecordKind::Journal => {
                let [turn, organization, ordinal] = open(after)?;
                let ordinal = number(&ordinal, after)?;
                let statement = || {
                    sqlx::query(JOURNAL)
                        .bind(text::escaped(&turn))
                        .bind(from(&organization, after))
                        .bind(ordinal)
                };
                self.page(statement, limit, journal_record).await
            }
            RecordKind::Admin => {
                let [organization, kind, id] = open(after)?;
                let statement = || {
                    sqlx::query(ADMIN)
                        .bind(from(&organization, after))
                        .bind(text::escaped(&kind))
                        .bind(text::escaped(&id))
                };
                self.page(statement, limit, admin_record).await
            }
        }
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        for record in records {
            self.take(record).await?;
        }
        Ok(())
    }
}
