//! Everything a store holds, as a sequence of records that another store can take in: how data moves
//! between backends. This is for operators; it sees all organisations.

use crate::{
    AdminRecord, Conversation, ConversationId, Document, JournalEntry, Message, OrganizationId, ParkedTurn,
    Result, Scope, Session, TurnId,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecordKind {
    /// Conversations, without their messages.
    Conversation,
    /// Messages.
    Message,
    /// Sessions.
    Session,
    /// Who holds a conversation.
    Turns,
    /// Lines of the tool journal.
    Journal,
    /// Documents with their chunks and embeddings.
    Document,
    /// Records of how the store is looked after.
    Admin,
}

impl RecordKind {
    /// All kinds, in an order in which they can be taken in: what a record refers to comes before it.
    pub const ALL: [Self; 7] = [
        Self::Conversation,
        Self::Message,
        Self::Session,
        Self::Turns,
        Self::Journal,
        Self::Document,
        Self::Admin,
    ];
}

/// A message with the scope of its conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageRecord {
    /// The conversation's scope.
    pub scope: Scope,
    /// The message.
    pub message: Message,
}

/// Who holds a conversation, and who held it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnsRecord {
    /// The conversation's scope.
    pub scope: Scope,
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of its latest claim; the next one is higher.
    pub fence: u64,
    /// Who holds it.
    pub hold: TurnHold,
    /// The request ids of turns that ended, oldest first, at most 32.
    pub ended: Vec<String>,
}

/// Who holds a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum TurnHold {
    /// Nobody.
    #[default]
    Free,
    /// A turn that runs, or ran when the store was left.
    #[serde(rename_all = "camelCase")]
    Running {
        /// The turn.
        turn: TurnId,
        /// The client's name for it.
        request_id: String,
        /// Until when its claim holds.
        lease_until: Timestamp,
    },
    /// A turn that waits for a person.
    Parked(Box<ParkedTurn>),
}

/// A line of the tool journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// The scope of the turn's conversation.
    pub scope: Scope,
    /// The turn's conversation.
    pub conversation: ConversationId,
    /// The turn.
    pub turn: TurnId,
    /// The line's place among those of its turn, from 0.
    pub ordinal: u32,
    /// The line.
    pub entry: JournalEntry,
}

/// One record of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// See [`RecordKind::Conversation`].
    Conversation(Box<Conversation>),
    /// See [`RecordKind::Message`].
    Message(Box<MessageRecord>),
    /// See [`RecordKind::Session`].
    Session(Box<Session>),
    /// See [`RecordKind::Turns`].
    Turns(Box<TurnsRecord>),
    /// See [`RecordKind::Journal`].
    Journal(Box<JournalRecord>),
    /// See [`RecordKind::Document`].
    Document(Box<Document>),
    /// See [`RecordKind::Admin`].
    Admin(Box<AdminRecord>),
}

impl Record {
    /// What kind of record it is.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Conversation(_) => RecordKind::Conversation,
            Self::Message(_) => RecordKind::Message,
            Self::Session(_) => RecordKind::Session,
            Self::Turns(_) => RecordKind::Turns,
            Self::Journal(_) => RecordKind::Journal,
            Self::Document(_) => RecordKind::Document,
            Self::Admin(_) => RecordKind::Admin,
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn organization(&self) -> &OrganizationId {
        match self {
            Self::Conversation(conversation) => &conversation.organization,
            Self::Message(record) => &record.scope.organization,
            Self::Session(session) => &session.organization,
            Self::Turns(record) => &record.scope.organization,
            Self::Journal(record) => &record.scope.organization,
            Self::Document(document) => &document.organization,
            Self::Admin(record) => &record.organization,
        }
    }
}

/// Some records of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// How everything is read from a store and taken into one.
#[async_trait]
pub trait TransferStore: Send + Sync {
    /// A page of all records of a kind, of all organisations: messages of one conversation, and lines of
    /// one turn, in their order. `after` is the `next` of the page before. A page may be empty and not
    /// the last. What is written meanwhile is contained or not.
    ///
    /// # Errors
    /// `UnknownCursor` if `after` is no page's end.
    async fn export(&self, kind: RecordKind, after: Option<&str>, limit: usize) -> Result<RecordPage>;

    /// Takes records in, in their order. One whose id is there already is left as it is (conversations,
    /// messages, sessions, lines of the journal), or takes the place of what is there (documents, admin
    /// records; turns if their fencing number is higher): the same records may be taken in twice. A
    /// conversation's `message_count` is what its messages make it, its `updated_at` the later of the
    /// record's and theirs.
    ///
    /// # Errors
    /// `NotFound` if a record refers to a conversation that is not there.
    async fn import(&self, records: Vec<Record>) -> Result<()>;
}
