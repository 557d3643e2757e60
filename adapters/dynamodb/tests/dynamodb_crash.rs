//! A process that writes is killed in a loop, and nothing that it said was acknowledged is lost. This program
//! is its own second process. `cargo xtask services dynamodb s3vectors -- cargo test -p
//! smooai-smooth-operator-adapter-dynamodb --test dynamodb_crash -- --ignored`
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use smooai_smooth_operator_adapter_dynamodb::{Settings, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::StorageAdapter;
use smooai_smooth_operator_store::suite::{check_after_kills, kill_in_a_loop, say, write_until_killed};
use std::process::{Child, Command, Stdio};

/// So many writes must have been acknowledged before the test ends.
const WRITES: usize = 1_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--writer") => {
            write_until_killed(store(&arguments[2]).await, arguments[3].parse().unwrap()).await;
        }
        _ if arguments.iter().any(|argument| argument == "--ignored") => {
            let table = format!("crash-{}", std::process::id());
            let killed = kill_in_a_loop(WRITES, |round| writer(&table, round), || {});
            check_after_kills(&store(&table).await, &killed).await;
            say("test result: ok. 1 passed; 0 failed; 0 ignored");
        }
        _ => say("test result: ok. 0 passed; 0 failed; 1 ignored"),
    }
}

async fn store(table: &str) -> StorageAdapter {
    let settings = Settings {
        table: table.to_owned(),
        vector_bucket: table.to_owned(),
        index_prefix: "documents".to_owned(),
        language: Language::English,
    };
    open(settings).await.unwrap().adapter()
}

fn writer(table: &str, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--writer", table, &round.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}
