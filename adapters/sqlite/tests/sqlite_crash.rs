//! `kill -9`: a process writes and says what was acknowledged, is killed at a random moment, and what it
//! said is there. And a second process is kept out. This program is its own second process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rusqlite::Connection;
use smooai_smooth_operator_adapter_sqlite::{FILE, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::suite::{check_after_kills, kill_in_a_loop, say, write_until_killed};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// So many writes must have been acknowledged before the test ends.
const WRITES: usize = 1_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--writer") => {
            let store = open(Path::new(&arguments[2]), Language::English).await.unwrap().adapter();
            write_until_killed(store, arguments[3].parse().unwrap()).await;
        }
        Some("--opener") => match open(Path::new(&arguments[2]), Language::English).await {
            Ok(_) => say("opened"),
            Err(error) => say(&error.to_string()),
        },
        _ => {
            a_second_process_is_kept_out().await;
            nothing_acknowledged_is_lost().await;
            say("test result: ok. 2 passed; 0 failed; 0 ignored");
        }
    }
}

fn itself(arguments: &[&str], folder: &Path, more: &[String]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .arg(folder)
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn a_second_process_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), Language::English).await.unwrap();
    let said = |child: Child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let second = said(itself(&["--opener"], folder.path(), &[]));
    assert!(second.contains("in use by another process"), "{second}");
    drop(first);
    // It is closed when its thread has let go of the folder's lock.
    std::fs::File::open(folder.path().join("smooth-operator.lock")).unwrap().lock().unwrap();
    assert_eq!(said(itself(&["--opener"], folder.path(), &[])), "opened\n");
    say("a second process is kept out: ok");
}

async fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file_is_whole = || {
        let file = Connection::open(folder.path().join(FILE)).unwrap();
        let check: String = file.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    };
    let writer = |round: u64| itself(&["--writer"], folder.path(), &[round.to_string()]);
    let killed = kill_in_a_loop(WRITES, writer, file_is_whole);
    let store = open(folder.path(), Language::English).await.unwrap().adapter();
    check_after_kills(&store, &killed).await;
}
