//! The engine alone: rules in place of a language model, a tool that reads, a tool that writes after a
//! person's yes, memory between the turns, and a turn that waits as a checkpoint.
//!
//! `cargo run -p smooai-smooth-operator-core --example alone`
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use async_trait::async_trait;
use futures_util::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use smooai_smooth_operator_core::{
    Agent, AgentConfig, AgentEvent, ChatMessage, Checkpoint, CheckpointStore, ContentPart, Effect,
    FinishReason, Gate, InProcessCheckpoints, LlmError, LlmProvider, Memory, ModelDelta, ModelRequest,
    ModelStream, RequestedCall, Run, Tool, ToolCall, ToolError, ToolSpec, ToolSpecError, Verdict,
    WindowMemory,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    print!("{}", conversation().await?);
    Ok(())
}

/// Three turns, as a transcript. The second waits for a yes.
pub async fn conversation() -> Result<String, Failure> {
    let mut desk = Desk::new()?;
    desk.ask("What is 6 * 7?").await?;
    desk.ask("Save it as total.").await?;
    desk.decide(Verdict::Approved).await?;
    desk.ask("What is 1 / 0?").await?;
    Ok(desk.transcript)
}

/// An agent with what it keeps between its turns.
struct Desk {
    agent: Agent,
    memory: WindowMemory,
    checkpoints: InProcessCheckpoints,
    transcript: String,
}

impl Desk {
    fn new() -> Result<Self, Failure> {
        let config = AgentConfig {
            name: "Calculator".to_owned(),
            instructions: "You calculate, and keep results for the person.".to_owned(),
            ..AgentConfig::default()
        };
        let mut agent = Agent::new(config, Arc::new(Rules));
        agent.tools.add(Arc::new(Calculate::new()?), vec![]);
        agent.tools.add(Arc::new(Save::new()?), vec![Gate::Approval]);
        let (memory, checkpoints) = (WindowMemory::new(50, 4_000), InProcessCheckpoints::new(100));
        Ok(Self { agent, memory, checkpoints, transcript: String::new() })
    }

    /// One turn, from the person's words to the answer or to a wait.
    async fn ask(&mut self, question: &str) -> Result<(), Failure> {
        self.tell(&format!("person: {question}"));
        let question = ChatMessage::user(question);
        let mut run = self.agent.begin(self.memory.recall(2_000).await?, question.clone());
        self.memory.remember(vec![question]).await?;
        self.drive(&mut run).await
    }

    /// Takes up the turn that waits, from nothing but its checkpoint.
    async fn decide(&mut self, verdict: Verdict) -> Result<(), Failure> {
        self.tell(&format!("person: {verdict:?}"));
        let waiting = self.checkpoints.load("turn").await?.ok_or("no turn waits for a person")?;
        let mut run = waiting.run;
        run.resume(verdict)?;
        self.checkpoints.delete("turn").await?;
        self.drive(&mut run).await
    }

    async fn drive(&mut self, run: &mut Run) -> Result<(), Failure> {
        let agent = self.agent.clone();
        let mut drive = agent.drive(run, CancellationToken::new());
        let (mut answer, mut parked) = (None, false);
        while let Some(event) = drive.next().await {
            match event {
                AgentEvent::ToolCall(call) => {
                    self.tell(&format!("call:   {} {}", call.name, call.arguments()));
                }
                AgentEvent::ToolResult { result, .. } => self.tell(&format!("result: {}", result.text)),
                AgentEvent::Parked(park) => {
                    parked = true;
                    self.tell(&format!("wait:   may `{}` be called?", park.call().name));
                }
                AgentEvent::Done(done) => answer = Some(done.text),
                AgentEvent::Failed(error) => return Err(error.into()),
                _ => {}
            }
        }
        if parked {
            self.checkpoints.save("turn", &Checkpoint::new(run.clone())).await?;
        }
        if let Some(text) = answer {
            self.tell(&format!("agent:  {text}"));
            self.memory.remember(vec![ChatMessage::assistant(text)]).await?;
        }
        Ok(())
    }

    fn tell(&mut self, line: &str) {
        self.transcript.push_str(line);
        self.transcript.push('\n');
    }
}

/// A model of two rules: it turns `What is 6 * 7?` and `Save it as NAME.` into calls, and says what the
/// tools answered.
struct Rules;

#[async_trait]
impl LlmProvider for Rules {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, LlmError> {
        let reply = match follow(&request) {
            Ok(call) => vec![ModelDelta::Call(call), ModelDelta::Finish(FinishReason::ToolCalls)],
            Err(text) => vec![ModelDelta::Text(text), ModelDelta::Finish(FinishReason::Stop)],
        };
        Ok(Box::pin(stream::iter(reply.into_iter().map(Ok))))
    }

    fn is_available(&self) -> bool {
        true
    }
}

/// The call that the rules ask for, or else what they say.
fn follow(request: &ModelRequest) -> Result<RequestedCall, String> {
    let said = match request.messages.last() {
        Some(ChatMessage::Tool { text, .. }) => return Err(text.clone()),
        Some(ChatMessage::User { parts }) => match parts.first() {
            Some(ContentPart::Text { text }) => text.as_str(),
            _ => "",
        },
        _ => "",
    };
    let words: Vec<&str> = said.trim_end_matches(['?', '.']).split_whitespace().collect();
    let (name, arguments) = match words[..] {
        ["What", "is", left, operator, right] => {
            let number = |word: &str| word.parse::<f64>().map_err(|_| format!("`{word}` is no number."));
            let (left, right) = (number(left)?, number(right)?);
            ("calculate", json!({ "left": left, "operator": operator, "right": right }))
        }
        ["Save", "it", "as", name] => {
            let value = last_number(&request.messages).ok_or("There is no result to save yet.")?;
            ("save", json!({ "name": name, "value": value }))
        }
        _ => return Err("I understand `What is 6 * 7?` and `Save it as NAME.`".to_owned()),
    };
    Ok(RequestedCall { id: String::new(), name: name.to_owned(), arguments: arguments.to_string() })
}

/// The last number that the agent said, in this turn or one it remembers.
fn last_number(messages: &[ChatMessage]) -> Option<f64> {
    messages.iter().rev().find_map(|message| match message {
        ChatMessage::Assistant { text, .. } => {
            text.split_whitespace().rev().find_map(|word| word.parse().ok())
        }
        _ => None,
    })
}

#[derive(Deserialize, JsonSchema)]
struct Sum {
    left: f64,
    operator: Operator,
    right: f64,
}

#[derive(Deserialize, JsonSchema)]
enum Operator {
    #[serde(rename = "+")]
    Plus,
    #[serde(rename = "-")]
    Minus,
    #[serde(rename = "*")]
    Times,
    #[serde(rename = "/")]
    Over,
}

struct Calculate(Arc<ToolSpec>);

impl Calculate {
    fn new() -> Result<Self, ToolSpecError> {
        let timeout = Duration::from_secs(1);
        let spec = ToolSpec::of::<Sum>("calculate", "Does a sum.", Effect::Read, timeout)?;
        Ok(Self(Arc::new(spec)))
    }
}

#[async_trait]
impl Tool for Calculate {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.0
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        let Sum { left, operator, right } = call.read()?;
        let result = match operator {
            Operator::Plus => left + right,
            Operator::Minus => left - right,
            Operator::Times => left * right,
            Operator::Over if right == 0.0 => {
                return Err(ToolError("Nothing can be divided by zero.".to_owned()));
            }
            Operator::Over => left / right,
        };
        Ok(format!("That is {result}"))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Entry {
    name: String,
    value: f64,
}

struct Save {
    spec: Arc<ToolSpec>,
    entries: Mutex<BTreeMap<String, f64>>,
}

impl Save {
    fn new() -> Result<Self, ToolSpecError> {
        let timeout = Duration::from_secs(1);
        let spec = ToolSpec::of::<Entry>("save", "Keeps a result by a name.", Effect::Write, timeout)?;
        Ok(Self { spec: Arc::new(spec), entries: Mutex::default() })
    }
}

#[async_trait]
impl Tool for Save {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        let Entry { name, value } = call.read()?;
        let mut entries = self.entries.lock().map_err(|_| ToolError("The entries are lost.".to_owned()))?;
        entries.insert(name.clone(), value);
        Ok(format!("Saved: {name} is {value}"))
    }
}
