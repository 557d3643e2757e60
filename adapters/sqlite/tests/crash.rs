//! `kill -9`: a process writes and says what was acknowledged, is killed at a random moment, and what it
//! said is there. And a second process is kept out. This program is its own second process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use rusqlite::Connection;
use smooai_smooth_operator_adapter_sqlite::{FILE, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::{
    Access, AccessList, Before, Chunk, Conversation, Direction, Document, Message, Page, Participant,
    ParticipantKind, Scope, StorageAdapter,
};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// So many writes must have been acknowledged before the test ends.
const WRITES: usize = 1_000;
/// So many writers are at work in the process at once.
const WRITERS: usize = 4;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--writer") => write(Path::new(&arguments[2]), arguments[3].parse().unwrap()).await,
        Some("--opener") => match open(Path::new(&arguments[2]), Language::English).await {
            Ok(_) => say("opened"),
            Err(error) => say(&error.to_string()),
        },
        _ => {
            a_second_process_is_kept_out().await;
            nothing_acknowledged_is_lost().await;
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
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
    assert_eq!(said(itself(&["--opener"], folder.path(), &[])), "opened\n");
    say("a second process is kept out: ok");
}

async fn nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let (mut round, mut state) = (0_u64, 0x5EED_u64);
    say(&format!("seed {state:#x}"));
    while acknowledged.len() < WRITES {
        // SplitMix64: how many acknowledgements are waited for.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let enough = usize::try_from((mixed >> 33) % 80).unwrap();
        let mut child = itself(&["--writer"], folder.path(), &[round.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        acknowledged.extend(lines.by_ref().take(enough).map(Result::unwrap));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it died, and was not read yet.
        acknowledged.extend(lines.map_while(Result::ok));
        let check: String = Connection::open(folder.path().join(FILE))
            .unwrap()
            .query_row("PRAGMA integrity_check", (), |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        round += 1;
    }
    let store = open(folder.path(), Language::English).await.unwrap().adapter();
    let mut there = BTreeSet::new();
    for n in 0..round {
        there.extend(stored(&store, n).await);
    }
    let lost: Vec<&String> = acknowledged.difference(&there).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    let surplus = there.len() - acknowledged.len();
    // Only what was under way at a kill may be there without having been acknowledged.
    assert!(surplus <= usize::try_from(round).unwrap() * WRITERS, "{surplus} too many");
    say(&format!("{round} kills, {} writes acknowledged, none lost: ok", acknowledged.len()));
}

fn scope(round: u64) -> Scope {
    Scope::new("o", format!("p{round}"))
}

/// Everything of a round that is in the store.
async fn stored(store: &StorageAdapter, round: u64) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    let scope = scope(round);
    for writer in 0..WRITERS {
        let id = format!("c{round}.{writer}").into();
        let Some(conversation) = store.conversations.get(&scope, &id).await.unwrap() else { continue };
        there.insert(format!("conversation {id}"));
        let (mut before, mut count) = (None, 0);
        loop {
            let page = store.messages.page(&scope, &id, Page { limit: 100, before }).await.unwrap();
            count += page.messages.len() as u64;
            there.extend(page.messages.into_iter().map(|message| format!("message {}", message.id)));
            let Some(next) = page.next else { break };
            before = Some(Before::Cursor(next));
        }
        assert_eq!(conversation.message_count, count);
    }
    let access = Access::public(format!("documents {round}"));
    for info in store.knowledge.list(&access, None, 10_000).await.unwrap() {
        there.insert(format!("document {} {}", info.id, info.content_hash));
        let found = store.knowledge.keyword(&access, &info.content_hash, 1_000).await.unwrap();
        let chunks = found.iter().filter(|hit| hit.chunk.document == info.id).count();
        assert_eq!(chunks, info.chunk_count, "the index is that of the file");
    }
    there
}

/// Writes until it is killed.
async fn write(folder: &Path, round: u64) {
    let store = open(folder, Language::English).await.unwrap().adapter();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let scope = scope(round);
            let made = store.conversations.create(conversation(&scope, round, writer)).await.unwrap();
            say(&format!("conversation {}", made.id));
            for n in 0.. {
                if n % 10 == 9 {
                    let put = document(round, &format!("d{writer}.{n}"));
                    let line = format!("document {} {}", put.id, put.content_hash);
                    store.knowledge.put(put).await.unwrap();
                    say(&line);
                } else {
                    let sent = message(&made, n);
                    let line = format!("message {}", sent.id);
                    store.messages.append(&scope, sent).await.unwrap();
                    say(&line);
                }
            }
        });
    }
    writers.join_all().await;
}

fn conversation(scope: &Scope, round: u64, writer: usize) -> Conversation {
    let participant = |kind| Participant {
        id: "p".into(),
        kind,
        name: "Somebody".to_owned(),
        email: None,
        browser_fingerprint: None,
    };
    Conversation {
        id: format!("c{round}.{writer}").into(),
        organization: scope.organization.clone(),
        principal: scope.principal.clone(),
        platform: "web".to_owned(),
        title: None,
        idempotency_key: format!("{round}.{writer}"),
        user: participant(ParticipantKind::User),
        agent: participant(ParticipantKind::AiAgent),
        message_count: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn message(of: &Conversation, n: usize) -> Message {
    Message {
        id: format!("{}.{n}", of.id).into(),
        conversation: of.id.clone(),
        direction: Direction::Inbound,
        text: "what is said ".repeat(n % 200),
        structured: None,
        from: of.user.id.clone(),
        to: of.agent.id.clone(),
        request_id: n.to_string(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn document(round: u64, id: &str) -> Document {
    let hash = format!("hash{}", id.replace('.', "x"));
    let chunk = |n: usize| Chunk {
        text: format!("{hash} {n}"),
        headings: Vec::new(),
        start: n,
        end: n + 1,
        embedding: vec![1.0, 0.0],
    };
    Document {
        id: id.into(),
        organization: format!("documents {round}").into(),
        source: "s".to_owned(),
        title: "t".to_owned(),
        url: None,
        acl: AccessList::Public,
        chunks: (0..3).map(chunk).collect(),
        content_hash: hash.clone(),
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
