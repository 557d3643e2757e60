//! One socket: reads frames and hands each to the service, writes what the service says, keeps the
//! line alive, and closes it in good order.

use crate::closing::{self, Reason};
use crate::outbox::Outbox;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use smooai_smooth_operator::{Caller, EventSink as _, Service};
use smooai_smooth_operator_protocol::ErrorCode;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::Error as SocketError;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

/// Between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A peer that is not heard, or does not read, for this long is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// What is still to be said before we close must be taken within this time.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Frames written with one flush.
const BATCH: usize = 32;
/// A write this soon after the last one is worth waiting a few scheduling rounds for.
const BUSY: Duration = Duration::from_millis(2);
/// Scheduling rounds that a write waits for more, at most.
const SETTLE_ROUNDS: usize = 16;
/// Actions answered at once, turns that wait for a person among them.
const MOST_AT_ONCE: usize = 1_024;

/// Who sits at the other end, and what he may do.
#[derive(Clone)]
pub(crate) struct Seat {
    pub service: Arc<Service>,
    pub caller: Arc<Caller>,
    /// How long the token still holds.
    pub valid_for: Option<Duration>,
    /// Cancelled when the server drains.
    pub draining: CancellationToken,
    /// Cancelled when the connection ends or drains: nobody stays with parked turns any more.
    pub leave: CancellationToken,
}

/// Why a connection ends.
enum End {
    /// The peer closed, or the line broke.
    Gone,
    /// We close.
    Close(Reason),
}

/// The actions that are being answered. They run in the connection's own task: what they say is
/// written in the same breath, without waking anybody else.
type Work = FuturesUnordered<BoxFuture<'static, ()>>;

/// Serves one socket to its end.
pub(crate) async fn serve<S>(socket: WebSocketStream<S>, seat: Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sink, mut stream) = socket.split();
    let outbox = Outbox::new(Arc::clone(&seat.service));
    let mut work = Work::new();
    let end = tokio::select! {
        biased;
        end = read(&mut stream, &seat, outbox.clone(), &mut work) => end,
        () = write(&mut sink, &outbox) => End::Gone,
    };
    // From here on a turn's next event finds nobody, and the turn stops in good order.
    seat.leave.cancel();
    seat.service.hang_up(&seat.caller);
    outbox.close();
    let closing = async {
        let End::Close(reason) = end else { return drop((sink, stream)) };
        let written = timeout(LAST_WORDS, write_waiting(&mut sink, &outbox, usize::MAX)).await;
        if let (Ok(Ok(())), Ok(socket)) = (written, sink.reunite(stream)) {
            closing::close(socket, reason).await;
        }
    };
    let ending = async { while work.next().await.is_some() {} };
    Box::pin(futures_util::future::join(closing, ending)).await;
}

async fn read<S>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    seat: &Seat,
    mut outbox: Outbox,
    work: &mut Work,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut expiry = pin!(async {
        match seat.valid_for {
            Some(left) => sleep(left).await,
            None => std::future::pending().await,
        }
    });
    let mut silence = pin!(sleep(SILENCE_LIMIT));
    let mut draining = false;
    loop {
        tokio::select! {
            frame = stream.next() => {
                silence.as_mut().reset(Instant::now() + SILENCE_LIMIT);
                let end = match frame {
                    Some(Ok(message)) => take(message, seat, &mut outbox, work).await,
                    Some(Err(error)) => Some(broken(&error)),
                    None => Some(End::Gone),
                };
                if let Some(end) = end {
                    return end;
                }
            }
            Some(()) = work.next(), if !work.is_empty() => {}
            () = seat.draining.cancelled(), if !draining => draining = true,
            () = &mut expiry => {
                let text = "The token has expired. Connect again with a new one.";
                let notice = seat.service.notice(None, ErrorCode::Unauthenticated, text);
                let _gone_already = outbox.send(notice).await;
                return End::Close(Reason::Expired);
            }
            () = &mut silence => return End::Close(Reason::Silent),
        }
        if draining && work.is_empty() {
            return End::Close(Reason::GoingAway);
        }
    }
}

/// Takes one message; returns why the connection ends, if it does.
async fn take(message: Message, seat: &Seat, outbox: &mut Outbox, work: &mut Work) -> Option<End> {
    let refusal = match message {
        Message::Text(text) if work.len() < MOST_AT_ONCE => {
            work.push(answer(text.as_str().to_owned(), seat.clone(), outbox.clone()).boxed());
            return None;
        }
        Message::Text(_) => {
            let text = "Too many actions of this connection are running. Wait for one to end.";
            seat.service.notice(None, ErrorCode::RateLimited, text)
        }
        Message::Binary(_) => {
            let text = "Frames must be text: one JSON object each.";
            seat.service.notice(None, ErrorCode::ValidationError, text)
        }
        // The library has queued the answer; the stream's end follows.
        Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return None,
    };
    outbox.send(refusal).await.is_err().then_some(End::Gone)
}

/// Answers a frame. Frames are begun in the order they came in. A defect that panics ends its own
/// action only.
async fn answer(text: String, seat: Seat, mut outbox: Outbox) {
    let Seat { service, caller, leave, .. } = seat;
    let answering = AssertUnwindSafe(service.attend(&caller, &text, &mut outbox, &leave)).catch_unwind();
    if answering.await.is_err() {
        tracing::error!("an action ended by a panic");
    }
}

fn broken(error: &SocketError) -> End {
    match error {
        SocketError::Capacity(_) => End::Close(Reason::TooBig),
        SocketError::Utf8(_) => End::Close(Reason::Protocol(CloseCode::Invalid)),
        SocketError::Protocol(_) => End::Close(Reason::Protocol(CloseCode::Protocol)),
        _ => End::Gone,
    }
}

type Sink<S> = SplitSink<WebSocketStream<S>, Message>;

/// Writes what waits, and pings between; returns when the line
/// is broken or the peer does not read.
async fn write<S>(sink: &mut Sink<S>, outbox: &Outbox)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Instant> = None;
    loop {
        let written = tokio::select! {
            () = outbox.filled() => {
                if last.is_some_and(|last| last.elapsed() < BUSY) {
                    settle(outbox).await;
                }
                let written = timeout(SILENCE_LIMIT, write_waiting(sink, outbox, BATCH)).await;
                last = Some(Instant::now());
                written
            }
            _ = ping.tick() => timeout(SILENCE_LIMIT, sink.send(Message::Ping(Vec::new().into()))).await,
        };
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// Lets the turns and the other connections run for as long as that brings more to write: under load a
/// write costs more than a token is worth, and tokens that wait become one frame.
async fn settle(outbox: &Outbox) {
    let mut before = outbox.bytes();
    for _ in 0..SETTLE_ROUNDS {
        tokio::task::yield_now().await;
        let now = outbox.bytes();
        if now <= before {
            return;
        }
        before = now;
    }
}

/// Writes at most so many of the frames that wait, with one flush.
async fn write_waiting<S>(sink: &mut Sink<S>, outbox: &Outbox, most: usize) -> Result<(), SocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..most {
        let Some(frame) = outbox.take() else { break };
        sink.feed(Message::Text(frame.into_text().into())).await?;
    }
    sink.flush().await
}
