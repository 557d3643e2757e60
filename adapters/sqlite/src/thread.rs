//! The threads that own the connections. The writer does what has come in meanwhile in one transaction,
//! and answers when that has reached the disk; the readers share one queue.

use crate::error::{Failure, store_error, unavailable};
use parking_lot::Mutex;
use rusqlite::{Connection, InterruptHandle};
use smooai_smooth_operator_store::{Result, StoreError};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// So many pieces of work may wait for a thread; who brings one more waits himself.
const QUEUE: usize = 1_024;

/// At most so many writes share a transaction, so that the first one does not wait for long.
const GROUP: usize = 128;

/// What a piece of work is done with, and what it makes of it.
type Work<T> = Box<dyn FnOnce(&Connection) -> Result<T, Failure> + Send>;

/// What happens when the result has reached the disk, before who waits for it is told.
type After<T> = Box<dyn FnOnce(&T) + Send>;

/// Work for a connection, whatever it results in.
pub(crate) trait Job: Send {
    /// Does it and keeps the result; `false` if it failed and must leave nothing behind.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Gives the result to who waits for it, or the error that befell the whole transaction.
    fn answer(self: Box<Self>, lost: Option<StoreError>);
}

struct Pending<T> {
    context: &'static str,
    work: Option<Work<T>>,
    after: After<T>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send> Job for Pending<T> {
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = work(connection).map_err(|failure| store_error(failure, self.context));
        self.result.insert(result).is_ok()
    }

    fn answer(self: Box<Self>, lost: Option<StoreError>) {
        let result = match (lost, self.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => result,
            (None, None) => Err(unavailable(self.context, None)),
        };
        if let Ok(value) = &result {
            (self.after)(value);
        }
        // Who no longer waits does not want to know.
        let _ = self.reply.send(result);
    }
}

/// Where work for a kind of thread is brought.
pub(crate) struct Queue(mpsc::Sender<Box<dyn Job>>);

impl Queue {
    /// Has the work done and waits for its result. What is done `after` it, is also done when nobody waits
    /// any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        context: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T> {
        let (reply, result) = oneshot::channel();
        let job =
            Pending { context, work: Some(Box::new(work)), after: Box::new(after), result: None, reply };
        let stopped = || unavailable(context, Some("the database's thread has ended".into()));
        self.0.send(Box::new(job)).await.map_err(|_| stopped())?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// Starts the thread that writes. It holds the folder's lock until it has closed its connection.
pub(crate) fn writer(connection: Connection, lock: File) -> io::Result<(Queue, InterruptHandle)> {
    let (sender, mut jobs) = mpsc::channel::<Box<dyn Job>>(QUEUE);
    let interrupt = connection.get_interrupt_handle();
    std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || {
        while let Some(first) = jobs.blocking_recv() {
            group(&connection, first, &mut jobs);
        }
        drop(connection);
        drop(lock);
    })?;
    Ok((Queue(sender), interrupt))
}

/// Does one job, and those that have come in meanwhile, in one transaction.
fn group(connection: &Connection, first: Box<dyn Job>, jobs: &mut mpsc::Receiver<Box<dyn Job>>) {
    let mut done: Vec<Box<dyn Job>> = Vec::new();
    let mut outcome = connection.execute_batch("BEGIN IMMEDIATE");
    let mut next = Some(first);
    while let Some(mut job) = next {
        if outcome.is_ok() {
            outcome = alone(connection, job.as_mut());
        }
        done.push(job);
        let more = outcome.is_ok() && done.len() < GROUP;
        next = if more { jobs.try_recv().ok() } else { None };
    }
    let outcome = outcome.and_then(|()| connection.execute_batch("COMMIT"));
    if outcome.is_err() && !connection.is_autocommit() {
        // Nothing more can be done about an error here; the next BEGIN tells it.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for job in done {
        let lost =
            outcome.as_ref().err().map(|error| unavailable(&format!("a write was lost: {error}"), None));
        job.answer(lost);
    }
}

/// Does one job of a transaction so that, if it fails, only its own changes are undone.
fn alone(connection: &Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    connection.prepare_cached("SAVEPOINT job")?.execute(())?;
    if !job.run(connection) {
        // Some errors end the whole transaction: then this fails and all of the group is told.
        connection.prepare_cached("ROLLBACK TO job")?.execute(())?;
    }
    connection.prepare_cached("RELEASE job")?.execute(())?;
    Ok(())
}

/// Starts the threads that read, one per connection.
pub(crate) fn readers(connections: Vec<Connection>) -> io::Result<(Queue, Vec<InterruptHandle>)> {
    let (sender, jobs) = mpsc::channel::<Box<dyn Job>>(QUEUE);
    let jobs = Arc::new(Mutex::new(jobs));
    let mut interrupts = Vec::new();
    for (number, connection) in connections.into_iter().enumerate() {
        interrupts.push(connection.get_interrupt_handle());
        let jobs = Arc::clone(&jobs);
        std::thread::Builder::new().name(format!("sqlite-reader-{number}")).spawn(move || {
            loop {
                // One thread waits for work while the others wait for its place.
                let next = jobs.lock().blocking_recv();
                let Some(mut job) = next else { return };
                job.run(&connection);
                job.answer(None);
            }
        })?;
    }
    Ok((Queue(sender), interrupts))
}
