//! One turn: its events as a stream, its end as a future, and the words that a waiting turn needs.

use crate::client::Client;
use crate::errors::Error;
use crate::socket::Link;
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;
use serde_json::Value;
use smooai_smooth_operator_protocol::{
    CancelParams, ConfirmToolActionParams, ConfirmToolActionReply, Event, OtpVerifiedEvent,
    SubmitInteractionParams, SubmitInteractionReply, TurnResult, VerifyOtpParams,
};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// A turn that was started. It is a [`Stream`] of events up to its terminal event, and [`Turn::finish`] waits
/// for its end; use one, both after another, or none. Dropping it stops the waiting; [`Turn::cancel`] stops
/// the work.
///
/// A turn that ends badly gives the error as the stream's last item. [`Error::Missed`] alone is not the last:
/// a turn keeps about a thousand unread events (adjacent tokens are joined before anything is dropped), and
/// always those that it waits in or ends with.
pub struct Turn {
    client: Client,
    session: String,
    request_id: String,
    /// Until the end has been read.
    events: Option<Waiting>,
    not_started: Option<Error>,
    outcome: Option<Result<TurnResult, Error>>,
}

impl Turn {
    pub(crate) fn new(client: Client, session: String, started: Result<Waiting, Error>) -> Self {
        let (events, not_started) = match started {
            Ok(events) => (Some(events), None),
            Err(error) => (None, Some(error)),
        };
        let request_id = events.as_ref().map(|events| events.id.clone()).unwrap_or_default();
        Self { client, session, request_id, events, outcome: not_started.clone().map(Err), not_started }
    }

    /// The id that all events of the turn carry; empty for a turn that could not be started.
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
        self.end().await?;
        self.outcome.clone().unwrap_or(Err(Error::Closed))
    }

    /// Waits until there is an outcome, and returns its error.
    async fn end(&mut self) -> Result<(), Error> {
        while self.outcome.is_none() {
            match self.next().await {
                // A park that was answered elsewhere meanwhile is over.
                Some(Ok(event)) if self.park().as_ref() == Some(&event) => {
                    return Err(Error::Parked(Box::new(event)));
                }
                Some(_) => {}
                None => return Err(Error::Closed),
            }
        }
        match &self.outcome {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Waits for the end and returns the whole reply.
    ///
    /// # Errors
    /// As [`Turn::finish`].
    pub async fn text(&mut self) -> Result<String, Error> {
        self.end().await?;
        let parts = self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        Ok(parts.and_then(|result| result.response.response_parts.first().cloned()).unwrap_or_default())
    }

    /// Lets the tool call that waits for approval run, or denies it. The verdict is sent when the future is
    /// polled; like those of the other verdicts it does not borrow the turn, which can be read meanwhile.
    ///
    /// # Errors
    /// `NO_PENDING_CONFIRMATION` when none waits; otherwise why there was no answer.
    pub fn confirm(
        &self,
        approved: bool,
    ) -> impl Future<Output = Result<ConfirmToolActionReply, Error>> + Send + use<> {
        let params = ConfirmToolActionParams::new(&self.session, approved);
        let client = self.client.clone();
        async move { client.confirm_tool_action(params).await }
    }

    /// Enters the one-time code.
    ///
    /// # Errors
    /// [`Error::CodeRejected`] with what remains; otherwise why there was no answer.
    pub fn verify<C: Into<String>>(
        &self,
        code: C,
    ) -> impl Future<Output = Result<OtpVerifiedEvent, Error>> + Send + use<C> {
        let params = VerifyOtpParams::new("", &self.session, code);
        let client = self.client.clone();
        async move { client.verify_otp(params).await }
    }

    /// Answers the form that the turn waits for, with the values of its kind: `IdentityIntakeValues`,
    /// `ChoicesValues`, or any JSON object.
    ///
    /// # Errors
    /// [`Error::ValuesRejected`] with what is wrong; [`Error::NotParked`]; otherwise why there was no answer.
    pub fn submit<V: Serialize>(
        &self,
        values: &V,
    ) -> impl Future<Output = Result<SubmitInteractionReply, Error>> + Send + use<V> {
        let params = match serde_json::to_value(values) {
            Ok(Value::Object(values)) => self.form().map(|mut params| {
                params.values = Some(values);
                params
            }),
            _ => Err(Error::Invalid("a form's values must be a JSON object".to_owned())),
        };
        self.answer(params)
    }

    /// Refuses to answer the form that the turn waits for.
    ///
    /// # Errors
    /// [`Error::NotParked`]; otherwise why there was no answer.
    pub fn decline(&self) -> impl Future<Output = Result<SubmitInteractionReply, Error>> + Send + use<> {
        self.answer(self.form().map(|mut params| {
            params.declined = Some(true);
            params
        }))
    }

    /// Asks the server to stop the work; the turn then ends with `cancelled`. Does not wait for that.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Busy`].
    pub fn cancel(&self) -> Result<(), Error> {
        let (request_id, session_id) = (Some(self.request_id.clone()), Some(self.session.clone()));
        self.client.cancel(CancelParams { request_id, session_id })
    }

    fn park(&self) -> Option<Event> {
        let events = self.events.as_ref()?;
        events.link.mux().park(&events.id)
    }

    /// An empty answer to the form that the turn waits for.
    fn form(&self) -> Result<SubmitInteractionParams, Error> {
        let Some(Event::InteractionRequired(event)) = self.park() else { return Err(Error::NotParked) };
        let form = event.data.data;
        let params = SubmitInteractionParams::new("", &self.session, form.interaction_id);
        Ok(SubmitInteractionParams { kind: Some(form.kind), ..params })
    }

    fn answer(
        &self,
        params: Result<SubmitInteractionParams, Error>,
    ) -> impl Future<Output = Result<SubmitInteractionReply, Error>> + Send + use<> {
        let client = self.client.clone();
        async move { client.submit_interaction(params?).await }
    }
}

impl Stream for Turn {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(events) = &mut self.events else {
            return Poll::Ready(self.not_started.take().map(Err));
        };
        let item = match ready!(events.poll_next(cx)) {
            Some(Ok(Event::Error(event))) => Some(Err(Error::Server(Box::new(event)))),
            other => other,
        };
        let outcome = match &item {
            Some(Ok(Event::EventualResponse(event))) => Some(Ok(event.data.data.clone())),
            Some(Ok(Event::Cancelled(_))) => Some(Err(Error::Cancelled)),
            Some(Ok(_) | Err(Error::Missed { .. })) => None,
            Some(Err(error)) => Some(Err(error.clone())),
            None => Some(Err(Error::Closed)),
        };
        if outcome.is_some() {
            (self.outcome, self.events) = (outcome, None);
        }
        Poll::Ready(item)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

/// A request in flight. Dropping it stops the waiting.
pub(crate) struct Waiting {
    pub id: String,
    link: Arc<Link>,
    sleep: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Waiting {
    pub fn new(id: String, link: Arc<Link>) -> Self {
        Self { id, link, sleep: None }
    }

    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        loop {
            let mut mux = self.link.mux();
            if let Poll::Ready(item) = mux.poll(&self.id, cx.waker()) {
                return Poll::Ready(item);
            }
            let Some((at, phase)) = mux.deadline(&self.id) else { return Poll::Pending };
            if at <= Instant::now() {
                mux.time_out(&self.id, phase);
                continue;
            }
            drop(mux);
            // A deadline mostly moves away: an alarm that rings early is cheaper than setting it anew each time.
            let set = self.sleep.take().filter(|(alarm, _)| *alarm <= at);
            let (_, sleep) = self.sleep.insert(set.unwrap_or_else(|| (at, Box::pin(sleep_until(at)))));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.link.mux().forget(&self.id);
    }
}
