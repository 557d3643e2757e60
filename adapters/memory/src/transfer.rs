//! Everything the store holds, read page by page and taken in record by record.

use crate::admin::Admin;
use crate::conversations::Threads;
use crate::journal::Journal;
use crate::knowledge::Knowledge;
use crate::sessions::Sessions;
use crate::thread::Thread;
use async_trait::async_trait;
use smooai_smooth_operator_store::{
    AdminRecord, AdminStore, Conversation, ConversationId, ConversationStore, Document, KnowledgeStore,
    MessageRecord, MessageStore, Record, RecordKind, RecordPage, Result, Session, SessionStore, StoreError,
    TransferStore,
};
use std::sync::Arc;

/// All parts of the store.
pub(crate) struct Transfer {
    pub(crate) threads: Arc<Threads>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) admin: Arc<Admin>,
}

/// Several texts as one that [`open`] takes apart again.
fn seal(parts: &[&str]) -> String {
    serde_json::Value::from(parts.to_vec()).to_string()
}

fn open<const N: usize>(cursor: &str) -> Result<[String; N]> {
    let parts: Vec<String> = serde_json::from_str(cursor).map_err(|_| StoreError::UnknownCursor)?;
    parts.try_into().map_err(|_| StoreError::UnknownCursor)
}

fn page<T>(
    found: Vec<T>,
    limit: usize,
    name: impl Fn(&T) -> String,
    record: impl Fn(T) -> Record,
) -> RecordPage {
    let next = found.last().filter(|_| found.len() == limit).map(name);
    RecordPage { records: found.into_iter().map(record).collect(), next }
}

impl Transfer {
    fn conversations(&self, after: Option<&str>, limit: usize) -> RecordPage {
        let read = |id: &str| self.threads.read_any(id, |thread| thread.conversation(id));
        let ids = self.threads.ids_after(after, limit);
        let next = ids.last().filter(|_| ids.len() == limit).map(|id| (**id).to_owned());
        let records = ids.iter().filter_map(|id| Some(Record::Conversation(Box::new(read(id)?))));
        RecordPage { records: records.collect(), next }
    }

    /// One conversation's messages at a time; the cursor is the conversation and the place in it.
    fn messages(&self, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let (mut id, mut place) = match after {
            None => (self.threads.ids_after(None, 1).pop(), 0),
            Some(after) => {
                let [id, place] = open(after)?;
                (Some(id.into()), place.parse().map_err(|_| StoreError::UnknownCursor)?)
            }
        };
        let mut records = Vec::new();
        while let Some(of) = id {
            let conversation = ConversationId::new(&*of);
            let read = self.threads.read_any(&of, |thread| {
                (thread.scope(), thread.messages_from(&conversation, place, limit - records.len()))
            });
            if let Some((scope, messages)) = read {
                place += messages.len();
                let record = |message| MessageRecord { scope: scope.clone(), message };
                records
                    .extend(messages.into_iter().map(|message| Record::Message(Box::new(record(message)))));
            }
            if records.len() == limit {
                return Ok(RecordPage { records, next: Some(seal(&[&of, &place.to_string()])) });
            }
            id = self.threads.ids_after(Some(&of), 1).pop();
            place = 0;
        }
        Ok(RecordPage { records, next: None })
    }

    fn turns(&self, after: Option<&str>, limit: usize) -> RecordPage {
        let ids = self.threads.ids_after(after, limit);
        let next = ids.last().filter(|_| ids.len() == limit).map(|id| (**id).to_owned());
        let record = |id: &str| {
            let read =
                |thread: &Thread| Some(thread.turns_ref()?.record(thread.scope(), ConversationId::new(id)));
            Some(Record::Turns(Box::new(self.threads.read_any(id, read).flatten()?)))
        };
        RecordPage { records: ids.iter().filter_map(|id| record(id)).collect(), next }
    }

    fn journal(&self, after: Option<&str>, limit: usize) -> RecordPage {
        let turns = self.journal.turns_after(after, limit);
        let next = turns.last().filter(|_| turns.len() == limit).map(|turn| (**turn).to_owned());
        let records = turns.iter().flat_map(|turn| self.journal.records(turn));
        RecordPage { records: records.map(|line| Record::Journal(Box::new(line))).collect(), next }
    }

    fn documents(&self, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let after = after.map(open::<2>).transpose()?;
        let after = after.map(|[organization, id]| (organization, id.into()));
        let found = self
            .knowledge
            .all_after(after.as_ref().map(|(organization, id)| (organization.as_str(), id)), limit);
        let name = |document: &Document| seal(&[document.organization.as_str(), document.id.as_str()]);
        Ok(page(found, limit, name, |document| Record::Document(Box::new(document))))
    }

    fn admin(&self, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let after = after.map(open::<3>).transpose()?.map(<(String, String, String)>::from);
        let name = |record: &AdminRecord| seal(&[record.organization.as_str(), &record.kind, &record.id]);
        Ok(page(self.admin.all_after(after, limit), limit, name, |record| Record::Admin(Box::new(record))))
    }

    async fn take(&self, record: Record) -> Result<()> {
        match record {
            Record::Conversation(conversation) => {
                let there = self.threads.read_any(conversation.id.as_str(), |_| ()).is_some();
                if !there {
                    self.threads.create(Conversation { message_count: 0, ..*conversation }).await?;
                }
                Ok(())
            }
            Record::Message(record) => self.threads.append(&record.scope, record.message).await,
            Record::Session(session) => self.sessions.create(*session).await,
            Record::Turns(record) => {
                let (scope, id) = (record.scope.clone(), record.conversation.clone());
                let restored = self.threads.change(&scope, &id, |thread| thread.turns().restore(*record));
                restored.ok_or(StoreError::NotFound("conversation"))
            }
            Record::Journal(record) => {
                let known = self.threads.read(&record.scope, &record.conversation, |_| ());
                known.ok_or(StoreError::NotFound("conversation"))?;
                self.journal.restore(*record);
                Ok(())
            }
            Record::Document(document) => self.knowledge.put(*document).await.map(|_| ()),
            Record::Admin(record) => self.admin.put(*record).await,
        }
    }
}

#[async_trait]
impl TransferStore for Transfer {
    async fn export(&self, kind: RecordKind, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let limit = limit.max(1);
        match kind {
            RecordKind::Conversation => Ok(self.conversations(after, limit)),
            RecordKind::Message => self.messages(after, limit),
            RecordKind::Session => {
                let found = self.sessions.all_after(after, limit);
                let name = |session: &Session| session.id.to_string();
                Ok(page(found, limit, name, |session| Record::Session(Box::new(session))))
            }
            RecordKind::Turns => Ok(self.turns(after, limit)),
            RecordKind::Journal => Ok(self.journal(after, limit)),
            RecordKind::Document => self.documents(after, limit),
            RecordKind::Admin => self.admin(after, limit),
        }
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        for record in records {
            self.take(record).await?;
        }
        Ok(())
    }
}
