//! Records and storage traits. A backend implements the small traits and is composed into one
//! [`StorageAdapter`]; nothing here knows a database, a protocol or an engine.
//!
//! Every read of a conversation, session or turn takes the caller's [`Scope`], every knowledge read
//! an [`Access`]; an adapter filters inside its query, so another organisation's record cannot be
//! returned even by a caller who guesses its id. Time is passed in, never read.

mod access;
mod adapter;
mod admin;
mod conversation;
mod error;
mod ids;
mod journal;
mod knowledge;
mod lines;
mod message;
mod session;
#[cfg(feature = "suite")]
pub mod suite;
mod transfer;
mod turn;
mod turn_state;

pub use access::{Access, AccessList, Scope};
pub use adapter::StorageAdapter;
pub use admin::{AdminRecord, AdminStore};
pub use conversation::{Conversation, ConversationStore, Participant, ParticipantKind};
pub use error::{Result, StoreError};
pub use ids::{
    ConversationId, DocumentId, MessageId, OrganizationId, ParkId, ParticipantId, PrincipalId, SessionId,
    TurnId,
};
pub use journal::{JournalEntry, JournalOutcome, JournalStore};
pub use knowledge::{Chunk, ChunkRef, Document, DocumentInfo, Hit, KnowledgeStore, Passage, Put};
pub use lines::{LineError, LinesIn, LinesOut};
pub use message::{Before, Direction, Message, MessagePage, MessageStore, Page};
pub use session::{Activity, Contact, Session, SessionStatus, SessionStore};
pub use transfer::{
    JournalRecord, MessageRecord, Record, RecordKind, RecordPage, TransferStore, TurnHold, TurnsRecord,
};
pub use turn::{Claim, ClaimRequest, ParkReason, ParkedTurn, TurnStore};
pub use turn_state::TurnState;
