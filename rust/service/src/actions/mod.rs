//! What clients say: one file per action.

mod cancel;
mod confirm_tool_action;
mod create_conversation_session;
mod get_conversation_messages;
mod get_session;
mod list_conversations;
mod ping;
mod rename_conversation;
mod send_message;
mod submit_interaction;
mod verify_otp;

use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::{Service, Stop};
use crate::sink::EventSink;
use crate::turn::Watch;
use crate::wire;
use serde::Serialize;
use smooai_smooth_operator_protocol::Action;
use smooai_smooth_operator_store::{Session, SessionId};

pub(crate) use send_message::busy_turn;

/// What an action comes to: nothing more, or a turn that waits for a person.
pub(crate) type Handled = Result<Option<Watch>, Stop>;

/// Hands an action to its file. The match is exhaustive: a new action does not compile without one.
pub(crate) async fn dispatch(
    service: &Service,
    caller: &Caller,
    action: Action,
    sink: &mut dyn EventSink,
) -> Handled {
    // A running turn is told before a bad field, so `send_message` validates for itself.
    if !matches!(action, Action::SendMessage(_)) {
        action.validate().map_err(ServiceError::from)?;
    }
    match action {
        Action::Ping(params) => ping::ping(service, params, sink).await,
        Action::CreateConversationSession(params) => {
            create_conversation_session::create_conversation_session(service, caller, params, sink).await
        }
        Action::GetSession(params) => get_session::get_session(service, caller, params, sink).await,
        Action::GetConversationMessages(params) => {
            get_conversation_messages::get_conversation_messages(service, caller, params, sink).await
        }
        Action::ListConversations(params) => {
            list_conversations::list_conversations(service, caller, params, sink).await
        }
        Action::RenameConversation(params) => {
            rename_conversation::rename_conversation(service, caller, params, sink).await
        }
        Action::SendMessage(params) => send_message::send_message(service, caller, params, sink).await,
        Action::ConfirmToolAction(params) => {
            confirm_tool_action::confirm_tool_action(service, caller, params, sink).await
        }
        Action::VerifyOtp(params) => verify_otp::verify_otp(service, caller, params, sink).await,
        Action::SubmitInteraction(params) => {
            submit_interaction::submit_interaction(service, caller, params, sink).await
        }
        Action::Cancel(params) => cancel::cancel(service, caller, params, sink).await,
    }
}

impl Service {
    /// The one door to a session: it exists and is the caller's, or it is not found.
    pub(crate) async fn session(&self, caller: &Caller, id: &str) -> Result<Session, ServiceError> {
        let found = self.storage.sessions.get(&caller.scope, &SessionId::from(id)).await?;
        found.ok_or_else(ServiceError::session_not_found)
    }

    /// Sends the immediate answer of an action.
    pub(crate) async fn reply(
        &self,
        sink: &mut dyn EventSink,
        request_id: Option<String>,
        message: &str,
        data: &(impl Serialize + Sync),
    ) -> Result<(), Stop> {
        let event = wire::reply(request_id, self.now(), message, data).map_err(ServiceError::internal)?;
        Ok(sink.send(event).await?)
    }
}
