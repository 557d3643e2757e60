//! Sessions, kept small: a client may hold thousands that are idle.

use crate::packed::Packed;
use crate::shard::Sharded;
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use smooai_smooth_operator_store::{
    Activity, Contact, Result, Scope, Session, SessionId, SessionStatus, SessionStore,
};

/// A session without its id, which is the key. The texts are in the order of [`Kept::texts`].
struct Kept {
    texts: Packed<8>,
    verified_user: Option<Box<str>>,
    name: Option<Box<str>>,
    email: Option<Box<str>>,
    phone: Option<Box<str>>,
    supports: Box<[Box<str>]>,
    metadata: Option<Box<Value>>,
    status: SessionStatus,
    token_count: u64,
    message_count: u64,
    created_at: Timestamp,
    last_activity_at: Timestamp,
}

const CONVERSATION: usize = 0;
const ORGANIZATION: usize = 1;
const PRINCIPAL: usize = 2;
const AGENT_ID: usize = 3;
const AGENT_NAME: usize = 4;
const USER_PARTICIPANT: usize = 5;
const AGENT_PARTICIPANT: usize = 6;
const THREAD_ID: usize = 7;

impl Kept {
    fn new(session: &Session) -> Self {
        Self {
            texts: Packed::new([
                session.conversation.as_str(),
                session.organization.as_str(),
                session.principal.as_str(),
                &session.agent_id,
                &session.agent_name,
                session.user_participant.as_str(),
                session.agent_participant.as_str(),
                &session.thread_id,
            ]),
            verified_user: small(&session.verified_user),
            name: small(&session.contact.name),
            email: small(&session.contact.email),
            phone: small(&session.contact.phone),
            supports: session.supports.iter().map(|name| name.as_str().into()).collect(),
            metadata: session.metadata.clone().map(Box::new),
            status: session.status,
            token_count: session.token_count,
            message_count: session.message_count,
            created_at: session.created_at,
            last_activity_at: session.last_activity_at,
        }
    }

    fn session(&self, id: &SessionId) -> Session {
        Session {
            id: id.clone(),
            conversation: self.texts.get(CONVERSATION).into(),
            organization: self.texts.get(ORGANIZATION).into(),
            principal: self.texts.get(PRINCIPAL).into(),
            agent_id: self.texts.own(AGENT_ID),
            agent_name: self.texts.own(AGENT_NAME),
            user_participant: self.texts.get(USER_PARTICIPANT).into(),
            agent_participant: self.texts.get(AGENT_PARTICIPANT).into(),
            thread_id: self.texts.own(THREAD_ID),
            status: self.status,
            supports: self.supports.iter().map(|name| (**name).to_owned()).collect(),
            verified_user: own(&self.verified_user),
            contact: Contact { name: own(&self.name), email: own(&self.email), phone: own(&self.phone) },
            metadata: self.metadata.as_deref().cloned(),
            token_count: self.token_count,
            message_count: self.message_count,
            created_at: self.created_at,
            last_activity_at: self.last_activity_at,
        }
    }

    fn identify(&mut self, contact: &Contact) {
        for (kept, given) in [
            (&mut self.name, &contact.name),
            (&mut self.email, &contact.email),
            (&mut self.phone, &contact.phone),
        ] {
            if given.is_some() {
                *kept = small(given);
            }
        }
    }

    fn is_of(&self, scope: &Scope) -> bool {
        self.texts.get(ORGANIZATION) == scope.organization.as_str()
            && self.texts.get(PRINCIPAL) == scope.principal.as_str()
    }
}

fn small(text: &Option<String>) -> Option<Box<str>> {
    text.as_deref().map(Into::into)
}

fn own(text: &Option<Box<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

/// All sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    by_id: Sharded<Box<Kept>>,
}

impl Sessions {
    /// The first sessions after `after`, whosever they are; for moving data only.
    pub(crate) fn all_after(&self, after: Option<&str>, limit: usize) -> Vec<Session> {
        let ids = self.by_id.keys_after(after, limit);
        ids.iter().filter_map(|id| self.by_id.read(id, |kept| kept.session(&(&**id).into()))).collect()
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, session: Session) -> Result<()> {
        self.by_id.insert_new(session.id.as_str(), Box::new(Kept::new(&session)));
        Ok(())
    }

    async fn get(&self, scope: &Scope, id: &SessionId) -> Result<Option<Session>> {
        let found = self.by_id.read(id.as_str(), |kept| kept.is_of(scope).then(|| kept.session(id)));
        Ok(found.flatten())
    }

    async fn identify(&self, scope: &Scope, id: &SessionId, contact: Contact) -> Result<()> {
        self.by_id.change(id.as_str(), |kept| {
            if kept.is_of(scope) {
                kept.identify(&contact);
            }
        });
        Ok(())
    }

    async fn record(&self, scope: &Scope, id: &SessionId, activity: Activity) -> Result<()> {
        self.by_id.change(id.as_str(), |kept| {
            if kept.is_of(scope) {
                kept.token_count += activity.tokens;
                kept.message_count += activity.messages;
                kept.last_activity_at = kept.last_activity_at.max(activity.now);
            }
        });
        Ok(())
    }
}
