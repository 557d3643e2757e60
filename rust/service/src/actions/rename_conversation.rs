//! `rename_conversation`.

use super::Handled;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::Service;
use crate::sink::EventSink;
use smooai_smooth_operator_protocol::{RenameConversationParams, RenameConversationReply};
use smooai_smooth_operator_store::ConversationId;

pub(super) async fn rename_conversation(
    service: &Service,
    caller: &Caller,
    params: RenameConversationParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let title = params.title.trim();
    if title.is_empty() {
        return Err(ServiceError::validation("/title", "`title` must hold more than white space.").into());
    }
    let id = ConversationId::from(params.conversation_id);
    let renamed =
        service.storage.conversations.rename(&caller.scope, &id, title, service.world.now()).await?;
    renamed.ok_or_else(ServiceError::conversation_not_found)?;
    let data = RenameConversationReply { conversation_id: id.to_string(), title: title.to_owned() };
    service.reply(sink, params.request_id, "Conversation renamed", &data).await?;
    Ok(None)
}
