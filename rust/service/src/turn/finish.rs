//! The end of a turn: the answer is stored, the conversation is freed, and only then the client is told.

use super::Turn;
use super::analysis::Analysis;
use crate::error::ServiceError;
use crate::service::Stop;
use crate::settings::MAX_CITATIONS;
use crate::sink::EventSink;
use crate::sources::structured;
use crate::wire;
use smooai_smooth_operator_core::Answer;
use smooai_smooth_operator_protocol::{Citation, TurnResult};
use smooai_smooth_operator_store::{Activity, Direction, DocumentId, Message, MessageId};
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
        let citations = self.citations().await;
        let quotes = self.evidence.quotes(&text);
        let structured = structured(&response, &citations, &quotes).map_err(ServiceError::internal)?;
        let now = service.world.now();
        let message = Message {
            id: MessageId::new(service.world.uuid()),
            conversation: self.session.conversation.clone(),
            direction: Direction::Outbound,
            text,
            structured: Some(structured),
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

        let result = TurnResult {
            message_id,
            response,
            needs_escalation,
            escalation_reason,
            citations: Some(citations).filter(|citations| !citations.is_empty()),
            usage: wire::usage(answer.usage),
            directive: None,
        };
        Ok(sink.send(self.stamp().eventual_response(result)).await?)
    }

    /// What the answer rests on, as far as its reader may see it at this moment: a turn may take minutes.
    async fn citations(&self) -> Vec<Citation> {
        let mut citations = self.evidence.citations(MAX_CITATIONS);
        let cited = citations.iter().map(|citation| DocumentId::from(citation.id.as_str())).collect();
        let readable = self.service.citable(self.evidence.access(), cited).await;
        citations.retain(|citation| readable.contains(&DocumentId::from(citation.id.as_str())));
        citations
    }

    pub(super) async fn cancelled(&self, sink: &mut dyn EventSink) -> Result<(), Stop> {
        self.service.release(&self.claim).await;
        Ok(sink.send(self.stamp().cancelled()).await?)
    }
}
