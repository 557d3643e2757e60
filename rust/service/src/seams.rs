//! What the host brings: tools of the configuration, skills, the sender of one-time codes, and the
//! judge of signed user contexts.

use async_trait::async_trait;
use smooai_smooth_operator_core::Tool;
use smooai_smooth_operator_store::{ConversationId, OrganizationId, SessionId, TurnId};
use std::sync::Arc;

/// For whom the tools of a turn are built.
#[derive(Debug, Clone)]
pub struct TurnContext {
    /// The caller's organisation.
    pub organization: OrganizationId,
    /// The user id, where known.
    pub user: Option<String>,
    /// The conversation.
    pub conversation: ConversationId,
    /// The session.
    pub session: SessionId,
    /// The turn; with a call's id it names the call for ever.
    pub turn: TurnId,
}

/// A source of tools.
pub trait ToolSource: Send + Sync {
    /// Builds the tools for one turn.
    fn tools(&self, turn: &TurnContext) -> Vec<Arc<dyn Tool>>;
}

/// Instructions that a client may ask for by name.
#[async_trait]
pub trait SkillSource: Send + Sync {
    /// The skill's text; `None` if there is none of that name.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    async fn skill(&self, name: &str) -> std::io::Result<Option<String>>;
}

/// A one-time code on its way to a person. Its `Debug` does not show the code.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeDelivery {
    /// `email` or `sms`.
    pub channel: String,
    /// The address or number.
    pub destination: String,
    /// Six digits.
    pub code: String,
    /// What the code is for, in words.
    pub purpose: String,
    /// The session.
    pub session: SessionId,
    /// How long it holds, in seconds.
    pub lifetime_seconds: u64,
}

impl std::fmt::Debug for CodeDelivery {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CodeDelivery")
            .field("channel", &self.channel)
            .field("session", &self.session)
            .finish()
    }
}

/// A code could not be sent. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SendCodeError(pub String);

/// Sends one-time codes.
#[async_trait]
pub trait CodeSender: Send + Sync {
    /// Sends one; returns when it is on its way.
    ///
    /// # Errors
    /// When it could not be handed over in time.
    async fn send(&self, delivery: CodeDelivery) -> Result<(), SendCodeError>;
}

/// Judges the `authContext` of a session.
pub trait AuthContextVerifier: Send + Sync {
    /// Whether the signature is the host system's for this user at this time (Unix seconds), and the
    /// time is near `now` (Unix seconds).
    fn verify(&self, user_id: &str, timestamp: i64, signature: &str, now: i64) -> bool;
}
