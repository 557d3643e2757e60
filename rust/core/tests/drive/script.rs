//! The scripted model, tools made of a closure, and events as lines of text.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use serde_json::json;
use smooai_smooth_operator_core::{
    Agent, AgentConfig, AgentEvent, ChatMessage, Drive, Effect, FinishReason, Gate, LlmError, LlmErrorKind,
    LlmProvider, ModelDelta, ModelRequest, ModelStream, Park, RequestedCall, Run, Tool, ToolCall, ToolError,
    ToolSpec, Usage,
};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub type Opening = BoxFuture<'static, Result<ModelStream, LlmError>>;

/// A model that gives its replies in order and remembers what it was asked.
#[derive(Default)]
pub struct Script {
    replies: Mutex<VecDeque<Opening>>,
    asked: Mutex<Vec<ModelRequest>>,
}

impl Script {
    pub fn of(replies: Vec<Opening>) -> Arc<Self> {
        Arc::new(Self { replies: Mutex::new(replies.into()), asked: Mutex::default() })
    }

    pub fn asked(&self) -> Vec<ModelRequest> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl LlmProvider for Script {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, LlmError> {
        self.asked.lock().unwrap().push(request);
        let reply =
            self.replies.lock().unwrap().pop_front().expect("the script has a reply for each request");
        reply.await
    }

    fn is_available(&self) -> bool {
        true
    }
}

pub fn deltas(deltas: Vec<Result<ModelDelta, LlmError>>) -> Opening {
    // A yield before each delta, so that waiting is really waited for.
    let paced = stream::iter(deltas).then(|delta| async {
        tokio::task::yield_now().await;
        delta
    });
    Box::pin(async {
        tokio::task::yield_now().await;
        Ok::<ModelStream, _>(Box::pin(paced))
    })
}

pub fn says(pieces: &[&str]) -> Opening {
    let mut reply: Vec<_> = pieces.iter().map(|piece| Ok(text(piece))).collect();
    reply.push(Ok(ModelDelta::Finish(FinishReason::Stop)));
    deltas(reply)
}

/// A reply that asks for calls `(id, name, arguments)`.
pub fn wants(calls: &[(&str, &str, &str)]) -> Opening {
    let call = |&(id, name, arguments): &(&str, &str, &str)| {
        Ok(ModelDelta::Call(RequestedCall { id: id.into(), name: name.into(), arguments: arguments.into() }))
    };
    let mut reply: Vec<_> = calls.iter().map(call).collect();
    reply.push(Ok(ModelDelta::Usage(Usage {
        prompt_tokens: 10,
        completion_tokens: 5,
        cost_usd: Some(0.25),
    })));
    reply.push(Ok(ModelDelta::Finish(FinishReason::ToolCalls)));
    deltas(reply)
}

pub fn refuses(kind: LlmErrorKind) -> Opening {
    Box::pin(async move { Err(LlmError::new(kind, "the provider's own words")) })
}

pub fn text(piece: &str) -> ModelDelta {
    ModelDelta::Text(piece.to_owned())
}

type Body = Box<dyn Fn(ToolCall) -> BoxFuture<'static, Result<String, ToolError>> + Send + Sync>;

/// A tool whose work is a closure. Its arguments are `{"n"?: integer}`.
pub struct Does {
    spec: Arc<ToolSpec>,
    body: Body,
}

#[async_trait]
impl Tool for Does {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        (self.body)(call.clone()).await
    }
}

pub const TIMEOUT: Duration = Duration::from_secs(5);

pub fn spec(name: &str, effect: Effect) -> Arc<ToolSpec> {
    let parameters = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    Arc::new(ToolSpec::new(name, "", parameters, effect, TIMEOUT).unwrap())
}

pub fn tool<F, W>(name: &str, effect: Effect, body: F) -> Arc<dyn Tool>
where
    F: Fn(ToolCall) -> W + Send + Sync + 'static,
    W: Future<Output = Result<String, ToolError>> + Send + 'static,
{
    Arc::new(Does { spec: spec(name, effect), body: Box::new(move |call| Box::pin(body(call))) })
}

/// A tool that answers `<name> <arguments>` after one yield.
pub fn echo(name: &'static str, effect: Effect) -> Arc<dyn Tool> {
    tool(name, effect, move |call| async move {
        tokio::task::yield_now().await;
        Ok(format!("{name} {}", call.arguments()))
    })
}

pub fn agent(llm: &Arc<Script>, tools: Vec<(Arc<dyn Tool>, Vec<Gate>)>) -> Agent {
    let config = AgentConfig { instructions: "Help.".to_owned(), ..AgentConfig::default() };
    let llm: Arc<dyn LlmProvider> = Arc::clone(llm) as _;
    let mut agent = Agent::new(config, llm);
    for (tool, gates) in tools {
        agent.tools.add(tool, gates);
    }
    agent
}

pub fn begin(agent: &Agent) -> Run {
    agent.begin(Vec::new(), ChatMessage::user("now?"))
}

/// Drives a run to the end of its drive, within a bound; its events as lines.
pub async fn play(agent: &Agent, run: &mut Run) -> String {
    finish(&mut agent.drive(run, CancellationToken::new())).await
}

pub async fn finish(drive: &mut Drive<'_>) -> String {
    let mut lines = Vec::new();
    while let Some(event) = soon(drive.next()).await {
        lines.push(line(&event));
    }
    assert!(soon(drive.next()).await.is_none(), "an event came after the end");
    lines.join("\n")
}

/// Bounds a wait, beyond every bound of the tools themselves.
pub async fn soon<T>(waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT * 4, waiting).await.expect("a wait ends")
}

pub fn line(event: &AgentEvent) -> String {
    match event {
        AgentEvent::Phase(name) => format!("phase {name}"),
        AgentEvent::Reasoning(piece) => format!("reasoning {piece}"),
        AgentEvent::Token(piece) => format!("token {piece}"),
        AgentEvent::ToolCall(call) => format!("call {} {} {}", call.id, call.name, call.raw_arguments),
        AgentEvent::ToolResult { name, result } => {
            let how = if result.is_error { "error" } else { "result" };
            format!("{how} {} {name}: {}", result.call_id, result.text)
        }
        AgentEvent::HistoryDropped(count) => format!("dropped {count}"),
        AgentEvent::Parked(park) => {
            let kind = match park {
                Park::Approval(_) => "approval",
                Park::Verification(..) => "verification",
                Park::Interaction(..) => "interaction",
            };
            format!("parked {kind} {}", park.call().id)
        }
        AgentEvent::Done(answer) => format!("done {:?} {:?}", answer.finish, answer.text),
        AgentEvent::Cancelled => "cancelled".to_owned(),
        AgentEvent::Failed(error) => format!("failed {error}{}", source(error)),
        _ => panic!("an event without a line: {event:?}"),
    }
}

fn source(error: &dyn std::error::Error) -> String {
    error.source().map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// The tool messages of a run as `id: text`.
pub fn tool_messages(run: &Run) -> Vec<String> {
    let answers = run.messages().iter().filter_map(|message| match message {
        ChatMessage::Tool { call_id, text, .. } => Some(format!("{call_id}: {text}")),
        _ => None,
    });
    answers.collect()
}

/// Tells, once dropped, that what held it is gone.
pub struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub fn held() -> (Held, Arc<AtomicBool>) {
    let gone = Arc::new(AtomicBool::new(false));
    (Held(Arc::clone(&gone)), gone)
}

/// Waits for ever, holding something.
pub async fn forever<T>(held: Held) -> T {
    let _held = held;
    std::future::pending().await
}
