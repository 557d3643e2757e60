//! The line to the server: one task that reads, writes, pings, and connects again when the line is lost.

mod handshake;

use crate::client::Builder;
use crate::errors::Error;
use crate::mux::Mux;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use handshake::{Line, dial};
use smooai_smooth_operator_protocol::Event;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A frame may have this many bytes.
pub(crate) const MAX_FRAME: usize = 1 << 20;
/// Frames that wait to be sent.
const MAX_FRAMES: usize = 1024;
/// How long the other side may take to close.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is to be sent; without an id nobody waits for an answer.
pub(crate) struct Frame {
    pub id: Option<String>,
    pub message: Message,
}

/// What the callers and the line's task share.
pub(crate) struct Link {
    mux: Mutex<Mux>,
    pub frames: mpsc::Sender<Frame>,
    pub closing: CancellationToken,
    tasks: TaskTracker,
}

/// Connects, and starts the task that keeps the line until `closing` is cancelled.
pub(crate) async fn start(options: Builder) -> Result<Arc<Link>, Error> {
    let line = dial(&options).await?;
    let (frames, queue) = mpsc::channel(MAX_FRAMES);
    let link = Arc::new(Link {
        mux: Mutex::new(Mux::new(format!("{:016x}-", fastrand::u64(..)))),
        frames,
        closing: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    let task = Task { link: Arc::clone(&link), options, queue };
    link.tasks.spawn(task.run(line));
    link.tasks.close();
    Ok(link)
}

impl Link {
    pub fn mux(&self) -> MutexGuard<'_, Mux> {
        self.mux.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.wait().await;
    }

    fn receive(&self, text: &str) {
        match Event::from_json(text) {
            Ok(event) => self.mux().offer(event, text.len(), Instant::now()),
            Err(error) => {
                tracing::warn!(%error, "a frame could not be read");
                if let Some(id) = &error.request_id {
                    self.mux().fail(id, Error::Protocol(error.to_string()));
                }
            }
        }
    }
}

struct Task {
    link: Arc<Link>,
    options: Builder,
    queue: mpsc::Receiver<Frame>,
}

impl Task {
    /// Serves one line after the other, with pauses that grow as long as none lasts, until the client closes or
    /// trying again is of no use.
    async fn run(mut self, line: Line) {
        let (closing, most_wait) = (self.link.closing.clone(), self.options.most_wait);
        let mut dialled: Result<Line, Error> = Ok(line);
        let mut failures = 0;
        let reason = loop {
            let began = Instant::now();
            let error = match dialled {
                Ok(line) => match self.serve(line).await {
                    Some(lost) => lost,
                    None => break Error::Closed,
                },
                Err(error) if error.is_retryable() => error,
                Err(error) => break error,
            };
            if began.elapsed() > most_wait {
                failures = 0;
            }
            let asked = error.retry_after().unwrap_or_default().min(most_wait);
            let pause = pause(&self.options, failures, fastrand::f64()).max(asked);
            failures += 1;
            tracing::info!(%error, ?pause, "there is no connection");
            self.link.mux().cut(error);
            let redial = async {
                sleep(pause).await;
                dial(&self.options).await
            };
            match closing.run_until_cancelled(redial).await {
                Some(settled) => dialled = settled,
                None => break Error::Closed,
            }
        };
        tracing::debug!(%reason, "the client ends");
        self.link.mux().close(reason);
    }

    /// Serves a line until it is lost, or until the client closes: then there is no error.
    async fn serve(&mut self, line: Line) -> Option<Error> {
        tracing::debug!("connected");
        self.link.mux().trouble = None;
        let (mut sink, mut stream) = line.split();
        let lost = select! {
            Err(lost) = read(&self.link, &mut stream, self.options.heartbeat) => Some(lost),
            Err(error) = write(&self.link, &mut sink, &mut self.queue) => Some(lost(error)),
            () = self.link.closing.cancelled() => None,
        };
        if lost.is_none() {
            let goodbye = goodbye(&mut sink, &mut stream, &mut self.queue);
            let _too_late_to_matter = timeout(GOODBYE, goodbye).await;
        }
        lost
    }
}

/// Takes what the server says. When it says nothing for a while it is asked for a sign of life.
async fn read(link: &Link, stream: &mut SplitStream<Line>, heartbeat: Duration) -> Result<Infallible, Error> {
    let mut pinged = false;
    loop {
        let Ok(next) = timeout(heartbeat, stream.next()).await else {
            if pinged {
                return Err(lost(format!("nothing was heard for {:?}", heartbeat.saturating_mul(2))));
            }
            // Where the queue is full the writing does not get on, which ends in the same way.
            let _full = link.frames.try_send(Frame { id: None, message: Message::Ping(Vec::new().into()) });
            pinged = true;
            continue;
        };
        pinged = false;
        match next.ok_or("the line ended").map_err(lost)?.map_err(lost)? {
            Message::Text(text) => link.receive(text.as_str()),
            Message::Close(frame) => {
                // Reading on is what sends our half of the closing handshake.
                let _broken_anyway = timeout(GOODBYE, stream.next()).await;
                let close_code = frame.as_ref().map(|frame| frame.code.into());
                let reason = frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
                let reason = reason.unwrap_or_else(|| "the server closed it".to_owned());
                return Err(Error::Lost { close_code, reason });
            }
            _ => {}
        }
    }
}

/// Sends what waits, with one flush for all that is there.
async fn write(
    link: &Link,
    sink: &mut SplitSink<Line, Message>,
    queue: &mut mpsc::Receiver<Frame>,
) -> Result<Infallible, WsError> {
    let mut frames = Vec::new();
    loop {
        queue.recv_many(&mut frames, MAX_FRAMES).await;
        // All at once and before anything is waited for: what is out of the queue is lost with the line.
        frames.retain(|Frame { id, .. }| match id {
            Some(id) => link.mux().sending(id, Instant::now()),
            None => true,
        });
        for frame in frames.drain(..) {
            sink.feed(frame.message).await?;
        }
        sink.flush().await?;
    }
}

/// Sends the cancellations that still wait, and closes.
async fn goodbye(
    sink: &mut SplitSink<Line, Message>,
    stream: &mut SplitStream<Line>,
    queue: &mut mpsc::Receiver<Frame>,
) -> Result<(), WsError> {
    while let Ok(frame) = queue.try_recv() {
        if frame.id.is_none() {
            sink.feed(frame.message).await?;
        }
    }
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    sink.send(Message::Close(Some(close))).await?;
    while stream.next().await.transpose()?.is_some() {}
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "map_err gives it by value")]
fn lost(reason: impl ToString) -> Error {
    Error::Lost { close_code: None, reason: reason.to_string() }
}

/// Full jitter: anything between nothing and a bound that doubles with each failure.
fn pause(options: &Builder, failures: u32, random: f64) -> Duration {
    let doubled = options.first_wait.saturating_mul(2_u32.saturating_pow(failures));
    doubled.min(options.most_wait).mul_f64(random)
}

#[cfg(test)]
mod tests;
