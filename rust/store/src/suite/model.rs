//! The plainest store that keeps the promises: one lock, lists that are read from end to end. Adapters
//! are compared with it. It has no search: what a search finds is the adapters' own business.

mod transfer;

use crate::{
    Access, Activity, AdminRecord, Before, ChunkRef, Claim, ClaimRequest, Contact, Conversation,
    ConversationId, ConversationStore, Document, DocumentId, DocumentInfo, Hit, JournalEntry, JournalStore,
    KnowledgeStore, Message, MessagePage, MessageStore, OrganizationId, Page, ParkId, ParkedTurn, Passage,
    Put, Result, Scope, Session, SessionId, SessionStore, StorageAdapter, StoreError, TurnId, TurnStore,
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Default)]
struct Turns {
    fence: u64,
    running: Option<(Claim, Timestamp)>,
    parked: Option<ParkedTurn>,
    ended: Vec<String>,
}

#[derive(Default)]
struct State {
    conversations: Vec<(Conversation, Vec<Message>, Turns)>,
    sessions: Vec<Session>,
    journal: Vec<(ConversationId, TurnId, JournalEntry)>,
    documents: Vec<Document>,
    admin: BTreeMap<(String, String, String), AdminRecord>,
}

#[derive(Default)]
struct Model(Mutex<State>);

/// The model as an adapter.
pub(super) fn model() -> StorageAdapter {
    let model = Arc::new(Model::default());
    StorageAdapter {
        conversations: Arc::clone(&model) as _,
        messages: Arc::clone(&model) as _,
        sessions: Arc::clone(&model) as _,
        turns: Arc::clone(&model) as _,
        journal: Arc::clone(&model) as _,
        knowledge: Arc::clone(&model) as _,
        admin: Arc::clone(&model) as _,
        transfer: model,
    }
}

impl Model {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn of(&mut self, scope: &Scope, id: &ConversationId) -> Option<&mut (Conversation, Vec<Message>, Turns)> {
        self.conversations.iter_mut().find(|(c, ..)| {
            c.id == *id && c.organization == scope.organization && c.principal == scope.principal
        })
    }

    fn turns(&mut self, id: &ConversationId) -> Option<&mut Turns> {
        self.conversations.iter_mut().find(|(c, ..)| c.id == *id).map(|(_, _, turns)| turns)
    }

    fn append(&mut self, scope: &Scope, message: Message) -> Result<()> {
        let (conversation, messages, _) =
            self.of(scope, &message.conversation).ok_or(StoreError::NotFound("conversation"))?;
        if messages.iter().all(|there| there.id != message.id) {
            conversation.updated_at = conversation.updated_at.max(message.created_at);
            conversation.message_count += 1;
            messages.push(message);
        }
        Ok(())
    }

    fn put(&mut self, document: Document) -> Put {
        let same = |d: &Document| d.organization == document.organization && d.id == document.id;
        let Some(there) = self.documents.iter().position(same) else {
            self.documents.push(document);
            return Put::Created;
        };
        if self.documents[there].content_hash == document.content_hash {
            return Put::Unchanged;
        }
        self.documents[there] = document;
        Put::Replaced
    }

    fn session(&mut self, scope: &Scope, id: &SessionId) -> Option<&mut Session> {
        self.sessions
            .iter_mut()
            .find(|s| s.id == *id && s.organization == scope.organization && s.principal == scope.principal)
    }
}

#[async_trait]
impl ConversationStore for Model {
    async fn create(&self, conversation: Conversation) -> Result<Conversation> {
        let mut state = self.state();
        let there = state.conversations.iter().find(|(c, ..)| {
            c.organization == conversation.organization
                && c.principal == conversation.principal
                && c.idempotency_key == conversation.idempotency_key
        });
        if let Some((there, ..)) = there {
            return Ok(there.clone());
        }
        state.conversations.push((conversation.clone(), Vec::new(), Turns::default()));
        Ok(conversation)
    }

    async fn get(&self, scope: &Scope, id: &ConversationId) -> Result<Option<Conversation>> {
        Ok(self.state().of(scope, id).map(|(conversation, ..)| conversation.clone()))
    }

    async fn list(&self, scope: &Scope, limit: usize) -> Result<Vec<Conversation>> {
        let mut state = self.state();
        let ids: Vec<ConversationId> = state.conversations.iter().map(|(c, ..)| c.id.clone()).collect();
        let mut all: Vec<Conversation> = Vec::new();
        for id in ids {
            all.extend(state.of(scope, &id).map(|(conversation, ..)| conversation.clone()));
        }
        all.retain(|conversation| conversation.message_count > 0);
        all.sort_by(|a, b| b.updated_at.cmp(&a.updated_at).then_with(|| a.id.cmp(&b.id)));
        all.truncate(limit);
        Ok(all)
    }

    async fn rename(
        &self,
        scope: &Scope,
        id: &ConversationId,
        title: &str,
        now: Timestamp,
    ) -> Result<Option<Conversation>> {
        Ok(self.state().of(scope, id).map(|(conversation, ..)| {
            conversation.title = Some(title.to_owned());
            conversation.updated_at = conversation.updated_at.max(now);
            conversation.clone()
        }))
    }
}

#[async_trait]
impl MessageStore for Model {
    async fn append(&self, scope: &Scope, message: Message) -> Result<()> {
        self.state().append(scope, message)
    }

    async fn page(&self, scope: &Scope, conversation: &ConversationId, page: Page) -> Result<MessagePage> {
        let mut state = self.state();
        let Some((_, messages, _)) = state.of(scope, conversation) else {
            return Ok(MessagePage { messages: Vec::new(), next: None });
        };
        let end = match page.before {
            None => messages.len(),
            Some(Before::Cursor(place)) => place.parse().map_err(|_| StoreError::UnknownCursor)?,
            Some(Before::Message(id)) => {
                messages.iter().position(|message| message.id == id).ok_or(StoreError::UnknownCursor)?
            }
            Some(Before::Instant(instant)) => messages.iter().take_while(|m| m.created_at < instant).count(),
        };
        let start = end.saturating_sub(page.limit);
        let next = (start > 0).then(|| start.to_string());
        Ok(MessagePage { messages: messages[start..end].iter().rev().cloned().collect(), next })
    }
}

#[async_trait]
impl SessionStore for Model {
    async fn create(&self, session: Session) -> Result<()> {
        self.state().sessions.push(session);
        Ok(())
    }

    async fn get(&self, scope: &Scope, id: &SessionId) -> Result<Option<Session>> {
        Ok(self.state().session(scope, id).cloned())
    }

    async fn identify(&self, scope: &Scope, id: &SessionId, contact: Contact) -> Result<()> {
        if let Some(session) = self.state().session(scope, id) {
            session.contact = Contact {
                name: contact.name.or(session.contact.name.take()),
                email: contact.email.or(session.contact.email.take()),
                phone: contact.phone.or(session.contact.phone.take()),
            };
        }
        Ok(())
    }

    async fn record(&self, scope: &Scope, id: &SessionId, activity: Activity) -> Result<()> {
        if let Some(session) = self.state().session(scope, id) {
            session.token_count += activity.tokens;
            session.message_count += activity.messages;
            session.last_activity_at = session.last_activity_at.max(activity.now);
        }
        Ok(())
    }
}

impl Turns {
    fn claim(
        &mut self,
        conversation: ConversationId,
        turn: TurnId,
        request_id: String,
        until: Timestamp,
    ) -> Claim {
        self.fence += 1;
        let claim = Claim { conversation, turn, request_id, fence: self.fence };
        self.running = Some((claim.clone(), until));
        claim
    }

    fn end(&mut self) {
        let running = self.running.take().map(|(claim, _)| claim);
        let ended = running.or(self.parked.take().map(|parked| parked.claim));
        self.ended.extend(ended.map(|claim| claim.request_id));
        let surplus = self.ended.len().saturating_sub(32);
        self.ended.drain(..surplus);
    }

    fn runs(&self, claim: &Claim) -> Result<()> {
        let runs = self.running.as_ref().is_some_and(|(running, _)| running == claim);
        if runs { Ok(()) } else { Err(StoreError::ClaimLost) }
    }
}

#[async_trait]
impl TurnStore for Model {
    async fn claim(&self, scope: &Scope, request: ClaimRequest) -> Result<Option<Claim>> {
        let mut state = self.state();
        let (_, _, turns) =
            state.of(scope, &request.conversation).ok_or(StoreError::NotFound("conversation"))?;
        let lease = turns.running.as_ref().map(|(_, until)| *until);
        let until = lease.or(turns.parked.as_ref().map(|parked| parked.expires_at));
        if until.is_some_and(|until| until > request.now) {
            return Ok(None);
        }
        turns.end();
        Ok(Some(turns.claim(request.conversation, request.turn, request.request_id, request.lease_until)))
    }

    async fn renew(&self, claim: &Claim, lease_until: Timestamp) -> Result<()> {
        let mut state = self.state();
        let turns = state.turns(&claim.conversation).ok_or(StoreError::ClaimLost)?;
        turns.runs(claim)?;
        turns.running = Some((claim.clone(), lease_until));
        Ok(())
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let mut state = self.state();
        let turns = state.turns(&claim.conversation).ok_or(StoreError::ClaimLost)?;
        let free = turns.running.is_none() && turns.parked.is_none();
        if free && turns.fence == claim.fence {
            return Ok(());
        }
        if turns.parked.as_ref().is_none_or(|parked| parked.claim != *claim) {
            turns.runs(claim)?;
        }
        turns.end();
        Ok(())
    }

    async fn park(&self, parked: ParkedTurn) -> Result<()> {
        let mut state = self.state();
        let turns = state.turns(&parked.claim.conversation).ok_or(StoreError::ClaimLost)?;
        if turns.parked.as_ref().is_some_and(|there| there.id == parked.id && there.claim == parked.claim) {
            return Ok(());
        }
        turns.runs(&parked.claim)?;
        turns.running = None;
        turns.parked = Some(parked);
        Ok(())
    }

    async fn parked(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
    ) -> Result<Option<(ParkedTurn, Vec<String>)>> {
        let mut state = self.state();
        let turns = state.of(scope, conversation).map(|(_, _, turns)| turns);
        Ok(turns.and_then(|turns| Some((turns.parked.clone()?, turns.ended.clone()))))
    }

    async fn unpark(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
        lease_until: Timestamp,
    ) -> Result<Option<Claim>> {
        let mut state = self.state();
        let Some((_, _, turns)) = state.of(scope, conversation) else { return Ok(None) };
        let Some(parked) = turns.parked.take_if(|parked| parked.id == *park) else { return Ok(None) };
        let Claim { conversation, turn, request_id, .. } = parked.claim;
        Ok(Some(turns.claim(conversation, turn, request_id, lease_until)))
    }

    async fn spend_attempt(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
    ) -> Result<Option<u32>> {
        let mut state = self.state();
        let turns = state.of(scope, conversation).map(|(_, _, turns)| turns);
        let parked = turns.and_then(|turns| turns.parked.as_mut()).filter(|parked| parked.id == *park);
        Ok(parked.filter(|parked| parked.attempts_remaining > 0).map(|parked| {
            parked.attempts_remaining -= 1;
            parked.attempts_remaining
        }))
    }
}

#[async_trait]
impl JournalStore for Model {
    async fn append(&self, claim: &Claim, entry: JournalEntry) -> Result<()> {
        let mut state = self.state();
        state.turns(&claim.conversation).ok_or(StoreError::ClaimLost)?.runs(claim)?;
        state.journal.push((claim.conversation.clone(), claim.turn.clone(), entry));
        Ok(())
    }

    async fn entries(&self, turn: &TurnId) -> Result<Vec<JournalEntry>> {
        let state = self.state();
        Ok(state.journal.iter().filter(|(_, of, _)| of == turn).map(|(.., entry)| entry.clone()).collect())
    }
}

#[async_trait]
impl KnowledgeStore for Model {
    async fn put(&self, document: Document) -> Result<Put> {
        Ok(self.state().put(document))
    }

    async fn content_hash(&self, organization: &OrganizationId, id: &DocumentId) -> Result<Option<String>> {
        let state = self.state();
        let found = state.documents.iter().find(|d| d.organization == *organization && d.id == *id);
        Ok(found.map(|document| document.content_hash.clone()))
    }

    async fn delete(&self, organization: &OrganizationId, id: &DocumentId) -> Result<bool> {
        let mut state = self.state();
        let before = state.documents.len();
        state.documents.retain(|d| d.organization != *organization || d.id != *id);
        Ok(state.documents.len() < before)
    }

    async fn list(
        &self,
        access: &Access,
        after: Option<&DocumentId>,
        limit: usize,
    ) -> Result<Vec<DocumentInfo>> {
        let state = self.state();
        let mut found: Vec<DocumentInfo> = state
            .documents
            .iter()
            .filter(|d| d.organization == access.organization && access.admits(&d.acl))
            .filter(|d| after.is_none_or(|after| d.id > *after))
            .map(info)
            .collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.truncate(limit);
        Ok(found)
    }

    async fn keyword(&self, _: &Access, _: &str, _: usize) -> Result<Vec<Hit>> {
        Ok(Vec::new())
    }

    async fn dense(&self, _: &Access, _: &[f32], _: usize) -> Result<Vec<Hit>> {
        Ok(Vec::new())
    }

    async fn passages(&self, access: &Access, chunks: &[ChunkRef]) -> Result<Vec<Passage>> {
        let state = self.state();
        let one = |at: &ChunkRef| {
            let document = state.documents.iter().find(|d| {
                d.organization == access.organization && d.id == at.document && access.admits(&d.acl)
            })?;
            let chunk = document.chunks.get(usize::try_from(at.ordinal).ok()?)?;
            Some(Passage {
                chunk: at.clone(),
                source: document.source.clone(),
                title: document.title.clone(),
                url: document.url.clone(),
                headings: chunk.headings.clone(),
                text: chunk.text.clone(),
                start: chunk.start,
                end: chunk.end,
            })
        };
        Ok(chunks.iter().filter_map(one).collect())
    }
}

fn info(document: &Document) -> DocumentInfo {
    DocumentInfo {
        id: document.id.clone(),
        source: document.source.clone(),
        title: document.title.clone(),
        url: document.url.clone(),
        acl: document.acl.clone(),
        content_hash: document.content_hash.clone(),
        chunk_count: document.chunks.len(),
        updated_at: document.updated_at,
    }
}
