//! `cancel`: ends the caller's running or parked turn; nothing at all where there is none.

use super::Handled;
use crate::backplane::Target;
use crate::caller::Caller;
use crate::service::Service;
use crate::sink::EventSink;
use smooai_smooth_operator_protocol::CancelParams;
use smooai_smooth_operator_store::{ConversationId, SessionId};

pub(super) async fn cancel(
    service: &Service,
    caller: &Caller,
    params: CancelParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let conversation = match &params.session_id {
        None => None,
        Some(id) => match service.storage.sessions.get(&caller.scope, &SessionId::from(id.as_str())).await? {
            Some(session) => Some(session.conversation),
            None => return Ok(None),
        },
    };
    let target = Target { request_id: params.request_id.as_deref(), conversation: conversation.as_ref() };
    service.backplane.cancel_running(caller, &target);
    let parked = match &conversation {
        Some(conversation) => vec![conversation.clone()],
        None => service.backplane.watched(caller, &target),
    };
    for conversation in parked {
        service.cancel_parked(caller, &conversation, target.request_id, sink).await?;
    }
    Ok(None)
}

impl Service {
    async fn cancel_parked(
        &self,
        caller: &Caller,
        conversation: &ConversationId,
        request_id: Option<&str>,
        sink: &mut dyn EventSink,
    ) -> Result<(), crate::service::Stop> {
        let Some((parked, _)) = self.storage.turns.parked(&caller.scope, conversation).await? else {
            return Ok(());
        };
        if request_id.is_some_and(|named| named != parked.claim.request_id) {
            return Ok(());
        }
        if let Some(claim) = self.take(caller, &parked).await? {
            self.storage.turns.release(&claim).await?;
            sink.send(self.stamp(&claim.request_id).cancelled()).await?;
        }
        Ok(())
    }
}
