//! What is promised when several processes use one store: each sees at once what another has written.

use super::records::{at, conversation, document, message, parked, request, scope};
use crate::{Access, AccessList, ChunkRef, Page, Scope, StorageAdapter};
use tokio::task::JoinSet;

const X: [f32; 4] = [1.0, 0.0, 0.0, 0.0];

/// Holds two stores, opened apart on one database, to what is promised of several processes.
///
/// # Panics
/// When a promise is broken.
pub async fn two_stores_agree(one: StorageAdapter, other: StorageAdapter) {
    a_changed_list_is_obeyed_by_the_next_query_of_the_other(&one, &other).await;
    messages_of_both_have_one_order(&one, &other).await;
    of_64_claimants_in_both_one_wins(&one, &other).await;
    a_park_of_one_is_taken_once_by_either(&one, &other).await;
}

fn only(user: &str) -> AccessList {
    AccessList::Restricted { users: [user.to_owned()].into(), groups: [].into() }
}

/// Whether the reader sees the document, in every way that there is; all must say the same.
async fn sees(store: &StorageAdapter, access: &Access) -> bool {
    let knowledge = &store.knowledge;
    let keyword = knowledge.keyword(access, "parcel", 10).await.unwrap().len();
    let dense = knowledge.dense(access, &X, 10).await.unwrap().len();
    let list = knowledge.list(access, None, 10).await.unwrap().len();
    let chunk = ChunkRef { document: "d".into(), ordinal: 0 };
    let passages = knowledge.passages(access, &[chunk]).await.unwrap().len();
    let counts = [keyword, dense, list, passages];
    assert!(counts == [0; 4] || counts == [1; 4], "words, vectors, list, passages: {counts:?}");
    counts == [1; 4]
}

async fn a_changed_list_is_obeyed_by_the_next_query_of_the_other(
    one: &StorageAdapter,
    other: &StorageAdapter,
) {
    let o = scope("together lists", "");
    let reader = |name: &str| Access::user(o.organization.clone(), name, [""; 0]);
    for round in 0..10 {
        let (writer, asked) = if round % 2 == 0 { (one, other) } else { (other, one) };
        for (list, ada, bob) in [
            (only("ada"), true, false),
            (only("bob"), false, true),
            (AccessList::Public, true, true),
            (AccessList::Nobody, false, false),
        ] {
            let shown = format!("round {round}, {list:?}");
            writer.knowledge.put(document(&o, "d", list, &[("parcel", X)])).await.unwrap();
            for store in [asked, writer] {
                assert_eq!(sees(store, &reader("ada")).await, ada, "{shown}: ada");
                assert_eq!(sees(store, &reader("bob")).await, bob, "{shown}: bob");
            }
        }
        writer.knowledge.put(document(&o, "d", AccessList::Public, &[("parcel", X)])).await.unwrap();
        assert!(sees(asked, &reader("bob")).await);
        assert!(writer.knowledge.delete(&o.organization, &"d".into()).await.unwrap());
        assert!(!sees(asked, &reader("bob")).await, "round {round}: removed");
    }
}

async fn messages_of_both_have_one_order(one: &StorageAdapter, other: &StorageAdapter) {
    let ada = scope("together messages", "ada");
    let of = one.conversations.create(conversation(&ada, "c")).await.unwrap();
    assert_eq!(other.conversations.create(conversation(&ada, "c")).await.unwrap(), of);
    let mut tasks = JoinSet::new();
    for n in 0..40 {
        let store = if n % 2 == 0 { one.clone() } else { other.clone() };
        let (ada, sent) = (ada.clone(), message(&of, n));
        tasks.spawn(async move { store.messages.append(&ada, sent).await.unwrap() });
    }
    tasks.join_all().await;
    let page = async |store: &StorageAdapter| {
        store.messages.page(&ada, &of.id, Page { limit: 100, before: None }).await.unwrap().messages
    };
    let (left, right) = (page(one).await, page(other).await);
    assert_eq!(left.len(), 40);
    assert_eq!(left, right);
}

async fn of_64_claimants_in_both_one_wins(one: &StorageAdapter, other: &StorageAdapter) {
    let ada = scope("together claims", "ada");
    let of = one.conversations.create(conversation(&ada, "c")).await.unwrap().id;
    for round in 0..3 {
        let mut tasks = JoinSet::new();
        for n in 0..64 {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            let (ada, wish) = (ada.clone(), request(&of, &format!("{round}.{n}")));
            tasks.spawn(async move { store.turns.claim(&ada, wish).await.unwrap() });
        }
        let won: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "round {round}");
        other.turns.release(&won[0]).await.unwrap();
    }
}

async fn a_park_of_one_is_taken_once_by_either(one: &StorageAdapter, other: &StorageAdapter) {
    let ada: Scope = scope("together parks", "ada");
    let of = one.conversations.create(conversation(&ada, "c")).await.unwrap().id;
    for round in 0..3 {
        let label = round.to_string();
        let claim = one.turns.claim(&ada, request(&of, &label)).await.unwrap().unwrap();
        let waiting = parked(&claim, &label);
        one.turns.park(waiting.clone()).await.unwrap();
        let (seen, _) = other.turns.parked(&ada, &of).await.unwrap().unwrap();
        assert_eq!(seen, waiting);
        let mut tasks = JoinSet::new();
        for n in 0..16 {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            let (ada, of, park) = (ada.clone(), of.clone(), waiting.id.clone());
            tasks.spawn(async move { store.turns.unpark(&ada, &of, &park, at(100)).await.unwrap() });
        }
        let taken: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(taken.len(), 1, "round {round}");
        other.turns.release(&taken[0]).await.unwrap();
    }
}
