//! A stage for the service: real memory storage and retrieval, a scripted model, a clock that is set by
//! hand, tools that are counted, and callers whose events are read one by one.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use smooai_smooth_operator::{
    Caller, Closed, CodeDelivery, CodeSender, EventSink, Parts, SendCodeError, Service, Settings, ToolSource,
    TurnContext, World,
};
use smooai_smooth_operator_core::{
    Effect, FinishReason, LlmError, LlmProvider, ModelDelta, ModelRequest, ModelStream, RequestedCall, Tool,
    ToolCall, ToolError, ToolSpec, Usage,
};
use smooai_smooth_operator_protocol::Event;
use smooai_smooth_operator_retrieval::{DeterministicEmbedder, Retriever};
use smooai_smooth_operator_store::{Scope, StorageAdapter};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// Every wait of a test ends after this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A clock that stands still until it is moved, and ids that count up.
pub struct HandWorld {
    moved: Mutex<SignedDuration>,
    ids: AtomicU64,
}

impl HandWorld {
    pub fn forward(&self, by: Duration) {
        *self.moved.lock().unwrap() += SignedDuration::try_from(by).unwrap();
    }
}

impl World for HandWorld {
    fn now(&self) -> Timestamp {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        start + *self.moved.lock().unwrap()
    }

    fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn code(&self) -> u32 {
        4_711
    }
}

/// What the model says next.
pub enum Reply {
    Text(&'static str),
    Calls(Vec<(&'static str, Value)>),
    /// Says nothing until it is dropped.
    Silence,
    /// Says its text when it is told to.
    Held(Arc<Notify>, &'static str),
    /// Fails.
    Error(LlmError),
}

/// A model that plays a script and remembers what it was asked.
#[derive(Default)]
pub struct Script {
    replies: Mutex<VecDeque<Reply>>,
    pub asked: Mutex<Vec<ModelRequest>>,
    pub heard: Notify,
}

#[async_trait]
impl LlmProvider for Script {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, LlmError> {
        self.asked.lock().unwrap().push(request);
        self.heard.notify_waiters();
        let reply = self.replies.lock().unwrap().pop_front().expect("the script has no more replies");
        let (held, reply) = match reply {
            Reply::Held(held, text) => (Some(held), Reply::Text(text)),
            other => (None, other),
        };
        let usage = Usage { prompt_tokens: 10, completion_tokens: 5, cost_usd: Some(0.001) };
        let deltas = match reply {
            Reply::Silence | Reply::Held(..) => return Ok(Box::pin(stream::pending())),
            Reply::Error(error) => return Err(error),
            Reply::Text(text) => {
                let pieces = text.split_inclusive(' ').map(|piece| ModelDelta::Text(piece.to_owned()));
                pieces
                    .chain([ModelDelta::Usage(usage), ModelDelta::Finish(FinishReason::Stop)])
                    .collect::<Vec<_>>()
            }
            Reply::Calls(calls) => {
                let call = |(at, (name, arguments)): (usize, (&str, Value))| {
                    let id = format!("call-{at}");
                    ModelDelta::Call(RequestedCall {
                        id,
                        name: name.to_owned(),
                        arguments: arguments.to_string(),
                    })
                };
                let calls = calls.into_iter().enumerate().map(call);
                calls.chain([ModelDelta::Usage(usage), ModelDelta::Finish(FinishReason::ToolCalls)]).collect()
            }
        };
        let deltas = stream::iter(deltas.into_iter().map(Ok));
        let hold = async move {
            if let Some(held) = held {
                held.notified().await;
            }
            deltas
        };
        Ok(Box::pin(stream::once(hold).flatten()))
    }

    fn is_available(&self) -> bool {
        true
    }
}

impl Script {
    /// Waits until the model was asked so many times.
    pub async fn asked(&self, times: usize) {
        let asked = async {
            loop {
                let heard = self.heard.notified();
                if self.asked.lock().unwrap().len() >= times {
                    return;
                }
                heard.await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the model to be asked in time");
    }
}

/// Tools that are counted: `look` reads, `pay` writes.
pub struct Counted {
    look: Arc<ToolSpec>,
    pay: Arc<ToolSpec>,
    pub paid: Arc<AtomicUsize>,
}

struct Counter {
    spec: Arc<ToolSpec>,
    paid: Arc<AtomicUsize>,
}

#[async_trait]
impl Tool for Counter {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        if self.spec.effect() == Effect::Write {
            self.paid.fetch_add(1, Ordering::SeqCst);
        }
        Ok(format!("done: {}", call.arguments()))
    }
}

impl ToolSource for Counted {
    fn tools(&self, _turn: &TurnContext) -> Vec<Arc<dyn Tool>> {
        let tool = |spec: &Arc<ToolSpec>| {
            Arc::new(Counter { spec: Arc::clone(spec), paid: Arc::clone(&self.paid) }) as Arc<dyn Tool>
        };
        vec![tool(&self.look), tool(&self.pay)]
    }
}

/// Keeps the codes it is to send.
#[derive(Default)]
pub struct Post(pub Mutex<Vec<CodeDelivery>>);

#[async_trait]
impl CodeSender for Post {
    async fn send(&self, delivery: CodeDelivery) -> Result<(), SendCodeError> {
        self.0.lock().unwrap().push(delivery);
        Ok(())
    }
}

/// The service with everything around it.
pub struct Stage {
    pub service: Arc<Service>,
    pub storage: StorageAdapter,
    pub world: Arc<HandWorld>,
    pub script: Arc<Script>,
    pub post: Arc<Post>,
    pub paid: Arc<AtomicUsize>,
    connections: AtomicU64,
}

/// A caller with his connection.
pub struct Client {
    caller: Caller,
    service: Arc<Service>,
    out: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    leave: CancellationToken,
}

struct Sink(mpsc::Sender<Event>);

#[async_trait]
impl EventSink for Sink {
    async fn send(&mut self, event: Event) -> Result<(), Closed> {
        self.0.send(event).await.map_err(|_| Closed)
    }
}

impl Stage {
    pub fn new(replies: Vec<Reply>) -> Self {
        Self::with(Settings::default(), replies)
    }

    pub fn with(settings: Settings, replies: Vec<Reply>) -> Self {
        let storage = smooai_smooth_operator_adapter_memory::adapter();
        Self::over(storage, settings, replies)
    }

    /// A service over storage that another service may have used before.
    pub fn over(storage: StorageAdapter, settings: Settings, replies: Vec<Reply>) -> Self {
        let world = Arc::new(HandWorld { moved: Mutex::default(), ids: AtomicU64::new(1) });
        let script = Arc::new(Script { replies: Mutex::new(replies.into()), ..Script::default() });
        let post = Arc::new(Post::default());
        let paid = Arc::new(AtomicUsize::new(0));
        let spec = |name: &str, effect| {
            let parameters = json!({"type": "object", "properties": {"amount": {"type": "number"}}});
            Arc::new(ToolSpec::new(name, name, parameters, effect, Duration::from_secs(5)).unwrap())
        };
        let tools = Counted {
            look: spec("look", Effect::Read),
            pay: spec("pay", Effect::Write),
            paid: Arc::clone(&paid),
        };
        let retriever =
            Retriever::new(Arc::clone(&storage.knowledge), Arc::new(DeterministicEmbedder::default()));
        let service = Service::new(Parts {
            settings,
            retriever: Arc::new(retriever.with_deadlines(PATIENCE, PATIENCE)),
            storage: storage.clone(),
            llm: Arc::clone(&script) as _,
            world: Arc::clone(&world) as _,
            tool_sources: vec![Arc::new(tools)],
            skills: None,
            codes: Some(Arc::clone(&post) as _),
            auth_context: None,
        });
        let service = Arc::new(service.unwrap());
        Self { service, storage, world, script, post, paid, connections: AtomicU64::new(1) }
    }

    pub fn client(&self, user: &str) -> Client {
        let (out, events) = mpsc::channel(1_024);
        let caller = Caller {
            connection: self.connections.fetch_add(1, Ordering::Relaxed),
            scope: Scope::new("org", user),
            user: Some(user.to_owned()),
            groups: Vec::new(),
            email: Some(format!("{user}@example.org")),
            phone: None,
            origin: None,
        };
        Client { caller, service: Arc::clone(&self.service), out, events, leave: CancellationToken::new() }
    }
}

impl Client {
    /// The same caller with these groups in his token.
    pub fn with_groups(mut self, groups: &[&str]) -> Self {
        self.caller.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        self
    }

    /// Sends a frame; the service answers beside the test.
    pub fn say(&self, frame: &Value) {
        let (service, caller, leave) = (Arc::clone(&self.service), self.caller.clone(), self.leave.clone());
        let (mut sink, frame) = (Sink(self.out.clone()), frame.to_string());
        #[expect(clippy::disallowed_methods, reason = "the test is the mount")]
        tokio::spawn(async move { service.attend(&caller, &frame, &mut sink, &leave).await });
    }

    /// The next event, as JSON.
    pub async fn next(&mut self) -> Value {
        let event =
            tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").unwrap();
        event.validate().unwrap_or_else(|violation| panic!("{violation:?} in {}", event.to_json()));
        serde_json::from_str(&event.to_json()).unwrap()
    }

    /// The next event of a type; others before it are skipped.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["type"] == kind {
                return event;
            }
            assert!(event["type"] != "error" || kind == "error", "waiting for {kind}: {event}");
        }
    }

    /// The types of all events up to this one, phases left out; runs of tokens counted once.
    pub async fn shape(&mut self, last: &str) -> Vec<String> {
        let mut shape: Vec<String> = Vec::new();
        loop {
            let event = self.next().await;
            let kind = event["type"].as_str().unwrap().to_owned();
            let raw = &event["data"]["state"]["rawResponse"];
            let name = match kind.as_str() {
                "stream_chunk" if raw["toolCall"].is_object() => {
                    format!("call {}", event["node"].as_str().unwrap())
                }
                "stream_chunk" if raw["toolResult"]["isError"] == true => "refused".to_owned(),
                "stream_chunk" if raw["toolResult"].is_object() => "result".to_owned(),
                "stream_chunk" => continue,
                _ => kind.clone(),
            };
            if shape.last() != Some(&name) || kind != "stream_token" {
                shape.push(name);
            }
            if kind == last {
                return shape;
            }
        }
    }

    /// Nothing more was said: a ping is answered next.
    pub async fn silent(&mut self) {
        self.say(&json!({"action": "ping", "requestId": "silence"}));
        let event = self.next().await;
        assert_eq!(event["type"], "pong", "{event}");
    }

    pub async fn session(&mut self, supports: &[&str]) -> String {
        self.say(&json!({"action": "create_conversation_session", "requestId": "s", "supports": supports}));
        self.until("immediate_response").await["data"]["sessionId"].as_str().unwrap().to_owned()
    }

    /// The messages of the session's conversation, newest first.
    pub async fn messages(&mut self, session: &str) -> Vec<Value> {
        self.say(&json!({"action": "get_conversation_messages", "requestId": "m", "sessionId": session}));
        let page = self.until("immediate_response").await;
        page["data"]["messages"].as_array().unwrap().clone()
    }

    pub fn ask(&self, session: &str, request_id: &str, message: &str) {
        self.say(&json!({"action": "send_message", "requestId": request_id, "sessionId": session, "message": message}));
    }
}
