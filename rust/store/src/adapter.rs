//! A backend as one value: an `Arc` of each small trait. A backend may mix stores.

use crate::{
    AdminStore, ConversationStore, JournalStore, KnowledgeStore, MessageStore, SessionStore, TransferStore,
    TurnStore,
};
use std::sync::Arc;

/// Everything the service keeps, behind one value that is cheap to clone.
#[derive(Clone)]
pub struct StorageAdapter {
    /// Conversations and their participants.
    pub conversations: Arc<dyn ConversationStore>,
    /// The messages of conversations.
    pub messages: Arc<dyn MessageStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Running and parked turns.
    pub turns: Arc<dyn TurnStore>,
    /// What tools were called.
    pub journal: Arc<dyn JournalStore>,
    /// Documents.
    pub knowledge: Arc<dyn KnowledgeStore>,
    /// How the store is looked after.
    pub admin: Arc<dyn AdminStore>,
    /// All of it, to move it elsewhere.
    pub transfer: Arc<dyn TransferStore>,
}
