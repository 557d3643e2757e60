//! A turn: one user message up to its terminal event. It is begun by `send_message`, driven here, and
//! resumed by a verdict; while it waits for a person it is only data in the store.

mod analysis;
mod begin;
mod drive;
mod finish;
mod park;
mod preamble;
mod verdict;
mod watch;

use crate::caller::Caller;
use crate::error::ServiceError;
use crate::evidence::{Evidence, Finding};
use crate::quotes::Quoted;
use crate::service::Service;
use crate::settings::AgentSettings;
use crate::sink::EventSink;
use crate::wire::Stamp;
use serde::{Deserialize, Serialize};
use smooai_smooth_operator_core::{Agent, Checkpoint};
use smooai_smooth_operator_protocol::ErrorCode;
use smooai_smooth_operator_store::{Claim, Session};
use std::sync::Arc;

pub(crate) use begin::Opening;
pub(crate) use park::{Detail, code_matches};
pub(crate) use verdict::Parked;
pub use watch::{Unanswered, Watch};

/// A turn that somebody is driving.
pub(crate) struct Turn<'s> {
    service: &'s Service,
    caller: &'s Caller,
    session: Session,
    claim: Claim,
    agent: Agent,
    evidence: Arc<Evidence>,
    state: State,
}

/// What of a turn outlives a park, besides its session and claim.
#[derive(Serialize, Deserialize)]
struct State {
    checkpoint: Checkpoint,
    /// Whether the client wants stream events.
    stream: bool,
    /// The model the client asked for.
    model: Option<String>,
    /// What was found so far.
    findings: Vec<Finding>,
    /// What the answers of the turn's memory quote.
    #[serde(default)]
    quoted: Vec<Quoted>,
}

impl Turn<'_> {
    fn stamp(&self) -> Stamp {
        self.service.stamp(&self.claim.request_id)
    }

    /// Sends a stream event, unless the client asked for none.
    async fn stream(
        &self,
        sink: &mut dyn EventSink,
        event: impl FnOnce(&Stamp) -> smooai_smooth_operator_protocol::Event + Send,
    ) -> Result<(), crate::sink::Closed> {
        if self.state.stream { sink.send(event(&self.stamp())).await } else { Ok(()) }
    }
}

impl Service {
    /// The stamp of a turn's next event.
    pub(crate) fn stamp(&self, request_id: &str) -> Stamp {
        Stamp { request_id: request_id.to_owned(), timestamp: self.now() }
    }

    /// The settings of a session's agent, which may have left the configuration since.
    pub(crate) fn agent_of(&self, session: &Session) -> Result<AgentSettings, ServiceError> {
        self.settings.agent(Some(&session.agent_id)).ok_or_else(|| {
            let message = "The agent of this session is no longer configured. Create a new session.";
            ServiceError::new(ErrorCode::AgentNotAuthorized, message)
        })
    }
}
