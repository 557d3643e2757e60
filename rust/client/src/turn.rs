//! One turn: its events as a stream, its end as a future, and the words that a waiting turn needs.

use crate::client::Client;
use crate::errors::Error;
use crate::generated::Timeouts;
use crate::mux::Role;
use crate::socket::Link;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt as _};
use smooai_smooth_operator_protocol::*;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Context, Poll};

/// The answer to a verdict. The verdict is sent when this is polled; it does not borrow the turn, which can be
/// read meanwhile.
pub type Verdict<T> = BoxFuture<'static, Result<T, Error>>;

/// A turn that was started. It is a [`Stream`] of events up to its terminal event, and [`Turn::finish`] waits
/// for its end; use one, both after another, or none. Dropping it stops the waiting; [`Turn::cancel`] stops
/// the work.
///
/// A turn that ends badly gives the error as the stream's last item. [`Error::Missed`] alone is not the last:
/// a turn keeps a thousand unread events of a mebibyte, and always the one that it waits in now and the one that it
/// ends with.
#[derive(derive_more::Debug)]
#[debug("Turn({request_id})")]
pub struct Turn {
    pub(crate) client: Client,
    session: String,
    request_id: String,
    /// Until the end has been read.
    events: Option<Waiting>,
    outcome: Option<Result<TurnResult, Error>>,
}

impl Turn {
    pub(crate) fn new(client: Client, session: String, events: Waiting) -> Self {
        Self { client, session, request_id: events.id.clone(), events: Some(events), outcome: None }
    }

    /// The id that all events of the turn carry.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The session that the turn belongs to.
    pub fn session_id(&self) -> &str {
        &self.session
    }

    /// Waits for the end, skipping the events before it. May be called again, and after the stream has ended.
    ///
    /// # Errors
    /// [`Error::Parked`] when the turn begins to wait for a person: answer, then call this again. Otherwise
    /// why the turn has no result.
    pub async fn finish(&mut self) -> Result<TurnResult, Error> {
        while self.outcome.is_none() {
            // A park that was answered elsewhere meanwhile is over.
            if let Some(Ok(event)) = self.next().await
                && self.park().as_ref() == Some(&event)
            {
                return Err(Error::Parked(Box::new(event)));
            }
        }
        self.outcome.clone().unwrap_or(Err(Error::Closed))
    }

    /// Waits for the end and returns the whole reply.
    ///
    /// # Errors
    /// As [`Turn::finish`].
    pub async fn text(&mut self) -> Result<String, Error> {
        Ok(self.finish().await?.response.response_parts.into_iter().next().unwrap_or_default())
    }

    /// The event that the turn waits in for a person.
    pub(crate) fn park(&self) -> Option<Event> {
        self.events.as_ref().and_then(|events| events.link.mux.lock().park(&events.id).cloned())
    }
}

impl Stream for Turn {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(events) = &mut self.events else { return Poll::Ready(None) };
        let item = task::ready!(events.poll_next_unpin(cx));
        let outcome = match &item {
            Some(Ok(Event::EventualResponse(event))) => Ok(event.data.data.clone()),
            Some(Ok(Event::Cancelled(_))) => Err(Error::Cancelled),
            Some(Ok(_) | Err(Error::Missed(_))) => return Poll::Ready(item),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::Closed),
        };
        (self.outcome, self.events) = (Some(outcome), None);
        Poll::Ready(item)
    }
}

/// What comes for a request. Dropping it stops the waiting.
pub(crate) struct Waiting {
    pub id: String,
    link: Arc<Link>,
}

impl Waiting {
    pub fn new(link: &Arc<Link>, wanted: Option<&str>, role: Role, timeouts: Timeouts) -> Self {
        let id = link.mux.lock().claim(wanted, role, timeouts);
        Self { id, link: Arc::clone(link) }
    }
}

impl Stream for Waiting {
    type Item = Result<Event, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.link.mux.lock().poll(&self.id, cx)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.link.mux.lock().forget(&self.id);
    }
}
