//! The driver: does the waiting for a run. It is pulled event by event, so a slow reader slows the
//! model; and `next` may be dropped and called again without losing anything.

use crate::agent::Agent;
use crate::event::{AgentEvent, RunError};
use crate::llm::{FinishReason, LlmError, LlmErrorKind, ModelDelta, ModelRequest, ModelStream, Usage};
use crate::message::{ChatMessage, RequestedCall};
use crate::run::{ModelReply, Outcome, Prompt, Run, Step};
use crate::tool::{Effect, Tool, ToolCall, ToolResult};
use crate::workflow::{PhaseError, RESPONSE_PHASE};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A run that is being driven.
pub struct Drive<'a> {
    agent: &'a Agent,
    run: &'a mut Run,
    cancel: CancellationToken,
    ready: VecDeque<AgentEvent>,
    stage: Stage,
}

/// What is being waited for.
enum Stage {
    Decide,
    Phase(BoxFuture<'static, Result<Vec<ChatMessage>, PhaseError>>),
    Opening(BoxFuture<'static, Result<ModelStream, LlmError>>),
    Reading(ModelStream, Partial),
    Tools(Round),
    Over,
}

/// A reply that is not finished.
#[derive(Default)]
struct Partial {
    text: String,
    calls: Vec<RequestedCall>,
    usage: Usage,
    finish: Option<FinishReason>,
}

/// Calls that are being made.
struct Round {
    running: FuturesUnordered<BoxFuture<'static, (String, ToolResult)>>,
    results: Vec<ToolResult>,
    effect: Effect,
    begun: bool,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(agent: &'a Agent, run: &'a mut Run, cancel: CancellationToken) -> Self {
        Self { agent, run, cancel, ready: VecDeque::new(), stage: Stage::Decide }
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<AgentEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.wait().await.is_none() {
                self.cancelled();
            }
            if self.ready.is_empty() && matches!(self.stage, Stage::Over) {
                return None;
            }
        }
    }

    /// The events as a stream, for a program that embeds the engine.
    pub fn events(self) -> impl Stream<Item = AgentEvent> + use<'a> {
        futures_util::stream::unfold(self, |mut drive| async move {
            drive.next().await.map(|event| (event, drive))
        })
    }

    /// One wait; `None` when the token was cancelled meanwhile.
    async fn wait(&mut self) -> Option<()> {
        let cancel = self.cancel.clone();
        match &mut self.stage {
            Stage::Over => {}
            Stage::Decide => {
                if cancel.is_cancelled() && !self.run.is_over() {
                    return None;
                }
                self.decide();
            }
            Stage::Phase(entering) => {
                let outcome = cancel.run_until_cancelled(entering).await?;
                self.phase_done(outcome);
            }
            Stage::Opening(opening) => {
                let outcome = cancel.run_until_cancelled(opening).await?;
                self.opened(outcome);
            }
            Stage::Reading(stream, _) => {
                let delta = cancel.run_until_cancelled(stream.next()).await?;
                self.read(delta);
            }
            Stage::Tools(round) => {
                let finished = match round.effect {
                    Effect::Read => cancel.run_until_cancelled(round.running.next()).await?,
                    Effect::Write if !round.begun && cancel.is_cancelled() => return None,
                    Effect::Write => {
                        round.begun = true;
                        round.running.next().await
                    }
                };
                self.tool_done(finished);
            }
        }
        Some(())
    }

    fn decide(&mut self) {
        let phase = self.agent.workflow.phase(self.run.phases_done());
        if let Some(phase) = phase.filter(|_| self.run.is_before_first_reply()) {
            let (phase, question) = (Arc::clone(phase), self.run.question());
            self.ready.push_back(AgentEvent::Phase(phase.name().to_owned()));
            self.stage = Stage::Phase(Box::pin(async move { phase.enter(&question).await }));
            return;
        }
        match self.run.next() {
            Step::CallModel(prompt) => self.open(prompt),
            Step::CallTools(calls) => self.call(calls),
            Step::Park(park) => {
                let call = park.call().clone();
                self.over(AgentEvent::Parked(park));
                if !self.run.was_announced(&call.id) {
                    self.ready.push_back(AgentEvent::ToolCall(call));
                }
            }
            Step::Done(answer) if answer.outcome == Outcome::Cancelled => self.over(AgentEvent::Cancelled),
            Step::Done(answer) => self.over(AgentEvent::Done(answer)),
        }
    }

    fn phase_done(&mut self, outcome: Result<Vec<ChatMessage>, PhaseError>) {
        match outcome {
            Ok(context) => {
                self.run.phase_said(context);
                self.stage = Stage::Decide;
            }
            Err(error) => self.fail(error.into()),
        }
    }

    fn open(&mut self, prompt: Prompt) {
        let config = &self.agent.config;
        let request = ModelRequest {
            model: config.model.clone(),
            messages: prompt.messages,
            tools: self.agent.tools.specs(),
            may_call_tools: prompt.may_call_tools,
            max_tokens: config.max_tokens,
            temperature: config.temperature,
        };
        let llm = Arc::clone(&self.agent.llm);
        self.ready.push_back(AgentEvent::Phase(RESPONSE_PHASE.to_owned()));
        self.stage = Stage::Opening(Box::pin(async move { llm.stream(request).await }));
    }

    fn opened(&mut self, outcome: Result<ModelStream, LlmError>) {
        match outcome {
            Ok(stream) => self.stage = Stage::Reading(stream, Partial::default()),
            Err(error) if error.kind == LlmErrorKind::ContextTooLong => self.make_room(error),
            Err(error) => self.fail(error.into()),
        }
    }

    /// Asks again with less history, as long as there is some.
    fn make_room(&mut self, error: LlmError) {
        match self.run.drop_oldest() {
            0 => self.fail(error.into()),
            dropped => {
                self.ready.push_back(AgentEvent::HistoryDropped(dropped));
                self.stage = Stage::Decide;
            }
        }
    }

    fn read(&mut self, delta: Option<Result<ModelDelta, LlmError>>) {
        let Stage::Reading(_, partial) = &mut self.stage else { return };
        match delta {
            Some(Ok(ModelDelta::Text(piece) | ModelDelta::Reasoning(piece))) if piece.is_empty() => {}
            Some(Ok(ModelDelta::Text(piece))) => {
                partial.text.push_str(&piece);
                self.ready.push_back(AgentEvent::Token(piece));
            }
            Some(Ok(ModelDelta::Reasoning(piece))) => self.ready.push_back(AgentEvent::Reasoning(piece)),
            Some(Ok(ModelDelta::Call(call))) => partial.calls.push(call),
            Some(Ok(ModelDelta::Usage(usage))) => partial.usage += usage,
            Some(Ok(ModelDelta::Finish(reason))) => partial.finish = Some(reason),
            Some(Err(error)) => self.fail(error.into()),
            None => {
                let partial = std::mem::take(partial);
                self.replied(partial);
            }
        }
    }

    fn replied(&mut self, partial: Partial) {
        let Some(finish) = partial.finish else {
            let cut = LlmError::new(LlmErrorKind::Interrupted, "the reply ended without a finish reason");
            return self.fail(cut.into());
        };
        if finish == FinishReason::ContentFilter && partial.text.is_empty() {
            let withheld = LlmError::new(LlmErrorKind::ContentFiltered, "the provider withheld its reply");
            return self.fail(withheld.into());
        }
        let calls = partial.calls.into_iter().map(|call| self.agent.tools.check(call)).collect();
        let reply = ModelReply { text: partial.text, calls, usage: partial.usage, finish };
        match self.run.model_said(reply) {
            Ok(()) => self.stage = Stage::Decide,
            Err(mismatch) => self.fail(mismatch.into()),
        }
    }

    fn call(&mut self, calls: Vec<ToolCall>) {
        let effect = calls.first().map_or(Effect::Read, |call| call.effect);
        let limit = self.agent.config.tool_output_limit;
        let running = FuturesUnordered::new();
        for call in calls {
            let tool = self.agent.tools.get(&call.name).cloned();
            if !self.run.was_announced(&call.id) {
                self.ready.push_back(AgentEvent::ToolCall(call.clone()));
            }
            running.push(perform(tool, call, limit).boxed());
        }
        self.stage = Stage::Tools(Round { running, results: Vec::new(), effect, begun: false });
    }

    fn tool_done(&mut self, finished: Option<(String, ToolResult)>) {
        let Stage::Tools(round) = &mut self.stage else { return };
        if let Some((name, result)) = finished {
            round.results.push(result.clone());
            self.ready.push_back(AgentEvent::ToolResult { name, result });
            return;
        }
        let results = std::mem::take(&mut round.results);
        match self.run.tools_said(results) {
            Ok(()) => self.stage = Stage::Decide,
            Err(mismatch) => self.fail(mismatch.into()),
        }
    }

    fn cancelled(&mut self) {
        if let Stage::Tools(round) = &mut self.stage {
            self.run.keep(std::mem::take(&mut round.results));
        }
        self.run.cancel();
        self.over(AgentEvent::Cancelled);
    }

    fn fail(&mut self, error: RunError) {
        self.over(AgentEvent::Failed(error));
    }

    fn over(&mut self, last: AgentEvent) {
        self.ready.push_back(last);
        self.stage = Stage::Over;
    }
}

/// Makes one call: whatever happens, there is a result.
async fn perform(tool: Option<Arc<dyn Tool>>, call: ToolCall, limit: usize) -> (String, ToolResult) {
    let outcome = match (&call.arguments, tool) {
        (Err(fault), _) => Err(fault.clone()),
        (Ok(_), None) => Err(format!("There is no tool `{}`.", call.name)),
        (Ok(_), Some(tool)) => {
            let timeout = tool.spec().timeout();
            // Inside a block, so that a panic before the first await is caught as well.
            let calling = AssertUnwindSafe(async { tool.call(&call).await }).catch_unwind();
            match tokio::time::timeout(timeout, calling).await {
                Ok(Ok(Ok(text))) => Ok(text),
                Ok(Ok(Err(error))) => Err(error.0),
                Ok(Err(_panic)) => Err(unsure("The tool failed inside.", call.effect)),
                Err(_elapsed) => Err(unsure(&timed_out(timeout), call.effect)),
            }
        }
    };
    let is_error = outcome.is_err();
    let text = cut(outcome.unwrap_or_else(|fault| fault), limit);
    let ToolCall { id: call_id, name, .. } = call;
    (name, ToolResult { call_id, is_error, text })
}

/// A write that broke off may have been made; the model must not repeat it blindly.
fn unsure(fault: &str, effect: Effect) -> String {
    match effect {
        Effect::Read => format!("{fault} It may be tried again."),
        Effect::Write => {
            format!("{fault} Whether it took effect is not known: find out before trying again.")
        }
    }
}

fn timed_out(timeout: Duration) -> String {
    format!("The tool did not answer within {} ms.", timeout.as_millis())
}

/// Cuts a text to at most `limit` bytes at a character's edge, and says so.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let whole = text.len();
    text.truncate(text.floor_char_boundary(limit));
    let kept = text.len();
    text.push_str(&format!("\n[cut: the first {kept} of {whole} bytes]"));
    text
}
