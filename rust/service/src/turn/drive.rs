//! Driving a turn: the future that writes to the client is the one that pulls the model.

use super::Turn;
use super::preamble::Preamble;
use crate::actions::Handled;
use crate::error::ServiceError;
use crate::service::{Service, Stop};
use crate::sink::{Closed, EventSink};
use crate::wire::Stamp;
use smooai_smooth_operator_core::{AgentEvent, Answer, Park, ToolCall};
use smooai_smooth_operator_protocol::ErrorCode;
use smooai_smooth_operator_store::Claim;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

/// Why a drive came to its end.
enum End {
    Answered(Answer),
    /// With the call, if its client has not been shown it before.
    Parked(Box<Park>, Option<Box<ToolCall>>),
    Cancelled,
    Failed(ServiceError),
    Deserted,
}

/// What woke the drive.
enum Heard {
    Said(Option<AgentEvent>),
    Preamble(Option<String>),
    Beat,
    Late,
}

/// How a turn speaks while its run is borrowed by the drive.
struct Voice<'s> {
    service: &'s Service,
    request_id: String,
    stream: bool,
}

impl Turn<'_> {
    /// Drives the turn to its terminal event or to a park. Whatever happens from here on is told
    /// under the turn's own request id.
    pub(crate) async fn drive(mut self, sink: &mut dyn EventSink) -> Handled {
        let running = self.service.backplane.run(self.caller, &self.claim);
        let end = self.pull(&running.cancel, sink).await;
        let outcome = match end {
            End::Answered(answer) => self.finish(answer, &running.cancel, sink).await.map(|()| None),
            End::Parked(park, call) => self.park(*park, call.map(|call| *call), sink).await.map(Some),
            End::Cancelled => self.cancelled(sink).await.map(|()| None),
            End::Failed(error) => Err(Stop::Refused(error)),
            End::Deserted => Err(Stop::Closed),
        };
        if let Err(stop) = outcome {
            self.service.end(self.claim, stop, sink).await?;
            return Ok(None);
        }
        outcome
    }

    async fn pull(&mut self, cancel: &CancellationToken, sink: &mut dyn EventSink) -> End {
        let service = self.service;
        let voice = Voice { service, request_id: self.claim.request_id.clone(), stream: self.state.stream };
        let mut preamble = Preamble::begin(service, &self.state, &self.agent);
        let settings = &service.settings;
        let deadline = sleep_until(Instant::now() + settings.turn_timeout);
        tokio::pin!(deadline);
        let mut beat = interval_at(Instant::now() + settings.keepalive, settings.keepalive);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut drive = self.agent.drive(&mut self.state.checkpoint.run, cancel.clone());
        let mut parked = None;
        let end = loop {
            let heard = tokio::select! {
                biased;
                event = drive.next() => Heard::Said(event),
                text = preamble.next() => Heard::Preamble(text),
                _ = beat.tick() => Heard::Beat,
                () = &mut deadline => Heard::Late,
            };
            let told = match heard {
                Heard::Said(None) => {
                    // A park is followed by nothing when its call was shown before.
                    return parked.map_or(End::Cancelled, |park| End::Parked(Box::new(park), None));
                }
                Heard::Said(Some(AgentEvent::Done(answer))) => return End::Answered(answer),
                Heard::Said(Some(AgentEvent::Cancelled)) => return End::Cancelled,
                Heard::Said(Some(AgentEvent::Failed(error))) => return End::Failed(error.into()),
                Heard::Said(Some(AgentEvent::Parked(park))) => {
                    parked = Some(park);
                    Ok(())
                }
                Heard::Said(Some(AgentEvent::ToolCall(call))) if parked.is_some() => {
                    return parked
                        .map_or(End::Cancelled, |park| End::Parked(Box::new(park), Some(Box::new(call))));
                }
                Heard::Said(Some(event)) => {
                    if matches!(event, AgentEvent::Token(_) | AgentEvent::ToolCall(_)) {
                        preamble.silence();
                    }
                    voice.tell(event, sink).await
                }
                Heard::Preamble(text) => voice.preamble(text, sink).await,
                Heard::Beat => match service.keep(&self.claim).await {
                    Ok(()) => sink.send(voice.stamp().keepalive()).await,
                    Err(error) => break End::Failed(error),
                },
                Heard::Late => break End::Failed(late(service)),
            };
            if told.is_err() {
                break End::Deserted;
            }
        };
        // The drive is let to its own end, so that a call that changes the world is not cut off.
        cancel.cancel();
        while drive.next().await.is_some() {}
        end
    }
}

impl Voice<'_> {
    fn stamp(&self) -> Stamp {
        self.service.stamp(&self.request_id)
    }

    /// Says one event, where the client wants stream events.
    async fn tell(&self, event: AgentEvent, sink: &mut dyn EventSink) -> Result<(), Closed> {
        if !self.stream {
            return Ok(());
        }
        let stamp = self.stamp();
        let event = match event {
            AgentEvent::Token(piece) => stamp.stream_token(piece),
            AgentEvent::Reasoning(piece) => stamp.stream_reasoning(piece),
            AgentEvent::Phase(name) => stamp.phase(name),
            AgentEvent::ToolCall(call) => stamp.tool_call(&call),
            AgentEvent::ToolResult { name, result } => stamp.tool_result(&name, &result),
            AgentEvent::HistoryDropped(count) => {
                tracing::info!(
                    request_id = self.request_id,
                    count,
                    "oldest messages left out of a small context window"
                );
                return Ok(());
            }
            _ => return Ok(()),
        };
        sink.send(event).await
    }

    async fn preamble(&self, text: Option<String>, sink: &mut dyn EventSink) -> Result<(), Closed> {
        match text {
            Some(text) if self.stream => sink.send(self.stamp().stream_preamble(text)).await,
            _ => Ok(()),
        }
    }
}

impl Service {
    /// Renews a turn's lease.
    async fn keep(&self, claim: &Claim) -> Result<(), ServiceError> {
        Ok(self.storage.turns.renew(claim, self.world.now() + self.settings.lease).await?)
    }

    /// Frees the conversation. A claim that was lost meanwhile is nothing to be freed.
    pub(crate) async fn release(&self, claim: &Claim) {
        if let Err(error) = self.storage.turns.release(claim).await {
            tracing::warn!(%error, request_id = claim.request_id, "the conversation was not freed; its lease will end");
        }
    }

    /// Ends a turn by an error, or because nobody listens any more.
    pub(crate) async fn end(&self, claim: Claim, stop: Stop, sink: &mut dyn EventSink) -> Result<(), Closed> {
        self.release(&claim).await;
        match stop {
            Stop::Closed => Err(Closed),
            Stop::Refused(error) => sink.send(self.error(error, Some(claim.request_id))).await,
        }
    }
}

fn late(service: &Service) -> ServiceError {
    let seconds = service.settings.turn_timeout.as_secs();
    ServiceError::new(
        ErrorCode::AgentError,
        format!("The turn took longer than {seconds} seconds and was stopped."),
    )
}
