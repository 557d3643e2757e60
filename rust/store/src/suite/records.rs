//! Records to test with. Every case works in organisations of its own.

use crate::{
    AccessList, AdminRecord, Chunk, ClaimRequest, Contact, Conversation, ConversationId, Direction, Document,
    Message, MessageId, OrganizationId, ParkReason, ParkedTurn, Participant, ParticipantKind, Scope, Session,
    SessionStatus,
};
use jiff::Timestamp;
use serde_json::json;

/// Strings that break what is put together by hand.
pub(super) const HOSTILE: [&str; 12] = [
    "",
    " ",
    "a\0b",
    "'; DROP TABLE messages; --",
    "\"quoted\" and \\ and %_",
    "line\nbreak\r\n\ttab",
    "\u{FEFF}\u{200D}\u{202E}right to left",
    "🙂👩‍👩‍👧‍👦 four bytes",
    "e\u{301} and é",
    "\u{FFFD}\u{10FFFF}\u{E000}",
    "{\"$ne\": null}",
    "#fragment/../..//x?y&z",
];

/// A valid UUID that depends on the label alone.
pub(super) fn uuid(label: &str) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in label.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let (a, b) = (mix(state), mix(state ^ 0x9E37_79B9_7F4A_7C15));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Numbers from a seed (SplitMix64).
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        usize::try_from(mix(self.0) % bound as u64).unwrap()
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// So many seconds after a fixed instant.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).unwrap()
}

/// The scope of `who` in the case's organisation.
pub(super) fn scope(case: &str, who: &str) -> Scope {
    Scope::new(format!("suite {case}"), who)
}

fn participant(label: &str, kind: ParticipantKind, name: &str) -> Participant {
    let id = uuid(label).into();
    Participant { id, kind, name: name.to_owned(), email: None, browser_fingerprint: None }
}

/// A conversation of the scope, named by its label.
pub(super) fn conversation(scope: &Scope, label: &str) -> Conversation {
    let label = format!("{}/{}/{label}", scope.organization, scope.principal);
    let mut user = participant(&format!("{label}/user"), ParticipantKind::User, "Visitor");
    user.email = Some("visitor@example.com".to_owned());
    user.browser_fingerprint = Some("f1".to_owned());
    Conversation {
        id: uuid(&label).into(),
        organization: scope.organization.clone(),
        principal: scope.principal.clone(),
        platform: "web".to_owned(),
        title: None,
        idempotency_key: format!("key {label}"),
        user,
        agent: participant(&format!("{label}/agent"), ParticipantKind::AiAgent, "Assistant"),
        message_count: 0,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// The `n`th message of a conversation.
pub(super) fn message(conversation: &Conversation, n: usize) -> Message {
    let inbound = n.is_multiple_of(2);
    let (user, agent) = (conversation.user.id.clone(), conversation.agent.id.clone());
    let (from, to) = if inbound { (user, agent) } else { (agent, user) };
    Message {
        id: message_id(&conversation.id, n),
        conversation: conversation.id.clone(),
        direction: if inbound { Direction::Inbound } else { Direction::Outbound },
        text: format!("message {n}"),
        structured: (!inbound).then(|| json!({"responseParts": [format!("message {n}")], "n": n})),
        from,
        to,
        request_id: format!("request {}", n / 2),
        created_at: at(i64::try_from(n).unwrap()),
    }
}

pub(super) fn message_id(conversation: &ConversationId, n: usize) -> MessageId {
    uuid(&format!("{conversation}/message {n}")).into()
}

/// A session on a conversation.
pub(super) fn session(conversation: &Conversation, label: &str) -> Session {
    let label = format!("{}/session {label}", conversation.id);
    Session {
        id: uuid(&label).into(),
        conversation: conversation.id.clone(),
        organization: conversation.organization.clone(),
        principal: conversation.principal.clone(),
        agent_id: uuid("agent"),
        agent_name: "Assistant".to_owned(),
        user_participant: conversation.user.id.clone(),
        agent_participant: conversation.agent.id.clone(),
        thread_id: uuid(&format!("{label}/thread")),
        status: SessionStatus::Active,
        supports: vec!["identity_form".to_owned(), "choice_chips".to_owned()],
        verified_user: Some("u1".to_owned()),
        contact: Contact { name: Some("Visitor".to_owned()), email: None, phone: None },
        metadata: Some(json!({"plan": "pro", "nested": {"list": [1, 2.5, null, "x"]}})),
        token_count: 0,
        message_count: 0,
        created_at: at(0),
        last_activity_at: at(0),
    }
}

/// A wish to run the turn `label` from second 0, with a lease of 60 s.
pub(super) fn request(conversation: &ConversationId, label: &str) -> ClaimRequest {
    ClaimRequest {
        conversation: conversation.clone(),
        turn: uuid(&format!("{conversation}/turn {label}")).into(),
        request_id: format!("request {label}"),
        now: at(0),
        lease_until: at(60),
    }
}

/// The turn of a claim, waiting until second 600 with 3 attempts.
pub(super) fn parked(claim: &crate::Claim, label: &str) -> ParkedTurn {
    ParkedTurn {
        id: uuid(&format!("{}/park {label}", claim.turn)).into(),
        claim: claim.clone(),
        session: uuid("session").into(),
        reason: ParkReason::Verification,
        detail: json!({"hash": "abc", "channel": "email"}),
        checkpoint: json!({"run": {"steps": [1, 2, 3]}, "text": "é🙂"}),
        attempts_remaining: 3,
        expires_at: at(600),
    }
}

/// A record of how a store is looked after.
pub(super) fn admin_record(organization: &OrganizationId, kind: &str, id: &str) -> AdminRecord {
    AdminRecord {
        organization: organization.clone(),
        kind: kind.to_owned(),
        id: id.to_owned(),
        value: json!({"documents": 3, "of": [id]}),
        updated_at: at(5),
    }
}

/// A document of one chunk per text, embedded as told.
pub(super) fn document(scope: &Scope, id: &str, acl: AccessList, chunks: &[(&str, [f32; 4])]) -> Document {
    let mut start = 0;
    let mut cut = |text: &str, embedding: &[f32; 4]| {
        let chunk = Chunk {
            text: text.to_owned(),
            headings: vec!["Guide".to_owned()],
            start,
            end: start + text.len(),
            embedding: embedding.to_vec(),
        };
        start = chunk.end + 1;
        chunk
    };
    let chunks: Vec<Chunk> = chunks.iter().map(|(text, embedding)| cut(text, embedding)).collect();
    let hash = chunks.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>().join("|");
    Document {
        id: id.into(),
        organization: scope.organization.clone(),
        source: format!("{id}.md"),
        title: format!("Title {id}"),
        url: Some(format!("https://example.com/{}", uuid(id))),
        content_hash: format!("{hash} {acl:?}"),
        acl,
        chunks,
        updated_at: at(0),
    }
}
