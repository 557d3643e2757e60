//! What a server says, in few words. Every event has the same time.

use crate::protocol::*;
use serde::Serialize;
use serde_json::Value;

const NOW: i64 = 1_700_000_000_000;

fn id(request_id: &str) -> Option<String> {
    Some(request_id.to_owned())
}

fn object(value: &impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}

/// The answer 200 to a call.
pub fn reply(request_id: &str, data: &impl Serialize) -> Event {
    ImmediateResponseEvent {
        request_id: id(request_id),
        ..ImmediateResponseEvent::new(NOW, 200, "OK", object(data))
    }
    .into()
}

/// The 202 that begins a turn.
pub fn accepted(request_id: &str) -> Event {
    let event = ImmediateResponseEvent::new(NOW, 202, "Message accepted", JsonObject::new());
    ImmediateResponseEvent { request_id: id(request_id), ..event }.into()
}

/// A piece of the answer.
pub fn token(request_id: &str, token: &str) -> Event {
    let event = StreamTokenEvent::new(NOW, token, TokenData::new(request_id, token));
    StreamTokenEvent { request_id: id(request_id), ..event }.into()
}

/// The whole answer, which ends a turn.
pub fn answer(request_id: &str, text: &str) -> Event {
    answer_with(request_id, text, Vec::new())
}

/// The whole answer with what it rests on, which ends a turn.
pub fn answer_with(request_id: &str, text: &str, citations: Vec<Citation>) -> Event {
    let response =
        TurnResponse::new(vec![text.to_owned()], 0.5, 0.5, "", ResolutionStatus::InProgress, Vec::new());
    let mut result = TurnResult::new("2b1f7c52-6a0e-4b7e-9d4e-0d6d4f0c9a11", response, false);
    result.citations = Some(citations).filter(|citations| !citations.is_empty());
    let event = EventualResponseEvent::new(NOW, 200, EventualResponseData::new(request_id, 200, result));
    EventualResponseEvent { request_id: id(request_id), ..event }.into()
}

/// An error, which refuses an action or ends a turn. Its details follow from the code.
pub fn error(request_id: &str, code: ErrorCode, message: &str) -> Event {
    let details = ErrorDetails::new(i32::from(code.status()), code.retryable());
    let body = ErrorBody::new(code, message);
    let data =
        ErrorData { request_id: id(request_id), details: Some(details), ..ErrorData::new(body.clone()) };
    ErrorEvent { request_id: id(request_id), ..ErrorEvent::new(NOW, body, data) }.into()
}

/// The end of a turn that was cancelled.
pub fn cancelled(request_id: &str) -> Event {
    let data = CancelledData { request_id: id(request_id), ..CancelledData::new(499) };
    CancelledEvent { request_id: id(request_id), ..CancelledEvent::new(NOW, 499, data) }.into()
}

/// The answer to a ping.
pub fn pong(request_id: &str) -> Event {
    PongEvent { request_id: id(request_id), ..PongEvent::new(NOW, PongData::new(NOW)) }.into()
}

/// A sign of life.
pub fn keepalive(request_id: &str) -> Event {
    KeepaliveEvent { request_id: id(request_id), ..KeepaliveEvent::new(NOW, KeepaliveData::new(request_id)) }
        .into()
}

/// A tool call that begins.
pub fn tool_call(request_id: &str, tool: &str, arguments: &str) -> Event {
    let progress = ToolProgress { tool_call: Some(ToolCall::new(tool, arguments)), tool_result: None };
    chunk(request_id, tool, Some(progress))
}

/// A tool call that ended.
pub fn tool_result(request_id: &str, tool: &str, result: &str) -> Event {
    let progress = ToolProgress { tool_call: None, tool_result: Some(ToolResult::new(tool, false, result)) };
    chunk(request_id, tool, Some(progress))
}

fn chunk(request_id: &str, node: &str, raw_response: Option<ToolProgress>) -> Event {
    let state = StreamChunkState { raw_response, ..StreamChunkState::default() };
    let event = StreamChunkEvent::new(NOW, node, StreamChunkData::new(request_id, node, state));
    StreamChunkEvent { request_id: id(request_id), ..event }.into()
}

/// A tool call waits for approval.
pub fn confirmation_required(request_id: &str, tool: &str, description: &str) -> Event {
    let data = WriteConfirmationRequiredData::new(request_id, WriteConfirmation::new(tool, description));
    let event = WriteConfirmationRequiredEvent::new(NOW, data);
    WriteConfirmationRequiredEvent { request_id: id(request_id), ..event }.into()
}

/// A tool call waits for a one-time code.
pub fn otp_required(request_id: &str, tool: &str, description: &str) -> Event {
    let verification = OtpVerification::new(tool, description, vec![OtpChannel::Email], "code");
    let data = OtpVerificationRequiredData::new(request_id, verification);
    let event = OtpVerificationRequiredEvent::new(NOW, data);
    OtpVerificationRequiredEvent { request_id: id(request_id), ..event }.into()
}

/// A one-time code is on its way.
pub fn otp_sent(request_id: &str, masked_destination: &str) -> Event {
    let data = OtpSentData::new(request_id, OtpDelivery::new(OtpChannel::Email, masked_destination));
    OtpSentEvent { request_id: id(request_id), ..OtpSentEvent::new(NOW, data) }.into()
}

/// A one-time code was right.
pub fn otp_verified(request_id: &str) -> Event {
    let data = OtpVerifiedData::new(request_id, OtpSuccess::new("Verified."));
    OtpVerifiedEvent { request_id: id(request_id), ..OtpVerifiedEvent::new(NOW, data) }.into()
}

/// A one-time code was not accepted.
pub fn otp_invalid(request_id: &str, attempts_remaining: u32) -> Event {
    let data = OtpInvalidData::new(request_id, OtpFailure::new(attempts_remaining, "The code is not right."));
    OtpInvalidEvent { request_id: id(request_id), ..OtpInvalidEvent::new(NOW, data) }.into()
}

/// A form waits for an answer.
pub fn interaction_required(
    request_id: &str,
    interaction_id: &str,
    kind: InteractionKind,
    spec: &impl Serialize,
) -> Event {
    let request = InteractionRequest::new(interaction_id, kind, object(spec), "This is needed to go on.");
    let event = InteractionRequiredEvent::new(NOW, InteractionRequiredData::new(request_id, request));
    InteractionRequiredEvent { request_id: id(request_id), ..event }.into()
}

/// A form's values were not accepted.
pub fn interaction_invalid(
    request_id: &str,
    interaction_id: &str,
    kind: InteractionKind,
    errors: Vec<FieldError>,
) -> Event {
    let rejection = InteractionRejection::new(interaction_id, kind, errors, "Some fields need attention.");
    let event = InteractionInvalidEvent::new(NOW, InteractionInvalidData::new(request_id, rejection));
    InteractionInvalidEvent { request_id: id(request_id), ..event }.into()
}
