//! `list_conversations`.

use super::Handled;
use crate::caller::Caller;
use crate::service::Service;
use crate::sink::EventSink;
use smooai_smooth_operator_protocol::{ConversationSummary, ListConversationsParams, ListConversationsReply};

const DEFAULT_LIMIT: u32 = 50;
/// More than this is answered as this.
const MAX_LIMIT: u32 = 500;
/// The title of a conversation that has none.
const UNTITLED: &str = "New conversation";

pub(super) async fn list_conversations(
    service: &Service,
    caller: &Caller,
    params: ListConversationsParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let found = service.storage.conversations.list(&caller.scope, limit as usize).await?;
    let conversations = found
        .into_iter()
        .map(|conversation| ConversationSummary {
            conversation_id: conversation.id.to_string(),
            title: conversation.title.unwrap_or_else(|| UNTITLED.to_owned()),
            updated_at: conversation.updated_at.to_string(),
            message_count: u32::try_from(conversation.message_count).unwrap_or(u32::MAX),
        })
        .collect();
    service
        .reply(sink, params.request_id, "Conversations listed", &ListConversationsReply { conversations })
        .await?;
    Ok(None)
}
