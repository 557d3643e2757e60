//! The messages of conversations: numbered 1, 2, 3 … under the lock of their conversation's row, so that
//! their order is total and a place never moves.

use crate::conversations::scoped;
use crate::database::{Database, Statement, Who, Work};
use crate::failure::Failure;
use crate::row::{Columns, json};
use crate::text::{self, key};
use async_trait::async_trait;
use smooai_smooth_operator_retrieval::analyse::term_hash;
use smooai_smooth_operator_store::{
    Before, ConversationId, Direction, Message, MessagePage, MessageStore, Page, Result, Scope, StoreError,
};
use sqlx::postgres::PgRow;

/// Counts the message in its conversation, which gives its place, and writes it there; neither if it is
/// there already. Two that add the same message at once meet at the unique key: one of them fails as a
/// whole, and what it wanted is done.
pub(crate) const APPEND: &str = "\
    WITH counted AS ( \
        UPDATE conversations SET message_count = message_count + 1, updated_at = greatest(updated_at, $11) \
        WHERE organization = $1 AND principal = $2 AND id = $3 AND NOT EXISTS ( \
            SELECT 1 FROM messages WHERE organization = $1 AND conversation = $3 AND id = $4) \
        RETURNING message_count \
    ), added AS ( \
        INSERT INTO messages (organization, conversation, place, id, outbound, body, structured, \
            from_participant, to_participant, request_id, created_at) \
        SELECT $1, $3, message_count, $4, $5, $6, $7::text::json, $8, $9, $10, $11 FROM counted \
        RETURNING place \
    ) \
    SELECT EXISTS (SELECT 1 FROM conversations WHERE organization = $1 AND principal = $2 AND id = $3), \
        (SELECT place FROM added)";

/// One row at least if the conversation is of the scope: whether the position is one of it, and then a
/// message or none. $4 is the place of a cursor, $5 a message, $6 an instant; $7 the limit.
const PAGE: &str = "\
    WITH bound AS ( \
        SELECT CASE \
            WHEN $4::bigint IS NOT NULL THEN CASE WHEN $4 BETWEEN 2 AND message_count THEN $4 END \
            WHEN $5::text IS NOT NULL THEN \
                (SELECT place FROM messages WHERE organization = $1 AND conversation = $3 AND id = $5) \
            WHEN $6::bigint IS NOT NULL THEN 1 + coalesce((SELECT place FROM messages \
                WHERE organization = $1 AND conversation = $3 AND created_at < $6 \
                ORDER BY place DESC LIMIT 1), 0) \
            ELSE message_count + 1 END AS before \
        FROM conversations WHERE organization = $1 AND principal = $2 AND id = $3 \
    ) \
    SELECT bound.before IS NOT NULL, m.* FROM bound LEFT JOIN LATERAL ( \
        SELECT place, id, outbound, body, structured::text, from_participant, to_participant, request_id, \
            created_at \
        FROM messages WHERE organization = $1 AND conversation = $3 AND place < bound.before \
        ORDER BY place DESC LIMIT $7 \
    ) AS m ON true ORDER BY m.place DESC";

/// The messages of all conversations.
pub(crate) struct Messages(pub(crate) Database);

/// The columns from `id` on as a message.
pub(crate) fn message(columns: &mut Columns<'_>, of: &ConversationId) -> Result<Message, Failure> {
    Ok(Message {
        id: columns.id()?,
        conversation: of.clone(),
        direction: if columns.value()? { Direction::Outbound } else { Direction::Inbound },
        text: columns.text()?,
        structured: columns.optional_json()?,
        from: columns.id()?,
        to: columns.id()?,
        request_id: columns.text()?,
        created_at: columns.instant()?,
    })
}

/// The place before which the next page ends, bound to its conversation.
fn cursor(conversation: &ConversationId, place: i64) -> String {
    format!("{place:x}-{:016x}", term_hash(conversation.as_str()))
}

fn place_of(conversation: &ConversationId, text: &str) -> Option<i64> {
    let place = i64::from_str_radix(text.split_once('-')?.0, 16).ok()?;
    (cursor(conversation, place) == text).then_some(place)
}

/// The values of [`APPEND`], checked once and bound for each try.
pub(crate) struct New<'a> {
    scope: &'a Scope,
    message: &'a Message,
    structured: Option<String>,
}

impl<'a> New<'a> {
    pub(crate) fn of(scope: &'a Scope, message: &'a Message) -> Result<Self, Failure> {
        key("message id", message.id.as_str())?;
        Ok(Self { scope, message, structured: message.structured.as_ref().map(json).transpose()? })
    }

    fn statement(&self) -> Statement<'_> {
        let message = self.message;
        scoped(APPEND, self.scope)
            .bind(text::escaped(message.conversation.as_str()))
            .bind(text::escaped(message.id.as_str()))
            .bind(message.direction == Direction::Outbound)
            .bind(text::escaped(&message.text))
            .bind(self.structured.as_deref())
            .bind(text::escaped(message.from.as_str()))
            .bind(text::escaped(message.to.as_str()))
            .bind(text::escaped(&message.request_id))
            .bind(text::nanoseconds(message.created_at))
    }

    /// Adds the message, unless it is there.
    pub(crate) async fn add(&self, database: &Database) -> Result<()> {
        let add = || async {
            let mut unit = database.begin(Who::Organization(&self.scope.organization), Work::Write).await?;
            let rows = match unit.rows(self.statement()).await {
                Err(failed) if failed.is_duplicate() => return Ok(true),
                rows => rows?,
            };
            let there = rows.first().map(|row| Columns::of(row).value()).transpose()?.unwrap_or(false);
            unit.commit().await?;
            Ok(there)
        };
        if database.retried(add).await? { Ok(()) } else { Err(StoreError::NotFound("conversation")) }
    }
}

#[async_trait]
impl MessageStore for Messages {
    async fn append(&self, scope: &Scope, message: Message) -> Result<()> {
        New::of(scope, &message).map_err(Failure::into_error)?.add(&self.0).await
    }

    async fn page(&self, scope: &Scope, conversation: &ConversationId, page: Page) -> Result<MessagePage> {
        let (mut place, mut message, mut instant) = (None, None, None);
        match &page.before {
            None => {}
            // A cursor that is none is the place 0, which no conversation has; one of another scope finds
            // nothing, whatever the cursor.
            Some(Before::Cursor(text)) => place = Some(place_of(conversation, text).unwrap_or(0)),
            Some(Before::Message(id)) => message = Some(text::escaped(id.as_str())),
            Some(Before::Instant(at)) => instant = Some(text::nanoseconds(*at)),
        }
        let statement = || {
            scoped(PAGE, scope)
                .bind(text::escaped(conversation.as_str()))
                .bind(place)
                .bind(message.clone())
                .bind(instant)
                .bind(text::counted(page.limit.clamp(1, 100)))
        };
        let rows = self.0.rows(Who::Organization(&scope.organization), Work::Read, statement).await?;
        read(&rows, conversation).map_err(Failure::into_error)
    }
}

fn read(rows: &[PgRow], conversation: &ConversationId) -> Result<MessagePage, Failure> {
    let mut found = MessagePage { messages: Vec::with_capacity(rows.len()), next: None };
    for row in rows {
        let mut columns = Columns::of(row);
        if !columns.value::<bool>()? {
            return Err(StoreError::UnknownCursor.into());
        }
        let Some(place) = columns.value::<Option<i64>>()? else { break };
        found.messages.push(message(&mut columns, conversation)?);
        found.next = (place > 1).then(|| cursor(conversation, place));
    }
    Ok(found)
}
