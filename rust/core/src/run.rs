//! A run: the state of one turn between the model, its tools and the people it waits for. It is plain
//! data without `async`; [`Run::next`] says what it wants, and stays the same until that is answered.

use crate::cost::{CostBudget, CostTracker};
use crate::knowledge::Withdrawn;
use crate::llm::{FinishReason, Usage};
use crate::memory::next_exchange;
use crate::message::{ChatMessage, RequestedCall, plain_text};
use crate::tool::{Challenge, Effect, Form, Gate, ToolCall, ToolResult};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// How many read-only calls of one reply run side by side.
pub const MAX_PARALLEL_CALLS: usize = 5;

/// What a run wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A reply of the model; answered by [`Run::model_said`].
    CallModel(Prompt),
    /// The results of all these calls; answered by [`Run::tools_said`]. Either several that only
    /// read and may run side by side, or a single one.
    CallTools(Vec<ToolCall>),
    /// A person; answered by [`Run::resume`].
    Park(Park),
    /// Nothing; the run is over.
    Done(Answer),
}

/// What the model is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The messages, oldest first.
    pub messages: Vec<ChatMessage>,
    /// `false` when the model must finish without tools.
    pub may_call_tools: bool,
}

/// A wait for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "park", content = "what")]
pub enum Park {
    /// The call needs a yes.
    Approval(ToolCall),
    /// The call needs a proof of identity.
    Verification(ToolCall, Challenge),
    /// The call asks for a form to be filled in.
    Interaction(ToolCall, Form),
}

impl Park {
    /// The call that waits.
    #[must_use]
    pub fn call(&self) -> &ToolCall {
        match self {
            Self::Approval(call) | Self::Verification(call, _) | Self::Interaction(call, _) => call,
        }
    }
}

/// What a person said to a park, or that nobody did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "values")]
pub enum Verdict {
    /// Approval: yes.
    Approved,
    /// Approval: no.
    Denied,
    /// Verification: the right code.
    Verified,
    /// Verification: too many wrong codes.
    Locked,
    /// Interaction: the accepted values, which become the tool's result.
    Submitted(Value),
    /// Interaction: the person would rather not.
    Declined,
    /// Any: nobody answered in time.
    Expired,
}

/// An answer that does not fit what the run wants; the run is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run wants {wanted}, not {offered}")]
pub struct Mismatch {
    /// What [`Run::next`] asks for.
    pub wanted: &'static str,
    /// What was given.
    pub offered: &'static str,
}

/// A model's whole reply, its calls looked up and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReply {
    /// The text.
    pub text: String,
    /// The calls it asks for.
    pub calls: Vec<ToolCall>,
    /// What it used.
    pub usage: Usage,
    /// Why it stopped.
    pub finish: FinishReason,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With an answer.
    Finished,
    /// By a cancellation.
    Cancelled,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The text of the last reply.
    pub text: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the model stopped.
    pub finish: FinishReason,
    /// Sums over all model calls.
    pub usage: Usage,
}

/// The state of one turn. Serialised it is the turn's checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    messages: Vec<ChatMessage>,
    max_iterations: u32,
    iterations: u32,
    phases_done: usize,
    cost: CostTracker,
    pending: Vec<Pending>,
    answer: Option<Answer>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pending {
    call: ToolCall,
    /// A call that was parked has been announced with its park.
    announced: bool,
    result: Option<ToolResult>,
}

/// What a run wants, without the copies that a [`Step`] holds.
enum Wanted<'a> {
    Reply,
    Results(Vec<&'a ToolCall>),
    Person(&'a ToolCall, &'a Gate),
    Nothing(&'a Answer),
}

/// Said to the model with the last call it gets.
const FINISH_NOW: &str =
    "No more tools can be called in this turn. Answer now with what you know, and say what is missing.";

impl Run {
    /// A run over these messages (instructions, history, and the person's message last), with at most
    /// `max_iterations` model calls (at least one) and a budget.
    #[must_use]
    pub fn new(messages: Vec<ChatMessage>, max_iterations: u32, budget: CostBudget) -> Self {
        Self {
            messages,
            max_iterations: max_iterations.max(1),
            iterations: 0,
            phases_done: 0,
            cost: CostTracker::new(budget),
            pending: Vec::new(),
            answer: None,
        }
    }

    /// What the run wants. Asking again gives the same step until it is answered.
    #[must_use]
    pub fn next(&self) -> Step {
        match self.wanted() {
            Wanted::Reply => Step::CallModel(self.prompt()),
            Wanted::Results(calls) => Step::CallTools(calls.into_iter().cloned().collect()),
            Wanted::Person(call, gate) => Step::Park(park(call.clone(), gate.clone())),
            Wanted::Nothing(answer) => Step::Done(answer.clone()),
        }
    }

    /// Takes the model's reply.
    ///
    /// # Errors
    /// When no reply is wanted.
    pub fn model_said(&mut self, reply: ModelReply) -> Result<(), Mismatch> {
        let Wanted::Reply = self.wanted() else {
            return Err(self.mismatch("a model's reply"));
        };
        let last = !self.may_call_tools();
        self.iterations += 1;
        self.cost.add(reply.usage);
        let calls = if last { Vec::new() } else { self.with_unique_ids(reply.calls) };
        let requested = calls.iter().map(|call| RequestedCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.raw_arguments.clone(),
        });
        self.messages.push(ChatMessage::Assistant { text: reply.text.clone(), calls: requested.collect() });
        if calls.is_empty() {
            self.end(reply.text, Outcome::Finished, reply.finish);
        } else {
            self.pending =
                calls.into_iter().map(|call| Pending { call, announced: false, result: None }).collect();
        }
        Ok(())
    }

    /// Takes the results of exactly the calls that are wanted, in any order.
    ///
    /// # Errors
    /// When other calls, or none, are wanted.
    pub fn tools_said(&mut self, results: Vec<ToolResult>) -> Result<(), Mismatch> {
        let given: BTreeSet<&str> = results.iter().map(|result| result.call_id.as_str()).collect();
        let fits = match self.wanted() {
            Wanted::Results(calls) => {
                calls.len() == results.len() && calls.iter().all(|call| given.contains(call.id.as_str()))
            }
            _ => false,
        };
        if !fits {
            return Err(self.mismatch("results of tools"));
        }
        for result in results {
            self.settle(result);
        }
        self.close_round();
        Ok(())
    }

    /// Takes a verdict on the present park. Returns the call's result where the verdict is one;
    /// otherwise the call goes on to its next gate, or to its tool.
    ///
    /// # Errors
    /// When nothing is parked, or the verdict is not one for this kind of park.
    pub fn resume(&mut self, verdict: Verdict) -> Result<Option<ToolResult>, Mismatch> {
        let Wanted::Person(call, gate) = self.wanted() else {
            return Err(self.mismatch("a verdict"));
        };
        let refused = |text: &str| Some((true, text.to_owned()));
        let answer = match (gate, verdict) {
            (Gate::Approval, Verdict::Approved) | (Gate::Verification(_), Verdict::Verified) => None,
            (Gate::Approval, Verdict::Denied) => {
                refused("The person did not approve this call. It was not made; do not try it again unasked.")
            }
            (Gate::Verification(_), Verdict::Locked) => {
                refused("The person could not be verified: too many wrong codes. The call was not made.")
            }
            (Gate::Interaction(_), Verdict::Submitted(values)) => Some((false, values.to_string())),
            (Gate::Interaction(_), Verdict::Declined) => Some((false, r#"{"declined":true}"#.to_owned())),
            (_, Verdict::Expired) => refused("Nobody answered in time. The call was not made."),
            _ => return Err(self.mismatch("a verdict of another kind")),
        };
        let call_id = call.id.clone();
        match answer {
            None => {
                self.open_gate(&call_id);
                Ok(None)
            }
            Some((is_error, text)) => {
                let result = ToolResult { call_id, is_error, text };
                self.settle(result.clone());
                self.close_round();
                Ok(Some(result))
            }
        }
    }

    /// Ends the run where it stands; every open call is answered as cancelled. Nothing happens to a
    /// run that is over.
    pub fn cancel(&mut self) {
        if self.answer.is_some() {
            return;
        }
        for pending in &mut self.pending {
            pending.result.get_or_insert_with(|| ToolResult {
                call_id: pending.call.id.clone(),
                is_error: true,
                text: "The turn was cancelled.".to_owned(),
            });
        }
        self.close_round();
        self.end(String::new(), Outcome::Cancelled, FinishReason::Stop);
    }

    /// Puts messages (retrieved passages, for instance) before the person's last message, and counts
    /// the phase that brought them as done. Nothing happens to a run past its phases.
    pub fn phase_said(&mut self, context: Vec<ChatMessage>) {
        if !self.is_before_first_reply() {
            return;
        }
        let at = self.last_user_message().unwrap_or(self.messages.len());
        self.messages.splice(at..at, context);
        self.phases_done += 1;
    }

    /// Takes the passages of these documents (source and title) out of what the run was given: out of
    /// instructions and results of tools. Returns how many texts that changed. What the model and the person
    /// said stays.
    pub fn withdraw<'a>(&mut self, documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> usize {
        let withdrawn = Withdrawn::new(documents);
        let given = self.messages.iter_mut().filter_map(|message| match message {
            ChatMessage::System { text } | ChatMessage::Tool { text, .. } => Some(text),
            ChatMessage::User { .. } | ChatMessage::Assistant { .. } => None,
        });
        let results = self.pending.iter_mut().filter_map(|pending| pending.result.as_mut());
        let mut changed = 0;
        for text in given.chain(results.map(|result| &mut result.text)) {
            if let Some(left) = withdrawn.out_of(text) {
                *text = left;
                changed += 1;
            }
        }
        changed
    }

    /// Puts `mark` in the place of these stretches wherever the model said them before this turn. Returns how
    /// many texts that changed.
    pub fn unsay(&mut self, stretches: &[&str], mark: &str) -> usize {
        let this_turn = self.last_user_message().unwrap_or(0);
        let mut changed = 0;
        for message in &mut self.messages[..this_turn] {
            let ChatMessage::Assistant { text, .. } = message else { continue };
            let stretches = stretches.iter().filter(|stretch| !stretch.is_empty());
            let left = stretches.fold(text.clone(), |text, stretch| text.replace(stretch, mark));
            changed += usize::from(left != *text);
            *text = left;
        }
        changed
    }

    /// Whether the run may still walk phases: the model has not replied, and nobody cancelled.
    pub(crate) fn is_before_first_reply(&self) -> bool {
        self.iterations == 0 && self.answer.is_none()
    }

    /// Whether the run is over.
    pub(crate) fn is_over(&self) -> bool {
        self.answer.is_some()
    }

    /// Keeps those results of an unfinished round that came before a cancellation.
    pub(crate) fn keep(&mut self, results: Vec<ToolResult>) {
        for result in results {
            self.settle(result);
        }
    }

    /// How many phases before the first model call are done.
    #[must_use]
    pub fn phases_done(&self) -> usize {
        self.phases_done
    }

    /// Makes room in a context window that was too small: drops the older half of the history, rounded
    /// up to whole exchanges, so that no tool result loses its call. Returns how many messages were
    /// dropped; 0 when only instructions and this turn are left.
    pub fn drop_oldest(&mut self) -> usize {
        let this_turn = self.last_user_message().unwrap_or(0);
        let history: Vec<usize> =
            (0..this_turn).filter(|&at| !matches!(self.messages[at], ChatMessage::System { .. })).collect();
        let end = match history.get(history.len().div_ceil(2)) {
            Some(&middle) => next_exchange(&self.messages, middle),
            None => this_turn,
        };
        self.drop_history(end)
    }

    /// Drops what was said before this place; instructions stay.
    fn drop_history(&mut self, end: usize) -> usize {
        let before = self.messages.len();
        let mut at = 0..;
        self.messages.retain(|message| {
            at.next().is_some_and(|at| at >= end) || matches!(message, ChatMessage::System { .. })
        });
        before - self.messages.len()
    }

    /// Whether this call was already shown to the client when it parked.
    #[must_use]
    pub fn was_announced(&self, call_id: &str) -> bool {
        self.pending.iter().any(|pending| pending.announced && pending.call.id == call_id)
    }

    /// What the person said last, as plain text.
    #[must_use]
    pub fn question(&self) -> String {
        match self.last_user_message().map(|at| &self.messages[at]) {
            Some(ChatMessage::User { parts }) => plain_text(parts),
            _ => String::new(),
        }
    }

    /// The messages so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// What the run has used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.cost.total()
    }

    fn may_call_tools(&self) -> bool {
        self.iterations + 1 < self.max_iterations && !self.cost.is_spent()
    }

    fn prompt(&self) -> Prompt {
        let may_call_tools = self.may_call_tools();
        let mut messages = self.messages.clone();
        if !may_call_tools && self.iterations > 0 {
            messages.push(ChatMessage::system(FINISH_NOW));
        }
        Prompt { messages, may_call_tools }
    }

    fn wanted(&self) -> Wanted<'_> {
        if let Some(answer) = &self.answer {
            return Wanted::Nothing(answer);
        }
        let mut unanswered = self.pending.iter().filter(|p| p.result.is_none()).map(|p| &p.call);
        let Some(first) = unanswered.next() else {
            return Wanted::Reply;
        };
        if let Some(gate) = first.gates.first() {
            return Wanted::Person(first, gate);
        }
        let mut batch = vec![first];
        if first.effect == Effect::Read {
            let side_by_side = |call: &&ToolCall| call.effect == Effect::Read && call.gates.is_empty();
            batch.extend(unanswered.take_while(side_by_side).take(MAX_PARALLEL_CALLS - 1));
        }
        Wanted::Results(batch)
    }

    fn mismatch(&self, offered: &'static str) -> Mismatch {
        let wanted = match self.wanted() {
            Wanted::Reply => "a model's reply",
            Wanted::Results(_) => "results of the calls it named",
            Wanted::Person(_, Gate::Approval) => "a verdict on an approval",
            Wanted::Person(_, Gate::Verification(_)) => "a verdict on a verification",
            Wanted::Person(_, Gate::Interaction(_)) => "a verdict on a form",
            Wanted::Nothing(_) => "nothing, it is over",
        };
        Mismatch { wanted, offered }
    }

    fn end(&mut self, text: String, outcome: Outcome, finish: FinishReason) {
        self.answer = Some(Answer { text, outcome, finish, usage: self.cost.total() });
    }

    fn settle(&mut self, result: ToolResult) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.call.id == result.call_id) {
            pending.result = Some(result);
        }
    }

    fn open_gate(&mut self, call_id: &str) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.call.id == call_id) {
            pending.call.gates.remove(0);
            pending.announced = true;
        }
    }

    /// Once every call of a reply has its result, they become messages in the order of the calls.
    fn close_round(&mut self) {
        if self.pending.iter().any(|pending| pending.result.is_none()) {
            return;
        }
        for pending in self.pending.drain(..) {
            if let Some(result) = pending.result {
                let name = pending.call.name;
                self.messages.push(ChatMessage::Tool { call_id: result.call_id, name, text: result.text });
            }
        }
    }

    /// Results are matched by id, so an id that is empty or was used before gets a new one.
    fn with_unique_ids(&self, mut calls: Vec<ToolCall>) -> Vec<ToolCall> {
        let earlier = self.messages.iter().flat_map(|message| match message {
            ChatMessage::Assistant { calls, .. } => calls.as_slice(),
            _ => &[],
        });
        let mut used: BTreeSet<String> = earlier.map(|call| call.id.clone()).collect();
        for (index, call) in calls.iter_mut().enumerate() {
            if call.id.is_empty() || used.contains(&call.id) {
                call.id = format!("call_{}_{index}", self.iterations);
                while used.contains(&call.id) {
                    call.id.push('_');
                }
            }
            used.insert(call.id.clone());
        }
        calls
    }

    fn last_user_message(&self) -> Option<usize> {
        self.messages.iter().rposition(|message| matches!(message, ChatMessage::User { .. }))
    }
}

fn park(call: ToolCall, gate: Gate) -> Park {
    match gate {
        Gate::Approval => Park::Approval(call),
        Gate::Verification(challenge) => Park::Verification(call, challenge),
        Gate::Interaction(form) => Park::Interaction(call, form),
    }
}
