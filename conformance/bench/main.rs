//! `bench-turn`: what a turn costs through the real server, beside a relay that only forwards, in one
//! interleaved run. Prints a table; asserts nothing. The relay and the gateway are this same program
//! as processes of their own.

mod client;
mod footprint;
mod load;
mod table;

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smooai_smooth_operator_conformance::gateway::KEY;
use smooai_smooth_operator_conformance::server_process::{ServerProcess, Setup};
use smooai_smooth_operator_conformance::{flood, relay};
use tokio::net::TcpListener;

use crate::table::Table;

const USAGE: &str = "usage: bench-turn [--quick] [--sessions N]";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["gateway"] => flood::serve(listen("gateway").await?).await,
        ["relay", gateway] => relay::serve(listen("relay").await?, gateway).await,
        _ => measure(Size::from_arguments(&words)?).await,
    }
}

/// How much is measured.
struct Size {
    /// Turns one after another on one connection.
    turns: usize,
    /// Rounds of each load, whose median is taken.
    rounds: usize,
    /// Idle sessions.
    sessions: usize,
}

impl Size {
    fn from_arguments(words: &[&str]) -> Result<Self> {
        let mut size = Self { turns: 400, rounds: 5, sessions: 10_000 };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => size = Self { turns: 40, rounds: 1, sessions: 500 },
                "--sessions" => {
                    let count = words.next().context(USAGE)?;
                    size.sessions = count.parse().with_context(|| format!("--sessions {count}"))?;
                }
                _ => bail!(USAGE),
            }
        }
        Ok(size)
    }
}

async fn listen(role: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{role} listening on ws://{}/ws", listener.local_addr()?)?;
    Ok(listener)
}

async fn measure(size: Size) -> Result<()> {
    let files = raise_file_limit();
    let mut table = Table::default();
    let this = std::env::current_exe().context("the path of this program")?;
    let gateway = Setup::default().arg("gateway").start_program(&this).await?;
    footprint::measure(&mut table).await?;
    {
        let server = server(&gateway).start().await?;
        let relay = relay_process(&this, &gateway).await?;
        let both = [&server, &relay];
        load::latency(&mut table, both, size.turns).await?;
        load::throughput(&mut table, both, 32, size.rounds).await?;
        load::throughput(&mut table, both, 256, size.rounds).await?;
        load::streaming(&mut table, both, size.rounds).await?;
    }
    // Client and server hold one file per session each; some more are needed for all else.
    let sessions = size.sessions.min(files.saturating_sub(100));
    let server = server(&gateway).start().await?;
    let relay = relay_process(&this, &gateway).await?;
    footprint::sessions(&mut table, [&server, &relay], sessions).await?;
    table.print(&mut std::io::stdout())
}

fn server(gateway: &ServerProcess) -> Setup {
    Setup::new()
        .gateway(&format!("http://{}/v1", gateway.host()), KEY)
        .env("RUST_LOG", "warn")
        .env("SMOOTH_AGENT_STORAGE", "memory")
        .operator_toml("[limits]\nmax_connections = 20000\n")
        .release()
}

async fn relay_process(this: &Path, gateway: &ServerProcess) -> Result<ServerProcess> {
    Setup::default().arg("relay").arg(&format!("http://{}/v1", gateway.host())).start_program(this).await
}

/// Raises the number of open files as far as this process may; the children inherit it.
fn raise_file_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // Where it may not be raised, fewer sessions are measured, and the table says how many.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX)
}
