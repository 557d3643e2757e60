//! A database that fails: what is tried again, and what a caller is told.

use crate::database::{Database, in_database, run_elsewhere, store};
use crate::records::{at, conversation, message, scope};
use async_trait::async_trait;
use smooai_smooth_operator_store::suite::{self, Faults};
use smooai_smooth_operator_store::{ClaimRequest, ConversationId, StorageAdapter, StoreError};
use sqlx::{Executor as _, PgConnection, Row as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A limit that is reached where something is in the way, and not because the machine is slow.
const LIMIT_MS: &str = "10000";

/// A lock that another session holds on all conversations.
async fn locked(database: &Database) -> PgConnection {
    let mut other = database.connection().await;
    other.execute("BEGIN; LOCK TABLE smooth_operator.conversations").await.unwrap();
    other
}

/// Waits until so many sessions wait for a lock.
async fn until_waiting(connection: &mut PgConnection, count: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..2_000 {
        tick.tick().await;
        let waiting: i64 = sqlx::query(sql).fetch_one(&mut *connection).await.unwrap().get(0);
        if waiting >= count {
            return;
        }
    }
    panic!("no {count} sessions came to wait");
}

/// Ends the store's sessions, as an administrator or a failover would.
async fn terminate(connection: &mut PgConnection) -> u64 {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
               AND application_name = 'smooth-operator'";
    sqlx::query(sql).fetch_all(connection).await.unwrap().len().try_into().unwrap()
}

/// What a failure may say to a log: nothing of a statement, and nothing that was written.
fn assert_plain(error: &StoreError) {
    let text = error.to_string();
    for word in ["SELECT", "INSERT", "UPDATE", "conversations", "north", "hunter2"] {
        assert!(!text.contains(word), "{text}");
    }
}

fn unavailable(error: &StoreError) -> &str {
    match error {
        StoreError::Unavailable { context, .. } => context,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn a_write_whose_connection_is_ended_in_the_middle_is_done_once() {
    in_database(async |database| {
        let store = database.store().await;
        let ada = scope("north", "ada");
        let made = store.conversations.create(conversation(&ada, "c")).await.unwrap();
        let mut watcher = database.connection().await;
        let mut other = locked(&database).await;
        let mut writing = JoinSet::new();
        let (writer, scope, sent) = (store.clone(), ada.clone(), message(&made, 0));
        writing.spawn(async move { writer.messages.append(&scope, sent).await });
        until_waiting(&mut watcher, 1).await;
        assert!(terminate(&mut watcher).await > 0);
        until_waiting(&mut watcher, 1).await;
        other.execute("ROLLBACK").await.unwrap();
        writing.join_next().await.unwrap().unwrap().unwrap();
        let read = store.conversations.get(&ada, &made.id).await.unwrap().unwrap();
        assert_eq!(read.message_count, 1);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn connections_that_died_while_they_rested_are_replaced() {
    in_database(async |database| {
        let store = database.store().await;
        let ada = scope("north", "ada");
        let made = store.conversations.create(conversation(&ada, "c")).await.unwrap();
        let mut watcher = database.connection().await;
        for _ in 0..3 {
            assert!(terminate(&mut watcher).await > 0);
            assert!(store.conversations.get(&ada, &made.id).await.unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_statement_that_takes_too_long_is_given_up() {
    in_database(async |database| {
        let store = store(&database.with("statement_timeout_ms", LIMIT_MS)).await;
        let ada = scope("north", "ada");
        let mut other = locked(&database).await;
        let error = store.conversations.create(conversation(&ada, "c")).await.unwrap_err();
        assert!(unavailable(&error).contains("took too long"), "{error}");
        assert_plain(&error);
        other.execute("ROLLBACK").await.unwrap();
        store.conversations.create(conversation(&ada, "c")).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn a_pool_without_a_free_connection_says_so_in_time() {
    in_database(async |database| {
        let mut url = database.with("pool_size", "2");
        url.query_pairs_mut().append_pair("acquire_timeout_ms", LIMIT_MS);
        // The writers wait longer than the reader.
        url.query_pairs_mut().append_pair("statement_timeout_ms", "60000");
        let store = store(&url).await;
        let ada = scope("north", "ada");
        let mut watcher = database.connection().await;
        let mut other = locked(&database).await;
        let mut writing = JoinSet::new();
        for label in ["a", "b"] {
            let (store, made) = (store.clone(), conversation(&ada, label));
            writing.spawn(async move { store.conversations.create(made).await });
        }
        until_waiting(&mut watcher, 2).await;
        let error = store.conversations.list(&ada, 5).await.unwrap_err();
        assert!(unavailable(&error).contains("no connection"), "{error}");
        assert_plain(&error);
        other.execute("ROLLBACK").await.unwrap();
        for made in writing.join_all().await {
            made.unwrap();
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Postgres server"]
async fn a_database_that_went_away_is_unavailable() {
    in_database(async |database| {
        let store = store(&database.with("acquire_timeout_ms", LIMIT_MS)).await;
        let mut watcher = database.connection().await;
        run_elsewhere(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", database.name())).await;
        terminate(&mut watcher).await;
        let ada = scope("north", "ada");
        let error = store.conversations.list(&ada, 5).await.unwrap_err();
        unavailable(&error);
        assert_plain(&error);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn a_call_that_nobody_waits_for_leaves_the_pool_whole() {
    in_database(async |database| {
        let store = store(&database.with("pool_size", "1")).await;
        let ada = scope("north", "ada");
        let mut watcher = database.connection().await;
        let mut other = locked(&database).await;
        let mut writing = JoinSet::new();
        let (writer, made) = (store.clone(), conversation(&ada, "dropped"));
        writing.spawn(async move { writer.conversations.create(made).await });
        until_waiting(&mut watcher, 1).await;
        writing.shutdown().await;
        other.execute("ROLLBACK").await.unwrap();
        let made = store.conversations.create(conversation(&ada, "kept")).await.unwrap();
        assert!(store.conversations.get(&ada, &made.id).await.unwrap().is_some());
    })
    .await;
}

async fn claim(store: &StorageAdapter, of: &ConversationId, n: usize) -> bool {
    let request = ClaimRequest {
        conversation: of.clone(),
        turn: format!("turn {n}").into(),
        request_id: format!("request {n}"),
        now: at(0),
        lease_until: at(60),
    };
    store.turns.claim(&scope("north", "ada"), request).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn of_64_claimants_in_four_processes_one_wins() {
    in_database(async |database| {
        // Four pools are four processes: nothing but the database is shared.
        let mut stores = Vec::new();
        for _ in 0..4 {
            stores.push(database.store().await);
        }
        let ada = scope("north", "ada");
        for label in ["a", "b", "c"] {
            let of = stores[0].conversations.create(conversation(&ada, label)).await.unwrap().id;
            let mut claiming = JoinSet::new();
            for n in 0..64 {
                let (store, of) = (stores[n % 4].clone(), of.clone());
                claiming.spawn(async move { claim(&store, &of, n).await });
            }
            let won = claiming.join_all().await.into_iter().filter(|won| *won).count();
            assert_eq!(won, 1, "{label}");
        }
    })
    .await;
}

/// Ends all of the store's sessions, in whatever they are doing.
struct Terminations(Database);

#[async_trait]
impl Faults for Terminations {
    async fn break_connections(&self) {
        let mut watcher = self.0.connection().await;
        // Something is done in between, or nobody would ever get through.
        let done = "SELECT count(*) FROM smooth_operator.messages";
        let before: i64 = sqlx::query(done).fetch_one(&mut watcher).await.unwrap().get(0);
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        for _ in 0..20_000 {
            tick.tick().await;
            let now: i64 = sqlx::query(done).fetch_one(&mut watcher).await.unwrap().get(0);
            if now > before + 2 {
                terminate(&mut watcher).await;
                return;
            }
        }
        panic!("nothing was written any more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn terminated_sessions_lose_and_halve_nothing() {
    in_database(async |database| {
        let faults = Arc::new(Terminations(database.clone()));
        suite::survive_faults(database.store().await, faults).await;
    })
    .await;
}
