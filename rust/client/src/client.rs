//! The public client: its options, a typed call for each action, and the turns it starts.

use crate::errors::{Cause, Error};
use crate::mux::Role;
use crate::socket::{self, Link, MAX_FRAME};
use crate::turn::{Turn, Waiting};
use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _, ready};
use futures_util::stream::{BoxStream, StreamExt as _};
use smooai_smooth_operator_protocol::*;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::DropGuard;

/// The four time limits. `Duration::MAX` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For an attempt to connect, and for how long an action waits for a connection. 10 seconds.
    pub connect: Duration,
    /// For the first answer to an action that was sent. 30 seconds.
    pub request: Duration,
    /// For the next event of a running turn; a server sends a keepalive every 30 seconds. 90 seconds.
    pub idle: Duration,
    /// For a whole turn, without the time in which it waits for a person. 10 minutes.
    pub turn: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), request: seconds(30), idle: seconds(90), turn: seconds(600) }
    }
}

/// Where the token is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TokenPlace {
    /// `Authorization: Bearer …`
    #[default]
    Header,
    /// `Sec-WebSocket-Protocol: smooth-operator, bearer.…`
    Subprotocol,
    /// `?token=…`, for servers that know nothing else: addresses end up in the logs of proxies.
    Url,
}

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
#[derive(Clone)]
pub struct Options {
    /// None by default.
    pub token: Option<Token>,
    /// Where the token is put: by default the header.
    pub token_place: TokenPlace,
    /// The time limits of all calls; [`Client::with_timeouts`] sets those of one.
    pub timeouts: Timeouts,
    /// How often the line is tried by a ping; it counts as lost when nothing is heard for twice as long. 20 seconds.
    pub heartbeat: Duration,
    /// The longest that the first pause before connecting again may be; the bound doubles with each failure, and the
    /// pause is a random part of it. 0.5 seconds.
    pub first_pause: Duration,
    /// The longest that any such pause may be. 20 seconds.
    pub longest_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            token_place: TokenPlace::default(),
            timeouts: Timeouts::default(),
            heartbeat: Duration::from_secs(20),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
        }
    }
}

/// A connection to a server. Clones share it; it is closed by [`Client::close`], or when the last clone and the
/// last [`Turn`] are dropped.
///
/// Calls that are made while the connection is lost wait for the next one. A `requestId` in the parameters of a
/// call is used if nothing else in flight has it; otherwise the client makes one.
#[derive(Clone)]
pub struct Client {
    link: Arc<Link>,
    timeouts: Timeouts,
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
        let timeouts = options.timeouts;
        let link = socket::start(url.into(), options).await?;
        let closing = Arc::new(link.closing.clone().drop_guard());
        Ok(Self { link, timeouts, _closing: closing })
    }

    /// The time limits of this handle's calls.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// The same connection with other time limits, for one call or many.
    #[must_use]
    pub fn with_timeouts(&self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self.clone() }
    }

    /// Starts a turn. It is on its way when this returns, whether or not the turn is read.
    pub fn send_message(&self, params: SendMessageParams) -> Turn {
        let session = params.session_id.clone();
        Turn::new(self.clone(), session, self.begin(params))
    }

    /// Enters a one-time code.
    ///
    /// # Errors
    /// [`Error::CodeRejected`] with what remains; otherwise why there is no answer.
    pub async fn verify_otp(&self, params: VerifyOtpParams) -> Result<OtpVerifiedEvent, Error> {
        match self.ask(params).await? {
            Event::OtpVerified(event) => Ok(event),
            other => Err(unfit(other)),
        }
    }

    /// Asks whether the server answers.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ping(&self) -> Result<PongEvent, Error> {
        match self.ask(PingParams::default()).await? {
            Event::Pong(pong) => Ok(pong),
            other => Err(unfit(other)),
        }
    }

    /// Asks the server to stop a turn, which then ends with `cancelled`. There is no answer to wait for.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Busy`].
    pub fn cancel(&self, params: CancelParams) -> Result<(), Error> {
        self.post(None, &params.into())
    }

    /// Any action that is answered by a typed reply.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call<C: Call>(&self, params: C) -> Result<C::Reply, Error> {
        match self.ask(params).await? {
            Event::ImmediateResponse(event) => serde_json::from_value(event.data.into())
                .map_err(|error| Error::Protocol(format!("the answer to {}: {error}", C::ACTION))),
            other => Err(unfit(other)),
        }
    }

    /// What the server says to nobody in particular: events without a `requestId`, or with one that nothing in
    /// flight has. The stream begins now and ends with the client; a slow reader gets [`Error::Missed`].
    pub fn events(&self) -> BoxStream<'static, Result<Event, Error>> {
        let forever = Timeouts { connect: Duration::MAX, ..self.timeouts };
        Waiting::new(&self.link, None, Role::Stray, forever).boxed()
    }

    /// Whether there is a connection at this moment.
    pub fn is_connected(&self) -> bool {
        self.link.mux().trouble.is_none()
    }

    /// Closes the connection in good order and waits until that is done. What is pending, here and in every
    /// clone, fails with [`Error::Closed`].
    pub async fn close(&self) {
        self.link.closing.cancel();
        self.link.tasks.wait().await;
    }

    async fn ask(&self, action: impl Into<Action>) -> Result<Event, Error> {
        self.begin(action).next().await.unwrap_or(Err(Error::Closed))
    }

    /// Gives an action its id and puts it on its way. What hinders it is told to whom waits for the answer.
    fn begin(&self, action: impl Into<Action>) -> Waiting {
        let mut action = action.into();
        let waiting = Waiting::new(&self.link, action.request_id(), Role::from(&action), self.timeouts);
        action.set_request_id(waiting.id.clone());
        if let Err(error) = self.post(Some(waiting.id.clone()), &action) {
            self.link.mux().fail(&waiting.id, error);
        }
        waiting
    }

    /// Checks an action and puts it into the queue.
    fn post(&self, id: Option<String>, action: &Action) -> Result<(), Error> {
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

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connected", &self.is_connected()).finish_non_exhaustive()
    }
}

/// An answer that is not the one that was hoped for.
fn unfit(answer: Event) -> Error {
    match answer {
        Event::OtpInvalid(event) => Error::CodeRejected(Box::new(event)),
        Event::InteractionInvalid(event) => Error::ValuesRejected(Box::new(event)),
        other => Error::Protocol(format!("{} answers no such action", other.tag())),
    }
}
