//! The line to the server: one task that reads, writes, pings, and connects again when the line is lost.

mod handshake;

use crate::client::MAX_FRAME;
use crate::errors::Error;
use crate::mux::Mux;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
pub(crate) use handshake::Settings;
use handshake::{Dialer, Line};
use smooai_smooth_operator_protocol::Event;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::select;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Actions that wait to be sent.
const MAX_FRAMES: usize = 1024;
/// Events that a subscriber may be behind.
const MAX_STRAYS: usize = 256;
/// How long the other side may take to close.
const GOODBYE: Duration = Duration::from_secs(2);

/// An action on its way; without an id nobody waits for an answer.
pub(crate) struct Frame {
    pub id: Option<String>,
    pub text: String,
}

/// What the callers and the line's task share.
pub(crate) struct Link {
    mux: Mutex<Mux>,
    pub frames: mpsc::Sender<Frame>,
    pub strays: broadcast::WeakSender<Event>,
    open: AtomicBool,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// Connects, and starts the line's task. It ends when the guard is dropped.
pub(crate) async fn start(settings: Settings, limit: Duration) -> Result<(Arc<Link>, DropGuard), Error> {
    let dialer = Dialer::new(settings, limit)?;
    let line = dialer.dial().await?;
    let seed =
        getrandom::u64().map_err(|error| Error::Connect(Arc::new(io::Error::other(error.to_string()))))?;
    let (frames, queue) = mpsc::channel(MAX_FRAMES);
    let (strays, _) = broadcast::channel(MAX_STRAYS);
    let link = Arc::new(Link {
        mux: Mutex::new(Mux::new(format!("{seed:016x}-"))),
        frames,
        strays: strays.downgrade(),
        open: AtomicBool::new(true),
        closing: CancellationToken::new(),
        tasks: TaskTracker::new(),
    });
    let task = Task { link: Arc::clone(&link), dialer, queue, strays };
    link.tasks.spawn(task.run(line));
    link.tasks.close();
    let guard = link.closing.clone().drop_guard();
    Ok((link, guard))
}

impl Link {
    pub fn mux(&self) -> MutexGuard<'_, Mux> {
        self.mux.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.wait().await;
    }
}

struct Task {
    link: Arc<Link>,
    dialer: Dialer,
    queue: mpsc::Receiver<Frame>,
    strays: broadcast::Sender<Event>,
}

impl Task {
    async fn run(mut self, mut line: Line) {
        let mut failures = 0;
        let reason = loop {
            self.link.mux().trouble = None;
            self.link.open.store(true, Ordering::Relaxed);
            tracing::debug!("connected");
            let since = Instant::now();
            let ended = self.serve(line).await;
            self.link.open.store(false, Ordering::Relaxed);
            let Some(error) = ended else { break Error::Closed };
            tracing::info!(%error, "the connection was lost");
            self.link.mux().cut(&error);
            if since.elapsed() > self.dialer.settings.most_wait {
                failures = 0;
            }
            match self.redial(&mut failures).await {
                Ok(next) => line = next,
                Err(error) => break error,
            }
        };
        tracing::debug!(%reason, "the client ends");
        self.link.mux().close(reason);
    }

    /// Connects again, with pauses that grow; fails for good when trying again is of no use.
    async fn redial(&mut self, failures: &mut u32) -> Result<Line, Error> {
        let mut asked = Duration::ZERO;
        loop {
            let pause = pause(&self.dialer.settings, *failures, random()).max(asked);
            let dial = async {
                sleep(pause).await;
                self.dialer.dial().await
            };
            let dialled = select! {
                dialled = dial => dialled,
                () = self.link.closing.cancelled() => return Err(Error::Closed),
            };
            *failures += 1;
            let error = match dialled {
                Err(error) if error.is_retryable() => error,
                settled => return settled,
            };
            tracing::debug!(%error, failures, "no connection yet");
            asked = error.retry_after().unwrap_or_default().min(self.dialer.settings.most_wait);
            self.link.mux().trouble = Some(error);
        }
    }

    /// Serves a line until it is lost, or until the client closes: then there is no error.
    async fn serve(&mut self, line: Line) -> Option<Error> {
        let heartbeat = self.dialer.settings.heartbeat;
        let (mut sink, mut stream) = line.split();
        let lost = select! {
            error = read(&mut stream, heartbeat.saturating_mul(2), &self.link, &self.strays) => Some(error),
            Err(error) = write(&mut sink, heartbeat, &self.link, &mut self.queue) => Some(Error::lost(error.to_string())),
            () = self.link.closing.cancelled() => None,
        };
        if lost.is_none() {
            let goodbye = goodbye(&mut sink, &mut stream, &mut self.queue);
            let _too_late_to_matter = timeout(GOODBYE, goodbye).await;
        }
        lost
    }
}

async fn read(
    stream: &mut SplitStream<Line>,
    silence: Duration,
    link: &Link,
    strays: &broadcast::Sender<Event>,
) -> Error {
    loop {
        match timeout(silence, stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => receive(text.as_str(), link, strays),
            Ok(Some(Ok(Message::Close(frame)))) => {
                // Reading on is what sends our half of the closing handshake.
                let _broken_anyway = timeout(GOODBYE, stream.next()).await;
                let (code, reason) = frame.map_or((None, String::new()), |frame| {
                    (Some(u16::from(frame.code)), frame.reason.as_str().to_owned())
                });
                let reason = if reason.is_empty() { "the server closed it".to_owned() } else { reason };
                return Error::Lost { close_code: code, reason };
            }
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Error::lost(error.to_string()),
            Ok(None) => return Error::lost("the line ended"),
            Err(_) => return Error::lost(format!("nothing was heard for {silence:?}")),
        }
    }
}

fn receive(text: &str, link: &Link, strays: &broadcast::Sender<Event>) {
    match Event::from_json(text) {
        Ok(event) => {
            let stray = link.mux().offer(event, text.len(), Instant::now());
            if let Some(event) = stray {
                // An error means that nobody has subscribed.
                let _unheard = strays.send(event);
            }
        }
        Err(error) => {
            tracing::warn!(%error, "a frame could not be read");
            if let Some(id) = &error.request_id {
                link.mux().fail(id, Error::Protocol(error.to_string()));
            }
        }
    }
}

type Sink = SplitSink<Line, Message>;

/// Sends what waits, with one flush for all that is there, and pings between.
async fn write(
    sink: &mut Sink,
    heartbeat: Duration,
    link: &Link,
    queue: &mut mpsc::Receiver<Frame>,
) -> Result<(), WsError> {
    let mut beat = interval_at(Instant::now() + heartbeat, heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut next = select! {
            frame = queue.recv() => frame,
            _ = beat.tick() => {
                sink.feed(Message::Ping(Vec::new().into())).await?;
                None
            }
        };
        while let Some(Frame { id, text }) = next {
            if id.is_none_or(|id| link.mux().sending(&id, Instant::now())) {
                sink.feed(Message::text(text)).await?;
            }
            next = queue.try_recv().ok();
        }
        sink.flush().await?;
    }
}

/// Sends the cancellations that still wait, and closes.
async fn goodbye(sink: &mut Sink, stream: &mut SplitStream<Line>, queue: &mut mpsc::Receiver<Frame>) {
    while let Ok(frame) = queue.try_recv() {
        if frame.id.is_none() && sink.feed(Message::text(frame.text)).await.is_err() {
            return;
        }
    }
    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    if sink.send(Message::Close(Some(close))).await.is_ok() {
        while let Some(Ok(_)) = stream.next().await {}
    }
}

/// Full jitter: anything between nothing and a bound that doubles with each failure.
fn pause(settings: &Settings, failures: u32, random: f64) -> Duration {
    let doubled = settings.first_wait.saturating_mul(2_u32.saturating_pow(failures));
    doubled.min(settings.most_wait).mul_f64(random)
}

/// Between 0 and 1. Without a source of randomness the pause is the whole bound.
fn random() -> f64 {
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
