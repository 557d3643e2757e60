//! `get_session`.

use super::Handled;
use crate::caller::Caller;
use crate::service::Service;
use crate::sink::EventSink;
use smooai_smooth_operator_protocol::{GetSessionParams, GetSessionReply, SessionStatus as WireStatus};
use smooai_smooth_operator_store::SessionStatus;

pub(super) async fn get_session(
    service: &Service,
    caller: &Caller,
    params: GetSessionParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let session = service.session(caller, &params.session_id).await?;
    let data = GetSessionReply {
        session_id: session.id.to_string(),
        conversation_id: session.conversation.to_string(),
        agent_id: session.agent_id,
        agent_name: session.agent_name,
        user_participant_id: session.user_participant.to_string(),
        agent_participant_id: session.agent_participant.to_string(),
        thread_id: session.thread_id,
        status: match session.status {
            SessionStatus::Active => WireStatus::Active,
            SessionStatus::Idle => WireStatus::Idle,
            SessionStatus::Ended => WireStatus::Ended,
        },
    };
    service.reply(sink, params.request_id, "Session found", &data).await?;
    Ok(None)
}
