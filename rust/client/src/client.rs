//! The public client: its options, a typed call for each action, and the turns it starts.

use crate::errors::{Cause, Error, Phase};
use crate::mux::Role;
use crate::socket::{Frame, Link, Settings};
use crate::turn::{Turn, Waiting};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use smooai_smooth_operator_protocol::*;
use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

/// A frame may have this many bytes.
pub(crate) const MAX_FRAME: usize = 1 << 20;

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

impl Timeouts {
    pub(crate) fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Connect => self.connect,
            Phase::Request => self.request,
            Phase::Idle => self.idle,
            Phase::Turn => self.turn,
        }
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

/// Options of a client, from [`Client::builder`].
#[derive(Clone)]
#[must_use = "connect() makes the client"]
pub struct Builder {
    settings: Settings,
    timeouts: Timeouts,
}

impl Builder {
    /// A token that stays the same.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.token_from(move || ready(Ok::<_, Infallible>(token.clone())))
    }

    /// A function that gives the token. It is called for each connection, so also after close code 4401, and
    /// once more when the server refuses the token with 401.
    pub fn token_from<F, T, E>(mut self, ask: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: std::error::Error + Send + Sync + 'static,
    {
        let ask = move || -> BoxFuture<'static, _> {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(|error| Arc::new(error) as Cause) })
        };
        self.settings.ask = Some(Arc::new(ask));
        self
    }

    /// Where the token is put: by default the header.
    pub fn token_place(mut self, place: TokenPlace) -> Self {
        self.settings.place = place;
        self
    }

    /// The time limits of all calls; [`Client::with_timeouts`] sets those of one.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How often the line is tried by a ping; it counts as lost when nothing is heard for twice as long.
    /// 20 seconds.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.settings.heartbeat = every.max(Duration::from_millis(1));
        self
    }

    /// How long to wait before the tries to connect again: a random time of at most `first`, then twice that
    /// and so on, up to `most`. 0.5 and 20 seconds.
    pub fn reconnect(mut self, first: Duration, most: Duration) -> Self {
        (self.settings.first_wait, self.settings.most_wait) = (first, most);
        self
    }

    /// Connects once. From then on the client keeps the connection, and connects again when it is lost.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(self) -> Result<Client, Error> {
        let (link, closing) = crate::socket::start(self.settings, self.timeouts.connect).await?;
        Ok(Client { link, timeouts: self.timeouts, _closing: Arc::new(closing) })
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
    /// Options for a client of the server at `url`, such as `ws://127.0.0.1:8787/ws`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder { settings: Settings::new(url.into()), timeouts: Timeouts::default() }
    }

    /// A client without a token and with the default options.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(url: impl Into<String>) -> Result<Self, Error> {
        Self::builder(url).connect().await
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

    /// Asks whether the server answers.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ping(&self) -> Result<PongEvent, Error> {
        match self.ask(PingParams::default()).await? {
            Event::Pong(pong) => Ok(pong),
            other => Err(Error::unexpected(&other)),
        }
    }

    /// Starts a turn. It is on its way when this returns, whether or not the turn is read.
    pub fn send_message(&self, params: SendMessageParams) -> Turn {
        let session = params.session_id.clone();
        let started = self.begin(params.into());
        Turn::new(self.clone(), session, started)
    }

    /// Enters a one-time code.
    ///
    /// # Errors
    /// [`Error::CodeRejected`] with what remains; otherwise why there is no answer.
    pub async fn verify_otp(&self, params: VerifyOtpParams) -> Result<OtpVerifiedEvent, Error> {
        match self.ask(params).await? {
            Event::OtpVerified(event) => Ok(event),
            Event::OtpInvalid(event) => Err(Error::CodeRejected(Box::new(event))),
            other => Err(Error::unexpected(&other)),
        }
    }

    /// Asks the server to stop a turn, which then ends with `cancelled`. There is no answer to wait for.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Busy`].
    pub fn cancel(&self, params: CancelParams) -> Result<(), Error> {
        self.send(Frame { id: None, text: Action::from(params).to_json() })
    }

    /// Any action that is answered by a typed reply.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call<C: Call>(&self, params: C) -> Result<C::Reply, Error> {
        match self.ask(params).await? {
            Event::ImmediateResponse(event) => serde_json::from_value(event.data.into())
                .map_err(|error| Error::Protocol(format!("the answer to {}: {error}", C::ACTION))),
            Event::InteractionInvalid(event) => Err(Error::ValuesRejected(Box::new(event))),
            other => Err(Error::unexpected(&other)),
        }
    }

    /// What the server says to nobody in particular: events without a `requestId`, or with one that nothing in
    /// flight has. The stream begins now and ends with the client; a slow reader gets [`Error::Missed`].
    pub fn events(&self) -> BoxStream<'static, Result<Event, Error>> {
        let subscribed = self.link.strays.upgrade().map(|strays| strays.subscribe());
        stream::unfold(subscribed, |subscribed| async {
            let mut events = subscribed?;
            match events.recv().await {
                Ok(event) => Some((Ok(event), Some(events))),
                Err(RecvError::Lagged(missed)) => Some((Err(Error::Missed { events: missed }), Some(events))),
                Err(RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    /// Whether there is a connection at this moment.
    pub fn is_connected(&self) -> bool {
        self.link.is_open()
    }

    /// Closes the connection in good order and waits until that is done. What is pending, here and in every
    /// clone, fails with [`Error::Closed`].
    pub async fn close(&self) {
        self.link.close().await;
    }

    async fn ask(&self, action: impl Into<Action>) -> Result<Event, Error> {
        let mut waiting = self.begin(action.into())?;
        match poll_fn(|cx| waiting.poll_next(cx)).await.unwrap_or(Err(Error::Closed))? {
            Event::Error(event) => Err(Error::Server(Box::new(event))),
            answer => Ok(answer),
        }
    }

    /// Checks an action, gives it its id and puts it on its way.
    fn begin(&self, mut action: Action) -> Result<Waiting, Error> {
        action.validate()?;
        let role = match &action {
            Action::SendMessage(params) => Role::Turn(params.session_id.clone()),
            Action::ConfirmToolAction(params) => Role::Verdict(params.session_id.clone()),
            Action::SubmitInteraction(params) => Role::Verdict(params.session_id.clone()),
            Action::VerifyOtp(params) => Role::Verdict(params.session_id.clone()),
            _ => Role::Call,
        };
        let id =
            stamp(&mut action, |wanted| self.link.mux().claim(wanted, role, self.timeouts, Instant::now()))?;
        let waiting = Waiting::new(id.clone(), Arc::clone(&self.link));
        let text = action.to_json();
        if text.len() > MAX_FRAME {
            return Err(Error::Invalid(format!("{} bytes are more than a frame's {MAX_FRAME}", text.len())));
        }
        self.send(Frame { id: Some(id), text })?;
        Ok(waiting)
    }

    fn send(&self, frame: Frame) -> Result<(), Error> {
        self.link.frames.try_send(frame).map_err(|error| match error {
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

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($params:ty) -> $reply:ty;)*) => {
        /// The actions that are answered by one typed reply.
        impl Client {
            $($(#[$doc])*
            ///
            /// # Errors
            /// Why there is no answer.
            pub async fn $name(&self, params: $params) -> Result<$reply, Error> {
                self.call(params).await
            })*
        }
    };
}

calls! {
    /// Opens a session.
    create_session(CreateConversationSessionParams) -> CreateConversationSessionReply;
    /// Reads a session.
    get_session(GetSessionParams) -> GetSessionReply;
    /// A page of a conversation's messages, newest first.
    messages(GetConversationMessagesParams) -> GetConversationMessagesReply;
    /// The caller's conversations, most recent first.
    list_conversations(ListConversationsParams) -> ListConversationsReply;
    /// Gives a conversation a title.
    rename_conversation(RenameConversationParams) -> RenameConversationReply;
    /// Approves or denies the tool call that waits in a session. The turn goes on under its own id.
    confirm_tool_action(ConfirmToolActionParams) -> ConfirmToolActionReply;
    /// Answers the form that waits in a session, or declines it; [`Error::ValuesRejected`] says what is wrong.
    submit_interaction(SubmitInteractionParams) -> SubmitInteractionReply;
}

/// Puts an id into an action: what `claim` makes of the one that the caller wants.
fn stamp(
    action: &mut Action,
    claim: impl FnOnce(Option<String>) -> Result<String, Error>,
) -> Result<String, Error> {
    let mut required = None;
    let slot = match action {
        Action::Cancel(params) => &mut params.request_id,
        Action::ConfirmToolAction(params) => &mut params.request_id,
        Action::CreateConversationSession(params) => &mut params.request_id,
        Action::GetConversationMessages(params) => &mut params.request_id,
        Action::GetSession(params) => &mut params.request_id,
        Action::ListConversations(params) => &mut params.request_id,
        Action::Ping(params) => &mut params.request_id,
        Action::RenameConversation(params) => &mut params.request_id,
        Action::SendMessage(params) => &mut params.request_id,
        Action::SubmitInteraction(SubmitInteractionParams { request_id, .. })
        | Action::VerifyOtp(VerifyOtpParams { request_id, .. }) => {
            required = Some(request_id);
            &mut None
        }
    };
    let id = claim(required.as_deref().cloned().or_else(|| slot.take()))?;
    match required {
        Some(required) => required.clone_from(&id),
        None => *slot = Some(id.clone()),
    }
    Ok(id)
}
