//! The end of a turn: the answer is stored, the conversation is freed, and only then the client is told.

use super::Turn;
use super::analysis::Analysis;
use crate::error::ServiceError;
use crate::service::Stop;
use crate::settings::MAX_CITATIONS;
use crate::sink::EventSink;
use crate::wire;
use smooai_smooth_operator_core::Answer;
use smooai_smooth_operator_protocol::TurnResult;
use smooai_smooth_operator_store::{Activity, Direction, Message, MessageId};
use tokio_util::sync::CancellationToken;

/// A turn adds the person's message and the answer.
const MESSAGES_OF_A_TURN: u64 = 2;

impl Turn<'_> {
    pub(super) async fn finish(
        &self,
        answer: Answer,
        cancel: &CancellationToken,
        sink: &mut dyn EventSink,
    ) -> Result<(), Stop> {
        let service = self.service;
        let question = self.state.checkpoint.run.question();
        let text = answer.text.clone();
        let judging = cancel.run_until_cancelled(service.analyse(&question, answer.text));
        let Some(Analysis { response, needs_escalation, escalation_reason }) = judging.await else {
            return self.cancelled(sink).await;
        };
        let now = service.world.now();
        let message = Message {
            id: MessageId::new(service.world.uuid()),
            conversation: self.session.conversation.clone(),
            direction: Direction::Outbound,
            text,
            structured: Some(serde_json::to_value(&response).map_err(ServiceError::internal)?),
            from: self.session.agent_participant.clone(),
            to: self.session.user_participant.clone(),
            request_id: self.claim.request_id.clone(),
            created_at: now,
        };
        let message_id = message.id.to_string();
        let scope = &self.caller.scope;
        service.storage.messages.append(scope, message).await?;
        let tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens;
        let activity = Activity { now, tokens, messages: MESSAGES_OF_A_TURN };
        service.storage.sessions.record(scope, &self.session.id, activity).await?;
        service.storage.turns.release(&self.claim).await?;

        let citations =
            Some(self.evidence.citations(MAX_CITATIONS)).filter(|citations| !citations.is_empty());
        let result = TurnResult {
            message_id,
            response,
            needs_escalation,
            escalation_reason,
            citations,
            usage: wire::usage(answer.usage),
            directive: None,
        };
        Ok(sink.send(self.stamp().eventual_response(result)).await?)
    }

    pub(super) async fn cancelled(&self, sink: &mut dyn EventSink) -> Result<(), Stop> {
        self.service.release(&self.claim).await;
        Ok(sink.send(self.stamp().cancelled()).await?)
    }
}
