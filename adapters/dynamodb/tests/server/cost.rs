//! What a turn and a question cost in capacity units, and that a question costs no more than is said.
use crate::servers;
use jiff::Timestamp;
use smooai_smooth_operator_adapter_dynamodb::Opened;
use smooai_smooth_operator_store::{
    Access, AccessList, Activity, Chunk, ClaimRequest, Document, Message, suite,
};
use smooai_smooth_operator_store::{Direction, MessageId, Page, Scope, Session};

/// Words that are rare, common, and in every chunk.
fn text(n: usize) -> String {
    format!(
        "parcel number{n} {} returns are accepted within seventeen days of delivery",
        ["red", "blue"][n % 2]
    )
}

fn document(n: usize) -> Document {
    let text = text(n);
    let chunk = Chunk {
        start: 0,
        end: text.len(),
        headings: Vec::new(),
        embedding: vec![1.0, n as f32 / 1_000.0],
        text,
    };
    Document {
        id: format!("d{n}").into(),
        organization: "cost".into(),
        source: "s".to_owned(),
        title: "t".to_owned(),
        url: None,
        acl: AccessList::Public,
        content_hash: n.to_string(),
        chunks: vec![chunk],
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

async fn cost<T>(opened: &Opened, what: &str, run: impl Future<Output = T>) -> (T, f64, f64) {
    let (read, written, requests) = opened.units();
    let result = run.await;
    let now = opened.units();
    let (read, written, requests) = (now.0 - read, now.1 - written, now.2 - requests);
    println!("{what:<48} {requests:>4} requests {read:>8.1} read units {written:>8.1} write units");
    (result, read, written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_question_costs_what_is_said() {
    let opened = servers::new().await;
    let store = opened.adapter();
    let access = Access::public("cost");
    let (_, _, written) =
        cost(&opened, "a document of one chunk of 13 words", store.knowledge.put(document(0))).await;
    // Two writes per term and document, each at twice the price of a plain one, and a few for the rest.
    assert!(written <= 4.0 * 13.0 + 24.0, "{written}");
    let mut writing = tokio::task::JoinSet::new();
    for n in 1..600 {
        let store = store.clone();
        writing.spawn(async move { store.knowledge.put(document(n)).await.unwrap() });
        if writing.len() >= 8 {
            writing.join_next().await;
        }
    }
    writing.join_all().await;
    for (question, terms) in
        [("number42", 1.0), ("red parcel returns", 3.0), ("how are returns accepted", 4.0)]
    {
        let (found, read, _) = cost(&opened, question, store.knowledge.keyword(&access, question, 8)).await;
        assert_eq!(found.unwrap().len(), if terms < 2.0 { 1 } else { 8 });
        // All scores are alike, the worst case: each list is read to its end in three pages of 8 units,
        // 100 chunks are scored by their texts (two units each), and 36 documents are looked at.
        assert!(read <= 24.0 * terms + 200.0 + 36.0 + 4.0, "{question}: {read}");
    }
    let (found, read, _) =
        cost(&opened, "the dense leg", store.knowledge.dense(&access, &[1.0, 0.5], 8)).await;
    assert!(found.unwrap().len() == 8 && read <= 40.0, "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_turn_costs_what_is_said() {
    let opened = servers::new().await;
    let store = opened.adapter();
    let scope = Scope::new("cost", "ada");
    let now = Timestamp::UNIX_EPOCH;
    let (conversation, session): (_, Session) = suite::conversation_with_session(&scope);
    let create = async {
        store.conversations.create(conversation.clone()).await.unwrap();
        store.sessions.create(session.clone()).await.unwrap();
    };
    cost(&opened, "a conversation and its session", create).await;
    let say = |n: u32, direction| Message {
        id: MessageId::new(format!("m{n}")),
        conversation: conversation.id.clone(),
        direction,
        text: "How long is your return window?".to_owned(),
        structured: None,
        from: conversation.user.id.clone(),
        to: conversation.agent.id.clone(),
        request_id: "r".to_owned(),
        created_at: now,
    };
    let turn = async {
        store.sessions.get(&scope, &session.id).await.unwrap();
        let request = ClaimRequest {
            conversation: conversation.id.clone(),
            turn: "t".into(),
            request_id: "r".to_owned(),
            now,
            lease_until: now,
        };
        let claim = store.turns.claim(&scope, request).await.unwrap().unwrap();
        store.messages.append(&scope, say(1, Direction::Inbound)).await.unwrap();
        store.messages.page(&scope, &conversation.id, Page { limit: 50, before: None }).await.unwrap();
        store.messages.append(&scope, say(2, Direction::Outbound)).await.unwrap();
        store.turns.release(&claim).await.unwrap();
        let activity = Activity { now, tokens: 10, messages: 2 };
        store.sessions.record(&scope, &session.id, activity).await.unwrap();
    };
    let ((), read, written) = cost(&opened, "a turn without documents and tools", turn).await;
    assert!(read <= 16.0 && written <= 40.0, "{read} {written}");
}
