//! What is promised of messages: one order, pages that stay where they are, texts as they were.

use super::records::{HOSTILE, at, conversation, message, message_id, scope};
use crate::{Before, Conversation, Message, MessagePage, Page, Scope, StorageAdapter, StoreError};
use tokio::task::JoinSet;

async fn filled(store: &StorageAdapter, scope: &Scope, count: usize) -> Conversation {
    let made = store.conversations.create(conversation(scope, "c")).await.unwrap();
    for n in 0..count {
        store.messages.append(scope, message(&made, n)).await.unwrap();
    }
    made
}

async fn page(
    store: &StorageAdapter,
    scope: &Scope,
    of: &Conversation,
    limit: usize,
    before: Option<Before>,
) -> Result<MessagePage, StoreError> {
    store.messages.page(scope, &of.id, Page { limit, before }).await
}

fn numbered(of: &Conversation, numbers: impl IntoIterator<Item = usize>) -> Vec<Message> {
    numbers.into_iter().map(|n| message(of, n)).collect()
}

pub(super) async fn messages_are_paged_newest_first_without_gaps(store: StorageAdapter) {
    let ada = scope("paging", "ada");
    let of = filled(&store, &ada, 25).await;
    for limit in [1, 7, 24, 25, 26, 100] {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let got = page(&store, &ada, &of, limit, before).await.unwrap();
            assert!(got.messages.len() <= limit && !got.messages.is_empty());
            seen.extend(got.messages);
            let Some(next) = got.next else { break };
            before = Some(Before::Cursor(next));
        }
        assert_eq!(seen, numbered(&of, (0..25).rev()), "limit {limit}");
    }
    let counted = store.conversations.get(&ada, &of.id).await.unwrap().unwrap();
    assert_eq!((counted.message_count, counted.updated_at), (25, at(24)));
}

pub(super) async fn paging_goes_on_where_it_was_while_messages_are_added(store: StorageAdapter) {
    let ada = scope("paging while writing", "ada");
    let of = filled(&store, &ada, 10).await;
    let first = page(&store, &ada, &of, 4, None).await.unwrap();
    let cursor = first.next.unwrap();
    for n in 10..20 {
        store.messages.append(&ada, message(&of, n)).await.unwrap();
        let next = page(&store, &ada, &of, 4, Some(Before::Cursor(cursor.clone()))).await.unwrap();
        assert_eq!(next.messages, numbered(&of, [5, 4, 3, 2]));
        assert!(next.next.is_some());
    }
}

pub(super) async fn a_page_begins_before_a_message_or_an_instant(store: StorageAdapter) {
    let ada = scope("before", "ada");
    let of = filled(&store, &ada, 10).await;
    let before = Some(Before::Message(message_id(&of.id, 4)));
    let got = page(&store, &ada, &of, 3, before).await.unwrap();
    assert_eq!(got.messages, numbered(&of, [3, 2, 1]));
    let rest = page(&store, &ada, &of, 3, got.next.map(Before::Cursor)).await.unwrap();
    assert_eq!((rest.messages, rest.next), (numbered(&of, [0]), None));
    let got = page(&store, &ada, &of, 2, Some(Before::Instant(at(7)))).await.unwrap();
    assert_eq!(got.messages, numbered(&of, [6, 5]));
    let got = page(&store, &ada, &of, 2, Some(Before::Instant(at(0)))).await.unwrap();
    assert_eq!((got.messages, got.next), (Vec::new(), None));
    let got = page(&store, &ada, &of, 2, Some(Before::Message(message_id(&of.id, 0)))).await.unwrap();
    assert_eq!((got.messages, got.next), (Vec::new(), None));
}

pub(super) async fn an_unknown_cursor_is_refused(store: StorageAdapter) {
    let ada = scope("cursor", "ada");
    let of = filled(&store, &ada, 10).await;
    let other = store.conversations.create(conversation(&ada, "other")).await.unwrap();
    for n in 0..10 {
        store.messages.append(&ada, message(&other, n)).await.unwrap();
    }
    let foreign = page(&store, &ada, &other, 4, None).await.unwrap().next.unwrap();
    let mut wrong: Vec<Before> = HOSTILE.iter().map(|text| Before::Cursor((*text).to_owned())).collect();
    wrong.push(Before::Cursor("999999999999999999999999".to_owned()));
    wrong.push(Before::Cursor(foreign));
    wrong.push(Before::Message(message_id(&other.id, 3)));
    wrong.push(Before::Message("no uuid".into()));
    for before in wrong {
        let got = page(&store, &ada, &of, 4, Some(before.clone())).await;
        assert!(matches!(got, Err(StoreError::UnknownCursor)), "{before:?} gave {got:?}");
    }
}

pub(super) async fn a_message_is_added_once(store: StorageAdapter) {
    let ada = scope("once", "ada");
    let of = filled(&store, &ada, 80).await;
    for n in [0, 40, 79] {
        let mut again = message(&of, n);
        again.text = "changed".to_owned();
        again.created_at = at(500);
        store.messages.append(&ada, again).await.unwrap();
    }
    let counted = store.conversations.get(&ada, &of.id).await.unwrap().unwrap();
    assert_eq!((counted.message_count, counted.updated_at), (80, at(79)));
    let got = page(&store, &ada, &of, 80, None).await.unwrap();
    assert_eq!(got.messages, numbered(&of, (0..80).rev()));
}

pub(super) async fn another_scope_reads_and_adds_nothing(store: StorageAdapter) {
    let ada = scope("scopes", "ada");
    let of = filled(&store, &ada, 5).await;
    for other in [scope("scopes", "bob"), scope("scopes elsewhere", "ada")] {
        let got = page(&store, &other, &of, 10, None).await.unwrap();
        assert_eq!((got.messages, got.next), (Vec::new(), None));
        let added = store.messages.append(&other, message(&of, 7)).await;
        assert!(matches!(added, Err(StoreError::NotFound(_))), "{added:?}");
        assert_eq!(store.conversations.list(&other, 10).await.unwrap(), []);
    }
    assert_eq!(page(&store, &ada, &of, 10, None).await.unwrap().messages.len(), 5);
}

pub(super) async fn parallel_messages_are_all_kept_in_one_order(store: StorageAdapter) {
    let ada = scope("parallel", "ada");
    let of = filled(&store, &ada, 0).await;
    let mut tasks = JoinSet::new();
    for n in 0..50 {
        let (store, ada, message) = (store.clone(), ada.clone(), message(&of, n));
        tasks.spawn(async move { store.messages.append(&ada, message).await.unwrap() });
    }
    tasks.join_all().await;
    let all = page(&store, &ada, &of, 100, None).await.unwrap().messages;
    let mut ids: Vec<_> = all.iter().map(|message| message.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let got = page(&store, &ada, &of, 7, before).await.unwrap();
        paged.extend(got.messages);
        let Some(next) = got.next else { break };
        before = Some(Before::Cursor(next));
    }
    assert_eq!(paged, all);
}

pub(super) async fn hostile_and_long_texts_come_back_as_they_were(store: StorageAdapter) {
    let ada = scope("hostile '; -- \0 🙂", "ada\"\\%");
    let of = filled(&store, &ada, 0).await;
    let long = "é🙂x\0".repeat((1 << 20) / 8);
    let texts: Vec<String> = HOSTILE.iter().map(|text| (*text).to_owned()).chain([long]).collect();
    for (n, text) in texts.iter().enumerate() {
        let mut sent = message(&of, n);
        sent.text.clone_from(text);
        sent.request_id = text.chars().take(100).collect();
        sent.structured = Some(serde_json::json!({ text.chars().take(100).collect::<String>(): text }));
        store.messages.append(&ada, sent.clone()).await.unwrap();
        let got = page(&store, &ada, &of, 1, None).await.unwrap();
        assert_eq!(got.messages, [sent]);
    }
}
