//! One conversation with its messages and its turn, as it is kept.

use crate::packed::Packed;
use jiff::Timestamp;
use serde_json::Value;
use smooai_smooth_operator_store::{
    Before, Conversation, ConversationId, Direction, Message, MessageId, MessagePage, Page, Participant,
    ParticipantKind, Result, Scope, StoreError, TurnState,
};
use std::collections::HashMap;

/// From so many messages on, ids are looked up in a map and not one after another.
const MAPPED_FROM: usize = 64;

/// A conversation. Nothing but ids is kept of one that is idle and empty.
pub(crate) struct Thread {
    texts: Packed<8>,
    title: Option<Box<str>>,
    kinds: (ParticipantKind, ParticipantKind),
    /// What participants rarely have: e-mail addresses and fingerprints, the person's first.
    rare: Option<Box<[Option<String>; 4]>>,
    created_at: Timestamp,
    updated_at: Timestamp,
    messages: Option<Box<Messages>>,
    turns: Option<Box<TurnState>>,
}

const ORGANIZATION: usize = 0;
const PRINCIPAL: usize = 1;
const PLATFORM: usize = 2;
const IDEMPOTENCY_KEY: usize = 3;
const USER_ID: usize = 4;
const USER_NAME: usize = 5;
const AGENT_ID: usize = 6;
const AGENT_NAME: usize = 7;

impl Thread {
    pub(crate) fn new(conversation: &Conversation) -> Self {
        let (user, agent) = (&conversation.user, &conversation.agent);
        let rare = [&user.email, &user.browser_fingerprint, &agent.email, &agent.browser_fingerprint];
        let any = rare.iter().any(|text| text.is_some());
        Self {
            texts: Packed::new([
                conversation.organization.as_str(),
                conversation.principal.as_str(),
                &conversation.platform,
                &conversation.idempotency_key,
                user.id.as_str(),
                &user.name,
                agent.id.as_str(),
                &agent.name,
            ]),
            title: conversation.title.as_deref().map(Into::into),
            kinds: (user.kind, agent.kind),
            rare: any.then(|| Box::new(rare.map(Clone::clone))),
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
            messages: None,
            turns: None,
        }
    }

    pub(crate) fn is_of(&self, scope: &Scope) -> bool {
        self.texts.get(ORGANIZATION) == scope.organization.as_str()
            && self.texts.get(PRINCIPAL) == scope.principal.as_str()
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope::new(self.texts.get(ORGANIZATION), self.texts.get(PRINCIPAL))
    }

    pub(crate) fn conversation(&self, id: &str) -> Conversation {
        let rare = |at: usize| self.rare.as_ref().and_then(|rare| rare[at].clone());
        Conversation {
            id: id.into(),
            organization: self.texts.get(ORGANIZATION).into(),
            principal: self.texts.get(PRINCIPAL).into(),
            platform: self.texts.own(PLATFORM),
            title: self.title.as_deref().map(str::to_owned),
            idempotency_key: self.texts.own(IDEMPOTENCY_KEY),
            user: Participant {
                id: self.texts.get(USER_ID).into(),
                kind: self.kinds.0,
                name: self.texts.own(USER_NAME),
                email: rare(0),
                browser_fingerprint: rare(1),
            },
            agent: Participant {
                id: self.texts.get(AGENT_ID).into(),
                kind: self.kinds.1,
                name: self.texts.own(AGENT_NAME),
                email: rare(2),
                browser_fingerprint: rare(3),
            },
            message_count: self.message_count() as u64,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    pub(crate) fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    pub(crate) fn message_count(&self) -> usize {
        self.messages.as_ref().map_or(0, |messages| messages.kept.len())
    }

    pub(crate) fn rename(&mut self, title: &str, now: Timestamp) {
        self.title = Some(title.into());
        self.updated_at = self.updated_at.max(now);
    }

    /// Adds the message at the end; `false` if it is there already.
    pub(crate) fn append(&mut self, message: &Message) -> bool {
        let messages = self.messages.get_or_insert_default();
        if messages.place(&message.id).is_some() {
            return false;
        }
        messages.push(message);
        self.updated_at = self.updated_at.max(message.created_at);
        true
    }

    pub(crate) fn page(&self, conversation: &ConversationId, page: &Page) -> Result<MessagePage> {
        match &self.messages {
            Some(messages) => messages.page(conversation, page),
            None => Messages::default().page(conversation, page),
        }
    }

    /// The messages from a place on, oldest first, at most `limit`.
    pub(crate) fn messages_from(
        &self,
        conversation: &ConversationId,
        place: usize,
        limit: usize,
    ) -> Vec<Message> {
        let kept = self.messages.iter().flat_map(|messages| &messages.kept);
        kept.skip(place).take(limit).map(|kept| kept.message(conversation)).collect()
    }

    pub(crate) fn turns(&mut self) -> &mut TurnState {
        self.turns.get_or_insert_default()
    }

    pub(crate) fn turns_ref(&self) -> Option<&TurnState> {
        self.turns.as_deref()
    }
}

/// A message without its conversation.
struct Kept {
    texts: Packed<5>,
    direction: Direction,
    structured: Option<Box<Value>>,
    created_at: Timestamp,
}

/// The messages of a conversation in their order.
#[derive(Default)]
struct Messages {
    kept: Vec<Kept>,
    /// The places of all messages by id, once there are many.
    places: HashMap<Box<str>, usize>,
}

impl Messages {
    fn push(&mut self, message: &Message) {
        let place = self.kept.len();
        self.kept.push(Kept {
            texts: Packed::new([
                message.id.as_str(),
                &message.text,
                message.from.as_str(),
                message.to.as_str(),
                &message.request_id,
            ]),
            direction: message.direction,
            structured: message.structured.clone().map(Box::new),
            created_at: message.created_at,
        });
        if place + 1 == MAPPED_FROM {
            self.places =
                self.kept.iter().enumerate().map(|(at, kept)| (kept.texts.get(0).into(), at)).collect();
        } else if place >= MAPPED_FROM {
            self.places.insert(message.id.as_str().into(), place);
        }
    }

    fn place(&self, id: &MessageId) -> Option<usize> {
        if self.places.is_empty() {
            return self.kept.iter().position(|kept| kept.texts.get(0) == id.as_str());
        }
        self.places.get(id.as_str()).copied()
    }

    /// A page goes back from a place that adding does not move.
    fn page(&self, conversation: &ConversationId, page: &Page) -> Result<MessagePage> {
        let end = match &page.before {
            None => self.kept.len(),
            Some(Before::Cursor(cursor)) => self.resolve(conversation, cursor)?,
            Some(Before::Message(id)) => self.place(id).ok_or(StoreError::UnknownCursor)?,
            Some(Before::Instant(instant)) => {
                self.kept.iter().rposition(|kept| kept.created_at < *instant).map_or(0, |last| last + 1)
            }
        };
        let start = end.saturating_sub(page.limit.clamp(1, 100));
        let messages = self.kept[start..end].iter().rev().map(|kept| kept.message(conversation)).collect();
        let next = (start > 0).then(|| cursor(conversation, start));
        Ok(MessagePage { messages, next })
    }

    fn resolve(&self, conversation: &ConversationId, text: &str) -> Result<usize> {
        let place = text
            .split_once('-')
            .and_then(|(place, _)| usize::from_str_radix(place, 16).ok())
            .filter(|place| (1..=self.kept.len()).contains(place))
            .ok_or(StoreError::UnknownCursor)?;
        if cursor(conversation, place) == text { Ok(place) } else { Err(StoreError::UnknownCursor) }
    }
}

/// The place before which the next page ends, bound to its conversation.
fn cursor(conversation: &ConversationId, place: usize) -> String {
    let bound = smooai_smooth_operator_retrieval::analyse::term_hash(conversation.as_str());
    format!("{place:x}-{bound:016x}")
}

impl Kept {
    fn message(&self, conversation: &ConversationId) -> Message {
        Message {
            id: self.texts.get(0).into(),
            conversation: conversation.clone(),
            direction: self.direction,
            text: self.texts.own(1),
            structured: self.structured.as_deref().cloned(),
            from: self.texts.get(2).into(),
            to: self.texts.get(3).into(),
            request_id: self.texts.own(4),
            created_at: self.created_at,
        }
    }
}
