//! Everything that the table holds, as records: an export reads the whole table once per kind.

use crate::admin::Admin;
use crate::body;
use crate::conversations::{Conversations, Held, meta};
use crate::item::Item;
use crate::keys::Key;
use crate::knowledge::Knowledge;
use crate::sessions::Sessions;
use crate::table::Table;
use crate::turns::Turns;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smooai_smooth_operator_store::{
    AdminStore, Conversation, ConversationId, ConversationStore, JournalRecord, KnowledgeStore,
    MessageRecord, MessageStore, Record, RecordKind, RecordPage, Result, Scope, SessionStore, StoreError,
    TransferStore, TurnState,
};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) struct Transfer {
    pub(crate) table: Arc<Table>,
    pub(crate) conversations: Arc<Conversations>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) admin: Arc<Admin>,
    pub(crate) knowledge: Arc<Knowledge>,
}

fn kind_of(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Conversation => "C",
        RecordKind::Message => "M",
        RecordKind::Session => "S",
        RecordKind::Turns => "T",
        RecordKind::Journal => "J",
        RecordKind::Document => "D",
        RecordKind::Admin => "A",
    }
}

fn seal(key: &Key) -> Result<String> {
    let text = serde_json::to_vec(&[&key.pk, &key.sk]);
    text.map(|text| URL_SAFE_NO_PAD.encode(text)).map_err(|_| StoreError::UnknownCursor)
}

fn open(text: &str) -> Result<Key> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StoreError::UnknownCursor)?;
    let [pk, sk]: [String; 2] = serde_json::from_slice(&bytes).map_err(|_| StoreError::UnknownCursor)?;
    Ok(Key { pk, sk })
}

fn scope_of(conversation: &Conversation) -> Scope {
    Scope::new(conversation.organization.clone(), conversation.principal.clone())
}

/// Whose conversations are, as far as it is known; `None` for those that are gone.
type Scopes = HashMap<ConversationId, Option<Scope>>;

impl Transfer {
    /// The scope of a conversation; it never changes, so it is read once per page.
    async fn scope(&self, id: &ConversationId, scopes: &mut Scopes) -> Result<Option<Scope>> {
        if let Some(known) = scopes.get(id) {
            return Ok(known.clone());
        }
        let scope = self.conversations.load(id).await?.map(|held| scope_of(&held.conversation));
        scopes.insert(id.clone(), scope.clone());
        Ok(scope)
    }

    /// The record of an item; `None` if what it belongs to is gone.
    async fn record(&self, kind: RecordKind, item: &Item, scopes: &mut Scopes) -> Result<Option<Record>> {
        Ok(Some(match kind {
            RecordKind::Conversation => Record::Conversation(Box::new(body::open(&self.table, item).await?)),
            RecordKind::Message => {
                let message: smooai_smooth_operator_store::Message = body::open(&self.table, item).await?;
                let Some(scope) = self.scope(&message.conversation, scopes).await? else { return Ok(None) };
                Record::Message(Box::new(MessageRecord { scope, message }))
            }
            RecordKind::Session => Record::Session(Box::new(self.sessions.read(item).await?)),
            RecordKind::Turns => {
                let id = ConversationId::new(item.get_text("id")?);
                let Some(scope) = self.scope(&id, scopes).await? else { return Ok(None) };
                let state: TurnState = body::open(&self.table, item).await?;
                Record::Turns(Box::new(state.record(scope, id)))
            }
            RecordKind::Journal => {
                let conversation = ConversationId::new(item.get_text("conversation")?);
                let Some(scope) = self.scope(&conversation, scopes).await? else { return Ok(None) };
                Record::Journal(Box::new(JournalRecord {
                    scope,
                    conversation,
                    turn: item.get_text("turn")?.into(),
                    ordinal: u32::try_from(item.get_number("number")?).map_err(|_| item.broken("number"))?,
                    entry: body::open(&self.table, item).await?,
                }))
            }
            RecordKind::Document => match self.knowledge.whole(item).await? {
                Some(document) => Record::Document(Box::new(document)),
                None => return Ok(None),
            },
            RecordKind::Admin => Record::Admin(Box::new(body::open(&self.table, item).await?)),
        }))
    }

    async fn take(&self, record: Record) -> Result<()> {
        match record {
            Record::Conversation(conversation) => {
                if self.table.get(&meta(&conversation.id)).await?.is_none() {
                    self.conversations.create(Conversation { message_count: 0, ..*conversation }).await?;
                }
                Ok(())
            }
            Record::Message(record) => self.conversations.append(&record.scope, record.message).await,
            Record::Session(session) => self.sessions.create(*session).await,
            Record::Turns(record) => {
                self.known(&record.scope, &record.conversation).await?;
                let id = record.conversation.clone();
                self.turns.change(&id, |state| state.restore((*record).clone())).await
            }
            Record::Journal(record) => {
                self.known(&record.scope, &record.conversation).await?;
                self.turns.restore_line(&record).await.map(|_| ())
            }
            Record::Document(document) => self.knowledge.put(*document).await.map(|_| ()),
            Record::Admin(record) => self.admin.put(*record).await,
        }
    }

    async fn known(&self, scope: &Scope, id: &ConversationId) -> Result<()> {
        let held: Option<Held> = self.conversations.load_of(scope, id).await?;
        held.map(|_| ()).ok_or(StoreError::NotFound("conversation"))
    }
}

#[async_trait]
impl TransferStore for Transfer {
    async fn export(&self, kind: RecordKind, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let after = after.map(open).transpose()?;
        let page = self.table.scan(kind_of(kind), limit, after.as_ref()).await?;
        let mut records = Vec::with_capacity(page.items.len());
        let mut scopes = Scopes::new();
        for item in &page.items {
            records.extend(self.record(kind, item, &mut scopes).await?);
        }
        Ok(RecordPage { records, next: page.next.as_ref().map(seal).transpose()? })
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        for record in records {
            self.take(record).await?;
        }
        Ok(())
    }
}
