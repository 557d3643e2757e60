//! Which event is whose: request ids on one side, waiters on the other, each with a bounded queue and a clock.
//! There is no socket here, so that all of it is tested by plain calls.

use crate::errors::Error;
use crate::generated::{Phase, Timeouts};
use futures_util::task::AtomicWaker;
use smooai_smooth_operator_protocol::{Event, TurnEffect};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// A queue holds this many events,
const MAX_EVENTS: usize = 1024;
/// and events whose frames have this many bytes together, unless those that must be kept have more.
const MAX_BYTES: usize = 1 << 20;

/// All requests in flight on one socket, and those who listen to what is nobody's.
pub(crate) struct Mux {
    prefix: String,
    ids: u64,
    inboxes: HashMap<String, Inbox>,
    /// Why there is no connection, at the moment or for good.
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
    /// A request that gets a stream of events up to the one that ends it, in this session.
    Turn(String),
    /// A subscriber to the events of nobody.
    Stray,
}

/// When a wait has been too long, what it is for, and how long it may be.
type Deadline = (Instant, Phase, Duration);

#[derive(Default)]
struct Inbox {
    role: Role,
    timeouts: Timeouts,
    /// What waits to be read, each with the size of its frame.
    queue: VecDeque<(Result<Event, Error>, usize)>,
    /// The sizes of all frames in the queue.
    bytes: usize,
    missed: u64,
    sent: bool,
    ended: bool,
    waker: AtomicWaker,
    /// The limit of what is waited for now.
    due: Option<Deadline>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// The limit of the whole turn.
    end: Option<Deadline>,
    /// The event that the turn waits in, and since when it waits.
    park: Option<(Event, Instant)>,
}

impl Mux {
    /// `prefix` keeps the ids of this client apart from those of others.
    pub fn new(prefix: String) -> Self {
        Self { prefix, ids: 0, inboxes: HashMap::new(), trouble: None }
    }

    /// Makes room for a request and returns its id: the wanted one, unless it is taken. A call then gets
    /// another; a turn, whose id is seen by others, fails.
    pub fn claim(&mut self, wanted: Option<&str>, role: Role, timeouts: Timeouts) -> String {
        let due = deadline(Phase::Request, timeouts.request);
        let mut inbox = Inbox { role, timeouts, due, ..Inbox::default() };
        let wanted = wanted.filter(|id| !id.is_empty());
        let free = wanted.filter(|id| !self.inboxes.contains_key(*id));
        if free != wanted && inbox.is_turn() {
            inbox.fail(Error::Invalid("the requestId is that of a turn in flight".to_owned()));
        }
        if let Some(reason) = self.trouble.as_ref().filter(|reason| !reason.is_retryable()) {
            inbox.fail(reason.clone());
        }
        self.ids += 1;
        let id = free.map_or_else(|| format!("{}{}", self.prefix, self.ids), str::to_owned);
        self.inboxes.insert(id.clone(), inbox);
        id
    }

    /// Says that a request goes out now. False when nobody waits for it any more: it need not go.
    pub fn sending(&mut self, id: &str) -> bool {
        let Some(inbox) = self.inboxes.get_mut(id).filter(|inbox| !inbox.ended) else { return false };
        inbox.sent = true;
        inbox.end = deadline(Phase::Turn, inbox.timeouts.turn);
        true
    }

    /// Takes an event, whose frame had so many bytes, to whom waits for it.
    pub fn offer(&mut self, event: Event, size: usize) {
        let id = event.request_id().unwrap_or_default();
        match self.inboxes.get_mut(id) {
            Some(inbox) if inbox.is_turn() || !is_droppable(&event) => {
                let freed = match (&inbox.role, event.turn_effect()) {
                    (Role::Verdict(session), TurnEffect::GoesOn) => Some(Role::Turn(session.clone())),
                    _ => None,
                };
                inbox.offer(event, size);
                // Now, not when the caller reads the answer: the turn may be parked anew by then.
                if let Some(turn) = freed {
                    self.inboxes.values_mut().filter(|inbox| inbox.role == turn).for_each(Inbox::resume);
                }
            }
            // The late answer to something that was given up is no news to anybody.
            None if id.starts_with(&self.prefix) => {}
            _ => {
                let strays = self.inboxes.values_mut().filter(|inbox| inbox.role == Role::Stray);
                strays.for_each(|inbox| inbox.push(event.clone(), size));
            }
        }
    }

    /// The next event of a request, its failure, or `None` after its end.
    pub fn poll(&mut self, id: &str, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let Some(inbox) = self.inboxes.get_mut(id) else { return Poll::Ready(None) };
        loop {
            if inbox.missed > 0 {
                return Poll::Ready(Some(Err(Error::Missed(std::mem::take(&mut inbox.missed)))));
            }
            if inbox.ended || !inbox.queue.is_empty() {
                return Poll::Ready(inbox.take(0));
            }
            inbox.waker.register(cx.waker());
            let Some((at, phase, limit)) = inbox.due else { return Poll::Pending };
            let alarm = inbox.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
            alarm.as_mut().reset(at);
            ready!(alarm.as_mut().poll(cx));
            inbox.fail(Error::Timeout { phase, limit, source: self.trouble.clone().map(Box::new) });
        }
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
    pub fn park(&self, id: &str) -> Option<&Event> {
        self.inboxes.get(id)?.park.as_ref().map(|(event, _)| event)
    }

    /// There is no connection. What was sent fails; what was not will go out on the next one, if there may be one.
    /// A turn that can be resumed would stay here instead.
    pub fn cut(&mut self, error: Error) {
        let fails = self.inboxes.values_mut().filter(|inbox| inbox.sent || !error.is_retryable());
        fails.for_each(|inbox| inbox.fail(error.clone()));
        self.trouble = Some(error);
    }
}

impl Inbox {
    fn is_turn(&self) -> bool {
        matches!(self.role, Role::Turn(_))
    }

    fn fail(&mut self, error: Error) {
        if !self.ended && self.role != Role::Stray {
            self.queue.push_back((Err(error), 0));
        }
        (self.ended, self.park) = (true, None);
        self.waker.wake();
    }

    fn offer(&mut self, event: Event, size: usize) {
        if self.ended {
            return;
        }
        if let Event::Error(event) = event {
            return self.fail(Error::Server(Box::new(event)));
        }
        let effect = event.turn_effect();
        match effect {
            TurnEffect::Parks => {
                let since = self.park.take().map_or_else(Instant::now, |(_, since)| since);
                self.park = Some((event.clone(), since));
            }
            TurnEffect::GoesOn | TurnEffect::Streams | TurnEffect::Ends => self.resume(),
            TurnEffect::Informs | TurnEffect::Passes => {}
        }
        self.ended = effect == TurnEffect::Ends || !self.is_turn();
        self.wait_on();
        self.push(event, size);
    }

    /// The turn's clock runs again.
    fn resume(&mut self) {
        if let Some((_, since)) = self.park.take() {
            let later = |(at, phase, limit): Deadline| Some((at.checked_add(since.elapsed())?, phase, limit));
            self.end = self.end.and_then(later);
            self.wait_on();
            self.waker.wake();
        }
    }

    /// Sets the limit for what comes next, unless that depends on a person.
    fn wait_on(&mut self) {
        let limits = [deadline(Phase::Idle, self.timeouts.idle), self.end];
        let next = limits.into_iter().flatten().min_by_key(|(at, ..)| *at);
        self.due = next.filter(|_| self.park.is_none());
    }

    /// Keeps the queue within its bounds: the oldest that a reader can do without gives way.
    fn push(&mut self, event: Event, size: usize) {
        self.queue.push_back((Ok(event), size));
        self.bytes += size;
        while (self.queue.len() > MAX_EVENTS || self.bytes > MAX_BYTES) && self.take(self.spare()).is_some() {
            self.missed += 1;
        }
        self.waker.wake();
    }

    /// Where the event stands that is missed least. What the turn waits in now and what came last are always kept.
    fn spare(&self) -> usize {
        let events = self.queue.iter().map(|(item, _)| item.as_ref().ok());
        let streamed = events.clone().position(|event| event.is_some_and(is_droppable));
        let (count, park) = (self.queue.len(), self.park.as_ref().map(|(event, _)| event));
        streamed.or_else(|| events.take(count - 1).position(|event| event != park)).unwrap_or(count)
    }

    fn take(&mut self, index: usize) -> Option<Result<Event, Error>> {
        let (item, size) = self.queue.remove(index)?;
        self.bytes -= size;
        Some(item)
    }
}

/// A limit that begins now; none where it is forever.
fn deadline(phase: Phase, limit: Duration) -> Option<Deadline> {
    Some((Instant::now().checked_add(limit)?, phase, limit))
}

/// Whether a turn's reader can do without the event, and whether it can be no answer to a call.
fn is_droppable(event: &Event) -> bool {
    matches!(event.turn_effect(), TurnEffect::Streams | TurnEffect::Passes)
}

#[cfg(test)]
mod tests;
