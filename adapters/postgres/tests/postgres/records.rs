//! Records to test with.

use jiff::Timestamp;
use smooai_smooth_operator_store::{
    AccessList, Chunk, Contact, Conversation, Direction, Document, Message, Participant, ParticipantKind,
    Scope, Session, SessionStatus,
};

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).unwrap()
}

pub fn scope(organization: &str, who: &str) -> Scope {
    Scope::new(organization, who)
}

pub fn conversation(scope: &Scope, label: &str) -> Conversation {
    let participant = |kind, name: &str| Participant {
        id: format!("{label} {name}").into(),
        kind,
        name: name.to_owned(),
        email: None,
        browser_fingerprint: None,
    };
    Conversation {
        id: format!("{} {} {label}", scope.organization, scope.principal).into(),
        organization: scope.organization.clone(),
        principal: scope.principal.clone(),
        platform: "web".to_owned(),
        title: None,
        idempotency_key: label.to_owned(),
        user: participant(ParticipantKind::User, "Visitor"),
        agent: participant(ParticipantKind::AiAgent, "Assistant"),
        message_count: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub fn message(of: &Conversation, n: i64) -> Message {
    Message {
        id: format!("{} {n}", of.id).into(),
        conversation: of.id.clone(),
        direction: Direction::Inbound,
        text: format!("message {n}"),
        structured: None,
        from: of.user.id.clone(),
        to: of.agent.id.clone(),
        request_id: format!("request {n}"),
        created_at: at(n),
    }
}

pub fn session(of: &Conversation) -> Session {
    Session {
        id: format!("{} session", of.id).into(),
        conversation: of.id.clone(),
        organization: of.organization.clone(),
        principal: of.principal.clone(),
        agent_id: "agent".to_owned(),
        agent_name: "Assistant".to_owned(),
        user_participant: of.user.id.clone(),
        agent_participant: of.agent.id.clone(),
        thread_id: "thread".to_owned(),
        status: SessionStatus::Active,
        supports: Vec::new(),
        verified_user: None,
        contact: Contact::default(),
        metadata: None,
        token_count: 0,
        message_count: 0,
        created_at: at(0),
        last_activity_at: at(0),
    }
}

/// A document of one chunk.
pub fn document(organization: &str, id: &str, acl: AccessList, text: &str, embedding: &[f32]) -> Document {
    let chunk = Chunk {
        text: text.to_owned(),
        headings: Vec::new(),
        start: 0,
        end: text.len(),
        embedding: embedding.to_vec(),
    };
    Document {
        id: id.into(),
        organization: organization.into(),
        source: String::new(),
        title: String::new(),
        url: None,
        content_hash: format!("{text} {acl:?}"),
        acl,
        chunks: vec![chunk],
        updated_at: at(0),
    }
}
