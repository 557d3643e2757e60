//! The messages of a conversation, in one total order, read in pages from the newest.

use crate::{ConversationId, MessageId, ParticipantId, Result, Scope};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the person.
    Inbound,
    /// From the assistant.
    Outbound,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The conversation it is in.
    pub conversation: ConversationId,
    /// Which way it went.
    pub direction: Direction,
    /// Its text.
    pub text: String,
    /// The structured reply of the turn, where it is an answer.
    pub structured: Option<Value>,
    /// Who said it.
    pub from: ParticipantId,
    /// To whom.
    pub to: ParticipantId,
    /// The request id of the turn it belongs to.
    pub request_id: String,
    /// When it was said.
    pub created_at: Timestamp,
}

/// From where a page goes back in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The `next` of an earlier page.
    Cursor(String),
    /// Messages older than this one.
    Message(MessageId),
    /// Messages made before this instant.
    Instant(Timestamp),
}

/// Which page of messages to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most this many messages (1–100).
    pub limit: usize,
    /// `None`: from the newest.
    pub before: Option<Before>,
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<Message>,
    /// Where the next page begins; `None` at the end. Stays valid while messages are added.
    pub next: Option<String>,
}

/// Where messages are kept.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Adds the message at the end of its conversation, counts it and moves the conversation's
    /// `updated_at`. Adding the same id twice changes nothing.
    ///
    /// # Errors
    /// `NotFound` if the conversation is not of this scope.
    async fn append(&self, scope: &Scope, message: Message) -> Result<()>;

    /// A page, newest first; empty if the conversation is not of this scope.
    ///
    /// # Errors
    /// `UnknownCursor` if the position is none of this conversation.
    async fn page(&self, scope: &Scope, conversation: &ConversationId, page: Page) -> Result<MessagePage>;
}
