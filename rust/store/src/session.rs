//! Sessions: a caller's hold on a conversation.

use crate::{ConversationId, OrganizationId, ParticipantId, PrincipalId, Result, Scope, SessionId};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// In use.
    Active,
    /// Not used for a while.
    Idle,
    /// Over.
    Ended,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The conversation it holds.
    pub conversation: ConversationId,
    /// The organisation it belongs to.
    pub organization: OrganizationId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// The agent's id (UUID), as configured or as the client sent it.
    pub agent_id: String,
    /// The agent's name.
    pub agent_name: String,
    /// The person's participant.
    pub user_participant: ParticipantId,
    /// The assistant's participant.
    pub agent_participant: ParticipantId,
    /// The thread of checkpoints (UUID).
    pub thread_id: String,
    /// Its state.
    pub status: SessionStatus,
    /// What the client can render (`identity_form`, `choice_chips`, …).
    pub supports: Vec<String>,
    /// The user that a signed `authContext` named: documents are read as this user.
    pub verified_user: Option<String>,
    /// How the person can be addressed, as far as told.
    pub contact: Contact,
    /// What the client attached.
    pub metadata: Option<Value>,
    /// Tokens used so far, prompts and completions together.
    pub token_count: u64,
    /// Messages sent and received in it.
    pub message_count: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_activity_at: Timestamp,
}

/// How a person can be addressed, by his own word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// His name.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// A phone number, E.164.
    pub phone: Option<String>,
}

/// What a turn adds to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// When.
    pub now: Timestamp,
    /// Tokens used.
    pub tokens: u64,
    /// Messages added.
    pub messages: u64,
}

/// Where sessions are kept.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session.
    async fn create(&self, session: Session) -> Result<()>;

    /// The session, if it is of this scope.
    async fn get(&self, scope: &Scope, id: &SessionId) -> Result<Option<Session>>;

    /// Takes over those fields of the contact that are given; nothing happens for a session that is
    /// not of this scope.
    async fn identify(&self, scope: &Scope, id: &SessionId, contact: Contact) -> Result<()>;

    /// Counts what happened in it; nothing happens for a session that is not of this scope.
    async fn record(&self, scope: &Scope, id: &SessionId, activity: Activity) -> Result<()>;
}
