//! Checks every frame that the server sends against `spec/`: it decodes, holds what the schema asks,
//! and carries no key that the schema does not name, since a client with closed models would drop it.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use smooai_smooth_operator_protocol::decode::value_from_json;
use smooai_smooth_operator_protocol::{
    ConfirmToolActionReply, CreateConversationSessionReply, Event, GetConversationMessagesReply,
    GetSessionReply, ListConversationsReply, RenameConversationReply, SubmitInteractionReply, Violation,
};

/// The longest frame that a server may send, in bytes.
pub const FRAME_LIMIT: usize = 1 << 20;

/// Decodes a frame and checks it.
///
/// # Errors
/// When it is not what the protocol allows.
pub fn check(text: &str) -> Result<Value> {
    ensure!(text.len() <= FRAME_LIMIT, "a frame of {} bytes", text.len());
    let event = Event::from_json(text).with_context(|| format!("in the frame {}", short(text)))?;
    if let Event::Unknown(unknown) = &event {
        bail!("an event of the type {:?}, which spec/ does not have", unknown.tag);
    }
    if let Err(violation) = event.validate() {
        bail!("{violation:?} in {}", short(text));
    }
    let value: Value = serde_json::from_str(text)?;
    same(&value, &serde_json::from_str(&event.to_json())?)?;
    if let (Some(outer), Some(inner)) = (value.get("requestId"), value["data"].get("requestId")) {
        ensure!(outer == inner, "two request ids in {}", short(text));
    }
    Ok(value)
}

/// Checks the `data` of the response 200 to an action.
///
/// # Errors
/// When it is not what the protocol allows.
pub fn check_reply(action: &str, data: &Value) -> Result<()> {
    match action {
        "confirm_tool_action" => reply(data, ConfirmToolActionReply::validate),
        "create_conversation_session" => reply(data, CreateConversationSessionReply::validate),
        "get_conversation_messages" => reply(data, GetConversationMessagesReply::validate),
        "get_session" => reply(data, GetSessionReply::validate),
        "list_conversations" => reply(data, ListConversationsReply::validate),
        "rename_conversation" => reply(data, RenameConversationReply::validate),
        "submit_interaction" => reply(data, SubmitInteractionReply::validate),
        other => bail!("a response 200 to {other}, which has none"),
    }
}

fn reply<T: DeserializeOwned + Serialize>(
    data: &Value,
    validate: impl Fn(&T) -> Result<(), Violation>,
) -> Result<()> {
    let text = data.to_string();
    let typed: T = value_from_json(&text).with_context(|| format!("in the data {}", short(&text)))?;
    if let Err(violation) = validate(&typed) {
        bail!("{violation:?} in {}", short(&text));
    }
    same(data, &serde_json::to_value(&typed)?)
}

/// What was sent must be what its decoded form is written as: a key that is lost has no place in `spec/`.
fn same(sent: &Value, typed: &Value) -> Result<()> {
    ensure!(sent == typed, "spec/ has no place for a part of {sent}; it is {typed}");
    Ok(())
}

fn short(text: &str) -> String {
    text.chars().take(2000).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{check, check_reply};

    #[test]
    fn a_good_frame_passes_and_a_key_too_many_does_not() {
        let pong = json!({ "type": "pong", "timestamp": 1, "data": { "timestamp": 1 } });
        assert_eq!(check(&pong.to_string()).unwrap(), pong);
        let mut extra = pong.clone();
        extra["data"]["more"] = json!(1);
        assert!(format!("{:#}", check(&extra.to_string()).unwrap_err()).contains("no place"));
        let mut null = pong.clone();
        null["requestId"] = json!(null);
        assert!(check(&null.to_string()).is_err(), "absent, never null");
        let mut late = pong;
        late["timestamp"] = json!(-1);
        assert!(check(&late.to_string()).is_err());
        assert!(check(r#"{"type":"brand_new","timestamp":1}"#).is_err());
    }

    #[test]
    fn replies_are_checked_by_their_action() {
        let reply = json!({ "conversationId": "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985", "title": "T" });
        check_reply("rename_conversation", &reply).unwrap();
        assert!(check_reply("get_session", &reply).is_err());
        assert!(check_reply("ping", &reply).is_err());
    }
}
