//! Which event is whose: request ids on one side, waiters on the other, each with a bounded queue and a clock.
//! There is no socket here and no wall clock, so that all of it is tested by plain calls.

use crate::client::Timeouts;
use crate::errors::{Error, Phase};
use smooai_smooth_operator_protocol::Event;
use std::collections::{HashMap, VecDeque};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// A queue holds this many events.
const MAX_EVENTS: usize = 1024;
/// A queue holds events of this many bytes on the wire.
const MAX_BYTES: usize = 1 << 20;
/// From this many waiting events on, adjacent tokens are joined.
const MERGE_FROM: usize = 32;
/// A joined token grows up to this many bytes.
const MERGED_BYTES: usize = 4096;

/// All requests in flight on one socket.
pub(crate) struct Mux {
    prefix: String,
    ids: u64,
    inboxes: HashMap<String, Inbox>,
    closed: Option<Error>,
    /// Why there is no connection at the moment.
    pub trouble: Option<Error>,
}

/// What a request is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// It gets one answer.
    #[default]
    Call,
    /// A call whose answer lets the parked turn of this session go on.
    Verdict(String),
    /// It gets a stream of events up to a terminal one, in this session.
    Turn(String),
}

#[derive(Default)]
struct Inbox {
    role: Role,
    timeouts: Timeouts,
    queue: VecDeque<(Event, usize)>,
    bytes: usize,
    missed: u64,
    ended: bool,
    failure: Option<Error>,
    waker: Option<Waker>,
    /// The event that the turn waits in.
    park: Option<Event>,
    made: Option<Instant>,
    sent: Option<Instant>,
    /// When the last event came.
    heard: Option<Instant>,
    /// The turn's clock: what had run when it was last stopped, and since when it runs again.
    spent: Duration,
    running: Option<Instant>,
}

impl Mux {
    /// `prefix` keeps the ids of this client apart from those of others.
    pub fn new(prefix: String) -> Self {
        Self { prefix, ids: 0, inboxes: HashMap::new(), closed: None, trouble: None }
    }

    /// Makes room for a request and returns its id: the wanted one, unless it is taken. A call then gets
    /// another; for a turn, whose id is seen by others, it is an error.
    pub fn claim(
        &mut self,
        wanted: Option<String>,
        role: Role,
        timeouts: Timeouts,
        now: Instant,
    ) -> Result<String, Error> {
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        let id = match wanted.filter(|id| !id.is_empty()) {
            Some(id) if !self.inboxes.contains_key(&id) => id,
            Some(id) if matches!(role, Role::Turn(_)) => {
                return Err(Error::Invalid(format!("requestId {id} is that of a turn in flight")));
            }
            _ => {
                self.ids += 1;
                format!("{}{}", self.prefix, self.ids)
            }
        };
        let inbox = Inbox { role, timeouts, made: Some(now), ..Inbox::default() };
        self.inboxes.insert(id.clone(), inbox);
        Ok(id)
    }

    /// Says that a request goes out now. False when nobody waits for it any more: it need not go.
    pub fn sending(&mut self, id: &str, now: Instant) -> bool {
        let Some(inbox) = self.inboxes.get_mut(id).filter(|inbox| !inbox.ended) else { return false };
        (inbox.sent, inbox.running) = (Some(now), Some(now));
        inbox.wake();
        true
    }

    /// Takes an event of `bytes` on the wire; gives back one that nobody waits for.
    pub fn offer(&mut self, event: Event, bytes: usize, now: Instant) -> Option<Event> {
        let Some(id) = event.request_id() else { return Some(event) };
        let Some(inbox) = self.inboxes.get_mut(id) else {
            // The late answer to something that was given up is no news to anybody.
            return (!id.starts_with(&self.prefix)).then_some(event);
        };
        let freed = match &inbox.role {
            Role::Verdict(session) if lets_go_on(&event) => Some(session.clone()),
            _ => None,
        };
        let stray = inbox.offer(event, bytes, now);
        if let Some(session) = freed {
            // Now, not when the caller reads the answer: the turn may be parked anew by then.
            self.resume(&session, now);
        }
        stray
    }

    /// The next event of a request, its failure, or `None` after its end.
    pub fn poll(&mut self, id: &str, waker: &Waker) -> Poll<Option<Result<Event, Error>>> {
        let Some(inbox) = self.inboxes.get_mut(id) else { return Poll::Ready(None) };
        if inbox.missed > 0 {
            return Poll::Ready(Some(Err(Error::Missed { events: std::mem::take(&mut inbox.missed) })));
        }
        if let Some((event, bytes)) = inbox.queue.pop_front() {
            inbox.bytes -= bytes;
            return Poll::Ready(Some(Ok(event)));
        }
        if inbox.ended {
            return Poll::Ready(inbox.failure.take().map(Err));
        }
        inbox.waker = Some(waker.clone());
        Poll::Pending
    }

    /// When a request has waited too long, and for what.
    pub fn deadline(&self, id: &str) -> Option<(Instant, Phase)> {
        self.inboxes.get(id)?.deadline()
    }

    /// Ends a request whose deadline has come.
    pub fn time_out(&mut self, id: &str, phase: Phase) {
        let source = self.trouble.clone().filter(|_| phase == Phase::Connect).map(Box::new);
        let Some(inbox) = self.inboxes.get_mut(id) else { return };
        let limit = inbox.timeouts.of(phase);
        inbox.fail(Error::Timeout { phase, limit, source });
    }

    /// Ends a request.
    pub fn fail(&mut self, id: &str, error: Error) {
        if let Some(inbox) = self.inboxes.get_mut(id) {
            inbox.fail(error);
        }
    }

    /// Drops a request that nobody waits for any more.
    pub fn forget(&mut self, id: &str) {
        self.inboxes.remove(id);
    }

    /// The event that a turn waits in for a person.
    pub fn park(&self, id: &str) -> Option<Event> {
        self.inboxes.get(id)?.park.clone()
    }

    /// The clocks of the session's turns run again.
    fn resume(&mut self, session: &str, now: Instant) {
        for inbox in self.inboxes.values_mut() {
            if matches!(&inbox.role, Role::Turn(its) if its == session) {
                inbox.resume(now);
                inbox.wake();
            }
        }
    }

    /// The connection is lost. What was sent on it fails; what was not will go out on the next one.
    /// A turn that can be resumed would stay here instead.
    pub fn cut(&mut self, error: &Error) {
        self.inboxes
            .values_mut()
            .filter(|inbox| inbox.sent.is_some())
            .for_each(|inbox| inbox.fail(error.clone()));
        self.trouble = Some(error.clone());
    }

    /// There will be no further connection: everything fails, now and from now on. The first reason stays.
    pub fn close(&mut self, error: Error) {
        let error = self.closed.get_or_insert(error);
        self.inboxes.values_mut().for_each(|inbox| inbox.fail(error.clone()));
    }
}

impl Inbox {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn fail(&mut self, error: Error) {
        if !self.ended {
            (self.ended, self.failure) = (true, Some(error));
            self.wake();
        }
    }

    fn offer(&mut self, event: Event, bytes: usize, now: Instant) -> Option<Event> {
        let in_call = !matches!(self.role, Role::Turn(_));
        if self.ended || (in_call && is_droppable(&event)) {
            return (!self.ended).then_some(event);
        }
        self.heard = Some(now);
        self.ended = in_call || is_terminal(&event);
        self.note_park(&event, now);
        let crowded = self.queue.len() >= MERGE_FROM;
        if crowded
            && let Some((last, size)) = self.queue.back_mut()
            && join(last, &event)
        {
            *size += bytes;
        } else {
            self.queue.push_back((event, bytes));
        }
        self.bytes += bytes;
        self.shed();
        self.wake();
        None
    }

    /// Keeps the queue within its bounds; drops what the turn neither waits in nor ends with, oldest first.
    fn shed(&mut self) {
        while self.queue.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some(at) = self.queue.iter().position(|(event, _)| is_droppable(event)) else {
                if self.queue.len() > 2 * MAX_EVENTS {
                    self.fail(Error::Protocol("a turn waits in more events than it can".to_owned()));
                }
                return;
            };
            if let Some((_, bytes)) = self.queue.remove(at) {
                self.bytes -= bytes;
                self.missed += 1;
            }
        }
    }

    fn note_park(&mut self, event: &Event, now: Instant) {
        if is_park(event) {
            self.park = Some(event.clone());
            self.spent += self.running.take().map_or(Duration::ZERO, |since| now - since);
        } else if self.park.as_ref().is_some_and(|park| is_left_by(park, event)) {
            self.resume(now);
        }
    }

    fn resume(&mut self, now: Instant) {
        if self.park.take().is_some() {
            (self.running, self.heard) = (Some(now), Some(now));
        }
    }

    fn deadline(&self) -> Option<(Instant, Phase)> {
        let at = |start: Option<Instant>, phase| Some((start?.checked_add(self.timeouts.of(phase))?, phase));
        match (self.sent, self.heard) {
            (None, _) => at(self.made, Phase::Connect),
            (sent, None) => at(sent, Phase::Request),
            (_, heard) => {
                let left = self.timeouts.turn.saturating_sub(self.spent);
                let end = self.running?.checked_add(left).map(|end| (end, Phase::Turn));
                at(heard, Phase::Idle).into_iter().chain(end).min_by_key(|(at, _)| *at)
            }
        }
    }
}

/// Whether a turn waits for a person in this event.
fn is_park(event: &Event) -> bool {
    matches!(
        event,
        Event::WriteConfirmationRequired(_)
            | Event::OtpVerificationRequired(_)
            | Event::InteractionRequired(_)
    )
}

/// Whether an event shows that a parked turn goes on. The call that waits is shown only after its park event, and
/// results of other calls may come while it waits.
fn is_left_by(park: &Event, event: &Event) -> bool {
    let waits = |tool: &str| match park {
        Event::WriteConfirmationRequired(park) => park.data.data.tool_id == tool,
        Event::OtpVerificationRequired(park) => park.data.data.tool_id == tool,
        _ => true,
    };
    match event {
        Event::StreamChunk(chunk) => match &chunk.data.state.raw_response {
            Some(progress) => progress.tool_result.as_ref().is_some_and(|result| waits(&result.name)),
            None => true,
        },
        Event::StreamToken(_) | Event::StreamReasoning(_) | Event::StreamPreamble(_) => true,
        _ => matches!(event, Event::OtpVerified(_)) || is_terminal(event),
    }
}

/// Whether nothing of a turn follows the event.
fn is_terminal(event: &Event) -> bool {
    matches!(event, Event::EventualResponse(_) | Event::Error(_) | Event::Cancelled(_))
}

/// Whether the answer to a verdict lets the turn go on: with no attempt left it does, without the tool.
fn lets_go_on(event: &Event) -> bool {
    match event {
        Event::OtpInvalid(event) => event.data.data.attempts_remaining == 0,
        event => matches!(event, Event::ImmediateResponse(_) | Event::OtpVerified(_)),
    }
}

/// Whether a turn's reader can do without the event, and whether it can be no answer to a call.
fn is_droppable(event: &Event) -> bool {
    matches!(
        event,
        Event::StreamToken(_)
            | Event::StreamReasoning(_)
            | Event::StreamPreamble(_)
            | Event::StreamChunk(_)
            | Event::Keepalive(_)
            | Event::Unknown(_)
    )
}

/// Joins a token to the one before it.
fn join(last: &mut Event, next: &Event) -> bool {
    let (token, data, more) = match (last, next) {
        (Event::StreamToken(last), Event::StreamToken(next)) => {
            (&mut last.token, &mut last.data, &next.token)
        }
        (Event::StreamReasoning(last), Event::StreamReasoning(next)) => {
            (&mut last.token, &mut last.data, &next.token)
        }
        _ => return false,
    };
    let fits = token.len() + more.len() <= MERGED_BYTES;
    if fits {
        token.push_str(more);
        data.token.push_str(more);
    }
    fits
}

#[cfg(test)]
mod tests;
