//! A word before a slow answer, from a fast model; at most one, and never after the answer has begun.

use super::State;
use crate::service::Service;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, pending};
use smooai_smooth_operator_core::{Agent, ChatMessage, LlmProvider, ModelDelta, ModelRequest};
use std::sync::Arc;
use std::time::Duration;

const INSTRUCTIONS: &str = "\
Say in one short friendly sentence that you are looking into the person's request. Do not answer it, promise \
nothing, ask nothing.";
/// A preamble that comes later than this is of no use.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_TOKENS: u32 = 60;

/// A preamble that may still come.
pub(super) struct Preamble(Option<BoxFuture<'static, Option<String>>>);

impl Preamble {
    /// Asks for one at the beginning of a streamed turn, where a model for it is set.
    pub(super) fn begin(service: &Service, state: &State, agent: &Agent) -> Self {
        let run = &state.checkpoint.run;
        let begins = run.usage() == smooai_smooth_operator_core::Usage::default() && run.phases_done() == 0;
        match &service.settings.preamble_model {
            Some(model) if state.stream && begins => {
                let asking = ask(Arc::clone(&agent.llm), model.clone(), run.question());
                let bounded = async move { tokio::time::timeout(TIMEOUT, asking).await.ok().flatten() };
                Self(Some(Box::pin(bounded)))
            }
            _ => Self(None),
        }
    }

    /// Waits for it; once, and for ever where none comes any more.
    pub(super) async fn next(&mut self) -> Option<String> {
        let Some(coming) = &mut self.0 else { return pending().await };
        let text = coming.await;
        self.0 = None;
        text
    }

    /// The answer has begun.
    pub(super) fn silence(&mut self) {
        self.0 = None;
    }
}

async fn ask(llm: Arc<dyn LlmProvider>, model: String, question: String) -> Option<String> {
    let request = ModelRequest {
        model,
        messages: vec![ChatMessage::system(INSTRUCTIONS), ChatMessage::user(question)],
        tools: Arc::new([]),
        may_call_tools: false,
        max_tokens: MAX_TOKENS,
        temperature: None,
    };
    match collect(llm, request).await {
        Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Err(error) => {
            tracing::info!(%error, "no preamble");
            None
        }
    }
}

/// The whole text of a reply.
pub(super) async fn collect(
    llm: Arc<dyn LlmProvider>,
    request: ModelRequest,
) -> Result<String, smooai_smooth_operator_core::LlmError> {
    let mut stream = llm.stream(request).await?;
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        if let ModelDelta::Text(piece) = delta? {
            text.push_str(&piece);
        }
    }
    Ok(text)
}
