//! What is promised of moving data: what one store gives out another takes in, and is the same then.

use super::model::model;
use super::records::{
    HOSTILE, admin_record, at, conversation, document, message, parked, request, scope, session,
};
use crate::{
    AccessList, Conversation, JournalEntry, JournalOutcome, LinesIn, LinesOut, MessageRecord, ParkedTurn,
    Record, RecordKind, Scope, StorageAdapter, StoreError, TurnHold,
};
use std::sync::Arc;

/// Fills a store with records of every kind, all of one scope, and returns the turn that waits.
///
/// # Panics
/// When the store refuses one.
pub async fn fill(store: &StorageAdapter, ada: &Scope) -> ParkedTurn {
    let mut waiting = None;
    for (place, label) in ["parked", "running", "ended", "idle", "empty"].into_iter().enumerate() {
        let made = store.conversations.create(conversation(ada, label)).await.unwrap();
        store.sessions.create(session(&made, "s")).await.unwrap();
        for n in 0..7 * usize::from(label != "empty") {
            // Times go back and forth: the order is that of arrival.
            let mut sent = message(&made, n);
            sent.created_at = at(i64::try_from(n * 3 % 5 + 10 * place).unwrap());
            store.messages.append(ada, sent).await.unwrap();
        }
        if label == "idle" || label == "empty" {
            continue;
        }
        for turn in ["0", "1"] {
            let claim = store.turns.claim(ada, request(&made.id, turn)).await.unwrap().unwrap();
            for n in 0..5 {
                let (call, tool) = (format!("call {n}"), "tool".to_owned());
                let entry = JournalEntry { call, tool, outcome: JournalOutcome::Begun, at: at(n) };
                store.journal.append(&claim, entry).await.unwrap();
            }
            match (label, turn) {
                ("parked", "1") => {
                    let mut one = parked(&claim, "p");
                    one.session = session(&made, "s").id;
                    store.turns.park(one.clone()).await.unwrap();
                    waiting = Some(one);
                }
                ("running", "1") => {}
                _ => store.turns.release(&claim).await.unwrap(),
            }
        }
    }
    for n in 0..5 {
        let acl = if n == 0 { AccessList::Nobody } else { AccessList::Public };
        let chunks = [("one é", [0.1, 0.2, 0.3, 0.4]), ("two", [1.0 / 3.0, 1e-7, -0.0, 0.7])];
        store.knowledge.put(document(ada, &format!("d{n}"), acl, &chunks)).await.unwrap();
        store.admin.put(admin_record(&ada.organization, "run", &n.to_string())).await.unwrap();
    }
    waiting.unwrap()
}

/// Fills a store with records that are hard to move: hostile texts everywhere, and large ones.
///
/// # Panics
/// When the store refuses one.
pub async fn fill_hard(store: &StorageAdapter, label: &str) {
    let hostile = scope(&format!("{label} '; -- \0 🙂"), "ada\"\\%\0");
    let mut made = conversation(&hostile, "hostile");
    made.idempotency_key = HOSTILE.join("|");
    made.title = Some(HOSTILE.join("|"));
    let made = store.conversations.create(made).await.unwrap();
    let mut kept = session(&made, "s");
    kept.metadata = Some(HOSTILE.to_vec().into());
    store.sessions.create(kept).await.unwrap();
    for (n, text) in HOSTILE.iter().enumerate() {
        let mut sent = message(&made, n);
        sent.text = (*text).to_owned();
        sent.structured = Some(serde_json::json!({ *text: [text, 0.1, -0.0, 1e300] }));
        store.messages.append(&hostile, sent).await.unwrap();
        let chunks = [(*text, [0.6, 0.8, 0.0, 0.0]), ("parcel", [0.0, 0.0, 0.0, 1.0])];
        let acl = AccessList::Restricted { users: [(*text).to_owned()].into(), groups: [].into() };
        store.knowledge.put(document(&hostile, &format!("d{text}"), acl, &chunks)).await.unwrap();
        store.admin.put(admin_record(&hostile.organization, "run", &format!("r{text}"))).await.unwrap();
    }
    let large = "é🙂x\n".repeat(1 << 17);
    let mut sent = message(&made, HOSTILE.len());
    sent.text.clone_from(&large);
    store.messages.append(&hostile, sent).await.unwrap();
    let claim = store.turns.claim(&hostile, request(&made.id, "t")).await.unwrap().unwrap();
    let mut waiting = parked(&claim, "p");
    waiting.checkpoint = serde_json::json!({ "text": large });
    store.turns.park(waiting).await.unwrap();
    let chunks = [(large.as_str(), [1.0, 0.0, 0.0, 0.0])];
    store.knowledge.put(document(&hostile, "large", AccessList::Public, &chunks)).await.unwrap();
}

/// Moves everything from one store to an empty one as lines, and returns how many records there were. What
/// the other one exports then is the same, fencing numbers included.
///
/// # Panics
/// When it is not.
pub async fn move_all(from: &StorageAdapter, to: &StorageAdapter) -> u64 {
    let mut out = LinesOut::new(Arc::clone(&from.transfer));
    let mut lines = LinesIn::new(Arc::clone(&to.transfer));
    while let Some(text) = out.next().await.unwrap() {
        for line in text.lines() {
            lines.line(line).await.unwrap();
        }
    }
    let moved = lines.end().await.unwrap();
    assert_eq!(moved, out.records());
    assert_alike(from, to).await;
    moved
}

/// Both stores hold the same records.
///
/// # Panics
/// When they do not.
pub async fn assert_alike(one: &StorageAdapter, other: &StorageAdapter) {
    let (left, right) = (lines_of(&all_records(one).await), lines_of(&all_records(other).await));
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(left, right);
    }
    assert_eq!(left.len(), right.len());
}

/// All records of a store.
async fn all_records(store: &StorageAdapter) -> Vec<Record> {
    let mut all = Vec::new();
    for kind in RecordKind::ALL {
        let mut after = None;
        loop {
            let page = store.transfer.export(kind, after.as_deref(), 100).await.unwrap();
            all.extend(page.records);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

/// All records of the organisation, read in pages of three.
async fn records(store: &StorageAdapter, of: &Scope) -> Vec<Record> {
    let mut all = Vec::new();
    for kind in RecordKind::ALL {
        let mut after = None;
        loop {
            let page = store.transfer.export(kind, after.as_deref(), 3).await.unwrap();
            assert!(page.records.iter().all(|record| record.kind() == kind));
            all.extend(page.records.into_iter().filter(|record| *record.organization() == of.organization));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

/// What records are sorted by, where a store may choose the order.
fn place(record: &Record) -> String {
    match record {
        Record::Conversation(conversation) => conversation.id.to_string(),
        Record::Message(record) => record.message.conversation.to_string(),
        Record::Session(session) => session.id.to_string(),
        Record::Turns(record) => record.conversation.to_string(),
        Record::Journal(record) => record.turn.to_string(),
        Record::Document(document) => format!("{} {}", document.organization, document.id),
        Record::Admin(record) => format!("{} {} {}", record.organization, record.kind, record.id),
    }
}

/// Records as the lines that they move as, in one order.
fn lines_of(records: &[Record]) -> Vec<String> {
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by_cached_key(|record| (record.kind(), place(record)));
    sorted.into_iter().map(|record| serde_json::to_string(record).unwrap()).collect()
}

/// The same without fencing numbers, which stores choose.
fn shown(mut records: Vec<Record>) -> Vec<String> {
    for record in &mut records {
        if let Record::Turns(record) = record {
            record.fence = 0;
            if let TurnHold::Parked(parked) = &mut record.hold {
                parked.claim.fence = 0;
            }
        }
    }
    lines_of(&records)
}

fn assert_same(left: Vec<Record>, right: Vec<Record>) {
    let (left, right) = (shown(left), shown(right));
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(left, right);
    }
}

pub(super) async fn what_was_written_comes_out_as_records(store: StorageAdapter) {
    let ada = scope("export", "ada");
    let plain = model();
    fill(&store, &ada).await;
    fill(&plain, &ada).await;
    assert_same(records(&store, &ada).await, records(&plain, &ada).await);
    let wrong = store.transfer.export(RecordKind::Message, Some("no cursor"), 3).await;
    assert!(matches!(wrong, Err(StoreError::UnknownCursor)), "{wrong:?}");
}

pub(super) async fn records_are_taken_in_and_come_out_again(store: StorageAdapter) {
    let ada = scope("import", "ada");
    let plain = model();
    fill(&plain, &ada).await;
    let given = records(&plain, &ada).await;
    for _ in 0..2 {
        for some in given.chunks(40) {
            store.transfer.import(some.to_vec()).await.unwrap();
        }
        assert_same(records(&store, &ada).await, given.clone());
    }
    let listed = store.conversations.list(&ada, 10).await.unwrap();
    assert_eq!(listed, plain.conversations.list(&ada, 10).await.unwrap());
    assert_eq!(listed.len(), 4);
    let again = store.conversations.create(conversation(&ada, "idle")).await.unwrap();
    assert_eq!(again, listed[0], "the idempotency key moved with it");
    // The message that is there already is not added again.
    store.messages.append(&ada, message(&again, 3)).await.unwrap();
    assert_eq!(store.conversations.get(&ada, &again.id).await.unwrap(), Some(again));
}

pub(super) async fn a_turn_that_moved_is_held_and_resumed(store: StorageAdapter) {
    let ada = scope("moved turn", "ada");
    let plain = model();
    let waiting = fill(&plain, &ada).await;
    store.transfer.import(records(&plain, &ada).await).await.unwrap();
    let running = conversation(&ada, "running").id;
    assert_eq!(store.turns.claim(&ada, request(&running, "late")).await.unwrap(), None);
    let of = &waiting.claim.conversation;
    assert_eq!(store.turns.claim(&ada, request(of, "late")).await.unwrap(), None);
    let (there, ended) = store.turns.parked(&ada, of).await.unwrap().unwrap();
    assert_eq!((&there, ended), (&waiting, vec!["request 0".to_owned()]));
    let resumed = store.turns.unpark(&ada, of, &waiting.id, at(100)).await.unwrap().unwrap();
    assert!(resumed.fence > waiting.claim.fence);
    assert_eq!(resumed.turn, waiting.claim.turn);
    assert_eq!(store.journal.entries(&resumed.turn).await.unwrap().len(), 5);
    // The store's own state is the newer one now.
    store.transfer.import(records(&plain, &ada).await).await.unwrap();
    assert_eq!(store.turns.parked(&ada, of).await.unwrap(), None);
    store.turns.release(&resumed).await.unwrap();
}

pub(super) async fn a_record_of_an_unknown_conversation_is_refused(store: StorageAdapter) {
    let ada = scope("import nowhere", "ada");
    let nowhere = conversation(&ada, "never made");
    let sent = MessageRecord { scope: ada.clone(), message: message(&nowhere, 0) };
    let refused = store.transfer.import(vec![Record::Message(Box::new(sent))]).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
    let bob = Scope::new(ada.organization.clone(), "bob");
    let made: Conversation = store.conversations.create(conversation(&bob, "his")).await.unwrap();
    let sent = MessageRecord { scope: ada, message: message(&made, 0) };
    let refused = store.transfer.import(vec![Record::Message(Box::new(sent))]).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
}
