//! The program: takes a caller's frames and answers them through his sink. It owns no task and no
//! socket; a mount gives it frames and runs its futures.

use crate::actions;
use crate::agents::BuiltInTools;
use crate::backplane::{Backplane, Target};
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::seams::{AuthContextVerifier, CodeSender, SkillSource, ToolSource};
use crate::settings::Settings;
use crate::sink::{Closed, EventSink};
use crate::turn::Watch;
use crate::world::{World, millis};
use jiff::Timestamp;
use smooai_smooth_operator_core::{LlmProvider, ToolSpecError};
use smooai_smooth_operator_protocol::{Action, DecodeError, ErrorCode, Event};
use smooai_smooth_operator_retrieval::Retriever;
use smooai_smooth_operator_store::{Scope, SessionId, StorageAdapter};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a service is made of.
pub struct Parts {
    /// Its settings.
    pub settings: Settings,
    /// Where it keeps everything.
    pub storage: StorageAdapter,
    /// Where replies come from.
    pub llm: Arc<dyn LlmProvider>,
    /// How documents are found.
    pub retriever: Arc<Retriever>,
    /// Clock and chance.
    pub world: Arc<dyn World>,
    /// Tools besides the built-in ones.
    pub tool_sources: Vec<Arc<dyn ToolSource>>,
    /// Skills; `None`: there are none.
    pub skills: Option<Arc<dyn SkillSource>>,
    /// The sender of one-time codes; `None`: none can be sent.
    pub codes: Option<Arc<dyn CodeSender>>,
    /// The judge of `authContext`; `None`: it is not read.
    pub auth_context: Option<Arc<dyn AuthContextVerifier>>,
}

/// The protocol handler.
pub struct Service {
    pub(crate) settings: Settings,
    pub(crate) storage: StorageAdapter,
    pub(crate) llm: Arc<dyn LlmProvider>,
    pub(crate) retriever: Arc<Retriever>,
    pub(crate) world: Arc<dyn World>,
    pub(crate) tool_sources: Vec<Arc<dyn ToolSource>>,
    pub(crate) skills: Option<Arc<dyn SkillSource>>,
    pub(crate) codes: Option<Arc<dyn CodeSender>>,
    pub(crate) auth_context: Option<Arc<dyn AuthContextVerifier>>,
    pub(crate) built_in: BuiltInTools,
    pub(crate) backplane: Arc<Backplane>,
}

/// Why an action stopped: an error for its client, or nobody there to tell.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(ServiceError),
    Closed,
}

impl<E: Into<ServiceError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl Service {
    /// Puts a service together.
    ///
    /// # Errors
    /// When a built-in tool's description is wrong, which a test rules out.
    pub fn new(parts: Parts) -> Result<Self, ToolSpecError> {
        let Parts { settings, storage, llm, retriever, world, tool_sources, skills, codes, auth_context } =
            parts;
        Ok(Self {
            settings,
            storage,
            llm,
            retriever,
            world,
            tool_sources,
            skills,
            codes,
            auth_context,
            built_in: BuiltInTools::new()?,
            backplane: Arc::default(),
        })
    }

    /// Answers one text frame, and stays with a turn that parks until it is taken up elsewhere, its park
    /// expires (then it goes on from here), or `leave` is cancelled. Several frames of a caller may be
    /// answered at once. A turn is let to its end, whatever `leave` says.
    ///
    /// # Errors
    /// [`Closed`] when the caller is gone.
    pub async fn attend(
        &self,
        caller: &Caller,
        frame: &str,
        sink: &mut dyn EventSink,
        leave: &CancellationToken,
    ) -> Result<(), Closed> {
        let mut watched = match Action::from_json(frame) {
            Ok(action) => self.handle(caller, action, sink).await?,
            Err(error) => {
                self.refuse(caller, frame, error, sink).await?;
                None
            }
        };
        while let Some(watch) = watched {
            let unanswered = match leave.run_until_cancelled(self.wait(caller, &watch, sink)).await {
                None => None,
                Some(waited) => waited?,
            };
            watched = match unanswered {
                None => None,
                Some(parked) => self.expire(caller, parked, sink).await?,
            };
        }
        Ok(())
    }

    /// Answers one action. A turn that parks gives a [`Watch`] and is then only data in the store.
    ///
    /// # Errors
    /// [`Closed`] when the caller is gone.
    pub async fn handle(
        &self,
        caller: &Caller,
        action: Action,
        sink: &mut dyn EventSink,
    ) -> Result<Option<Watch>, Closed> {
        let request_id = action.request_id().map(str::to_owned);
        match actions::dispatch(self, caller, action, sink).await {
            Ok(watch) => Ok(watch),
            Err(Stop::Closed) => Err(Closed),
            Err(Stop::Refused(error)) => {
                sink.send(self.error(error, request_id)).await?;
                Ok(None)
            }
        }
    }

    async fn refuse(
        &self,
        caller: &Caller,
        frame: &str,
        error: DecodeError,
        sink: &mut dyn EventSink,
    ) -> Result<(), Closed> {
        let request_id = error.request_id.clone();
        let error = match actions::busy_turn(self, caller, frame, &error).await {
            true => ServiceError::turn_in_progress(),
            false => error.into(),
        };
        sink.send(self.error(error, request_id)).await
    }

    /// An error event that a mount has to say.
    #[must_use]
    pub fn notice(&self, request_id: Option<String>, code: ErrorCode, message: &str) -> Event {
        self.error(ServiceError::new(code, message), request_id)
    }

    /// Stops the turns that were begun on the caller's connection, because nobody is there to read them.
    /// Parked turns stay: they are data, and can be taken up from another connection.
    pub fn hang_up(&self, caller: &Caller) {
        self.backplane.cancel_running(caller, &Target { request_id: None, conversation: None });
    }

    /// Whether storage answers.
    pub async fn is_ready(&self) -> bool {
        let nobody = SessionId::from("ready");
        let scope = Scope::new("ready", "ready");
        self.storage.sessions.get(&scope, &nobody).await.is_ok()
    }

    /// How long until an instant; zero for one that has passed.
    #[must_use]
    pub fn time_until(&self, instant: Timestamp) -> Duration {
        Duration::try_from(instant.duration_since(self.world.now())).unwrap_or(Duration::ZERO)
    }

    /// The event of an error.
    pub(crate) fn error(&self, error: ServiceError, request_id: Option<String>) -> Event {
        Event::Error(error.into_event(request_id, self.now()))
    }

    pub(crate) fn now(&self) -> i64 {
        millis(self.world.now())
    }
}
