//! What is promised of conversations.

use super::records::{HOSTILE, at, conversation, message, scope, session};
use crate::{Conversation, ConversationId, Scope, StorageAdapter};
use tokio::task::JoinSet;

pub(super) async fn a_conversation_is_read_back_by_its_scope_only(store: StorageAdapter) {
    let ada = scope("read back", "ada");
    let mut made = conversation(&ada, "a");
    made.title = Some(HOSTILE.concat());
    made.user.name = "a\0b '; --".to_owned();
    assert_eq!(store.conversations.create(made.clone()).await.unwrap(), made);
    assert_eq!(store.conversations.get(&ada, &made.id).await.unwrap().as_ref(), Some(&made));
    for other in [scope("read back", "bob"), scope("elsewhere", "ada"), scope("read back", "")] {
        assert_eq!(store.conversations.get(&other, &made.id).await.unwrap(), None);
        assert_eq!(store.conversations.rename(&other, &made.id, "mine", at(1)).await.unwrap(), None);
    }
    assert_eq!(store.conversations.get(&ada, &made.id).await.unwrap(), Some(made));
    let unknown = ConversationId::from("unknown");
    assert_eq!(store.conversations.get(&ada, &unknown).await.unwrap(), None);
}

pub(super) async fn creating_twice_with_one_key_gives_the_first(store: StorageAdapter) {
    let ada = scope("one key", "ada");
    let first = conversation(&ada, "first");
    let mut second = conversation(&ada, "second");
    second.idempotency_key.clone_from(&first.idempotency_key);
    store.conversations.create(first.clone()).await.unwrap();
    assert_eq!(store.conversations.create(second.clone()).await.unwrap(), first);
    assert_eq!(store.conversations.get(&ada, &second.id).await.unwrap(), None);

    // The key of another principal is another key: nobody gets a conversation that is not his.
    let bob = scope("one key", "bob");
    let mut third = conversation(&bob, "third");
    third.idempotency_key.clone_from(&first.idempotency_key);
    assert_eq!(store.conversations.create(third.clone()).await.unwrap(), third);
}

pub(super) async fn the_list_is_newest_first_and_without_empty_ones(store: StorageAdapter) {
    let ada = scope("list", "ada");
    for (n, label) in ["a", "b", "c", "empty"].into_iter().enumerate() {
        let made = store.conversations.create(conversation(&ada, label)).await.unwrap();
        if label != "empty" {
            store.messages.append(&ada, message(&made, n)).await.unwrap();
        }
    }
    let bob = scope("list", "bob");
    let his = store.conversations.create(conversation(&bob, "his")).await.unwrap();
    store.messages.append(&bob, message(&his, 9)).await.unwrap();

    let id = |label: &str| conversation(&ada, label).id;
    assert_eq!(ids(&store.conversations.list(&ada, 10).await.unwrap()), [id("c"), id("b"), id("a")]);
    assert_eq!(ids(&store.conversations.list(&ada, 2).await.unwrap()), [id("c"), id("b")]);
    let again = store.conversations.get(&ada, &id("a")).await.unwrap().unwrap();
    store.messages.append(&ada, message(&again, 20)).await.unwrap();
    let listed = store.conversations.list(&ada, 10).await.unwrap();
    assert_eq!(ids(&listed), [id("a"), id("c"), id("b")]);
    assert_eq!((listed[0].message_count, listed[0].updated_at), (2, at(20)));
}

pub(super) async fn a_rename_is_seen_and_moves_the_conversation_up(store: StorageAdapter) {
    let ada = scope("rename", "ada");
    for (n, label) in ["a", "b"].into_iter().enumerate() {
        let made = store.conversations.create(conversation(&ada, label)).await.unwrap();
        store.messages.append(&ada, message(&made, n)).await.unwrap();
    }
    let id = conversation(&ada, "a").id;
    let renamed = store.conversations.rename(&ada, &id, "Über 🙂 'x'", at(30)).await.unwrap().unwrap();
    assert_eq!((renamed.title.as_deref(), renamed.updated_at), (Some("Über 🙂 'x'"), at(30)));
    let listed = store.conversations.list(&ada, 10).await.unwrap();
    assert_eq!(listed[0], renamed);
    assert_eq!(listed.len(), 2);
}

pub(super) async fn racing_creates_with_one_key_make_one_conversation(store: StorageAdapter) {
    let ada = scope("race", "ada");
    let mut tasks = JoinSet::new();
    for n in 0..32 {
        let mut made = conversation(&ada, &n.to_string());
        made.idempotency_key = "the same".to_owned();
        let store = store.clone();
        tasks.spawn(async move { store.conversations.create(made).await.unwrap() });
    }
    let made = tasks.join_all().await;
    assert!(made.iter().all(|one| *one == made[0]));
    for n in 0..32 {
        let id = conversation(&ada, &n.to_string()).id;
        let there = store.conversations.get(&ada, &id).await.unwrap().is_some();
        assert_eq!(there, id == made[0].id);
    }
}

fn ids(conversations: &[Conversation]) -> Vec<ConversationId> {
    conversations.iter().map(|conversation| conversation.id.clone()).collect()
}

pub(super) async fn hostile_names_and_keys_stay_apart_and_come_back(store: StorageAdapter) {
    let mut made = Vec::new();
    for (n, text) in HOSTILE.iter().enumerate() {
        // The organisation, the principal and the key are what a client says.
        let scope = Scope::new(format!("suite hostile {text}"), *text);
        let mut wish = conversation(&scope, &n.to_string());
        wish.idempotency_key = (*text).to_owned();
        wish.platform = (*text).to_owned();
        wish.title = Some((*text).to_owned());
        wish.user.name = (*text).to_owned();
        wish.user.email = Some((*text).to_owned());
        assert_eq!(store.conversations.create(wish.clone()).await.unwrap(), wish);
        let mut again = conversation(&scope, "again");
        again.idempotency_key = (*text).to_owned();
        assert_eq!(store.conversations.create(again).await.unwrap(), wish, "{text:?}");
        let mut kept = session(&wish, "s");
        kept.agent_name = (*text).to_owned();
        kept.contact.name = Some((*text).to_owned());
        store.sessions.create(kept.clone()).await.unwrap();
        assert_eq!(store.sessions.get(&scope, &kept.id).await.unwrap(), Some(kept));
        store.messages.append(&scope, message(&wish, 0)).await.unwrap();
        let title = format!("{text} again");
        store.conversations.rename(&scope, &wish.id, &title, at(9)).await.unwrap();
        made.push((scope, wish.id, title));
    }
    for (scope, id, title) in &made {
        let listed = store.conversations.list(scope, 10).await.unwrap();
        assert_eq!(listed.len(), 1, "{scope:?}");
        assert_eq!((&listed[0].id, listed[0].title.as_ref()), (id, Some(title)));
        for (other, foreign, _) in &made {
            if scope != other {
                assert_eq!(store.conversations.get(scope, foreign).await.unwrap(), None, "{other:?}");
            }
        }
    }
}
