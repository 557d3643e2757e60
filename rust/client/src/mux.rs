//! Which event is whose: request ids on one side, waiters on the other, each with a bounded queue and a clock.
//! There is no socket here and no wall clock, so that all of it is tested by plain calls.

use crate::client::Timeouts;
use crate::errors::{Error, Phase};
use smooai_smooth_operator_protocol::{Action, Event};
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

/// All requests in flight on one socket, and those who listen to what is nobody's.
pub(crate) struct Mux {
    prefix: String,
    ids: u64,
    inboxes: HashMap<String, Inbox>,
    closed: bool,
    /// Why there is no connection at the moment.
    pub trouble: Option<Error>,
}

/// Who waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// A request that gets one answer.
    #[default]
    Call,
    /// A call whose answer lets the parked turn of this session go on.
    Verdict(String),
    /// A request that gets a stream of events up to a terminal one, in this session.
    Turn(String),
    /// A subscriber to the events of nobody.
    Stray,
}

#[derive(Default)]
struct Inbox {
    role: Role,
    timeouts: Timeouts,
    queue: VecDeque<(Event, usize)>,
    bytes: usize,
    missed: u64,
    sent: bool,
    ended: bool,
    failure: Option<Error>,
    waker: Option<Waker>,
    /// When the wait has been too long, and for what.
    due: Option<(Instant, Phase)>,
    /// The event that the turn waits in.
    park: Option<Event>,
    /// When the turn must have ended; while it is parked, what it had left until then.
    end: Option<Instant>,
    left: Option<Duration>,
}

impl Mux {
    /// `prefix` keeps the ids of this client apart from those of others.
    pub fn new(prefix: String) -> Self {
        Self { prefix, ids: 0, inboxes: HashMap::new(), closed: false, trouble: None }
    }

    /// Makes room for a request and returns its id: the wanted one, unless it is taken. A call then gets
    /// another; a turn, whose id is seen by others, fails.
    pub fn claim(&mut self, wanted: Option<&str>, role: Role, timeouts: Timeouts, now: Instant) -> String {
        let due = now.checked_add(timeouts.connect).map(|at| (at, Phase::Connect));
        let mut inbox = Inbox { role, timeouts, due, ..Inbox::default() };
        let wanted = wanted.filter(|id| !id.is_empty());
        let free = wanted.filter(|id| !self.inboxes.contains_key(*id));
        if let (Some(id), None, Role::Turn(_)) = (wanted, free, &inbox.role) {
            inbox.fail(Error::Invalid(format!("requestId {id} is that of a turn in flight")));
        }
        if let (true, Some(reason)) = (self.closed, &self.trouble) {
            inbox.fail(reason.clone());
        }
        self.ids += 1;
        let id = free.map_or_else(|| format!("{}{}", self.prefix, self.ids), str::to_owned);
        self.inboxes.insert(id.clone(), inbox);
        id
    }

    /// Says that a request goes out now. False when nobody waits for it any more: it need not go.
    pub fn sending(&mut self, id: &str, now: Instant) -> bool {
        let Some(inbox) = self.inboxes.get_mut(id).filter(|inbox| !inbox.ended) else { return false };
        inbox.sent = true;
        inbox.end = now.checked_add(inbox.timeouts.turn);
        inbox.due = now.checked_add(inbox.timeouts.request).map(|at| (at, Phase::Request));
        inbox.wake();
        true
    }

    /// Takes an event of `bytes` on the wire.
    pub fn offer(&mut self, event: Event, bytes: usize, now: Instant) {
        let id = event.request_id().unwrap_or_default();
        let Some(inbox) = self.inboxes.get_mut(id) else {
            // The late answer to something that was given up is no news to anybody.
            if !id.starts_with(&self.prefix) {
                self.publish(&event, bytes);
            }
            return;
        };
        if !matches!(inbox.role, Role::Turn(_)) && is_droppable(&event) {
            return self.publish(&event, bytes);
        }
        let freed = match &inbox.role {
            Role::Verdict(session) if lets_go_on(&event) => Some(session.clone()),
            _ => None,
        };
        inbox.offer(event, bytes, now);
        if let Some(session) = freed {
            // Now, not when the caller reads the answer: the turn may be parked anew by then.
            self.resume(&session, now);
        }
    }

    /// Tells the subscribers.
    fn publish(&mut self, event: &Event, bytes: usize) {
        for inbox in self.inboxes.values_mut().filter(|inbox| inbox.role == Role::Stray) {
            inbox.push(event.clone(), bytes);
        }
    }

    /// The clocks of the session's turns run again.
    fn resume(&mut self, session: &str, now: Instant) {
        for inbox in self.inboxes.values_mut() {
            if matches!(&inbox.role, Role::Turn(its) if its == session) {
                inbox.resume(now);
            }
        }
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

    /// When a request will have waited too long, and for what.
    pub fn deadline(&self, id: &str) -> Option<(Instant, Phase)> {
        self.inboxes.get(id)?.due
    }

    /// Ends a request that has waited too long.
    pub fn expire(&mut self, id: &str, now: Instant) {
        let Some(inbox) = self.inboxes.get_mut(id) else { return };
        let Some((_, phase)) = inbox.due.filter(|(at, _)| *at <= now) else { return };
        let limit = inbox.timeouts.of(phase);
        let source = self.trouble.clone().filter(|_| phase == Phase::Connect).map(Box::new);
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

    /// There is no connection. What was sent fails; what was not will go out on the next one.
    /// A turn that can be resumed would stay here instead.
    pub fn cut(&mut self, error: Error) {
        self.inboxes.values_mut().filter(|inbox| inbox.sent).for_each(|inbox| inbox.fail(error.clone()));
        self.trouble = Some(error);
    }

    /// There will be no further connection: everything fails, now and from now on.
    pub fn close(&mut self, error: Error) {
        self.inboxes.values_mut().for_each(|inbox| inbox.fail(error.clone()));
        (self.closed, self.trouble) = (true, Some(error));
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
            // A subscription just ends.
            self.failure = Some(error).filter(|_| self.role != Role::Stray);
            self.ended = true;
            self.wake();
        }
    }

    fn offer(&mut self, event: Event, bytes: usize, now: Instant) {
        if self.ended {
            return;
        }
        if let Event::Error(event) = event {
            return self.fail(Error::Server(Box::new(event)));
        }
        if is_park(&event) {
            self.left = self.left.or_else(|| self.end.take().map(|end| end.saturating_duration_since(now)));
            self.park = Some(event.clone());
        } else if self.park.as_ref().is_some_and(|park| is_left_by(park, &event)) {
            self.resume(now);
        }
        self.ended = is_terminal(&event) || !matches!(self.role, Role::Turn(_));
        self.wait_on(now);
        self.push(event, bytes);
    }

    /// The turn's clock runs again.
    fn resume(&mut self, now: Instant) {
        if self.park.take().is_some() {
            self.end = self.left.take().and_then(|left| now.checked_add(left));
            self.wait_on(now);
            self.wake();
        }
    }

    /// Sets the limit for what comes next, unless that depends on a person.
    fn wait_on(&mut self, now: Instant) {
        let idle = now.checked_add(self.timeouts.idle).map(|at| (at, Phase::Idle));
        let end = self.end.map(|at| (at, Phase::Turn));
        let next = idle.into_iter().chain(end).min_by_key(|(at, _)| *at);
        self.due = next.filter(|_| self.park.is_none());
    }

    /// Keeps the queue within its bounds: joins tokens, then drops the oldest of what a reader can do without.
    fn push(&mut self, event: Event, bytes: usize) {
        self.wake();
        self.bytes += bytes;
        let crowded = self.queue.len() >= MERGE_FROM;
        if crowded
            && let Some((last, size)) = self.queue.back_mut()
            && join(last, &event)
        {
            *size += bytes;
        } else {
            self.queue.push_back((event, bytes));
        }
        while self.queue.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let can_go = |(event, _): &(Event, usize)| self.role == Role::Stray || is_droppable(event);
            let gone = self.queue.iter().position(can_go).and_then(|at| self.queue.remove(at));
            let Some((_, bytes)) = gone else {
                return self.fail(Error::Protocol("a turn waits in more events than it can".to_owned()));
            };
            self.bytes -= bytes;
            self.missed += 1;
        }
    }
}

impl From<&Action> for Role {
    fn from(action: &Action) -> Self {
        match action {
            Action::SendMessage(params) => Self::Turn(params.session_id.clone()),
            Action::ConfirmToolAction(params) => Self::Verdict(params.session_id.clone()),
            Action::SubmitInteraction(params) => Self::Verdict(params.session_id.clone()),
            Action::VerifyOtp(params) => Self::Verdict(params.session_id.clone()),
            _ => Self::Call,
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
