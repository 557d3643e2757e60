//! `kill -9`, of a process that writes and of the server: nothing that was acknowledged is lost. This program
//! is its own second process, and alone on its server while it runs: `cargo xtask services postgres -- cargo
//! test -p smooai-smooth-operator-adapter-postgres --test postgres_crash -- --ignored`
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use async_trait::async_trait;
use smooai_smooth_operator_adapter_postgres::{Settings, adapter};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::StorageAdapter;
use smooai_smooth_operator_store::suite::{
    Faults, check_after_kills, kill_in_a_loop, say, survive_faults, write_until_killed,
};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use url::Url;

/// So many writes must have been acknowledged before the test ends.
const WRITES: usize = 1_000;
/// How long anything is waited for, in steps of [`TICK`].
const TICKS: u32 = 3_000;
const TICK: Duration = Duration::from_millis(10);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--writer") => {
            write_until_killed(store(&arguments[2]).await, arguments[3].parse().unwrap()).await;
        }
        _ if arguments.iter().any(|argument| argument == "--ignored") => {
            nothing_acknowledged_is_lost_with_its_process().await;
            nothing_acknowledged_is_lost_with_the_server().await;
            say("test result: ok. 2 passed; 0 failed; 0 ignored");
        }
        _ => say("test result: ok. 0 passed; 0 failed; 2 ignored"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no Config: the environment says where the server is"
)]
fn server() -> Url {
    let Ok(address) = std::env::var("TEST_POSTGRES_URL") else {
        panic!("TEST_POSTGRES_URL is not set: see the first lines of this file")
    };
    Url::parse(&address).unwrap()
}

/// An empty database.
async fn database(label: &str) -> Url {
    let name = format!("crash_{label}_{}", std::process::id());
    let mut connection = PgConnection::connect(server().as_str()).await.unwrap();
    connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
    let mut url = server();
    url.set_path(&name);
    url
}

async fn drop_database(url: &Url) {
    let name = url.path().trim_start_matches('/');
    let mut connection = PgConnection::connect(server().as_str()).await.unwrap();
    connection.execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str()).await.unwrap();
}

async fn store(url: &str) -> StorageAdapter {
    adapter(&Settings::from_url(url).unwrap(), Language::English).await.unwrap()
}

fn writer(url: &Url, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--writer", url.as_str(), &round.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn nothing_acknowledged_is_lost_with_its_process() {
    let url = database("process").await;
    let killed = kill_in_a_loop(WRITES, |round| writer(&url, round), || {});
    check_after_kills(&store(url.as_str()).await, &killed).await;
    drop_database(&url).await;
}

/// Kills a process of the server, which then ends all others and recovers from its log.
struct ServerCrashes {
    url: Url,
    count: AtomicU32,
}

impl ServerCrashes {
    /// A connection past the store, as soon as the server takes one.
    async fn connection(&self) -> PgConnection {
        let mut tick = tokio::time::interval(TICK);
        for _ in 0..TICKS {
            tick.tick().await;
            if let Ok(connection) = PgConnection::connect(self.url.as_str()).await {
                return connection;
            }
        }
        panic!("the server did not recover");
    }

    /// Waits until more messages are there: a server that is never up has nothing to lose.
    async fn until_something_is_written(&self) {
        let mut connection = self.connection().await;
        let mut tick = tokio::time::interval(TICK);
        let mut before: Option<i64> = None;
        for _ in 0..TICKS {
            tick.tick().await;
            let count = sqlx::query("SELECT count(*) FROM smooth_operator.messages");
            let Ok(row) = count.fetch_one(&mut connection).await else {
                // The server took a connection while it was about to end all of them.
                connection = self.connection().await;
                continue;
            };
            let count = row.get(0);
            if before.is_some_and(|before| count > before + 10) {
                return;
            }
            before = before.or(Some(count));
        }
        panic!("nothing was written");
    }
}

#[async_trait]
impl Faults for ServerCrashes {
    async fn break_connections(&self) {
        self.until_something_is_written().await;
        let mut connection = self.connection().await;
        let killed = connection.execute("COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'").await;
        assert!(killed.is_err(), "the server's process lives");
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn nothing_acknowledged_is_lost_with_the_server() {
    let mut count = 0;
    for round in 0..3 {
        let url = database(&format!("server_{round}")).await;
        let crashes = Arc::new(ServerCrashes { url: url.clone(), count: AtomicU32::new(0) });
        survive_faults(store(url.as_str()).await, Arc::clone(&crashes) as Arc<dyn Faults>).await;
        count += crashes.count.load(Ordering::Relaxed);
        drop(crashes.connection().await);
        drop_database(&url).await;
    }
    say(&format!("{count} crashes of the server, nothing lost: ok"));
}
