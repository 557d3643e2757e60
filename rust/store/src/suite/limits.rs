//! What is promised of large records: they come back as they were, and many keep their order.

use super::records::{at, conversation, document, message, parked, request, scope, session};
use crate::{
    Access, AccessList, Before, ChunkRef, Message, MessageRecord, Page, Put, Record, StorageAdapter,
};
use serde_json::json;

const MIB: usize = 1 << 20;
/// More than one item of DynamoDB holds.
const ITEM: usize = 400 * 1024;

/// Text of this many bytes, with characters of every width, that says where it is cut.
fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    let mut n = 0;
    while text.len() < bytes {
        text.push_str(["a", "é", "€", "🙂", "\"", "\\", "\n"][n % 7]);
        if n.is_multiple_of(64) {
            text.push_str(&n.to_string());
        }
        n += 1;
    }
    while text.len() > bytes {
        text.pop();
    }
    text
}

pub(super) async fn a_message_of_one_mebibyte_comes_back(store: StorageAdapter) {
    let ada = scope("large message", "ada");
    let made = store.conversations.create(conversation(&ada, "c")).await.unwrap();
    let mut large = message(&made, 1);
    large.text = text(MIB);
    large.structured = Some(json!({"parts": [text(ITEM), {"nested": text(ITEM)}]}));
    store.messages.append(&ada, message(&made, 0)).await.unwrap();
    store.messages.append(&ada, large.clone()).await.unwrap();
    store.messages.append(&ada, message(&made, 2)).await.unwrap();
    let page = store.messages.page(&ada, &made.id, Page { limit: 2, before: None }).await.unwrap();
    assert_eq!(page.messages.len(), 2);
    assert!(page.messages[1] == large, "a large message came back changed");
    let before = Some(Before::Message(large.id));
    let older = store.messages.page(&ada, &made.id, Page { limit: 5, before }).await.unwrap();
    assert_eq!(older.messages, [message(&made, 0)]);
}

pub(super) async fn records_of_more_than_400_kib_come_back(store: StorageAdapter) {
    let ada = scope("large records", "ada");
    let of = store.conversations.create(conversation(&ada, "c")).await.unwrap();
    let mut large = session(&of, "s");
    large.metadata = Some(json!({"page": text(ITEM)}));
    store.sessions.create(large.clone()).await.unwrap();
    assert!(store.sessions.get(&ada, &large.id).await.unwrap() == Some(large));

    let claim = store.turns.claim(&ada, request(&of.id, "t")).await.unwrap().unwrap();
    let mut waiting = parked(&claim, "p");
    waiting.checkpoint = json!({"messages": [text(ITEM), text(ITEM)]});
    store.turns.park(waiting.clone()).await.unwrap();
    let left = store.turns.spend_attempt(&ada, &of.id, &waiting.id).await.unwrap();
    assert_eq!(left, Some(2));
    waiting.attempts_remaining = 2;
    let (there, _) = store.turns.parked(&ada, &of.id).await.unwrap().unwrap();
    assert!(there == waiting, "a large checkpoint came back changed");
    let taken = store.turns.unpark(&ada, &of.id, &waiting.id, at(100)).await.unwrap();
    assert!(taken.is_some());

    let long = text(ITEM);
    let chunks = [(long.as_str(), [1.0, 0.0, 0.0, 0.0]), ("short", [0.0, 1.0, 0.0, 0.0])];
    store.knowledge.put(document(&ada, "large", AccessList::Public, &chunks)).await.unwrap();
    let access = Access::public(ada.organization.clone());
    let asked = [1, 0].map(|ordinal| ChunkRef { document: "large".into(), ordinal });
    let read = store.knowledge.passages(&access, &asked).await.unwrap();
    assert!(read.len() == 2 && read[1].text == long, "a large chunk came back changed");
}

pub(super) async fn a_document_of_many_chunks_is_found_replaced_and_removed(store: StorageAdapter) {
    // More chunks with one word than one posting of it holds on any backend.
    const CHUNKS: usize = 5_000;
    let o = scope("many chunks", "");
    let access = Access::public(o.organization.clone());
    let texts: Vec<String> = (0..CHUNKS).map(|n| format!("parcel number{}", n / 1_000)).collect();
    let chunks: Vec<(&str, [f32; 4])> =
        texts.iter().map(|text| (text.as_str(), [1.0, 0.0, 0.0, 0.0])).collect();
    let put = store.knowledge.put(document(&o, "a", AccessList::Public, &chunks)).await.unwrap();
    assert_eq!(put, Put::Created);
    let last = ChunkRef { document: "a".into(), ordinal: u32::try_from(CHUNKS - 1).unwrap() };
    let read = store.knowledge.passages(&access, std::slice::from_ref(&last)).await.unwrap();
    assert_eq!(read[0].text, texts[CHUNKS - 1]);
    let found = store.knowledge.keyword(&access, "parcel number4", 10).await.unwrap();
    assert_eq!(found.len(), 10);
    assert!(found.iter().all(|hit| (4_000..5_000).contains(&hit.chunk.ordinal)), "{found:?}");
    let few = document(&o, "a", AccessList::Public, &chunks[4_998..]);
    assert_eq!(store.knowledge.put(few).await.unwrap(), Put::Replaced);
    assert_eq!(store.knowledge.keyword(&access, "parcel", 50).await.unwrap().len(), 2);
    assert_eq!(store.knowledge.passages(&access, &[last]).await.unwrap(), []);
    assert!(store.knowledge.delete(&o.organization, &"a".into()).await.unwrap());
    assert_eq!(store.knowledge.keyword(&access, "parcel number4", 50).await.unwrap(), []);
}

pub(super) async fn a_list_of_many_names_is_obeyed(store: StorageAdapter) {
    // More than 400 KiB of them.
    const NAMES: usize = 25_000;
    let o = scope("many names", "");
    let users = (0..NAMES).map(|n| format!("user-{n:05}@example.com")).collect();
    let acl = AccessList::Restricted { users, groups: [].into() };
    let x = [1.0, 0.0, 0.0, 0.0];
    store.knowledge.put(document(&o, "a", acl.clone(), &[("parcel", x)])).await.unwrap();
    for (user, sees) in [("user-00000@example.com", true), ("user-24999@example.com", true), ("eve", false)] {
        let access = Access::user(o.organization.clone(), user, [""; 0]);
        let listed = store.knowledge.list(&access, None, 10).await.unwrap();
        assert_eq!(listed.iter().all(|info| info.acl == acl) && !listed.is_empty(), sees, "{user}");
        assert_eq!(store.knowledge.keyword(&access, "parcel", 10).await.unwrap().len(), usize::from(sees));
        assert_eq!(store.knowledge.dense(&access, &x, 10).await.unwrap().len(), usize::from(sees));
    }
    store.knowledge.put(document(&o, "a", AccessList::Nobody, &[("parcel", x)])).await.unwrap();
    let access = Access::user(o.organization.clone(), "user-00000@example.com", [""; 0]);
    assert_eq!(store.knowledge.keyword(&access, "parcel", 10).await.unwrap(), []);
}

pub(super) async fn ten_thousand_messages_keep_their_order(store: StorageAdapter) {
    const COUNT: usize = 10_000;
    let ada = scope("many messages", "ada");
    let made = store.conversations.create(conversation(&ada, "c")).await.unwrap();
    let record = |message: Message| Record::Message(Box::new(MessageRecord { scope: ada.clone(), message }));
    let all: Vec<Record> = (0..COUNT - 1).map(|n| record(message(&made, n))).collect();
    for some in all.chunks(500) {
        store.transfer.import(some.to_vec()).await.unwrap();
    }
    store.messages.append(&ada, message(&made, COUNT - 1)).await.unwrap();

    let (mut next, mut before) = (COUNT, None);
    loop {
        let page = store.messages.page(&ada, &made.id, Page { limit: 100, before }).await.unwrap();
        for got in page.messages {
            next -= 1;
            assert_eq!(got.id, message(&made, next).id);
        }
        match page.next {
            Some(cursor) => before = Some(Before::Cursor(cursor)),
            None => break,
        }
    }
    assert_eq!(next, 0);
    let counted = store.conversations.get(&ada, &made.id).await.unwrap().unwrap();
    assert_eq!(counted.message_count, COUNT as u64);
}
