//! From what happens in a turn to what its client reads: pure functions, one per event.

use serde_json::{Map, Value};
use smooai_smooth_operator_core as core;
use smooai_smooth_operator_protocol::*;

/// Tool results are shown to a client up to this many characters.
const SHOWN_RESULT: usize = 500;

/// The events of one turn: they know whose they are and when they are said.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub request_id: String,
    pub timestamp: i64,
}

impl Stamp {
    fn id(&self) -> Option<String> {
        Some(self.request_id.clone())
    }

    fn token(&self, token: String) -> TokenData {
        TokenData { request_id: self.request_id.clone(), token }
    }

    pub(crate) fn stream_token(&self, token: String) -> Event {
        let data = self.token(token.clone());
        Event::StreamToken(StreamTokenEvent { request_id: self.id(), timestamp: self.timestamp, token, data })
    }

    pub(crate) fn stream_reasoning(&self, token: String) -> Event {
        let data = self.token(token.clone());
        Event::StreamReasoning(StreamReasoningEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            token,
            data,
        })
    }

    pub(crate) fn stream_preamble(&self, token: String) -> Event {
        let data = self.token(token.clone());
        Event::StreamPreamble(StreamPreambleEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            token,
            data,
        })
    }

    fn chunk(&self, node: String, raw_response: Option<ToolProgress>) -> Event {
        let state = StreamChunkState {
            raw_response,
            structured_response: None,
            pending_write_confirmation: None,
            pending_otp_verification: None,
        };
        let data =
            StreamChunkData { request_id: self.request_id.clone(), node: node.clone(), state, done: None };
        Event::StreamChunk(StreamChunkEvent { request_id: self.id(), timestamp: self.timestamp, node, data })
    }

    pub(crate) fn phase(&self, node: String) -> Event {
        self.chunk(node, None)
    }

    pub(crate) fn tool_call(&self, call: &core::ToolCall) -> Event {
        // What a model wrote may be no JSON; the member is JSON text in any case.
        let arguments = match &call.arguments {
            Ok(arguments) => arguments.to_string(),
            Err(_) if serde_json::from_str::<Value>(&call.raw_arguments).is_ok() => {
                call.raw_arguments.clone()
            }
            Err(_) => Value::String(call.raw_arguments.clone()).to_string(),
        };
        let progress = ToolProgress {
            tool_call: Some(ToolCall { name: call.name.clone(), arguments }),
            tool_result: None,
        };
        self.chunk(call.name.clone(), Some(progress))
    }

    pub(crate) fn tool_result(&self, name: &str, result: &core::ToolResult) -> Event {
        let shown = result.text.chars().take(SHOWN_RESULT).collect();
        let tool_result = ToolResult { name: name.to_owned(), is_error: result.is_error, result: shown };
        let progress = ToolProgress { tool_call: None, tool_result: Some(tool_result) };
        self.chunk(name.to_owned(), Some(progress))
    }

    pub(crate) fn accepted(&self) -> Event {
        Event::ImmediateResponse(ImmediateResponseEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            status: 202,
            message: "Message accepted".to_owned(),
            data: Map::new(),
        })
    }

    pub(crate) fn keepalive(&self) -> Event {
        let data = KeepaliveData { request_id: self.request_id.clone() };
        Event::Keepalive(KeepaliveEvent { request_id: self.id(), timestamp: self.timestamp, data })
    }

    pub(crate) fn cancelled(&self) -> Event {
        let data = CancelledData { status: 499, request_id: self.id() };
        Event::Cancelled(CancelledEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            status: 499,
            data,
        })
    }

    pub(crate) fn write_confirmation_required(&self, call: &core::ToolCall) -> Event {
        let data = WriteConfirmation { tool_id: call.name.clone(), action_description: describe(call) };
        let data = WriteConfirmationRequiredData { request_id: self.request_id.clone(), data };
        Event::WriteConfirmationRequired(WriteConfirmationRequiredEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            data,
        })
    }

    pub(crate) fn otp_verification_required(
        &self,
        call: &core::ToolCall,
        challenge: &core::Challenge,
    ) -> Event {
        let data = OtpVerification {
            tool_id: call.name.clone(),
            action_description: describe(call),
            available_channels: challenge
                .channels
                .iter()
                .map(|channel| OtpChannel::from(channel.as_str()))
                .collect(),
            auth_level: challenge.auth_level.clone(),
        };
        let data = OtpVerificationRequiredData { request_id: self.request_id.clone(), data };
        Event::OtpVerificationRequired(OtpVerificationRequiredEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            data,
        })
    }

    pub(crate) fn otp_sent(&self, channel: &str, masked_destination: String) -> Event {
        let data = OtpDelivery { channel: OtpChannel::from(channel), masked_destination };
        let data = OtpSentData { request_id: self.request_id.clone(), data };
        Event::OtpSent(OtpSentEvent { request_id: self.id(), timestamp: self.timestamp, data })
    }

    pub(crate) fn otp_verified(&self) -> Event {
        let data = OtpSuccess { message: "Verified.".to_owned() };
        let data = OtpVerifiedData { request_id: self.request_id.clone(), data };
        Event::OtpVerified(OtpVerifiedEvent { request_id: self.id(), timestamp: self.timestamp, data })
    }

    pub(crate) fn otp_invalid(&self, error: OtpError, attempts_remaining: u32) -> Event {
        let message = match &error {
            OtpError::InvalidCode => format!("The code is not right. Attempts left: {attempts_remaining}."),
            OtpError::MaxAttempts => "The code was wrong too often. The action was not done.".to_owned(),
            OtpError::Expired => "The code has expired. The action was not done.".to_owned(),
            _ => "No code is awaited.".to_owned(),
        };
        let data = OtpFailure { attempts_remaining, message, error: Some(error) };
        let data = OtpInvalidData { request_id: self.request_id.clone(), data };
        Event::OtpInvalid(OtpInvalidEvent { request_id: self.id(), timestamp: self.timestamp, data })
    }

    pub(crate) fn interaction_required(&self, interaction_id: &str, form: &core::Form) -> Event {
        let data = InteractionRequest {
            interaction_id: interaction_id.to_owned(),
            kind: InteractionKind::from(form.kind.as_str()),
            spec: form.spec.as_object().cloned().unwrap_or_default(),
            reason: form.reason.clone(),
        };
        let data = InteractionRequiredData { request_id: self.request_id.clone(), data };
        Event::InteractionRequired(InteractionRequiredEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            data,
        })
    }

    pub(crate) fn interaction_invalid(
        &self,
        interaction_id: &str,
        kind: &str,
        errors: Vec<FieldError>,
    ) -> Event {
        let data = InteractionRejection {
            interaction_id: interaction_id.to_owned(),
            kind: InteractionKind::from(kind),
            errors,
            message: "Some fields need attention.".to_owned(),
        };
        let data = InteractionInvalidData { request_id: self.request_id.clone(), data };
        Event::InteractionInvalid(InteractionInvalidEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            data,
        })
    }

    pub(crate) fn eventual_response(&self, result: TurnResult) -> Event {
        let data = EventualResponseData { request_id: self.request_id.clone(), status: 200, data: result };
        Event::EventualResponse(EventualResponseEvent {
            request_id: self.id(),
            timestamp: self.timestamp,
            status: 200,
            data,
        })
    }
}

/// The immediate answer to an action that is not a turn, or to a verdict.
pub(crate) fn reply(
    request_id: Option<String>,
    timestamp: i64,
    message: &str,
    data: &impl serde::Serialize,
) -> Result<Event, serde_json::Error> {
    let data = match serde_json::to_value(data)? {
        Value::Object(data) => data,
        _ => Map::new(),
    };
    let message = message.to_owned();
    Ok(Event::ImmediateResponse(ImmediateResponseEvent { request_id, timestamp, status: 200, message, data }))
}

pub(crate) fn usage(usage: core::Usage) -> Option<TurnUsage> {
    let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    (usage != core::Usage::default()).then(|| TurnUsage {
        cost_usd: usage.cost_usd.unwrap_or_default(),
        prompt_tokens: tokens(usage.prompt_tokens),
        completion_tokens: tokens(usage.completion_tokens),
    })
}

/// One sentence that says what a call will do, and with which arguments.
pub(crate) fn describe(call: &core::ToolCall) -> String {
    const LONGEST: usize = 1_000;
    let arguments = call.arguments().as_object().filter(|arguments| !arguments.is_empty());
    let text = match arguments {
        None => format!("Run {} without arguments.", call.name),
        Some(arguments) => {
            let pairs: Vec<String> =
                arguments.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!("Run {} with {}.", call.name, pairs.join(", "))
        }
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// An e-mail address or phone number that its owner recognises and nobody else learns.
pub(crate) fn mask(channel: &str, destination: &str) -> String {
    if channel == "email" {
        let (local, domain) = destination.split_once('@').unwrap_or((destination, ""));
        let first: String = local.chars().take(1).collect();
        return format!("{first}***@{domain}");
    }
    let count = destination.chars().count();
    let last: String = destination.chars().skip(count.saturating_sub(2)).collect();
    format!("***{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_masked() {
        assert_eq!(mask("email", "ada.lovelace@example.org"), "a***@example.org");
        assert_eq!(mask("sms", "+14155550123"), "***23");
    }

    #[test]
    fn a_tool_result_is_shown_up_to_500_characters() {
        let stamp = Stamp { request_id: "r".into(), timestamp: 1 };
        let result = core::ToolResult { call_id: "c".into(), is_error: false, text: "ä".repeat(501) };
        let Event::StreamChunk(chunk) = stamp.tool_result("t", &result) else { unreachable!() };
        let shown = chunk.data.state.raw_response.unwrap().tool_result.unwrap().result;
        assert_eq!(shown.chars().count(), 500);
    }
}
