//! Conversations and their messages. Each conversation is one value behind one short lock, so what is
//! written about it together is seen together.

use crate::shard::Sharded;
use crate::thread::Thread;
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Conversation, ConversationId, ConversationStore, Message, MessagePage, MessageStore, Page, Result, Scope,
    StoreError,
};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The conversations of one scope that have messages, most recently updated first.
type Recent = BTreeSet<(Reverse<Timestamp>, Box<str>)>;

/// All conversations. Locks are taken in the order of the fields.
#[derive(Default)]
pub(crate) struct Threads {
    /// The conversation made with a scope's idempotency key.
    by_key: Sharded<Option<Box<str>>>,
    by_id: Sharded<Box<Thread>>,
    recent: Sharded<Recent>,
}

/// A scope's name; the length keeps `a` + `bc` apart from `ab` + `c`.
fn name(scope: &Scope) -> String {
    let (organization, principal) = (scope.organization.as_str(), scope.principal.as_str());
    format!("{}:{organization}{principal}", organization.len())
}

impl Threads {
    /// Reads a conversation of the scope.
    pub(crate) fn read<T>(
        &self,
        scope: &Scope,
        id: &ConversationId,
        read: impl FnOnce(&Thread) -> T,
    ) -> Option<T> {
        self.by_id.read(id.as_str(), |thread| thread.is_of(scope).then(|| read(thread))).flatten()
    }

    /// Changes a conversation of the scope.
    pub(crate) fn change<T>(
        &self,
        scope: &Scope,
        id: &ConversationId,
        change: impl FnOnce(&mut Thread) -> T,
    ) -> Option<T> {
        self.by_id.change(id.as_str(), |thread| thread.is_of(scope).then(|| change(thread))).flatten()
    }

    /// Changes a conversation that the caller holds a claim of.
    pub(crate) fn change_held<T>(
        &self,
        id: &ConversationId,
        change: impl FnOnce(&mut Thread) -> T,
    ) -> Option<T> {
        self.by_id.change(id.as_str(), |thread| change(thread))
    }

    /// Reads a conversation, whosever it is; for moving data only.
    pub(crate) fn read_any<T>(&self, id: &str, read: impl FnOnce(&Thread) -> T) -> Option<T> {
        self.by_id.read(id, |thread| read(thread))
    }

    /// The ids of the first conversations after `after`.
    pub(crate) fn ids_after(&self, after: Option<&str>, limit: usize) -> Vec<Box<str>> {
        self.by_id.keys_after(after, limit)
    }

    /// Changes a conversation and moves it to its new place in the list of its scope.
    fn change_listed<T>(
        &self,
        scope: &Scope,
        id: &ConversationId,
        change: impl FnOnce(&mut Thread) -> T,
    ) -> Option<T> {
        self.change(scope, id, |thread| {
            let old = thread.updated_at();
            let changed = change(thread);
            if thread.message_count() > 0 {
                self.recent.entry(&name(scope), |recent| {
                    recent.remove(&(Reverse(old), id.as_str().into()));
                    recent.insert((Reverse(thread.updated_at()), id.as_str().into()));
                });
            }
            changed
        })
    }
}

#[async_trait]
impl ConversationStore for Threads {
    async fn create(&self, conversation: Conversation) -> Result<Conversation> {
        let scope = Scope::new(conversation.organization.clone(), conversation.principal.clone());
        let key = format!("{}\0{}", name(&scope), conversation.idempotency_key);
        let id = self.by_key.entry(&key, |made| {
            if let Some(id) = made {
                return Ok(ConversationId::new(&**id));
            }
            let id = conversation.id.as_str();
            if !self.by_id.insert_new(id, Box::new(Thread::new(&conversation))) {
                return Err(StoreError::Corrupt { context: format!("the conversation id {id} is taken") });
            }
            *made = Some(id.into());
            Ok(conversation.id.clone())
        })?;
        self.get(&scope, &id).await?.ok_or(StoreError::NotFound("conversation"))
    }

    async fn get(&self, scope: &Scope, id: &ConversationId) -> Result<Option<Conversation>> {
        Ok(self.read(scope, id, |thread| thread.conversation(id.as_str())))
    }

    async fn list(&self, scope: &Scope, limit: usize) -> Result<Vec<Conversation>> {
        let newest = |recent: &Recent| recent.iter().take(limit).map(|(_, id)| id.clone()).collect();
        let ids: Vec<Box<str>> = self.recent.read(&name(scope), newest).unwrap_or_default();
        let mut listed = Vec::with_capacity(ids.len());
        for id in ids {
            listed.extend(self.get(scope, &ConversationId::new(id)).await?);
        }
        listed.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then_with(|| a.id.cmp(&b.id)));
        Ok(listed)
    }

    async fn rename(
        &self,
        scope: &Scope,
        id: &ConversationId,
        title: &str,
        now: Timestamp,
    ) -> Result<Option<Conversation>> {
        Ok(self.change_listed(scope, id, |thread| {
            thread.rename(title, now);
            thread.conversation(id.as_str())
        }))
    }
}

#[async_trait]
impl MessageStore for Threads {
    async fn append(&self, scope: &Scope, message: Message) -> Result<()> {
        self.change_listed(scope, &message.conversation, |thread| thread.append(&message))
            .map(|_| ())
            .ok_or(StoreError::NotFound("conversation"))
    }

    async fn page(&self, scope: &Scope, conversation: &ConversationId, page: Page) -> Result<MessagePage> {
        self.read(scope, conversation, |thread| thread.page(conversation, &page))
            .unwrap_or(Ok(MessagePage { messages: Vec::new(), next: None }))
    }
}
