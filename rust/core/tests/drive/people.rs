//! Parks: the order of events, and that a verdict is heard once, in whatever process.

use crate::script::{Script, agent, begin, echo, finish, play, says, tool, tool_messages, wants};
use futures_util::StreamExt;
use serde_json::json;
use smooai_smooth_operator_core::{
    Agent, Challenge, Checkpoint, Effect, Form, Gate, Run, ToolResult, Verdict,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;

fn code() -> Gate {
    Gate::Verification(Challenge { channels: vec!["email".into()], auth_level: "high".into() })
}

/// What another process does: loads the run, and takes the verdict.
fn resumed(run: &Run, verdict: Verdict) -> (Run, Option<ToolResult>) {
    let stored = Checkpoint::new(run.clone()).to_json().unwrap();
    let mut run = Checkpoint::from_json(&stored).unwrap().run;
    let result = run.resume(verdict).unwrap();
    (run, result)
}

#[tokio::test]
async fn the_park_comes_before_its_call_and_the_call_is_not_told_again_after_it() {
    let calls = [("a", "look", ""), ("b", "pay", r#"{"n":2}"#), ("c", "look", "")];
    let llm = Script::of(vec![wants(&calls), says(&["Paid."])]);
    let tools =
        vec![(echo("look", Effect::Read), vec![]), (echo("pay", Effect::Write), vec![Gate::Approval])];
    let agent = agent(&llm, tools);
    let mut run = begin(&agent);
    let expected = "phase response_gen
call a look 
result a look: look {}
parked approval b
call b pay {\"n\":2}";
    assert_eq!(play(&agent, &mut run).await, expected);

    let (mut run, result) = resumed(&run, Verdict::Approved);
    assert_eq!(result, None);
    let expected = "result b pay: pay {\"n\":2}
call c look 
result c look: look {}
phase response_gen
token Paid.
done Stop \"Paid.\"";
    assert_eq!(play(&agent, &mut run).await, expected);
    assert_eq!(tool_messages(&run), ["a: look {}", "b: pay {\"n\":2}", "c: look {}"]);
}

#[tokio::test]
async fn a_call_behind_two_gates_waits_for_both_and_is_told_once() {
    let llm = Script::of(vec![wants(&[("a", "pay", "")]), says(&["Paid."])]);
    let agent = agent(&llm, vec![(echo("pay", Effect::Write), vec![code(), Gate::Approval])]);
    let mut run = begin(&agent);
    assert_eq!(play(&agent, &mut run).await, "phase response_gen\nparked verification a\ncall a pay ");
    let (mut run, _) = resumed(&run, Verdict::Verified);
    assert_eq!(play(&agent, &mut run).await, "parked approval a");
    let (mut run, _) = resumed(&run, Verdict::Approved);
    let expected = "result a pay: pay {}\nphase response_gen\ntoken Paid.\ndone Stop \"Paid.\"";
    assert_eq!(play(&agent, &mut run).await, expected);
}

/// An agent with one gated tool that counts its calls, and a model that calls it once.
fn counted(gate: Gate) -> (Agent, Arc<AtomicUsize>) {
    let llm = Script::of(vec![wants(&[("a", "pay", "")]), says(&["Heard."])]);
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let pay = tool("pay", Effect::Write, move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok("paid".to_owned()) }
    });
    (agent(&llm, vec![(pay, vec![gate])]), count)
}

#[tokio::test]
async fn a_verdict_that_answers_the_call_reaches_the_model_and_the_tool_is_not_called() {
    let form = || Gate::Interaction(Form { kind: "choices".into(), spec: json!({}), reason: "why".into() });
    let refused = [
        (Gate::Approval, Verdict::Denied, true, "did not approve"),
        (Gate::Approval, Verdict::Expired, true, "Nobody answered in time"),
        (code(), Verdict::Locked, true, "too many wrong codes"),
        (form(), Verdict::Submitted(json!({"size": "L"})), false, r#"{"size":"L"}"#),
        (form(), Verdict::Declined, false, r#"{"declined":true}"#),
        (form(), Verdict::Expired, true, "Nobody answered in time"),
    ];
    for (gate, verdict, is_error, words) in refused {
        let (agent, count) = counted(gate);
        let mut run = begin(&agent);
        play(&agent, &mut run).await;
        let (mut run, result) = resumed(&run, verdict.clone());
        let result = result.unwrap();
        assert_eq!((result.is_error, result.call_id.as_str()), (is_error, "a"), "{verdict:?}");
        assert!(result.text.contains(words), "{verdict:?}: {}", result.text);
        let expected = "phase response_gen\ntoken Heard.\ndone Stop \"Heard.\"";
        assert_eq!(play(&agent, &mut run).await, expected, "{verdict:?}");
        assert_eq!(tool_messages(&run), [format!("a: {}", result.text)]);
        assert_eq!(count.load(Ordering::SeqCst), 0, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_verdict_of_another_kind_or_a_second_one_is_refused_and_changes_nothing() {
    let (agent, count) = counted(Gate::Approval);
    let mut run = begin(&agent);
    assert!(run.resume(Verdict::Approved).unwrap_err().to_string().contains("a model's reply"));
    play(&agent, &mut run).await;
    let parked = run.clone();
    let error = run.resume(Verdict::Verified).unwrap_err();
    assert_eq!(error.to_string(), "the run wants a verdict on an approval, not a verdict of another kind");
    assert_eq!(run, parked);
    run.resume(Verdict::Approved).unwrap();
    let error = run.resume(Verdict::Approved).unwrap_err();
    assert_eq!(error.to_string(), "the run wants results of the calls it named, not a verdict");
    play(&agent, &mut run).await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_run_that_is_over_only_says_how_it_ended() {
    let llm = Script::of(vec![says(&["Hello."])]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    play(&agent, &mut run).await;
    assert_eq!(play(&agent, &mut run).await, "done Stop \"Hello.\"");
    let mut cancelled = begin(&agent);
    cancelled.cancel();
    assert_eq!(play(&agent, &mut cancelled).await, "cancelled");
    let late = CancellationToken::new();
    late.cancel();
    assert_eq!(finish(&mut agent.drive(&mut run, late)).await, "done Stop \"Hello.\"");
}

#[tokio::test]
async fn a_drive_is_also_a_stream() {
    let llm = Script::of(vec![says(&["Hel", "lo."])]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    let events = agent.drive(&mut run, CancellationToken::new()).events();
    let lines: Vec<String> = events.map(|event| crate::script::line(&event)).collect().await;
    assert_eq!(lines, ["phase response_gen", "token Hel", "token lo.", "done Stop \"Hello.\""]);
}
