//! What is promised of turns: one holder, fenced; a park that exactly one verdict takes.

use super::records::{at, conversation, parked, request, scope};
use crate::{Claim, ConversationId, Result, Scope, StorageAdapter, StoreError};
use tokio::task::JoinSet;

async fn made(store: &StorageAdapter, scope: &Scope) -> ConversationId {
    store.conversations.create(conversation(scope, "c")).await.unwrap().id
}

async fn claim(store: &StorageAdapter, scope: &Scope, of: &ConversationId, label: &str) -> Claim {
    store.turns.claim(scope, request(of, label)).await.unwrap().unwrap()
}

fn assert_lost(result: &Result<()>) {
    assert!(matches!(result, Err(StoreError::ClaimLost)), "{result:?}");
}

/// Runs `work` 64 times at once and returns what succeeded.
async fn race<T, F>(work: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = Option<T>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for n in 0..64 {
        tasks.spawn(work(n));
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

pub(super) async fn one_of_64_claims_wins(store: StorageAdapter) {
    let ada = scope("claims", "ada");
    let of = made(&store, &ada).await;
    let mut last = 0;
    for round in 0..5 {
        let won: Vec<Claim> = race(|n| {
            let (store, ada, request) = (store.clone(), ada.clone(), request(&of, &format!("{round}.{n}")));
            async move { store.turns.claim(&ada, request).await.unwrap() }
        })
        .await;
        assert_eq!(won.len(), 1, "round {round}");
        assert!(won[0].fence > last);
        last = won[0].fence;
        store.turns.release(&won[0]).await.unwrap();
    }
}

pub(super) async fn a_claim_is_taken_over_when_its_lease_has_ended(store: StorageAdapter) {
    let ada = scope("lease", "ada");
    let of = made(&store, &ada).await;
    let first = claim(&store, &ada, &of, "first").await;
    let mut second = request(&of, "second");
    second.now = at(59);
    second.lease_until = at(119);
    assert_eq!(store.turns.claim(&ada, second.clone()).await.unwrap(), None);
    second.now = at(60);
    let taken = store.turns.claim(&ada, second.clone()).await.unwrap().unwrap();
    assert!(taken.fence > first.fence);
    assert_eq!((taken.turn, taken.request_id), (second.turn, second.request_id));
}

pub(super) async fn a_lost_claim_can_do_nothing(store: StorageAdapter) {
    let ada = scope("fencing", "ada");
    let of = made(&store, &ada).await;
    let lost = claim(&store, &ada, &of, "lost").await;
    let mut later = request(&of, "later");
    later.now = at(100);
    later.lease_until = at(200);
    let later = store.turns.claim(&ada, later).await.unwrap().unwrap();
    assert_lost(&store.turns.renew(&lost, at(900)).await);
    assert_lost(&store.turns.release(&lost).await);
    assert_lost(&store.turns.park(parked(&lost, "p")).await);
    store.turns.renew(&later, at(300)).await.unwrap();
    store.turns.release(&later).await.unwrap();
    assert_lost(&store.turns.release(&lost).await);
    let forged = Claim { fence: later.fence + 1000, ..later };
    assert_lost(&store.turns.renew(&forged, at(900)).await);
    let nowhere = Claim { conversation: "unknown".into(), ..lost };
    assert_lost(&store.turns.release(&nowhere).await);
}

pub(super) async fn a_renewed_lease_holds_longer(store: StorageAdapter) {
    let ada = scope("renew", "ada");
    let of = made(&store, &ada).await;
    let held = claim(&store, &ada, &of, "held").await;
    store.turns.renew(&held, at(500)).await.unwrap();
    let mut other = request(&of, "other");
    (other.now, other.lease_until) = (at(499), at(900));
    assert_eq!(store.turns.claim(&ada, other.clone()).await.unwrap(), None);
    store.turns.release(&held).await.unwrap();
    assert!(store.turns.claim(&ada, other).await.unwrap().is_some());
}

pub(super) async fn a_parked_turn_is_data_that_one_verdict_takes(store: StorageAdapter) {
    let ada = scope("park", "ada");
    let of = made(&store, &ada).await;
    let running = claim(&store, &ada, &of, "t").await;
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap(), None);
    let waiting = parked(&running, "first");
    store.turns.park(waiting.clone()).await.unwrap();
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap(), Some((waiting.clone(), Vec::new())));
    let other = "another park".into();
    assert_eq!(store.turns.unpark(&ada, &of, &other, at(120)).await.unwrap(), None);

    let won: Vec<Claim> = race(|_| {
        let (store, ada, of, park) = (store.clone(), ada.clone(), of.clone(), waiting.id.clone());
        async move { store.turns.unpark(&ada, &of, &park, at(120)).await.unwrap() }
    })
    .await;
    assert_eq!(won.len(), 1);
    assert!(won[0].fence > running.fence);
    assert_eq!((&won[0].turn, &won[0].request_id), (&running.turn, &running.request_id));
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap(), None);
    assert_lost(&store.turns.release(&running).await);

    let again = parked(&won[0], "second");
    store.turns.park(again.clone()).await.unwrap();
    assert_eq!(store.turns.unpark(&ada, &of, &waiting.id, at(120)).await.unwrap(), None);
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap().unwrap().0, again);
}

pub(super) async fn a_parked_turn_holds_until_it_expires(store: StorageAdapter) {
    let ada = scope("expiry", "ada");
    let of = made(&store, &ada).await;
    let running = claim(&store, &ada, &of, "t").await;
    store.turns.park(parked(&running, "p")).await.unwrap();
    let mut next = request(&of, "next");
    (next.now, next.lease_until) = (at(599), at(700));
    assert_eq!(store.turns.claim(&ada, next.clone()).await.unwrap(), None);
    next.now = at(600);
    let taken = store.turns.claim(&ada, next).await.unwrap().unwrap();
    assert!(taken.fence > running.fence);
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap(), None);
    assert_lost(&store.turns.release(&running).await);

    store.turns.park(parked(&taken, "q")).await.unwrap();
    store.turns.release(&taken).await.unwrap();
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap(), None);
    assert!(store.turns.claim(&ada, request(&of, "free")).await.unwrap().is_some());
}

pub(super) async fn attempts_are_spent_exactly(store: StorageAdapter) {
    let ada = scope("attempts", "ada");
    let of = made(&store, &ada).await;
    let running = claim(&store, &ada, &of, "t").await;
    let mut waiting = parked(&running, "p");
    waiting.attempts_remaining = 5;
    store.turns.park(waiting.clone()).await.unwrap();
    let other = "another park".into();
    assert_eq!(store.turns.spend_attempt(&ada, &of, &other).await.unwrap(), None);
    let mut left: Vec<u32> = race(|_| {
        let (store, ada, of, park) = (store.clone(), ada.clone(), of.clone(), waiting.id.clone());
        async move { store.turns.spend_attempt(&ada, &of, &park).await.unwrap() }
    })
    .await;
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap().unwrap().0.attempts_remaining, 0);
}

pub(super) async fn the_last_32_ended_turns_are_remembered(store: StorageAdapter) {
    let ada = scope("ended", "ada");
    let of = made(&store, &ada).await;
    for n in 0..40 {
        let one = claim(&store, &ada, &of, &n.to_string()).await;
        store.turns.release(&one).await.unwrap();
    }
    let running = claim(&store, &ada, &of, "t").await;
    store.turns.park(parked(&running, "p")).await.unwrap();
    let (_, mut ended) = store.turns.parked(&ada, &of).await.unwrap().unwrap();
    ended.sort();
    let mut expected: Vec<String> = (8..40).map(|n| format!("request {n}")).collect();
    expected.sort();
    assert_eq!(ended, expected);
}

pub(super) async fn another_scope_sees_and_takes_no_turn(store: StorageAdapter) {
    let ada = scope("turn scopes", "ada");
    let of = made(&store, &ada).await;
    let running = claim(&store, &ada, &of, "t").await;
    let waiting = parked(&running, "p");
    store.turns.park(waiting.clone()).await.unwrap();
    for other in [scope("turn scopes", "bob"), scope("turn scopes elsewhere", "ada")] {
        let mut late = request(&of, "late");
        late.now = at(9000);
        let claimed = store.turns.claim(&other, late).await;
        assert!(matches!(claimed, Err(StoreError::NotFound(_))), "{claimed:?}");
        assert_eq!(store.turns.parked(&other, &of).await.unwrap(), None);
        assert_eq!(store.turns.unpark(&other, &of, &waiting.id, at(99)).await.unwrap(), None);
        assert_eq!(store.turns.spend_attempt(&other, &of, &waiting.id).await.unwrap(), None);
    }
    assert_eq!(store.turns.parked(&ada, &of).await.unwrap().unwrap().0, waiting);
}
