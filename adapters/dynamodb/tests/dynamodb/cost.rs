//! What a turn and a question cost in capacity units, and that a question costs no more than is said.

use crate::servers;
use jiff::{SignedDuration, Timestamp};
use smooai_smooth_operator_adapter_dynamodb::Opened;
use smooai_smooth_operator_store::{
    Access, AccessList, Activity, Chunk, ClaimRequest, Direction, Document, JournalEntry, JournalOutcome,
    Message, MessageId, Page, ParkReason, ParkedTurn, Scope, Session, suite,
};

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

/// Prints and returns what something cost, in read and write units. A write in a transaction costs two units
/// (of up to 1 KB): the local form of the service says four for a whole transaction instead.
#[expect(clippy::print_stdout, reason = "the costs are what the test is read for")]
async fn cost<T>(opened: &Opened, what: &str, run: impl Future<Output = T>) -> (T, f64, f64) {
    let before = opened.spent();
    let result = run.await;
    let after = opened.spent();
    let (read, requests) = (after.read - before.read, after.requests - before.requests);
    let transactions = (after.transactions.0 - before.transactions.0) as f64;
    let writes = (after.transactions.1 - before.transactions.1) as f64;
    let written = after.written - before.written - 4.0 * transactions + 2.0 * writes;
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
    let found = found.unwrap();
    // Twice as many documents are looked at as are asked for.
    assert!(found.len() == 8 && read <= 20.0, "{read}");
    let chunks: Vec<_> = found.into_iter().map(|hit| hit.chunk).collect();
    let passages = store.knowledge.passages(&access, &chunks);
    let (read_back, read, _) = cost(&opened, "the passages of eight chunks", passages).await;
    assert!(read_back.unwrap().len() == 8 && read <= 16.0, "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_turn_costs_what_is_said() {
    let opened = servers::new().await;
    let store = opened.adapter();
    let scope = Scope::new("cost", "ada");
    // Later than the conversation was made, so that each message moves it up in the list.
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(60 * 365 * 24);
    let (conversation, session): (_, Session) = suite::conversation_with_session(&scope);
    cost(&opened, "a conversation", store.conversations.create(conversation.clone())).await.0.unwrap();
    cost(&opened, "its session", store.sessions.create(session.clone())).await.0.unwrap();
    let say = |n: u32, direction| Message {
        id: MessageId::new(format!("m{n}")),
        conversation: conversation.id.clone(),
        direction,
        text: "How long is your return window?".to_owned(),
        structured: None,
        from: conversation.user.id.clone(),
        to: conversation.agent.id.clone(),
        request_id: "r".to_owned(),
        created_at: now + SignedDuration::from_secs(i64::from(n)),
    };
    // A history as a model is given it.
    for n in 0..50 {
        store.messages.append(&scope, say(n, Direction::Inbound)).await.unwrap();
    }
    let request = ClaimRequest {
        conversation: conversation.id.clone(),
        turn: "t".into(),
        request_id: "r".to_owned(),
        now,
        lease_until: now,
    };
    let turn = async {
        cost(&opened, "  the session", store.sessions.get(&scope, &session.id)).await.0.unwrap();
        let claim =
            cost(&opened, "  the claim", store.turns.claim(&scope, request)).await.0.unwrap().unwrap();
        let asked = say(51, Direction::Inbound);
        cost(&opened, "  the question", store.messages.append(&scope, asked)).await.0.unwrap();
        cost(&opened, "  the title", store.conversations.get(&scope, &conversation.id)).await.0.unwrap();
        let page = Page { limit: 50, before: None };
        let history = store.messages.page(&scope, &conversation.id, page);
        cost(&opened, "  the history of 50 messages", history).await.0.unwrap();
        let said = say(52, Direction::Outbound);
        cost(&opened, "  the answer", store.messages.append(&scope, said)).await.0.unwrap();
        let activity = Activity { now, tokens: 10, messages: 2 };
        let counts = store.sessions.record(&scope, &session.id, activity);
        cost(&opened, "  the session's counts", counts).await.0.unwrap();
        cost(&opened, "  the release", store.turns.release(&claim)).await.0.unwrap();
    };
    let ((), read, written) = cost(&opened, "a turn without documents and tools", turn).await;
    assert!(read <= 20.0 && written <= 40.0, "{read} {written}");

    let request = ClaimRequest {
        conversation: conversation.id.clone(),
        turn: "u".into(),
        request_id: "s".to_owned(),
        now,
        lease_until: now,
    };
    let claim = store.turns.claim(&scope, request).await.unwrap().unwrap();
    let entry = JournalEntry {
        call: "c".to_owned(),
        tool: "refund".to_owned(),
        outcome: JournalOutcome::Begun,
        at: now,
    };
    cost(&opened, "a line of the journal", store.journal.append(&claim, entry)).await.0.unwrap();
    let parked = ParkedTurn {
        id: "p".into(),
        claim,
        session: session.id.clone(),
        reason: ParkReason::Approval,
        detail: serde_json::Value::Null,
        checkpoint: "x".repeat(8_000).into(),
        attempts_remaining: 3,
        expires_at: now,
    };
    cost(&opened, "a park with a checkpoint of 8 KB", store.turns.park(parked.clone())).await.0.unwrap();
    let verdict = store.turns.unpark(&scope, &conversation.id, &parked.id, now);
    let (claim, ..) = cost(&opened, "its verdict", verdict).await;
    assert!(claim.unwrap().is_some());
}
