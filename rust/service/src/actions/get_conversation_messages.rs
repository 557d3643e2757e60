//! `get_conversation_messages`: the newest first, page by page.

use super::Handled;
use crate::caller::Caller;
use crate::error::ServiceError;
use crate::service::Service;
use crate::sink::EventSink;
use crate::sources;
use jiff::Timestamp;
use smooai_smooth_operator_protocol::{
    ConversationMessage, ConversationMessageContent, GetConversationMessagesParams,
    GetConversationMessagesReply, MessageDirection, MessageParty, ParticipantType,
};
use smooai_smooth_operator_store::{Before, Direction, Message, MessageId, Page, Session, StoreError};

const DEFAULT_LIMIT: u32 = 50;
/// A page that would not fit a frame of 1 MiB is made of fewer messages; the rest follows by its cursor.
const PAGE_BYTES: usize = 900 * 1024;

pub(super) async fn get_conversation_messages(
    service: &Service,
    caller: &Caller,
    params: GetConversationMessagesParams,
    sink: &mut dyn EventSink,
) -> Handled {
    let session = service.session(caller, &params.session_id).await?;
    let (field, before) = match (params.cursor, params.before) {
        (Some(cursor), _) => ("/cursor", Some(Before::Cursor(cursor))),
        (None, Some(before)) => ("/before", Some(before_alias(before))),
        (None, None) => ("/cursor", None),
    };
    let access = caller.access(&session);
    let mut citable = None;
    let mut limit = params.limit.unwrap_or(DEFAULT_LIMIT) as usize;
    let data = loop {
        let page = Page { limit, before: before.clone() };
        let page = service.storage.messages.page(&caller.scope, &session.conversation, page).await;
        let page = page.map_err(|error| no_position(field, error))?;
        let count = page.messages.len();
        // A smaller page begins as the larger one did, so this is asked once.
        let citable = match &citable {
            Some(citable) => citable,
            None => citable.insert(service.citable(&access, sources::documents(&page.messages)).await),
        };
        let messages = page.messages.into_iter().map(|mut message| {
            sources::keep(&mut message, citable);
            shown(message, &session)
        });
        let data = GetConversationMessagesReply {
            messages: messages.collect(),
            has_more: page.next.is_some(),
            next_cursor: page.next,
        };
        let bytes = serde_json::to_vec(&data).map_err(ServiceError::internal)?.len();
        if bytes <= PAGE_BYTES || count <= 1 {
            break data;
        }
        limit = count / 2;
    };
    service.reply(sink, params.request_id, "Messages listed", &data).await?;
    Ok(None)
}

fn no_position(field: &str, error: StoreError) -> ServiceError {
    match error {
        StoreError::UnknownCursor => {
            let name = field.trim_start_matches('/');
            let message = format!(
                "`{name}` is no position of this conversation. Leave it out to start at the newest message."
            );
            ServiceError::validation(field, message)
        }
        other => other.into(),
    }
}

fn before_alias(text: String) -> Before {
    match text.parse::<Timestamp>() {
        Ok(instant) => Before::Instant(instant),
        Err(_) => Before::Message(MessageId::from(text)),
    }
}

fn shown(message: Message, session: &Session) -> ConversationMessage {
    let party = |id: &str| {
        let (kind, name) = if id == session.agent_participant.as_str() {
            (ParticipantType::AiAgent, Some(session.agent_name.clone()))
        } else if id == session.user_participant.as_str() {
            (ParticipantType::User, session.contact.name.clone())
        } else if (message.direction == Direction::Inbound) == (id == message.from.as_str()) {
            (ParticipantType::User, None)
        } else {
            (ParticipantType::AiAgent, None)
        };
        MessageParty { id: id.to_owned(), r#type: kind, name }
    };
    ConversationMessage {
        id: message.id.to_string(),
        direction: match message.direction {
            Direction::Inbound => MessageDirection::Inbound,
            Direction::Outbound => MessageDirection::Outbound,
        },
        from: Some(party(message.from.as_str())),
        to: Some(party(message.to.as_str())),
        created_at: message.created_at.to_string(),
        content: ConversationMessageContent {
            text: Some(message.text),
            structured_response: message.structured,
        },
    }
}
