//! Any order of replies, results, verdicts, errors and cancellations keeps a run consistent, and
//! storing it between any two of them changes nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use async_trait::async_trait;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use smooai_smooth_operator_core::{
    Challenge, ChatMessage, Checkpoint, CostBudget, Effect, FinishReason, Form, Gate, MAX_PARALLEL_CALLS,
    ModelReply, Outcome, Park, RequestedCall, Run, Step, Tool, ToolCall, ToolError, ToolRegistry, ToolResult,
    ToolSpec, Usage, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A tool that is only looked up here: what calls answer is made up by the test's moves.
struct Named {
    spec: Arc<ToolSpec>,
    asks: bool,
}

#[async_trait]
impl Tool for Named {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        Ok(call.raw_arguments.clone())
    }

    fn form(&self, arguments: &Value) -> Option<Form> {
        self.asks.then(|| Form { kind: "choices".to_owned(), spec: arguments.clone(), reason: String::new() })
    }
}

fn registry() -> ToolRegistry {
    let code = || Gate::Verification(Challenge { channels: vec!["email".into()], auth_level: "high".into() });
    let tools: [(&str, Effect, bool, Vec<Gate>); 7] = [
        ("look", Effect::Read, false, vec![]),
        ("peek", Effect::Read, false, vec![Gate::Approval]),
        ("write", Effect::Write, false, vec![]),
        ("pay", Effect::Write, false, vec![Gate::Approval]),
        ("transfer", Effect::Write, false, vec![code(), Gate::Approval]),
        ("ask", Effect::Read, true, vec![]),
        ("confirm", Effect::Write, true, vec![Gate::Approval]),
    ];
    let mut registry = ToolRegistry::new();
    for (name, effect, asks, gates) in tools {
        let parameters = json!({"type": "object", "properties": {"n": {"type": "number"}}});
        let spec = ToolSpec::new(name, "", parameters, effect, Duration::from_secs(1)).unwrap();
        registry.add(Arc::new(Named { spec: Arc::new(spec), asks }), gates);
    }
    registry
}

/// What the world may do to a run, fitting or not.
#[derive(Debug, Clone)]
enum Move {
    Reply { text: String, calls: Vec<RequestedCall>, usage: Usage, finish: FinishReason },
    Results(Shape, bool),
    Verdict(Verdict),
    ModelFailed,
    Cancel,
    Phase(Vec<ChatMessage>),
    MakeRoom,
}

/// How results relate to the calls that are wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Right,
    Reversed,
    Partial,
    Doubled,
    OneTwice,
    Foreign,
    Extra,
    Empty,
}

fn usages() -> impl Strategy<Value = Usage> {
    (0..2_000u64, 0..2_000u64, proptest::option::of(0.0..0.1f64)).prop_map(
        |(prompt_tokens, completion_tokens, cost_usd)| Usage { prompt_tokens, completion_tokens, cost_usd },
    )
}

fn requested() -> impl Strategy<Value = RequestedCall> {
    let ids = prop_oneof![
        3 => "[a-z]{6}",
        1 => select(vec!["", "a", "b", "call_1_0", "call_1_1", "call_2_0"]).prop_map(str::to_owned),
    ];
    let names = select(vec![
        "look", "look", "look", "peek", "write", "pay", "transfer", "ask", "confirm", "gone", "",
    ]);
    let arguments = prop_oneof![
        4 => any::<f64>().prop_map(|n| json!({ "n": n }).to_string()),
        1 => select(vec!["", "{", r#"{"n":"x"}"#, "[]", "null"]).prop_map(str::to_owned),
    ];
    (ids, names, arguments).prop_map(|(id, name, arguments)| RequestedCall {
        id,
        name: name.to_owned(),
        arguments,
    })
}

fn moves() -> impl Strategy<Value = Move> {
    let finishes = select(vec![
        FinishReason::Stop,
        FinishReason::ToolCalls,
        FinishReason::Length,
        FinishReason::ContentFilter,
    ]);
    let verdicts = select(vec![
        Verdict::Approved,
        Verdict::Approved,
        Verdict::Denied,
        Verdict::Verified,
        Verdict::Verified,
        Verdict::Locked,
        Verdict::Submitted(json!({"choice": 0.1})),
        Verdict::Declined,
        Verdict::Expired,
    ]);
    let shapes = select(vec![
        Shape::Right,
        Shape::Right,
        Shape::Right,
        Shape::Reversed,
        Shape::Partial,
        Shape::Doubled,
        Shape::OneTwice,
        Shape::Foreign,
        Shape::Extra,
        Shape::Empty,
    ]);
    prop_oneof![
        12 => ("[a-z]{0,4}", vec(requested(), 0..9), usages(), finishes)
            .prop_map(|(text, calls, usage, finish)| Move::Reply { text, calls, usage, finish }),
        16 => (shapes, any::<bool>()).prop_map(|(shape, is_error)| Move::Results(shape, is_error)),
        12 => verdicts.prop_map(Move::Verdict),
        2 => Just(Move::ModelFailed),
        1 => Just(Move::Cancel),
        2 => vec(said(), 0..3).prop_map(Move::Phase),
        2 => Just(Move::MakeRoom),
    ]
}

fn said() -> impl Strategy<Value = ChatMessage> {
    "[a-z]{1,8}".prop_flat_map(|text| {
        select(vec![ChatMessage::system(&text), ChatMessage::user(&text), ChatMessage::assistant(&text)])
    })
}

/// One exchange of the history, with or without a tool call.
fn exchange() -> impl Strategy<Value = Vec<ChatMessage>> {
    ("[a-z]{1,4}", any::<bool>()).prop_map(|(word, with_call)| {
        let mut said = vec![ChatMessage::user(&word)];
        if with_call {
            let call = RequestedCall { id: format!("h_{word}"), name: "look".into(), arguments: "{}".into() };
            let (call_id, name) = (call.id.clone(), call.name.clone());
            said.push(ChatMessage::Assistant { text: String::new(), calls: vec![call] });
            said.push(ChatMessage::Tool { call_id, name, text: word.clone() });
        }
        said.push(ChatMessage::assistant(word));
        said
    })
}

fn runs() -> impl Strategy<Value = (Run, u32)> {
    let budgets = (proptest::option::of(0.0..0.3f64), proptest::option::of(0..20_000u64))
        .prop_map(|(max_cost_usd, max_tokens)| CostBudget { max_cost_usd, max_tokens });
    (vec(exchange(), 0..4), proptest::bool::weighted(0.9), 0..7u32, budgets).prop_map(
        |(history, asked, max_iterations, budget)| {
            let mut messages = vec![ChatMessage::system("Help.")];
            messages.extend(history.concat());
            if asked {
                messages.push(ChatMessage::user("now?"));
            }
            (Run::new(messages, max_iterations, budget), max_iterations.max(1))
        },
    )
}

/// A run beside what the test itself knows about it.
struct Watched {
    run: Run,
    max_iterations: u32,
    replies: u32,
    /// Every call of this turn, by its id, with its result's text once it has one.
    calls: BTreeMap<String, Option<String>>,
    registry: &'static ToolRegistry,
}

const CANCELLED: &str = "The turn was cancelled.";

impl Watched {
    fn new(run: Run, max_iterations: u32) -> Self {
        static REGISTRY: LazyLock<ToolRegistry> = LazyLock::new(registry);
        Self { run, max_iterations, replies: 0, calls: BTreeMap::new(), registry: &REGISTRY }
    }

    fn play(&mut self, played: Move) {
        let (before, step) = (self.run.clone(), self.run.next());
        let accepted = match played {
            Move::Reply { text, calls, usage, finish } => self.reply(&step, (text, calls, usage, finish)),
            Move::Results(shape, is_error) => self.results(&step, shape, is_error),
            Move::Verdict(verdict) => self.verdict(&step, verdict),
            Move::ModelFailed => false,
            Move::Cancel => {
                self.run.cancel();
                for text in self.calls.values_mut() {
                    text.get_or_insert_with(|| CANCELLED.to_owned());
                }
                let Step::Done(answer) = self.run.next() else { panic!("a cancelled run is over") };
                let was_over = matches!(step, Step::Done(_));
                assert_eq!(answer.outcome == Outcome::Cancelled && !was_over, self.run != before);
                !was_over
            }
            Move::Phase(context) => {
                let fits = self.replies == 0 && !matches!(step, Step::Done(_));
                let count = context.len();
                self.run.phase_said(context);
                assert_eq!(self.run.phases_done(), before.phases_done() + usize::from(fits));
                assert_eq!(self.run.messages().len(), before.messages().len() + if fits { count } else { 0 });
                fits
            }
            Move::MakeRoom => {
                let dropped = self.run.drop_oldest();
                assert_eq!(self.run.messages().len() + dropped, before.messages().len());
                assert_eq!(self.run.question(), before.question());
                true
            }
        };
        assert!(accepted || self.run == before, "a refused input changed the run");
        self.check();
    }

    fn reply(
        &mut self,
        step: &Step,
        (text, calls, usage, finish): (String, Vec<RequestedCall>, Usage, FinishReason),
    ) -> bool {
        let offered = calls.len();
        let calls = calls.into_iter().map(|call| self.registry.check(call)).collect();
        let outcome = self.run.model_said(ModelReply { text: text.clone(), calls, usage, finish });
        let Step::CallModel(prompt) = step else {
            assert!(outcome.is_err(), "a reply was taken while the run wanted {step:?}");
            return false;
        };
        outcome.unwrap();
        self.replies += 1;
        let Some(ChatMessage::Assistant { text: said, calls }) = self.run.messages().last() else {
            panic!("a reply is the last message");
        };
        assert_eq!(*said, text);
        assert_eq!(calls.len(), if prompt.may_call_tools { offered } else { 0 });
        for call in calls.clone() {
            assert!(!call.id.is_empty());
            assert_eq!(self.calls.insert(call.id, None), None, "an id is used twice");
        }
        assert_eq!(matches!(self.run.next(), Step::Done(_)), offered == 0 || !prompt.may_call_tools);
        true
    }

    fn results(&mut self, step: &Step, shape: Shape, is_error: bool) -> bool {
        let wanted = match step {
            Step::CallTools(calls) => calls.iter().map(|call| call.id.clone()).collect(),
            _ => Vec::new(),
        };
        let mut ids = wanted.clone();
        match shape {
            Shape::Right => {}
            Shape::Reversed => ids.reverse(),
            Shape::Partial => drop(ids.pop()),
            Shape::Doubled => ids.extend(wanted.clone()),
            Shape::OneTwice => {
                if let (Some(first), Some(last)) = (wanted.first(), ids.last_mut()) {
                    last.clone_from(first);
                }
            }
            Shape::Foreign => ids.iter_mut().for_each(|id| id.push('?')),
            Shape::Extra => ids.push("extra".to_owned()),
            Shape::Empty => ids.clear(),
        }
        let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        let fits = !wanted.is_empty() && ids.len() == wanted.len() && sorted(&ids) == sorted(&wanted);
        let text = |id: &String| format!("result of {id}");
        let result = |id: &String| ToolResult { call_id: id.clone(), is_error, text: text(id) };
        let outcome = self.run.tools_said(ids.iter().map(result).collect());
        assert_eq!(outcome.is_ok(), fits, "{ids:?} for {wanted:?}");
        if fits {
            for id in &ids {
                self.answered(id, text(id));
            }
        }
        fits
    }

    fn verdict(&mut self, step: &Step, verdict: Verdict) -> bool {
        let kinds = match step {
            Step::Park(Park::Approval(_)) => vec![Verdict::Approved, Verdict::Denied],
            Step::Park(Park::Verification(..)) => vec![Verdict::Verified, Verdict::Locked],
            Step::Park(Park::Interaction(..)) => {
                vec![Verdict::Submitted(json!({"choice": 0.1})), Verdict::Declined]
            }
            _ => Vec::new(),
        };
        let fits = kinds.contains(&verdict) || (!kinds.is_empty() && verdict == Verdict::Expired);
        let opens = matches!(verdict, Verdict::Approved | Verdict::Verified);
        let outcome = self.run.resume(verdict);
        assert_eq!(outcome.is_ok(), fits, "{step:?}");
        let (Ok(result), Step::Park(park)) = (outcome, step) else { return false };
        assert_eq!(result.is_none(), opens);
        match result {
            Some(result) => {
                assert_eq!(result.call_id, park.call().id);
                self.answered(&park.call().id, result.text);
            }
            None => assert!(self.run.was_announced(&park.call().id)),
        }
        true
    }

    fn answered(&mut self, id: &str, text: String) {
        let earlier = self.calls.get_mut(id).unwrap().replace(text);
        assert_eq!(earlier, None, "{id} was answered twice");
    }

    /// What must hold between any two inputs.
    fn check(&mut self) {
        let step = self.run.next();
        assert_eq!(self.run.next(), step, "asking twice gives two steps");
        assert!(self.replies <= self.max_iterations);
        self.check_step(&step);
        self.check_messages(&step);
        let stored = Checkpoint::new(self.run.clone()).to_json().unwrap();
        let loaded = Checkpoint::from_json(&stored).unwrap().run;
        assert_eq!(loaded, self.run, "storing the run changed it");
        assert_eq!(loaded.next(), step);
        self.run = loaded;
    }

    fn check_step(&self, step: &Step) {
        let open = |call: &ToolCall| self.calls.get(&call.id) == Some(&None);
        match step {
            Step::CallModel(prompt) => {
                assert!(self.calls.values().all(Option::is_some), "the model is asked over open calls");
                assert!(self.replies < self.max_iterations);
                let is_last = self.replies + 1 == self.max_iterations;
                assert!(!is_last || !prompt.may_call_tools, "the last reply may not call tools");
                assert!(prompt.messages.starts_with(self.run.messages()));
            }
            Step::CallTools(calls) => {
                assert!(!calls.is_empty() && calls.iter().all(open));
                assert!(calls.iter().all(|call| call.gates.is_empty()));
                let ids: BTreeSet<_> = calls.iter().map(|call| &call.id).collect();
                assert_eq!(ids.len(), calls.len());
                let only_read = calls.iter().all(|call| call.effect == Effect::Read);
                assert!(calls.len() == 1 || (only_read && calls.len() <= MAX_PARALLEL_CALLS));
            }
            Step::Park(park) => {
                assert!(open(park.call()) && park.call().arguments.is_ok());
                let fits = match (park, &park.call().gates[0]) {
                    (Park::Approval(_), Gate::Approval) => true,
                    (Park::Verification(_, asked), Gate::Verification(gate)) => asked == gate,
                    (Park::Interaction(_, asked), Gate::Interaction(gate)) => asked == gate,
                    _ => false,
                };
                assert!(fits, "{park:?}");
            }
            Step::Done(_) => assert!(self.calls.values().all(Option::is_some)),
        }
    }

    /// Each assistant message is followed by one tool message per call, in the calls' order; only the
    /// last one's may be missing, and then all of them, while some are open.
    fn check_messages(&self, step: &Step) {
        let mut owed: Vec<RequestedCall> = Vec::new();
        for message in self.run.messages() {
            match message {
                ChatMessage::Tool { call_id, name, text } => {
                    assert!(!owed.is_empty(), "a result without its call: {call_id}");
                    let call = owed.remove(0);
                    assert_eq!((call_id, name), (&call.id, &call.name));
                    if let Some(expected) = self.calls.get(call_id) {
                        assert_eq!(Some(text), expected.as_ref());
                    }
                }
                other => {
                    assert!(owed.is_empty(), "{other:?} stands between a call and its result: {owed:?}");
                    if let ChatMessage::Assistant { calls, .. } = other {
                        owed.clone_from(calls);
                    }
                }
            }
        }
        assert_eq!(owed.is_empty(), !matches!(step, Step::CallTools(_) | Step::Park(_)));
    }

    /// Plays what the run wants until it is over.
    fn finish(&mut self) {
        while !matches!(self.run.next(), Step::Done(_)) {
            let call =
                |name: &str| RequestedCall { id: String::new(), name: name.into(), arguments: "".into() };
            let calls = ["look", "transfer", "look", "confirm"].map(call).to_vec();
            let (usage, finish) = (Usage::default(), FinishReason::ToolCalls);
            self.play(match self.run.next() {
                Step::CallModel(_) => Move::Reply { text: String::new(), calls, usage, finish },
                Step::CallTools(_) => Move::Results(Shape::Reversed, false),
                Step::Park(Park::Approval(_)) => Move::Verdict(Verdict::Approved),
                Step::Park(Park::Verification(..)) => Move::Verdict(Verdict::Verified),
                Step::Park(Park::Interaction(..)) => Move::Verdict(Verdict::Declined),
                Step::Done(_) => panic!("the run is over"),
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_inputs_keeps_a_run_consistent((run, max_iterations) in runs(), moves in vec(moves(), 0..40)) {
        let mut watched = Watched::new(run, max_iterations);
        watched.check();
        for played in moves {
            watched.play(played);
        }
        watched.finish();
        // A run that is over takes nothing more.
        let over = watched.run.clone();
        for played in [
            Move::Cancel,
            Move::Phase(vec![ChatMessage::user("late")]),
            Move::Results(Shape::Extra, false),
            Move::Verdict(Verdict::Expired),
            Move::Reply { text: "late".into(), calls: vec![], usage: Usage::default(), finish: FinishReason::Stop },
        ] {
            watched.play(played);
            prop_assert_eq!(&watched.run, &over);
        }
    }

    #[test]
    fn fitting_inputs_reach_every_kind_of_step((run, max_iterations) in runs()) {
        let mut watched = Watched::new(run, max_iterations);
        watched.finish();
        // Two looks, the transfer after its two gates, and the form that was declined, per reply.
        let rounds = watched.replies as usize - 1;
        prop_assert_eq!(watched.calls.len(), rounds * 4);
        let declined = watched.calls.values().flatten().filter(|text| text.contains("declined")).count();
        prop_assert_eq!(declined, rounds);
    }
}
