//! What is promised of the tool journal.

use super::records::{at, conversation, request, scope};
use crate::{JournalEntry, JournalOutcome, StorageAdapter, StoreError};

fn entry(n: i64, outcome: JournalOutcome) -> JournalEntry {
    JournalEntry { call: format!("call '{n}' \0"), tool: "issue_refund 🙂".to_owned(), outcome, at: at(n) }
}

pub(super) async fn the_journal_keeps_its_order_and_refuses_a_lost_claim(store: StorageAdapter) {
    let ada = scope("journal", "ada");
    let of = store.conversations.create(conversation(&ada, "c")).await.unwrap().id;
    let lost = store.turns.claim(&ada, request(&of, "lost")).await.unwrap().unwrap();
    let entries = [
        entry(2, JournalOutcome::Begun),
        entry(1, JournalOutcome::Begun),
        entry(2, JournalOutcome::Succeeded),
        entry(1, JournalOutcome::Failed),
    ];
    assert_eq!(store.journal.entries(&lost.turn).await.unwrap(), []);
    for entry in &entries {
        store.journal.append(&lost, entry.clone()).await.unwrap();
    }
    let mut later = request(&of, "later");
    (later.now, later.lease_until) = (at(100), at(200));
    let later = store.turns.claim(&ada, later).await.unwrap().unwrap();
    let refused = store.journal.append(&lost, entry(3, JournalOutcome::Begun)).await;
    assert!(matches!(refused, Err(StoreError::ClaimLost)), "{refused:?}");
    assert_eq!(store.journal.entries(&lost.turn).await.unwrap(), entries);
    store.journal.append(&later, entry(4, JournalOutcome::Begun)).await.unwrap();
    assert_eq!(store.journal.entries(&later.turn).await.unwrap().len(), 1);
    store.turns.release(&later).await.unwrap();
    let refused = store.journal.append(&later, entry(5, JournalOutcome::Begun)).await;
    assert!(matches!(refused, Err(StoreError::ClaimLost)), "{refused:?}");
}
