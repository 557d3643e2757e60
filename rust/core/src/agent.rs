//! An agent: its settings, its model, its tools, and the phases that its runs walk.

use crate::cost::CostBudget;
use crate::drive::Drive;
use crate::llm::LlmProvider;
use crate::message::ChatMessage;
use crate::run::Run;
use crate::tool::ToolRegistry;
use crate::workflow::Workflow;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How an agent behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentConfig {
    /// Its name.
    pub name: String,
    /// Its instructions, the first message of every run.
    pub instructions: String,
    /// The model's name at the provider.
    pub model: String,
    /// The most model calls of one turn.
    pub max_iterations: u32,
    /// The most tokens of one reply.
    pub max_tokens: u32,
    /// Sampling temperature; `None` leaves it to the provider.
    pub temperature: Option<f32>,
    /// The most a turn may use.
    pub budget: CostBudget,
    /// Longer tool results are cut to this many bytes, with a note.
    pub tool_output_limit: usize,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            name: "Assistant".to_owned(),
            instructions: "You are a helpful assistant.".to_owned(),
            model: "claude-haiku-4-5".to_owned(),
            max_iterations: 20,
            max_tokens: 8_192,
            temperature: None,
            budget: CostBudget::default(),
            tool_output_limit: 16 * 1024,
        }
    }
}

/// Settings, model, tools and phases: all that a run needs besides its own state.
#[derive(Clone)]
pub struct Agent {
    /// How it behaves.
    pub config: AgentConfig,
    /// Where replies come from.
    pub llm: Arc<dyn LlmProvider>,
    /// What it may do.
    pub tools: ToolRegistry,
    /// What happens before the first reply.
    pub workflow: Workflow,
}

impl Agent {
    /// An agent without tools and without phases.
    #[must_use]
    pub fn new(config: AgentConfig, llm: Arc<dyn LlmProvider>) -> Self {
        Self { config, llm, tools: ToolRegistry::new(), workflow: Workflow::default() }
    }

    /// A new run: the instructions, the earlier messages, and what the person says now.
    #[must_use]
    pub fn begin(&self, history: Vec<ChatMessage>, message: ChatMessage) -> Run {
        let mut messages = Vec::with_capacity(history.len() + 2);
        messages.push(ChatMessage::system(&self.config.instructions));
        messages.extend(history);
        messages.push(message);
        Run::new(messages, self.config.max_iterations, self.config.budget)
    }

    /// Drives a run, new or resumed, until it ends or waits for a person. Cancelling the token ends
    /// the model's request at once; a call that changes the world is let to its end first.
    pub fn drive<'a>(&'a self, run: &'a mut Run, cancel: CancellationToken) -> Drive<'a> {
        Drive::new(self, run, cancel)
    }
}
