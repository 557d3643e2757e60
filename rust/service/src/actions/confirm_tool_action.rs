//! `confirm_tool_action`: a person's yes or no to a tool call.

use super::Handled;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::Service;
use crate::sink::EventSink;
use crate::wire;
use smooai_smooth_operator_core::Verdict;
use smooai_smooth_operator_protocol::{ConfirmToolActionParams, ConfirmToolActionReply};
use smooai_smooth_operator_store::ParkReason;

pub(super) async fn confirm_tool_action(
    service: &Service,
    caller: &Caller,
    params: ConfirmToolActionParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let ConfirmToolActionParams { request_id, session_id, approved } = params;
    let parked = service.parked(caller, &session_id, request_id.as_deref(), ParkReason::Approval).await?;
    let parked = parked
        .filter(|parked| !parked.has_expired(service))
        .ok_or_else(ServiceError::no_pending_confirmation)?;
    let claim =
        service.take(caller, &parked.turn).await?.ok_or_else(ServiceError::no_pending_confirmation)?;
    let verdict = if approved { Verdict::Approved } else { Verdict::Denied };
    let data = ConfirmToolActionReply { session_id, approved };
    let said = if approved { "Action approved" } else { "Action denied" };
    let reply = wire::reply(request_id, service.now(), said, &data).map_err(ServiceError::internal)?;
    service.resume(caller, parked, (claim, verdict), Some(reply), sink).await
}
