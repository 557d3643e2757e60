//! The line to the server: one task that reads, writes, pings, and connects again when the line is lost.

mod handshake;

use crate::client::Options;
use crate::errors::Error;
use crate::mux::Mux;
use futures_util::future::ready;
use futures_util::stream::{self, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _, TryFutureExt as _};
use handshake::{Line, dial};
use parking_lot::Mutex;
use smooai_smooth_operator_protocol::Event;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A frame may have this many bytes.
pub(crate) const MAX_FRAME: usize = 1 << 20;
/// Frames that wait to be sent.
const MAX_FRAMES: usize = 1024;
/// How long the other side may take to close.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is to be sent, and who waits for an answer to it.
pub(crate) type Frame = (Option<String>, String);

/// What the callers and the line's task share.
pub(crate) struct Link {
    pub mux: Mutex<Mux>,
    pub frames: mpsc::Sender<Frame>,
    pub closing: CancellationToken,
    pub tasks: TaskTracker,
}

/// Connects, and starts the task that keeps the line until `closing` is cancelled.
pub(crate) async fn start(url: String, options: Options) -> Result<Arc<Link>, Error> {
    let line = dial(&url, &options).await?;
    let (frames, queue) = mpsc::channel(MAX_FRAMES);
    let mux = Mutex::new(Mux::new(format!("{:016x}-", fastrand::u64(..))));
    let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
    let link = Arc::new(Link { mux, frames, closing, tasks });
    link.tasks.spawn(run(Arc::clone(&link), queue, url, options, line));
    link.tasks.close();
    Ok(link)
}

/// Serves one line after the other, with pauses that grow as long as none lasts, until the client closes or trying
/// again is of no use.
async fn run(link: Arc<Link>, mut queue: mpsc::Receiver<Frame>, url: String, options: Options, line: Line) {
    let mut dialled = Ok(line);
    let mut failures = 0;
    loop {
        let began = Instant::now();
        let error = match dialled {
            Ok(line) => serve(&link, &mut queue, line, options.pacing.heartbeat).await,
            Err(error) => error,
        };
        if !error.is_retryable() {
            tracing::info!(%error, "the client ends");
            return link.mux.lock().cut(error);
        }
        if began.elapsed() > options.pacing.longest_pause {
            failures = 0;
        }
        let asked = error.retry_after().unwrap_or_default().min(options.pacing.longest_pause);
        let pause = pause(&options, failures, fastrand::f64()).max(asked);
        failures += 1;
        tracing::info!(%error, ?pause, "there is no connection");
        link.mux.lock().cut(error);
        let _cut_short = link.closing.run_until_cancelled(sleep(pause)).await;
        dialled = link.closing.run_until_cancelled(dial(&url, &options)).await.unwrap_or(Err(Error::Closed));
    }
}

/// Serves a line until it is lost or the client closes; returns which.
async fn serve(link: &Link, queue: &mut mpsc::Receiver<Frame>, line: Line, heartbeat: Duration) -> Error {
    tracing::debug!("connected");
    link.mux.lock().trouble = None;
    let (mut sink, mut stream) = line.split();
    let waiting = stream::poll_fn(|cx| {
        if link.closing.is_cancelled() {
            queue.close();
        }
        queue.poll_recv(cx)
    });
    let mut frames = waiting.filter_map(|(id, text)| {
        let wanted = id.is_none_or(|id| link.mux.lock().sending(&id));
        ready(wanted.then(|| Ok(Message::text(text))))
    });
    let mut ticks = interval(heartbeat.max(Duration::from_millis(1)));
    let pings = stream::poll_fn(|cx| ticks.poll_tick(cx).map(|_| Some(Ok(Message::Ping(Bytes::new())))));
    let mut outgoing = stream::select(&mut frames, pings);
    // When it cannot be written, reading tells why: the server may have closed.
    let written = sink.send_all(&mut outgoing).or_else(|error| sleep(GOODBYE).map(|()| Err(error)));
    select! {
        Err(lost) = read(link, &mut stream, heartbeat.saturating_mul(2)) => return lost,
        Err(error) = written => return lost(&error),
        () = link.closing.cancelled() => {}
    }
    // What waits for an answer is no longer sent, a cancellation still is.
    link.mux.lock().cut(Error::Closed);
    let goodbye = async {
        sink.send_all(&mut frames).await?;
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        sink.send(Message::Close(Some(close))).await?;
        while stream.next().await.transpose()?.is_some() {}
        Ok::<_, WsError>(())
    };
    let _too_late_to_matter = timeout(GOODBYE, goodbye).await;
    Error::Closed
}

/// Takes what the server says. A line on which nothing is heard, not even the answer to a ping, is lost.
async fn read(link: &Link, stream: &mut SplitStream<Line>, patience: Duration) -> Result<Infallible, Error> {
    loop {
        let silence = |_| lost(&format!("nothing was heard for {patience:?}"));
        let next = timeout(patience, stream.next()).await.map_err(silence)?;
        match next.ok_or_else(|| lost(&"the line ended"))?.map_err(|error| lost(&error))? {
            Message::Text(text) => match Event::from_json(text.as_str()) {
                Ok(event) => link.mux.lock().offer(event, text.len()),
                Err(error) => {
                    tracing::warn!(%error, "a frame could not be read");
                    let id = error.request_id.as_deref().unwrap_or_default();
                    link.mux.lock().fail(id, Error::Protocol(error.to_string()));
                }
            },
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

fn lost(reason: &impl ToString) -> Error {
    Error::Lost { close_code: None, reason: reason.to_string() }
}

/// Full jitter: anything between nothing and a bound that doubles with each failure.
fn pause(options: &Options, failures: u32, random: f64) -> Duration {
    let doubled = options.pacing.first_pause.saturating_mul(2_u32.saturating_pow(failures));
    doubled.min(options.pacing.longest_pause).mul_f64(random)
}

#[cfg(test)]
mod tests;
