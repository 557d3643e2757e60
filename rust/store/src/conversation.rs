//! Conversations and their participants.

use crate::{ConversationId, OrganizationId, ParticipantId, PrincipalId, Result, Scope};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of participant speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParticipantKind {
    /// The person who is served.
    User,
    /// The assistant.
    AiAgent,
    /// A human colleague.
    HumanAgent,
}

/// Somebody who takes part in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Its id.
    pub id: ParticipantId,
    /// What it is.
    pub kind: ParticipantKind,
    /// The name shown.
    pub name: String,
    /// An e-mail address, where one is known.
    pub email: Option<String>,
    /// The fingerprint of the browser, where the client sent one.
    pub browser_fingerprint: Option<String>,
}

/// A conversation: the thread of messages that sessions hold on to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The organisation it belongs to.
    pub organization: OrganizationId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// The channel it came in by (`web`, `slack`, …).
    pub platform: String,
    /// The title shown in lists; `None` until the first message.
    pub title: Option<String>,
    /// A second create of the same scope with the same key returns the first record.
    pub idempotency_key: String,
    /// The person's participant.
    pub user: Participant,
    /// The assistant's participant.
    pub agent: Participant,
    /// How many messages it has.
    pub message_count: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed: a message or a new title.
    pub updated_at: Timestamp,
}

/// Where conversations are kept.
#[async_trait]
pub trait ConversationStore: Send + Sync {
    /// Stores the conversation, or returns the one that already has its (organisation, principal,
    /// idempotency key). Another principal's conversation is never returned, whatever the key.
    async fn create(&self, conversation: Conversation) -> Result<Conversation>;

    /// The conversation, if it is of this scope.
    async fn get(&self, scope: &Scope, id: &ConversationId) -> Result<Option<Conversation>>;

    /// The scope's conversations that have messages, most recently updated first, at most `limit`.
    async fn list(&self, scope: &Scope, limit: usize) -> Result<Vec<Conversation>>;

    /// Gives it a title; `None` if it is not of this scope.
    async fn rename(
        &self,
        scope: &Scope,
        id: &ConversationId,
        title: &str,
        now: Timestamp,
    ) -> Result<Option<Conversation>>;
}
