//! The public client: its options, a typed call for each action, and the turns it starts.

use crate::errors::{Cause, Error};
use crate::generated::{Pacing, Timeouts};
use crate::mux::Role;
use crate::socket::{self, Link, MAX_FRAME};
use crate::turn::Waiting;
use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _, ready};
use futures_util::stream::{BoxStream, StreamExt as _};
use smooai_smooth_operator_protocol::*;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::DropGuard;

/// What gives a client its token.
#[derive(Clone)]
pub struct Token(pub(crate) Arc<dyn Fn() -> BoxFuture<'static, Result<String, Cause>> + Send + Sync>);

impl Token {
    /// A token that stays the same.
    pub fn new(token: impl Into<String>) -> Self {
        let token = token.into();
        Self::from_fn(move || ready(Ok::<_, Infallible>(token.clone())))
    }

    /// A function that gives the token. It is called for each connection, so also after close code 4401, and
    /// once more when the server refuses the token with 401.
    pub fn from_fn<F, T, E>(ask: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        Self(Arc::new(move || ask().map_err(|error| Arc::new(error) as Cause).boxed()))
    }
}

/// Options of a client, for [`Client::connect_with`].
#[derive(Clone, Default)]
pub struct Options {
    /// None by default.
    pub token: Option<Token>,
    /// Sends the token in `Sec-WebSocket-Protocol` (`smooth-operator, bearer.…`) instead of the header
    /// `Authorization`.
    pub token_in_subprotocol: bool,
    /// The time limits of all calls; [`Client::with_timeouts`] sets those of one.
    pub timeouts: Timeouts,
    /// How the line is kept.
    pub pacing: Pacing,
}

/// A connection to a server. Clones share it; it is closed by [`Client::close`], or when the last clone and the
/// last [`Turn`](crate::Turn) are dropped.
///
/// Calls that are made while the connection is lost wait for the next one. A `requestId` in the parameters of a
/// call is used if nothing else in flight has it; otherwise the client makes one.
#[derive(Clone, derive_more::Debug)]
#[debug("Client {{ connected: {} }}", self.is_connected())]
pub struct Client {
    /// The time limits of this handle's calls; those of another clone are its own.
    pub timeouts: Timeouts,
    link: Arc<Link>,
    _closing: Arc<DropGuard>,
}

impl Client {
    /// A client of the server at `url`, such as `ws://127.0.0.1:8787/ws`, without a token and with the default
    /// options.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(url: impl Into<String>) -> Result<Self, Error> {
        Self::connect_with(url, Options::default()).await
    }

    /// Connects once. From then on the client keeps the connection, and connects again when it is lost.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect_with(url: impl Into<String>, options: Options) -> Result<Self, Error> {
        let (timeouts, link) = (options.timeouts, socket::start(url.into(), options).await?);
        let closing = Arc::new(link.closing.clone().drop_guard());
        Ok(Self { timeouts, link, _closing: closing })
    }

    /// The same connection with other time limits, for one call or many.
    #[must_use]
    pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self.clone() }
    }

    /// Any action that is answered by a typed reply.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call<C: Call>(&self, params: C) -> Result<C::Reply, Error> {
        match self.ask(params).await? {
            Event::ImmediateResponse(event) => serde_json::from_value(event.data.into())
                .map_err(|error| Error::Protocol(format!("the answer to {}: {error}", C::ACTION))),
            other => Err(Error::unfit(other)),
        }
    }

    /// What the server says to nobody in particular: events without a `requestId`, or with one that nothing in
    /// flight has. The stream begins now and ends with the client; a slow reader gets [`Error::Missed`].
    pub fn events(&self) -> BoxStream<'static, Result<Event, Error>> {
        let forever = Timeouts { request: Duration::MAX, ..self.timeouts };
        Waiting::new(&self.link, None, Role::Stray, forever).boxed()
    }

    /// Whether there is a connection at this moment.
    pub fn is_connected(&self) -> bool {
        self.link.mux.lock().trouble.is_none()
    }

    /// Closes the connection in good order and waits until that is done. What is pending, here and in every
    /// clone, fails with [`Error::Closed`].
    pub async fn close(&self) {
        self.link.closing.cancel();
        self.link.tasks.wait().await;
    }

    /// The one event that answers an action.
    pub(crate) async fn ask(&self, action: impl Into<Action>) -> Result<Event, Error> {
        self.begin(action).next().await.unwrap_or(Err(Error::Closed))
    }

    /// Gives an action its id and puts it on its way. What hinders it is told to whom waits for the answer.
    pub(crate) fn begin(&self, action: impl Into<Action>) -> Waiting {
        let mut action = action.into();
        let waiting = Waiting::new(&self.link, action.request_id(), Role::from(&action), self.timeouts);
        action.set_request_id(waiting.id.clone());
        if let Err(error) = self.post(Some(waiting.id.clone()), &action) {
            self.link.mux.lock().fail(&waiting.id, error);
        }
        waiting
    }

    /// Checks an action and puts it into the queue.
    pub(crate) fn post(&self, id: Option<String>, action: &Action) -> Result<(), Error> {
        action.validate().map_err(|violation| Error::Invalid(violation.to_string()))?;
        let text = action.to_json();
        if text.len() > MAX_FRAME {
            return Err(Error::Invalid(format!("{} bytes are more than a frame's {MAX_FRAME}", text.len())));
        }
        self.link.frames.try_send((id, text)).map_err(|error| match error {
            TrySendError::Full(_) => Error::Busy,
            TrySendError::Closed(_) => Error::Closed,
        })
    }
}
