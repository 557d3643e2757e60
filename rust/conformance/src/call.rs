//! One call of the client's typed method for an action, and the generated codec alone.

use serde::Serialize;
use serde_json::Value;
use smooai_smooth_operator_client::protocol::{Action, Event, JsonObject};
use smooai_smooth_operator_client::{Client, Error};
use smooai_smooth_operator_conformance_driver::ErrorSeen;

use crate::error::{invalid, refused, seen};

/// What a method returned, encoded by the generated code, or the error as the caller gets it.
pub type Outcome<T = Value> = Result<T, Box<ErrorSeen>>;

/// The fields of an action as its type.
pub fn typed(action: &str, mut fields: JsonObject) -> Outcome<Action> {
    fields.insert("action".to_owned(), action.into());
    Action::from_json(&Value::Object(fields).to_string()).map_err(|error| Box::new(refused(&error)))
}

/// Calls an action by its method.
pub async fn call(client: &Client, action: &str, fields: JsonObject) -> Outcome {
    match typed(action, fields)? {
        Action::Cancel(params) => reply(client.cancel(params)),
        Action::ConfirmToolAction(params) => reply(client.confirm_tool_action(params).await),
        Action::CreateConversationSession(params) => reply(client.create_conversation_session(params).await),
        Action::GetConversationMessages(params) => reply(client.get_conversation_messages(params).await),
        Action::GetSession(params) => reply(client.get_session(params).await),
        Action::ListConversations(params) => reply(client.list_conversations(params).await),
        Action::Ping(_) => reply(client.ping().await.map(Event::from)),
        Action::RenameConversation(params) => reply(client.rename_conversation(params).await),
        Action::SendMessage(_) => Err(Box::new(invalid("send_message starts a turn: use start_turn"))),
        Action::SubmitInteraction(params) => reply(client.submit_interaction(params).await),
        Action::VerifyOtp(params) => verified(client.verify_otp(params).await.map(Event::from)),
    }
}

/// A code that is not accepted is an error in this language; what it says is the event that answered.
pub fn verified(result: Result<Event, Error>) -> Outcome {
    match result {
        Err(Error::CodeRejected(event)) => reply(Ok(Event::from(*event))),
        other => reply(other),
    }
}

/// What a call has returned.
pub fn reply<T: Serialize>(result: Result<T, Error>) -> Outcome {
    let value = result.map_err(|error| Box::new(seen(&error)))?;
    serde_json::to_value(value).map_err(|error| Box::new(invalid(&error.to_string())))
}

/// An event decoded, validated and encoded again.
pub fn decode(text: &str) -> Outcome {
    let event = Event::from_json(text).map_err(|error| Box::new(refused(&error)))?;
    event.validate().map_err(|violation| {
        let message = violation.to_string();
        Box::new(ErrorSeen { field: Some(violation.pointer), ..invalid(&message) })
    })?;
    serde_json::from_str(&event.to_json()).map_err(|error| Box::new(invalid(&error.to_string())))
}
