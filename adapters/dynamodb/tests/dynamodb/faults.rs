//! Services that throttle, fail, hang, and lose connections before and after a request was done.

use crate::proxy::{ALL, Fault, LONG, Plan, Proxy, SHORT};
use crate::servers;
use async_trait::async_trait;
use smooai_smooth_operator_adapter_dynamodb::open;
use smooai_smooth_operator_store::suite::{self, Faults};
use smooai_smooth_operator_store::{Page, Scope, StoreError};
use std::sync::Arc;

/// What the SDK's retries take away from a caller's sight must not be seen in what was done either: a request
/// that was done and whose answer was lost is sent again. No operation may tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_request_that_is_sent_again_is_done_once() {
    let proxy = Proxy::start().await;
    for (seed, fault) in (10..).zip(ALL) {
        println!("seed {seed}: {fault:?}");
        let config = proxy.config(5, if fault == Fault::Hangs { SHORT } else { LONG }).await;
        let (opened, _) = servers::new_with(&config).await;
        // One that hangs costs two seconds.
        let every = if fault == Fault::Hangs { 40 } else { 3 };
        proxy.plan(Plan::Every(every, vec![fault]));
        suite::random_operations(opened.adapter(), seed, 120).await;
        assert!(proxy.hit() > 5, "only {} requests were hit", proxy.hit());
        proxy.plan(Plan::Nothing);
    }
}

struct Outages(Arc<Proxy>);

#[async_trait]
impl Faults for Outages {
    /// All requests for a while, so that retries come to an end; then some that pass.
    async fn break_connections(&self) {
        const HIT: u64 = 30;
        // Answers that hang make the others wait: they have a test of their own.
        let faults = ALL.into_iter().filter(|fault| *fault != Fault::Hangs).collect();
        self.0.plan(Plan::Next(HIT, faults));
        self.0.until_came(HIT + 60).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn outages_lose_and_halve_nothing() {
    let proxy = Arc::new(Proxy::start().await);
    let (opened, settings) = servers::new_with(&proxy.config(3, LONG).await).await;
    suite::survive_faults(opened.adapter(), Arc::new(Outages(Arc::clone(&proxy)))).await;
    // What another process sees is what was told.
    let again = open(settings).await.unwrap().adapter();
    let access = smooai_smooth_operator_store::Access::public("suite fault documents");
    let listed = again.knowledge.list(&access, None, 10).await.unwrap();
    let found = again.knowledge.keyword(&access, "parcel", 10).await.unwrap();
    assert_eq!(listed.first().map_or(0, |info| info.chunk_count), found.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_service_that_stays_away_is_told_plainly() {
    let proxy = Proxy::start().await;
    let (opened, settings) = servers::new_with(&proxy.config(2, SHORT).await).await;
    let store = opened.adapter();
    let scope = Scope::new("north", "ada");
    let (made, _) = suite::conversation_with_session(&scope);
    for fault in ALL {
        proxy.plan(Plan::AllAfter(0, fault));
        let failures = [
            store.conversations.create(made.clone()).await.map(|_| ()).unwrap_err(),
            store.conversations.list(&scope, 5).await.map(|_| ()).unwrap_err(),
            store
                .messages
                .page(&scope, &made.id, Page { limit: 5, before: None })
                .await
                .map(|_| ())
                .unwrap_err(),
            store.turns.parked(&scope, &made.id).await.map(|_| ()).unwrap_err(),
        ];
        for error in failures {
            let StoreError::Unavailable { context, .. } = &error else { panic!("{fault:?}: {error:?}") };
            for word in [made.id.as_str(), "north", "ada", settings.table.as_str()] {
                assert!(!context.contains(word), "{context}");
            }
        }
    }
    proxy.plan(Plan::Nothing);
    // It was done or it was not; doing it again is no error.
    let store = open(settings).await.unwrap().adapter();
    store.conversations.create(made.clone()).await.unwrap();
    assert_eq!(store.conversations.get(&scope, &made.id).await.unwrap(), Some(made));
}
