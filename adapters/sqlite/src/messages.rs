//! The messages of conversations. A message's place never changes, so a page's end is a place.

use crate::conversations::number;
use crate::database::Database;
use crate::error::Failure;
use crate::row::{get_instant, get_json_if, instant, json};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use smooai_smooth_operator_retrieval::analyse::term_hash;
use smooai_smooth_operator_store::{
    Before, ConversationId, Direction, Message, MessageId, MessagePage, MessageStore, Page, ParticipantId,
    Result, Scope, StoreError,
};
use std::sync::Arc;

/// A page has at most so many messages.
const MOST: usize = 100;

/// The table `messages`.
pub(crate) struct Messages(pub(crate) Arc<Database>);

/// Adds the message at the end of its conversation, unless it is there.
pub(crate) fn append(connection: &Connection, scope: &Scope, message: &Message) -> Result<(), Failure> {
    let number =
        number(connection, scope, &message.conversation)?.ok_or(StoreError::NotFound("conversation"))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO messages (conversation, place, id, direction, text, structured, sender, receiver,
           request_id, created_at)
         SELECT number, message_count, ?, ?, ?, ?, ?, ?, ?, ? FROM conversations WHERE number = ?
         ON CONFLICT (conversation, id) DO NOTHING",
    )?;
    let added = insert.execute(params![
        message.id.as_str(),
        i64::from(message.direction == Direction::Outbound),
        message.text,
        message.structured.as_ref().map(json).transpose()?,
        message.from.as_str(),
        message.to.as_str(),
        message.request_id,
        instant(message.created_at),
        number,
    ])?;
    if added > 0 {
        let mut count = connection.prepare_cached(
            "UPDATE conversations SET message_count = message_count + 1, updated_at = max(updated_at, ?)
             WHERE number = ?",
        )?;
        count.execute(params![instant(message.created_at), number])?;
    }
    Ok(())
}

/// The message of a row; the conversation is known already.
pub(crate) fn message(row: &Row<'_>, conversation: &ConversationId) -> rusqlite::Result<Message> {
    let outbound: bool = row.get("direction")?;
    Ok(Message {
        id: MessageId::new(row.get::<_, String>("id")?),
        conversation: conversation.clone(),
        direction: if outbound { Direction::Outbound } else { Direction::Inbound },
        text: row.get("text")?,
        structured: get_json_if(row, "structured")?,
        from: ParticipantId::new(row.get::<_, String>("sender")?),
        to: ParticipantId::new(row.get::<_, String>("receiver")?),
        request_id: row.get("request_id")?,
        created_at: get_instant(row, "created_at")?,
    })
}

/// The place before which a page ends, bound to its conversation.
fn cursor(conversation: &ConversationId, place: i64) -> String {
    format!("{place:x}-{:016x}", term_hash(conversation.as_str()))
}

fn resolve(connection: &Connection, number: i64, of: &ConversationId, text: &str) -> Result<i64, Failure> {
    let place = text.split_once('-').and_then(|(place, _)| i64::from_str_radix(place, 16).ok());
    let place = place.filter(|place| cursor(of, *place) == text).ok_or(StoreError::UnknownCursor)?;
    let mut count = connection.prepare_cached("SELECT message_count FROM conversations WHERE number = ?")?;
    let count: i64 = count.query_row([number], |row| row.get(0))?;
    if (1..=count).contains(&place) { Ok(place) } else { Err(StoreError::UnknownCursor.into()) }
}

/// The place before which the page ends.
fn end(connection: &Connection, number: i64, of: &ConversationId, page: &Page) -> Result<i64, Failure> {
    match &page.before {
        None => Ok(i64::MAX),
        Some(Before::Cursor(text)) => resolve(connection, number, of, text),
        Some(Before::Message(id)) => {
            let mut found =
                connection.prepare_cached("SELECT place FROM messages WHERE conversation = ? AND id = ?")?;
            let place = found.query_row(params![number, id.as_str()], |row| row.get(0)).optional()?;
            Ok(place.ok_or(StoreError::UnknownCursor)?)
        }
        Some(Before::Instant(at)) => {
            let mut found = connection.prepare_cached(
                "SELECT place FROM messages WHERE conversation = ? AND created_at < ?
                 ORDER BY place DESC LIMIT 1",
            )?;
            let last: Option<i64> =
                found.query_row(params![number, instant(*at)], |row| row.get(0)).optional()?;
            Ok(last.map_or(0, |last| last + 1))
        }
    }
}

fn page(
    connection: &Connection,
    scope: &Scope,
    conversation: &ConversationId,
    page: &Page,
) -> Result<MessagePage, Failure> {
    let Some(number) = number(connection, scope, conversation)? else {
        return Ok(MessagePage { messages: Vec::new(), next: None });
    };
    let end = end(connection, number, conversation, page)?;
    let mut found = connection.prepare_cached(
        "SELECT * FROM messages WHERE conversation = ? AND place < ? ORDER BY place DESC LIMIT ?",
    )?;
    let mut first = 0;
    let found = found.query_map(params![number, end, page.limit.clamp(1, MOST)], |row| {
        first = row.get("place")?;
        message(row, conversation)
    })?;
    let messages = found.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(MessagePage { messages, next: (first > 0).then(|| cursor(conversation, first)) })
}

#[async_trait]
impl MessageStore for Messages {
    async fn append(&self, scope: &Scope, message: Message) -> Result<()> {
        let scope = scope.clone();
        self.0.write("adding a message", move |connection| append(connection, &scope, &message)).await
    }

    async fn page(&self, scope: &Scope, conversation: &ConversationId, asked: Page) -> Result<MessagePage> {
        let (scope, conversation) = (scope.clone(), conversation.clone());
        self.0
            .read("reading messages", move |connection| page(connection, &scope, &conversation, &asked))
            .await
    }
}
