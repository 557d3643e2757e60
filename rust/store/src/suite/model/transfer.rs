//! The model's admin records, and what it gives and takes as records. A page's end is a plain number.

use super::{Model, State, Turns};
use crate::{
    AdminRecord, AdminStore, Claim, Conversation, JournalRecord, MessageRecord, OrganizationId, Record,
    RecordKind, RecordPage, Result, Scope, StoreError, TransferStore, TurnHold, TurnsRecord,
};
use async_trait::async_trait;

#[async_trait]
impl AdminStore for Model {
    async fn put(&self, record: AdminRecord) -> Result<()> {
        let key = (record.organization.to_string(), record.kind.clone(), record.id.clone());
        self.state().admin.insert(key, record);
        Ok(())
    }

    async fn get(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<Option<AdminRecord>> {
        Ok(self.state().admin.get(&(organization.to_string(), kind.to_owned(), id.to_owned())).cloned())
    }

    async fn list(
        &self,
        organization: &OrganizationId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AdminRecord>> {
        let state = self.state();
        let of_kind = state.admin.values().filter(|r| r.organization == *organization && r.kind == kind);
        let later = of_kind.filter(|record| after.is_none_or(|after| record.id.as_str() > after));
        Ok(later.take(limit).cloned().collect())
    }

    async fn delete(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<bool> {
        let key = (organization.to_string(), kind.to_owned(), id.to_owned());
        Ok(self.state().admin.remove(&key).is_some())
    }
}

fn scope(conversation: &Conversation) -> Scope {
    Scope::new(conversation.organization.clone(), conversation.principal.clone())
}

impl Turns {
    fn record(&self, of: &Conversation) -> TurnsRecord {
        let hold = match (&self.running, &self.parked) {
            (Some((claim, lease_until)), _) => TurnHold::Running {
                turn: claim.turn.clone(),
                request_id: claim.request_id.clone(),
                lease_until: *lease_until,
            },
            (None, Some(parked)) => TurnHold::Parked(Box::new(parked.clone())),
            (None, None) => TurnHold::Free,
        };
        let (conversation, ended) = (of.id.clone(), self.ended.clone());
        TurnsRecord { scope: scope(of), conversation, fence: self.fence, hold, ended }
    }

    fn restore(&mut self, record: TurnsRecord) {
        if record.fence <= self.fence {
            return;
        }
        let TurnsRecord { conversation, fence, hold, ended, .. } = record;
        (self.fence, self.ended, self.running, self.parked) = (fence, ended, None, None);
        match hold {
            TurnHold::Free => {}
            TurnHold::Running { turn, request_id, lease_until } => {
                self.running = Some((Claim { conversation, turn, request_id, fence }, lease_until));
            }
            TurnHold::Parked(parked) => self.parked = Some(*parked),
        }
    }
}

impl State {
    fn records(&self, kind: RecordKind) -> Vec<Record> {
        let conversations = &self.conversations;
        match kind {
            RecordKind::Conversation => {
                conversations.iter().map(|(c, ..)| Record::Conversation(Box::new(c.clone()))).collect()
            }
            RecordKind::Message => {
                let messages = conversations.iter().flat_map(|(c, messages, _)| {
                    messages.iter().map(|message| MessageRecord { scope: scope(c), message: message.clone() })
                });
                messages.map(|message| Record::Message(Box::new(message))).collect()
            }
            RecordKind::Session => {
                self.sessions.iter().map(|session| Record::Session(Box::new(session.clone()))).collect()
            }
            RecordKind::Turns => {
                let claimed = conversations.iter().filter(|(.., turns)| turns.fence > 0);
                claimed.map(|(c, _, turns)| Record::Turns(Box::new(turns.record(c)))).collect()
            }
            RecordKind::Journal => self.journal_records(),
            RecordKind::Document => {
                self.documents.iter().map(|document| Record::Document(Box::new(document.clone()))).collect()
            }
            RecordKind::Admin => {
                self.admin.values().map(|record| Record::Admin(Box::new(record.clone()))).collect()
            }
        }
    }

    fn journal_records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        for (at, (conversation, turn, entry)) in self.journal.iter().enumerate() {
            let Some((of, ..)) = self.conversations.iter().find(|(c, ..)| c.id == *conversation) else {
                continue;
            };
            let ordinal = self.journal[..at].iter().filter(|(_, before, _)| before == turn).count();
            records.push(Record::Journal(Box::new(JournalRecord {
                scope: scope(of),
                conversation: conversation.clone(),
                turn: turn.clone(),
                ordinal: u32::try_from(ordinal).unwrap(),
                entry: entry.clone(),
            })));
        }
        records
    }

    fn take(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Conversation(made) => {
                if self.conversations.iter().all(|(c, ..)| c.id != made.id) {
                    let empty = Conversation { message_count: 0, ..*made };
                    self.conversations.push((empty, Vec::new(), Turns::default()));
                }
            }
            Record::Message(record) => self.append(&record.scope, record.message)?,
            Record::Session(session) => {
                if self.sessions.iter().all(|there| there.id != session.id) {
                    self.sessions.push(*session);
                }
            }
            Record::Turns(record) => {
                let of = self.of(&record.scope, &record.conversation);
                of.ok_or(StoreError::NotFound("conversation"))?.2.restore(*record);
            }
            Record::Journal(record) => {
                let of = self.of(&record.scope, &record.conversation);
                of.ok_or(StoreError::NotFound("conversation"))?;
                let there = self.journal.iter().filter(|(_, turn, _)| *turn == record.turn).count();
                if there == record.ordinal as usize {
                    self.journal.push((record.conversation, record.turn, record.entry));
                }
            }
            Record::Document(document) => {
                self.put(*document);
            }
            Record::Admin(record) => {
                let key = (record.organization.to_string(), record.kind.clone(), record.id.clone());
                self.admin.insert(key, *record);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl TransferStore for Model {
    async fn export(&self, kind: RecordKind, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let start = after.map_or(Ok(0), str::parse).map_err(|_| StoreError::UnknownCursor)?;
        let all = self.state().records(kind);
        let records: Vec<Record> = all.iter().skip(start).take(limit).cloned().collect();
        let end = start + records.len();
        Ok(RecordPage { records, next: (end < all.len()).then(|| end.to_string()) })
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        let mut state = self.state();
        records.into_iter().try_for_each(|record| state.take(record))
    }
}
