//! What is promised when a backend fails in the middle: a caller gets an error that says to try again,
//! nothing acknowledged is lost, and nothing is half there.

use super::records::{at, conversation, document, message, parked, request, scope};
use crate::{Access, AccessList, Page, Result, Scope, StorageAdapter, StoreError};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// How a backend is made to fail; an adapter's test brings its own.
#[async_trait]
pub trait Faults: Send + Sync {
    /// Breaks what its connections are doing now: drops, cancels or throttles them.
    async fn break_connections(&self);
}

/// So many failures must be met, and so many tries are made to cause them.
const FAILURES: usize = 10;
/// So much must have been acknowledged meanwhile.
const DONE: usize = 50;
const TRIES: usize = 200_000;

struct Breakage {
    failures: AtomicUsize,
    /// What was acknowledged besides the first conversations.
    done: AtomicUsize,
    over: AtomicBool,
}

impl Breakage {
    /// The value, or `None` for a failure that a later try may repair; any other error breaks the promise.
    fn met<T>(&self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let may_be_tried_again = matches!(error, StoreError::Unavailable { .. });
                assert!(may_be_tried_again, "a broken connection was told as {error:?}");
                self.failures.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    fn acknowledged(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Works on the store while its connections are broken again and again.
///
/// # Panics
/// When a promise is broken, or when no failure was met.
pub async fn survive_faults(store: StorageAdapter, faults: Arc<dyn Faults>) {
    let breakage = Arc::new(Breakage {
        failures: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let mut work = JoinSet::new();
    for n in 0..6 {
        work.spawn(messages(store.clone(), Arc::clone(&breakage), n));
    }
    work.spawn(claims(store.clone(), Arc::clone(&breakage)));
    work.spawn(parks(store.clone(), Arc::clone(&breakage)));
    work.spawn(documents(store.clone(), Arc::clone(&breakage)));
    for _ in 0..TRIES {
        faults.break_connections().await;
        tokio::task::yield_now().await;
        let enough = breakage.failures.load(Ordering::Relaxed) >= FAILURES;
        if enough && breakage.done.load(Ordering::Relaxed) >= DONE {
            break;
        }
    }
    breakage.over.store(true, Ordering::Relaxed);
    work.join_all().await;
    assert!(breakage.done.load(Ordering::Relaxed) >= DONE, "too little was done meanwhile");
    assert!(breakage.failures.load(Ordering::Relaxed) > 0, "no failure was met");
}

async fn made(store: &StorageAdapter, breakage: &Breakage, scope: &Scope) -> crate::Conversation {
    loop {
        if let Some(made) = breakage.met(store.conversations.create(conversation(scope, "c")).await) {
            return made;
        }
    }
}

/// Messages, each tried until it is acknowledged: every one is there once, in order.
async fn messages(store: StorageAdapter, breakage: Arc<Breakage>, n: usize) {
    let ada = scope(&format!("faults {n}"), "ada");
    let of = made(&store, &breakage, &ada).await;
    let mut count = 0;
    while breakage.goes_on() && count < 2_000 {
        while breakage.met(store.messages.append(&ada, message(&of, count)).await).is_none() {}
        count += 1;
        breakage.acknowledged();
    }
    let mut newest = Vec::new();
    let mut before = None;
    loop {
        let asked = Page { limit: 100, before: before.clone() };
        let Some(page) = breakage.met(store.messages.page(&ada, &of.id, asked).await) else { continue };
        newest.extend(page.messages);
        let Some(next) = page.next else { break };
        before = Some(crate::Before::Cursor(next));
    }
    let expected: Vec<_> = (0..count).rev().map(|n| message(&of, n)).collect();
    assert!(newest == expected, "{} messages of {count}, or in another order", newest.len());
    let counted = loop {
        if let Some(found) = breakage.met(store.conversations.get(&ada, &of.id).await) {
            break found.unwrap();
        }
    };
    assert_eq!(counted.message_count, count as u64);
}

/// Claims, one after another's lease: the fencing number of each is higher than all before.
async fn claims(store: StorageAdapter, breakage: Arc<Breakage>) {
    let ada = scope("fault claims", "ada");
    let of = made(&store, &breakage, &ada).await;
    let (mut fence, mut step, mut count) = (0, 0, 0);
    while breakage.goes_on() && count < 2_000 {
        step += 1;
        let mut wish = request(&of.id, &step.to_string());
        (wish.now, wish.lease_until) = (at(step * 10), at(step * 10 + 5));
        let Some(claim) = breakage.met(store.turns.claim(&ada, wish).await) else { continue };
        let claim = claim.unwrap();
        assert!(claim.fence > fence, "{} after {fence}", claim.fence);
        fence = claim.fence;
        count += 1;
        breakage.acknowledged();
        // A release that failed may have been done: releasing twice is no error.
        while breakage.met(store.turns.release(&claim).await).is_none() {}
    }
}

/// Turns that wait for a verdict: of all tries to take one, at most one is told that it has it, and none only
/// if the answer of an earlier try was lost.
async fn parks(store: StorageAdapter, breakage: Arc<Breakage>) {
    let ada = scope("fault parks", "ada");
    let of = made(&store, &breakage, &ada).await;
    let (mut step, mut count) = (0, 0);
    while breakage.goes_on() && count < 2_000 {
        step += 1_000;
        let label = step.to_string();
        let mut wish = request(&of.id, &label);
        (wish.now, wish.lease_until) = (at(step), at(step + 60));
        let Some(claim) = breakage.met(store.turns.claim(&ada, wish).await) else { continue };
        let mut waiting = parked(&claim.unwrap(), &label);
        waiting.expires_at = at(step + 600);
        // A park that failed may have been done: parking twice is no error.
        while breakage.met(store.turns.park(waiting.clone()).await).is_none() {}
        let (mut failed, mut taken) = (false, None);
        while taken.is_none() {
            taken = breakage.met(store.turns.unpark(&ada, &of.id, &waiting.id, at(step + 60)).await);
            failed |= taken.is_none();
        }
        let again = loop {
            let tried = store.turns.unpark(&ada, &of.id, &waiting.id, at(step + 60)).await;
            if let Some(told) = breakage.met(tried) {
                break told;
            }
        };
        assert_eq!(again, None, "a park was taken twice");
        assert!(taken.flatten().is_some() || failed, "a park was gone that nobody had taken");
        count += 1;
        breakage.acknowledged();
    }
}

/// One document in many versions: what is found is always one whole version, that of the list.
async fn documents(store: StorageAdapter, breakage: Arc<Breakage>) {
    let o = scope("fault documents", "");
    let access = Access::public(o.organization.clone());
    let mut count = 0;
    let mut version = 0;
    while breakage.goes_on() && count < 2_000 {
        version += 1;
        let text = format!("parcel version {version}");
        let chunks = vec![(text.as_str(), [1.0, 0.0, 0.0, 0.0]); 1 + version % 3];
        let stored = store.knowledge.put(document(&o, "a", AccessList::Public, &chunks)).await;
        if breakage.met(stored).is_some() {
            count += 1;
            breakage.acknowledged();
        }
        let Some(listed) = breakage.met(store.knowledge.list(&access, None, 10).await) else { continue };
        let Some(found) = breakage.met(store.knowledge.keyword(&access, "parcel", 10).await) else {
            continue;
        };
        let Some(hash) = breakage.met(store.knowledge.content_hash(&o.organization, &"a".into()).await)
        else {
            continue;
        };
        assert_eq!(found.len(), listed.first().map_or(0, |info| info.chunk_count));
        assert_eq!(hash, listed.into_iter().next().map(|info| info.content_hash));
    }
}
