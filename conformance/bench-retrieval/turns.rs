//! The measures of whole turns: the real server on SQLite with many documents beside one with none, in
//! turn, and pings while turns run.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::bound::within_for;
use smooai_smooth_operator_conformance::flood::TOKENS;
use smooai_smooth_operator_conformance::gateway::KEY;
use smooai_smooth_operator_conformance::server_process::{ServerProcess, Setup};
use smooai_smooth_operator_retrieval::DeterministicEmbedder;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::{AccessList, Document};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::corpus::{Corpus, IDS};
use crate::stores::fill_sqlite;
use crate::table::{Aim, Table, Times};

/// The longest that one answer may take.
const BOUND: Duration = Duration::from_mins(2);
/// The organisation of a server whose settings name none.
pub const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000001";
/// After that many turns a connection goes on with a fresh session, so that no history weighs on it.
const TURNS_PER_SESSION: usize = 10;
/// So many connections take turns while pings are measured, and how far apart those are.
const BESIDE: usize = 2;
const PAUSE: Duration = Duration::from_millis(5);

/// Turns and pings on both servers.
pub async fn measure(
    table: &mut Table,
    gateway: &ServerProcess,
    corpus: &Corpus,
    turns: usize,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    fill_sqlite(folder.path(), (0..corpus.documents).map(|n| embedded(corpus.document(n)))).await?;
    let empty = tempfile::tempdir()?;
    let servers = [server(gateway, folder.path()).await?, server(gateway, empty.path()).await?];
    within_for(BOUND, "an answer that cites", until_it_cites(&servers[0], corpus)).await??;
    let mut took = [Times::default(), Times::default()];
    let mut cited = 0;
    {
        let mut connections = [Connection::open(&servers[0]).await?, Connection::open(&servers[1]).await?];
        // The first turns open connections to the gateway and warm caches; they are not measured.
        for n in 0..turns + TURNS_PER_SESSION {
            for (connection, took) in connections.iter_mut().zip(&mut took) {
                if n % TURNS_PER_SESSION == 0 {
                    connection.new_session().await?;
                }
                let one = connection.turn(&corpus.question(n).text).await?;
                if n >= TURNS_PER_SESSION {
                    took.push(one.time);
                    cited += usize::from(one.cites);
                }
            }
        }
    }
    let [full, none] = &took;
    let name = format!("turn with {} documents, p50, ms", corpus.documents);
    table.compare(&name, full.p50(), (none.p50(), "none"), Aim::RatioAtMost(3.0));
    table.compare("… p99, ms", full.p99(), (none.p99(), "none"), Aim::None);
    table.single("… with citations, share of turns", cited as f64 / turns as f64, Aim::None);
    let mut pings = [Times::default(), Times::default()];
    for (server, pings) in servers.iter().zip(&mut pings) {
        *pings = pinged(server, corpus, turns).await?;
    }
    let [full, none] = &pings;
    let name = format!("ping while {BESIDE} connections take such turns, p99, ms");
    table.compare(&name, full.p99(), (none.p99(), "no documents"), Aim::AtMost(5.0));
    table.compare("… p50, ms", full.p50(), (none.p50(), "no documents"), Aim::None);
    Ok(())
}

/// Waits until the documents are in memory; a turn before that answers without them.
async fn until_it_cites(server: &ServerProcess, corpus: &Corpus) -> Result<()> {
    for n in 0.. {
        let mut connection = Connection::open(server).await?;
        if connection.turn(&corpus.question(n).text).await.is_ok_and(|turn| turn.cites) {
            break;
        }
    }
    Ok(())
}

/// For everybody, because nobody logs in here, and as the server itself embeds when no model is named.
fn embedded(mut document: Document) -> Document {
    let embedder = DeterministicEmbedder::with(Language::English, 256);
    document.acl = AccessList::Public;
    for chunk in &mut document.chunks {
        chunk.embedding = embedder.vector(&chunk.text);
    }
    document
}

async fn server(gateway: &ServerProcess, folder: &Path) -> Result<ServerProcess> {
    let setup = Setup::new()
        .gateway(&format!("http://{}/v1", gateway.host()), KEY)
        .env("RUST_LOG", "warn")
        .env("SMOOTH_AGENT_STORAGE", "sqlite")
        .env("SMOOTH_AGENT_DATA_DIR", &folder.to_string_lossy());
    setup.release().start().await
}

/// Pings one after another, while other connections take turns one after another.
async fn pinged(server: &ServerProcess, corpus: &Corpus, count: usize) -> Result<Times> {
    let mut turns = JoinSet::new();
    for first in 0..BESIDE {
        let mut connection = Connection::open(server).await?;
        let questions: Vec<String> = (0..100).map(|n| corpus.question(first * 100 + n).text).collect();
        turns.spawn(async move {
            for (n, question) in questions.iter().cycle().enumerate() {
                if n % TURNS_PER_SESSION == 0 {
                    connection.new_session().await?;
                }
                connection.turn(question).await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    let mut connection = Connection::open(server).await?;
    let mut tick = tokio::time::interval(PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Times::default();
    for _ in 0..count {
        tick.tick().await;
        times.push(connection.ping().await?);
    }
    // Turns never end by themselves: one that has ended has failed.
    match turns.try_join_next() {
        Some(ended) => ended?.map(|()| times).context("a turn while pings were measured"),
        None => Ok(times),
    }
}

/// A turn that has ended.
struct Turn {
    time: Duration,
    /// Whether its answer names a document.
    cites: bool,
}

/// A connection with a session.
struct Connection {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
}

impl Connection {
    async fn open(server: &ServerProcess) -> Result<Self> {
        let (stream, _) = within_for(BOUND, "a connection", connect_async(server.ws_url())).await??;
        let mut connection = Self { stream, session: String::new() };
        connection.new_session().await?;
        Ok(connection)
    }

    async fn new_session(&mut self) -> Result<()> {
        self.send(json!({ "action": "create_conversation_session", "requestId": "s" })).await?;
        let answer: Value = serde_json::from_str(&self.read().await?)?;
        let session = answer["data"]["sessionId"].as_str();
        self.session =
            session.with_context(|| format!("a session was expected, but {answer} came"))?.to_owned();
        Ok(())
    }

    async fn turn(&mut self, question: &str) -> Result<Turn> {
        let message = format!("tokens={TOKENS} {question}");
        let from = Instant::now();
        let action = "send_message";
        self.send(
            json!({ "action": action, "sessionId": self.session, "requestId": "t", "message": message }),
        )
        .await?;
        loop {
            let frame = self.read().await?;
            if frame.contains("\"eventual_response\"") {
                return Ok(Turn { time: from.elapsed(), cites: frame.contains(IDS) });
            }
            ensure!(!frame.contains("\"type\":\"error\""), "a turn failed: {frame}");
        }
    }

    async fn ping(&mut self) -> Result<Duration> {
        let from = Instant::now();
        self.send(json!({ "action": "ping", "requestId": "p" })).await?;
        let answer = self.read().await?;
        ensure!(answer.contains("\"pong\""), "a pong was expected, but {answer} came");
        Ok(from.elapsed())
    }

    async fn send(&mut self, frame: Value) -> Result<()> {
        Ok(self.stream.send(Message::text(frame.to_string())).await?)
    }

    async fn read(&mut self) -> Result<String> {
        loop {
            let next = within_for(BOUND, "a frame", self.stream.next()).await?;
            if let Message::Text(text) = next.context("the server closed the connection")?? {
                return Ok(text.as_str().to_owned());
            }
        }
    }
}
