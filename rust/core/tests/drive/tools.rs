//! Tools: side by side or one after another, bounded, and never able to break a turn.

use crate::script::{Script, agent, begin, echo, finish, play, says, soon, spec, tool, tool_messages, wants};
use futures_util::future::BoxFuture;
use serde_json::Value;
use smooai_smooth_operator_core::{
    Agent, Effect, Form, MAX_PARALLEL_CALLS, Tool, ToolCall, ToolError, ToolSpec,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Barrier;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn reads_of_one_reply_run_side_by_side_at_most_five() {
    let llm = Script::of(vec![wants(&[("", "look", ""); 2 * MAX_PARALLEL_CALLS]), says(&["Seen."])]);
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    // Nobody passes the barrier before five are there: with fewer at once the test would not end.
    let all_five = Arc::new(Barrier::new(MAX_PARALLEL_CALLS));
    let (inside_of, most_of) = (Arc::clone(&inside), Arc::clone(&most));
    let look = tool("look", Effect::Read, move |_| {
        let (inside, most, all_five) = (Arc::clone(&inside_of), Arc::clone(&most_of), Arc::clone(&all_five));
        async move {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            all_five.wait().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            Ok(String::new())
        }
    });
    let agent = agent(&llm, vec![(look, vec![])]);
    let mut run = begin(&agent);
    let told = play(&agent, &mut run).await;
    assert!(told.ends_with("done Stop \"Seen.\""), "{told}");
    assert_eq!(most.load(Ordering::SeqCst), MAX_PARALLEL_CALLS);
    assert_eq!(tool_messages(&run).len(), 2 * MAX_PARALLEL_CALLS);
}

#[tokio::test]
async fn writes_run_one_after_another_in_order_and_reads_do_not_pass_them() {
    let calls = [
        ("a", "look", r#"{"n":1}"#),
        ("b", "write", r#"{"n":2}"#),
        ("c", "write", r#"{"n":3}"#),
        ("d", "look", r#"{"n":4}"#),
    ];
    let llm = Script::of(vec![wants(&calls), says(&["Done."])]);
    let journal: Arc<Mutex<Vec<String>>> = Arc::default();
    let journaled = |name, effect| {
        let journal = Arc::clone(&journal);
        tool(name, effect, move |call| {
            let journal = Arc::clone(&journal);
            async move {
                journal.lock().unwrap().push(format!("{} begins", call.id));
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                journal.lock().unwrap().push(format!("{} ends", call.id));
                Ok(call.id)
            }
        })
    };
    let tools = vec![(journaled("look", Effect::Read), vec![]), (journaled("write", Effect::Write), vec![])];
    let agent = agent(&llm, tools);
    let mut run = begin(&agent);
    play(&agent, &mut run).await;
    let expected: Vec<String> =
        ["a", "b", "c", "d"].iter().flat_map(|id| [format!("{id} begins"), format!("{id} ends")]).collect();
    assert_eq!(*journal.lock().unwrap(), expected);
    assert_eq!(tool_messages(&run), ["a: a", "b: b", "c: c", "d: d"]);
}

#[tokio::test]
async fn results_are_told_as_they_come_and_kept_in_the_order_of_the_calls() {
    let llm = Script::of(vec![wants(&[("slow", "look", ""), ("fast", "look", "")]), says(&["Seen."])]);
    let fast_is_done = Arc::new(tokio::sync::Notify::new());
    let look = tool("look", Effect::Read, move |call| {
        let fast_is_done = Arc::clone(&fast_is_done);
        async move {
            match call.id.as_str() {
                "slow" => fast_is_done.notified().await,
                _ => fast_is_done.notify_one(),
            }
            Ok(call.id)
        }
    });
    let agent = agent(&llm, vec![(look, vec![])]);
    let mut run = begin(&agent);
    let expected = r#"phase response_gen
call slow look 
call fast look 
result fast look: fast
result slow look: slow
phase response_gen
token Seen.
done Stop "Seen.""#;
    assert_eq!(play(&agent, &mut run).await, expected);
    assert_eq!(tool_messages(&run), ["slow: slow", "fast: fast"]);
}

#[tokio::test]
async fn whatever_goes_wrong_in_a_call_the_model_is_told_and_the_turn_goes_on() {
    let calls = [
        ("1", "broken", ""),
        ("2", "panics", ""),
        ("3", "gone", "{}"),
        ("4", "look", "{\"n\":"),
        ("5", "look", r#"{"n":"one"}"#),
        ("6", "asks", ""),
        ("7", "throws", ""),
    ];
    let llm = Script::of(vec![wants(&calls), wants(&[("8", "look", r#"{"n":1}"#)]), says(&["Repaired."])]);
    let broken = tool("broken", Effect::Read, |_| async { Err(ToolError("The shelf is empty.".into())) });
    let panics = tool("panics", Effect::Read, |_| async { panic!("inside") });
    let asks = Arc::new(Careless { spec: spec("asks", Effect::Read), asks: true });
    let throws = Arc::new(Careless { spec: spec("throws", Effect::Write), asks: false });
    let tools: Vec<Arc<dyn Tool>> = vec![broken, panics, asks, throws, echo("look", Effect::Read)];
    let agent = agent(&llm, tools.into_iter().map(|tool| (tool, vec![])).collect());
    let mut run = begin(&agent);
    let told = play(&agent, &mut run).await;
    assert!(told.ends_with("done Stop \"Repaired.\""), "{told}");
    assert_eq!(told.matches("error ").count(), 7, "{told}");
    let expected = [
        "1: The shelf is empty.",
        "2: The tool failed inside. It may be tried again.",
        "3: There is no tool `gone`. The tools are: asks, broken, look, panics, throws.",
        "4: The arguments are not valid JSON: EOF while parsing a value at line 1 column 5.",
        "5: The arguments do not fit the tool's schema: /n: \"one\" is not of type \"integer\".",
        "6: The tool failed inside.",
        "7: The tool failed inside. Whether it took effect is not known: find out before trying again.",
        "8: look {\"n\":1}",
    ];
    assert_eq!(tool_messages(&run), expected);
}

/// A tool that panics wherever it can: when it is asked for its form, or before its call is a future.
struct Careless {
    spec: Arc<ToolSpec>,
    asks: bool,
}

impl Tool for Careless {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    fn call<'a, 'b, 'c>(&'a self, _call: &'b ToolCall) -> BoxFuture<'c, Result<String, ToolError>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        panic!("no future")
    }

    fn form(&self, _arguments: &Value) -> Option<Form> {
        assert!(!self.asks, "no form");
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_timeout_and_the_others_are_not_touched() {
    let calls = [("1", "hangs", ""), ("2", "look", ""), ("3", "sticks", "")];
    let llm = Script::of(vec![wants(&calls), says(&["So be it."])]);
    let hangs = tool("hangs", Effect::Read, |_| std::future::pending());
    let sticks = tool("sticks", Effect::Write, |_| std::future::pending());
    let agent = agent(&llm, vec![(hangs, vec![]), (sticks, vec![]), (echo("look", Effect::Read), vec![])]);
    let mut run = begin(&agent);
    let begun = Instant::now();
    play(&agent, &mut run).await;
    assert_eq!(begun.elapsed().as_secs(), 10, "two timeouts of 5 s, one after the other");
    let expected = [
        "1: The tool did not answer within 5000 ms. It may be tried again.",
        "2: look {}",
        "3: The tool did not answer within 5000 ms. Whether it took effect is not known: find out before trying again.",
    ];
    assert_eq!(tool_messages(&run), expected);
}

async fn output_of(text: &'static str, limit: usize) -> String {
    let llm = Script::of(vec![wants(&[("1", "look", "")]), says(&["Read."])]);
    let look = tool("look", Effect::Read, move |_| async move { Ok(text.to_owned()) });
    let mut agent: Agent = agent(&llm, vec![(look, vec![])]);
    agent.config.tool_output_limit = limit;
    let mut run = begin(&agent);
    finish(&mut agent.drive(&mut run, CancellationToken::new())).await;
    soon(async { tool_messages(&run).remove(0) }).await
}

#[tokio::test]
async fn a_long_output_is_cut_at_a_character_and_says_so() {
    assert_eq!(output_of("abcdé", 6).await, "1: abcdé");
    assert_eq!(output_of("abcdé", 5).await, "1: abcd\n[cut: the first 4 of 6 bytes]");
    assert_eq!(output_of("abcdé", 0).await, "1: \n[cut: the first 0 of 6 bytes]");
}
