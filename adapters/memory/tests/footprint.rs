//! What an idle session costs, its conversation included.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_store::{
    Contact, Conversation, Participant, ParticipantKind, Session, SessionStatus, StorageAdapter,
};

const SESSIONS: usize = 20_000;

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn uuid(kind: usize, n: usize) -> String {
    format!("{n:08x}-{kind:04x}-4000-8000-{n:012x}")
}

async fn add(store: &StorageAdapter, n: usize) {
    let participant = |kind, id: usize, name: &str| Participant {
        id: uuid(id, n).into(),
        kind,
        name: name.to_owned(),
        email: None,
        browser_fingerprint: None,
    };
    let conversation = Conversation {
        id: uuid(1, n).into(),
        organization: "default".into(),
        principal: uuid(2, n).into(),
        platform: "web".to_owned(),
        title: None,
        idempotency_key: uuid(1, n),
        user: participant(ParticipantKind::User, 3, "Visitor"),
        agent: participant(ParticipantKind::AiAgent, 4, "Assistant"),
        message_count: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let session = Session {
        id: uuid(5, n).into(),
        conversation: conversation.id.clone(),
        organization: conversation.organization.clone(),
        principal: conversation.principal.clone(),
        agent_id: uuid(6, 0),
        agent_name: "Assistant".to_owned(),
        user_participant: conversation.user.id.clone(),
        agent_participant: conversation.agent.id.clone(),
        thread_id: uuid(7, n),
        status: SessionStatus::Active,
        supports: vec!["identity_form".to_owned(), "choice_chips".to_owned()],
        verified_user: None,
        contact: Contact { name: Some("Visitor".to_owned()), email: None, phone: None },
        metadata: None,
        token_count: 0,
        message_count: 0,
        created_at: Timestamp::UNIX_EPOCH,
        last_activity_at: Timestamp::UNIX_EPOCH,
    };
    store.conversations.create(conversation).await.unwrap();
    store.sessions.create(session).await.unwrap();
}

#[tokio::test]
async fn an_idle_session_with_its_conversation_takes_at_most_2_kib() {
    let store = adapter();
    for n in 0..200 {
        add(&store, n).await;
    }
    let before = resident();
    for n in 200..200 + SESSIONS {
        add(&store, n).await;
    }
    let each = (resident() - before) / SESSIONS;
    println!("{each} bytes per session");
    assert!(each <= 2048, "{each} bytes per session");
    assert!(each > 200, "{each} bytes per session: not measured");
}
