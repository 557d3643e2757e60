//! One turn: its events as a stream, its end as a future, and the words that a waiting turn needs.

use crate::client::Client;
use crate::errors::Error;
use crate::socket::Link;
use futures_util::future::{self, BoxFuture, FutureExt as _};
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;
use serde_json::Value;
use smooai_smooth_operator_protocol::{
    Call, CancelParams, ConfirmToolActionParams, ConfirmToolActionReply, Event, OtpVerifiedEvent,
    SubmitInteractionParams, SubmitInteractionReply, TurnResult, VerifyOtpParams,
};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// The answer to a verdict. The verdict is sent when this is polled; it does not borrow the turn, which can be
/// read meanwhile.
pub type Verdict<T> = BoxFuture<'static, Result<T, Error>>;

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
        self.end().await.cloned()
    }

    /// Waits for the end and returns the whole reply.
    ///
    /// # Errors
    /// As [`Turn::finish`].
    pub async fn text(&mut self) -> Result<String, Error> {
        Ok(self.end().await?.response.response_parts.concat())
    }

    async fn end(&mut self) -> Result<&TurnResult, Error> {
        while self.outcome.is_none() {
            match self.next().await {
                // A park that was answered elsewhere meanwhile is over.
                Some(Ok(event)) if self.park().as_ref() == Some(&event) => {
                    return Err(Error::Parked(Box::new(event)));
                }
                _ => {}
            }
        }
        match &self.outcome {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::Closed),
        }
    }

    /// Lets the tool call that waits for approval run, or denies it. The answer is `NO_PENDING_CONFIRMATION`
    /// when none waits.
    pub fn confirm(&self, approved: bool) -> Verdict<ConfirmToolActionReply> {
        self.call(ConfirmToolActionParams::new(&self.session, approved))
    }

    /// Enters the one-time code. The answer is [`Error::CodeRejected`], with what remains, when it is wrong.
    pub fn verify(&self, code: impl Into<String>) -> Verdict<OtpVerifiedEvent> {
        let params = VerifyOtpParams::new("", &self.session, code);
        let client = self.client.clone();
        async move { client.verify_otp(params).await }.boxed()
    }

    /// Answers the form that the turn waits for, with the values of its kind: `IdentityIntakeValues`,
    /// `ChoicesValues`, or any JSON object. The answer is [`Error::ValuesRejected`] when something is wrong
    /// with them, and [`Error::NotParked`] when there is no form.
    pub fn submit(&self, values: &impl Serialize) -> Verdict<SubmitInteractionReply> {
        let Ok(Value::Object(values)) = serde_json::to_value(values) else {
            let refusal = Error::Invalid("a form's values must be a JSON object".to_owned());
            return future::ready(Err(refusal)).boxed();
        };
        self.answer(|form| form.values = Some(values))
    }

    /// Refuses to answer the form that the turn waits for. The answer is [`Error::NotParked`] when there is none.
    pub fn decline(&self) -> Verdict<SubmitInteractionReply> {
        self.answer(|form| form.declined = Some(true))
    }

    /// Asks the server to stop the work; the turn then ends with `cancelled`. Does not wait for that.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Busy`].
    pub fn cancel(&self) -> Result<(), Error> {
        let (request_id, session_id) = (Some(self.request_id.clone()), Some(self.session.clone()));
        self.client.cancel(CancelParams { request_id, session_id })
    }

    fn answer(&self, fill: impl FnOnce(&mut SubmitInteractionParams)) -> Verdict<SubmitInteractionReply> {
        let Some(Event::InteractionRequired(event)) = self.park() else {
            return future::ready(Err(Error::NotParked)).boxed();
        };
        let form = event.data.data;
        let mut params = SubmitInteractionParams::new("", &self.session, form.interaction_id);
        params.kind = Some(form.kind);
        fill(&mut params);
        self.call(params)
    }

    fn call<C: Call<Reply: Send> + Send + 'static>(&self, params: C) -> Verdict<C::Reply> {
        let client = self.client.clone();
        async move { client.call(params).await }.boxed()
    }

    fn park(&self) -> Option<Event> {
        let events = self.events.as_ref()?;
        events.link.mux().park(&events.id)
    }
}

impl Stream for Turn {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(events) = &mut self.events else { return Poll::Ready(None) };
        let item = ready!(events.poll_next_unpin(cx));
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

/// What comes for a request. Dropping it stops the waiting.
pub(crate) struct Waiting {
    id: String,
    link: Arc<Link>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    pub fn new(id: String, link: Arc<Link>) -> Self {
        Self { id, link, alarm: None }
    }
}

impl Stream for Waiting {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { id, link, alarm } = &mut *self;
        loop {
            let mut mux = link.mux();
            if let Poll::Ready(item) = mux.poll(id, cx.waker()) {
                return Poll::Ready(item);
            }
            let Some((at, _)) = mux.deadline(id) else { return Poll::Pending };
            drop(mux);
            // A deadline mostly moves away: an alarm that rings early is cheaper than one that is set for each event.
            let alarm = alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if alarm.is_elapsed() || alarm.deadline() > at {
                alarm.as_mut().reset(at);
            }
            ready!(alarm.as_mut().poll(cx));
            link.mux().expire(id, Instant::now());
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.link.mux().forget(&self.id);
    }
}
