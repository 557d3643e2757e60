//! The shared suite.

use crate::database::in_database;
use smooai_smooth_operator_store::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn the_shared_suite() {
    in_database(async |database| {
        let store = database.store().await;
        suite::run(async || store.clone()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn the_shared_suite_without_named_statements() {
    in_database(async |database| {
        let store = crate::database::store(&database.with("prepared_statements", "false")).await;
        for case in suite::cases() {
            case.check(store.clone()).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn two_processes_see_at_once_what_the_other_has_written() {
    in_database(async |database| {
        let (one, other) = (database.store().await, database.store().await);
        suite::two_stores_agree(one, other).await;
    })
    .await;
}
