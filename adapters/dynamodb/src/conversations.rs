//! Conversations. What a message changes (its place, the count, the place in the list of recent
//! conversations) is written in one transaction, under the revision that was read.

use crate::body;
use crate::failure::contended;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{Outcome, Range, Reading, Table, Write, back_off};
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Conversation, ConversationId, ConversationStore, Result, Scope, StoreError,
};
use std::collections::HashMap;
use std::sync::Arc;

/// How often a write is tried that others of the same conversation get in the way of.
pub(crate) const TRIES: u32 = 100;

/// Conversations and their messages.
pub(crate) struct Conversations {
    pub(crate) table: Arc<Table>,
}

/// A conversation as it was read: with its item, and the item's revision, which every change of it raises.
pub(crate) struct Held {
    pub(crate) conversation: Conversation,
    pub(crate) item: Item,
    pub(crate) revision: u64,
}

/// The conversation's own item.
pub(crate) fn meta(id: &ConversationId) -> Key {
    Key::new(keys::of('C', id.as_str()), "META")
}

/// Its place in the list of its scope, from the first message on.
pub(crate) fn recent(conversation: &Conversation) -> Key {
    let scope = Scope::new(conversation.organization.clone(), conversation.principal.clone());
    let place = format!("{}#{}", keys::inverted(conversation.updated_at), conversation.id);
    Key::new(keys::of_scope('R', &scope), place)
}

/// The writes that move a conversation to its place in the list.
pub(crate) fn moves(before: &Conversation, after: &Conversation) -> Vec<Write> {
    if after.message_count == 0 {
        return Vec::new();
    }
    let (old, new) = (recent(before), recent(after));
    if before.message_count == 0 {
        return vec![Write::Put(Item::new("R", &new).text("id", after.id.as_str()))];
    }
    if old == new {
        return Vec::new();
    }
    vec![Write::Delete(old), Write::Put(Item::new("R", &new).text("id", after.id.as_str()))]
}

pub(crate) fn is_of(conversation: &Conversation, scope: &Scope) -> bool {
    conversation.organization == scope.organization && conversation.principal == scope.principal
}

impl Conversations {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self { table }
    }

    /// The conversation, whosever it is.
    pub(crate) async fn load(&self, id: &ConversationId) -> Result<Option<Held>> {
        match self.table.get(&meta(id)).await? {
            Some(item) => self.held(item).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn held(&self, item: Item) -> Result<Held> {
        let revision = item.get_number("rev")?;
        Ok(Held { conversation: body::open(&self.table, &item).await?, item, revision })
    }

    /// The conversation, if it is of this scope.
    pub(crate) async fn load_of(&self, scope: &Scope, id: &ConversationId) -> Result<Option<Held>> {
        Ok(self.load(id).await?.filter(|held| is_of(&held.conversation, scope)))
    }

    /// The item of a conversation with a revision.
    pub(crate) async fn sealed(&self, conversation: &Conversation, revision: u64) -> Result<Item> {
        let item = Item::new("C", &meta(&conversation.id)).number("rev", revision);
        body::seal(&self.table, item, "a conversation", conversation).await
    }
}

#[async_trait]
impl ConversationStore for Conversations {
    async fn create(&self, conversation: Conversation) -> Result<Conversation> {
        let scope = Scope::new(conversation.organization.clone(), conversation.principal.clone());
        let name = keys::digest(&[conversation.idempotency_key.as_bytes()]);
        let key = Key::new(keys::of_scope('Y', &scope), name);
        for attempt in 0..TRIES {
            let sealed = self.sealed(&conversation, 0).await?;
            let writes = vec![
                Write::New(Item::new("Y", &key).text("id", conversation.id.as_str())),
                Write::New(sealed.clone()),
            ];
            let Outcome::Refused(failed) = self.table.transact(writes).await? else {
                return Ok(conversation);
            };
            body::discard(&self.table, &sealed).await?;
            if let Some(made) = self.table.get(&key).await? {
                let id = ConversationId::new(made.get_text("id")?);
                return self.get(&scope, &id).await?.ok_or(StoreError::NotFound("conversation"));
            }
            if failed.get(1) == Some(&true) {
                let context = format!("the conversation id {} is taken", conversation.id);
                return Err(StoreError::Corrupt { context });
            }
            back_off(attempt, conversation.id.as_str()).await;
        }
        Err(contended("conversation"))
    }

    async fn get(&self, scope: &Scope, id: &ConversationId) -> Result<Option<Conversation>> {
        Ok(self.load_of(scope, id).await?.map(|held| held.conversation))
    }

    async fn list(&self, scope: &Scope, limit: usize) -> Result<Vec<Conversation>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let pk = keys::of_scope('R', scope);
        let (mut ids, mut after) = (Vec::new(), None);
        while ids.len() < limit {
            let reading = Reading { newest_first: false, limit: limit - ids.len(), consistent: true };
            let page =
                self.table.query(Range { pk: &pk, from: "0", to: "9~" }, reading, after.as_ref()).await?;
            for item in &page.items {
                ids.push(ConversationId::new(item.get_text("id")?));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        // A conversation that moved while the list was read stands in it twice.
        let mut distinct: HashMap<&ConversationId, Key> = HashMap::new();
        for id in &ids {
            distinct.insert(id, meta(id));
        }
        let keys: Vec<Key> = distinct.into_values().collect();
        let mut listed = Vec::with_capacity(keys.len());
        for item in self.table.get_all(&keys).await? {
            listed.push(self.held(item).await?.conversation);
        }
        listed.retain(|conversation| is_of(conversation, scope));
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
        for attempt in 0..TRIES {
            let Some(held) = self.load_of(scope, id).await? else { return Ok(None) };
            let Held { conversation: before, item: old, revision } = held;
            let mut after = before.clone();
            after.title = Some(title.to_owned());
            after.updated_at = after.updated_at.max(now);
            let new = self.sealed(&after, revision + 1).await?;
            let mut writes = vec![Write::Revision(new.clone(), revision)];
            writes.extend(moves(&before, &after));
            if self.table.transact(writes).await? == Outcome::Done {
                body::discard(&self.table, &old).await?;
                return Ok(Some(after));
            }
            body::discard(&self.table, &new).await?;
            back_off(attempt, title).await;
        }
        Err(contended("conversation"))
    }
}
