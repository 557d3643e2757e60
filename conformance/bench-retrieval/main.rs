//! `bench-retrieval`: how fast documents are found, beside other ways of finding them in the same run,
//! and what many documents cost a turn. Prints a table; asserts nothing.

mod corpus;
mod exact;
mod rival;
mod search;
mod stores;
mod table;
mod turns;

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use smooai_smooth_operator_conformance::flood;
use smooai_smooth_operator_conformance::server_process::Setup;
use tokio::net::TcpListener;

use crate::corpus::Corpus;
use crate::exact::Exact;
use crate::search::Task;
use crate::table::{Aim, Table};

const USAGE: &str = "usage: bench-retrieval [--quick] [--skip-postgres] [--skip-turns]";

/// Chunks of a document.
const CHUNKS: usize = 10;

/// What is measured, and how much of it.
struct Size {
    documents: usize,
    questions: usize,
    turns: usize,
    /// Of one chunk each, for the turns.
    documents_of_turns: usize,
    with_postgres: bool,
    with_turns: bool,
}

impl Size {
    fn from_arguments(words: &[&str]) -> Result<Self> {
        let mut size = Self {
            documents: 10_000,
            questions: 400,
            turns: 400,
            documents_of_turns: 100_000,
            with_postgres: true,
            with_turns: true,
        };
        for word in words {
            match *word {
                "--quick" => {
                    (size.documents, size.questions) = (500, 50);
                    (size.turns, size.documents_of_turns) = (40, 5_000);
                }
                "--skip-postgres" => size.with_postgres = false,
                "--skip-turns" => size.with_turns = false,
                _ => bail!(USAGE),
            }
        }
        Ok(size)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words == ["gateway"] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "gateway listening on ws://{}/ws", listener.local_addr()?)?;
        return flood::serve(listener).await;
    }
    let mut table = Table::default();
    let ended = Box::pin(measure(&mut table, &Size::from_arguments(&words)?)).await;
    // What was measured before a failure is worth reading.
    table.print(&mut std::io::stdout())?;
    ended
}

async fn measure(table: &mut Table, size: &Size) -> Result<()> {
    let corpus = Arc::new(Corpus::new("bench", size.documents, CHUNKS));
    let task = embedded_stores(table, &corpus, size.questions).await?;
    if size.with_turns {
        let gateway = Setup::default().arg("gateway").start_program(&std::env::current_exe()?).await?;
        let corpus = Corpus::new(turns::ORGANIZATION, size.documents_of_turns, 1);
        Box::pin(turns::measure(table, &gateway, &corpus, size.turns)).await.context("turns")?;
    }
    if size.with_postgres {
        let server = server().context("TEST_POSTGRES_URL names no server; --skip-postgres does without")?;
        let postgres = stores::Postgres::new(&server).await?;
        let measured = async {
            let store = postgres.fill(table, &corpus).await?;
            search::store(table, "PostgreSQL", &task, store, [Aim::None, Aim::None]).await
        };
        let measured = measured.await;
        postgres.drop().await?;
        measured.context("PostgreSQL")?;
    }
    Ok(())
}

/// The index, the memory store and SQLite; the result is what other stores are asked.
async fn embedded_stores(table: &mut Table, corpus: &Corpus, questions: usize) -> Result<Task> {
    // First of all, so that nothing that was freed before is taken for what it needs.
    let memory = stores::memory(table, corpus).await?;
    let exact = Arc::new(Exact::new(corpus, Arc::clone(&memory)));
    let task = Task::new(corpus, &exact, questions).await?;
    {
        let snapshot = stores::snapshot(table, corpus)?;
        let rival = rival::Rival::new(&exact)?;
        search::index(table, &task, &snapshot, &exact, &rival)?;
    }
    search::store(table, "memory", &task, memory, [Aim::AtMost(3.0), Aim::AtLeast(0.99)]).await?;
    let folder = tempfile::tempdir()?;
    stores::fill_sqlite(folder.path(), (0..corpus.documents).map(|n| corpus.document(n))).await?;
    let store = stores::sqlite(table, folder.path(), corpus).await?;
    search::store(table, "SQLite", &task, store, [Aim::None, Aim::None]).await?;
    Ok(task)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench has no Config: the environment says where the server is"
)]
fn server() -> Option<String> {
    std::env::var("TEST_POSTGRES_URL").ok()
}
