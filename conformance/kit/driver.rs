//! A driver's process: commands go in, reports come out and are kept by what they are about.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;
use serde_json::Value;
use smooai_smooth_operator_conformance_driver::{Command, ExitCommand, Report, TurnEndedReport, frames};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::languages::Launch;

/// A turn as its driver tells of it.
#[derive(Debug, Clone, Default)]
pub struct TurnSeen {
    /// The requestId, once it has started.
    pub request: Option<String>,
    /// The events that were read, and whether the client knows their types.
    pub events: Vec<(Value, bool)>,
    /// Its end.
    pub ended: Vec<TurnEndedReport>,
}

/// Everything that a driver has reported.
#[derive(Debug, Default)]
pub struct Book {
    /// The answers to commands.
    pub answers: HashMap<u32, Report>,
    /// Turns by the harness's names.
    pub turns: HashMap<String, TurnSeen>,
    /// Events that belong to nothing, by client.
    pub stray: Vec<(String, Value)>,
    /// The driver could not do what it was told, or has ended.
    pub broken: Option<String>,
    /// What a driver says that no command asks for.
    pub odd: Vec<String>,
    ready: bool,
}

/// A running driver.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    stdin: ChildStdin,
    book: Arc<Mutex<Book>>,
    changed: watch::Receiver<usize>,
    log: Arc<Mutex<String>>,
    next: u32,
    _tasks: JoinSet<()>,
}

/// How long a driver may take until it is ready, and until it has ended: some virtual machines are slow on a busy
/// computer.
const PATIENCE: Duration = Duration::from_mins(1);

impl Driver {
    /// Starts one and waits until it is ready.
    pub async fn start(launch: &Launch) -> Result<Self> {
        let mut command = launch.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {}", launch.shown()))?;
        let stdin = child.stdin.take().context("the driver's stdin")?;
        let mut stdout = BufReader::new(child.stdout.take().context("the driver's stdout")?);
        let stderr = child.stderr.take().context("the driver's stderr")?;
        let (book, log) = (Arc::new(Mutex::new(Book::default())), Arc::new(Mutex::new(String::new())));
        let (sender, changed) = watch::channel(0);
        let mut tasks = JoinSet::new();
        let kept = Arc::clone(&book);
        tasks.spawn(async move {
            loop {
                let read = frames::read::<Report>(&mut stdout).await;
                let mut book = kept.lock();
                let goes_on = matches!(read, Ok(Some(_)));
                match read {
                    Ok(Some(report)) => book.enter(report),
                    Ok(None) => book.broken = Some("the driver has ended".to_owned()),
                    Err(error) => book.broken = Some(format!("the driver's stdout: {error}")),
                }
                drop(book);
                sender.send_modify(|count| *count += 1);
                if !goes_on {
                    return;
                }
            }
        });
        let lines = Arc::clone(&log);
        tasks.spawn(async move {
            let mut stderr = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = stderr.next_line().await {
                let mut log = lines.lock();
                if log.len() < 1 << 20 {
                    log.push_str(&line);
                    log.push('\n');
                }
            }
        });
        let mut driver = Self { child, stdin, book, changed, log, next: 0, _tasks: tasks };
        driver.wait(PATIENCE, "the driver to be ready", |book| book.ready.then_some(())).await?;
        Ok(driver)
    }

    /// A number for the next command.
    pub fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Sends a command.
    pub async fn send(&mut self, command: &Command) -> Result<()> {
        frames::write(&mut self.stdin, command).await.context("the driver takes no command")
    }

    /// Waits until the book holds something.
    pub async fn wait<T>(
        &mut self,
        patience: Duration,
        what: &str,
        mut find: impl FnMut(&Book) -> Option<T>,
    ) -> Result<T> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            self.changed.mark_unchanged();
            {
                let book = self.book.lock();
                if let Some(found) = find(&book) {
                    return Ok(found);
                }
                if let Some(broken) = &book.broken {
                    let log = self.log.lock();
                    let from = log.len().saturating_sub(2000);
                    bail!("waited for {what}, but {broken}\n{}", log.get(from..).unwrap_or_default());
                }
            }
            let changed = tokio::time::timeout_at(deadline, self.changed.changed()).await;
            if !matches!(changed, Ok(Ok(()))) && changed.is_err() {
                bail!("waited {patience:?} for {what}");
            }
        }
    }

    /// Looks at the book.
    pub fn look<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.lock())
    }

    /// Forgets what was reported, for the next scenario.
    pub fn forget(&self) {
        let mut book = self.book.lock();
        let broken = book.broken.take();
        *book = Book { broken, ready: true, ..Book::default() };
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().clone()
    }

    /// Tells it to end, and says whether it did so well.
    pub async fn exit(mut self) -> Result<()> {
        let id = self.number();
        self.send(&Command::Exit(ExitCommand { id })).await?;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = status.context("the driver did not end after exit")??;
        if status.success() { Ok(()) } else { bail!("the driver ended with {status}:\n{}", self.log()) }
    }
}

impl Book {
    fn enter(&mut self, report: Report) {
        match report {
            Report::Ready(_) => self.ready = true,
            Report::Done(ref done) => self.answer(done.id, report),
            Report::Failed(ref failed) => self.answer(failed.id, report),
            Report::Replied(ref replied) => self.answer(replied.id, report),
            Report::Started(ref started) => self.answer(started.id, report),
            Report::TurnEvent(seen) => {
                let turn = self.turns.entry(seen.turn).or_default();
                if !turn.ended.is_empty() {
                    self.odd.push(format!("an event after the end of its turn: {:?}", seen.event));
                }
                turn.events.push((Value::Object(seen.event), seen.known));
            }
            Report::TurnEnded(ended) => self.turns.entry(ended.turn.clone()).or_default().ended.push(ended),
            Report::StrayEvent(stray) => self.stray.push((stray.client, Value::Object(stray.event))),
            Report::Broken(broken) => {
                self.broken.get_or_insert(format!("the driver could not: {}", broken.message));
            }
        }
    }

    fn answer(&mut self, id: u32, report: Report) {
        if self.answers.insert(id, report).is_some() {
            self.odd.push(format!("a second answer to command {id}"));
        }
    }
}
