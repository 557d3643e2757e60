//! The reader sets the pace, and may leave a wait at any time without losing anything.

use crate::script::{Script, agent, begin, deltas, echo, line, play, says, soon, text, wants};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream};
use smooai_smooth_operator_core::{
    Agent, ChatMessage, Effect, FinishReason, Gate, ModelDelta, ModelStream, Phase, PhaseError, Run, Verdict,
    Workflow,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;

struct Pause;

#[async_trait]
impl Phase for Pause {
    fn name(&self) -> &str {
        "pause"
    }

    async fn enter(&self, question: &str) -> Result<Vec<ChatMessage>, PhaseError> {
        tokio::task::yield_now().await;
        Ok(vec![ChatMessage::system(question)])
    }
}

fn busy_agent() -> (Agent, Arc<Script>) {
    let calls = [("a", "look", ""), ("b", "look", ""), ("c", "write", ""), ("d", "pay", "")];
    let llm = Script::of(vec![
        wants(&calls),
        deltas(vec![Ok(text("Hel")), Ok(text("lo.")), Ok(ModelDelta::Finish(FinishReason::Stop))]),
    ]);
    let tools = vec![
        (echo("look", Effect::Read), vec![]),
        (echo("write", Effect::Write), vec![]),
        (echo("pay", Effect::Write), vec![Gate::Approval]),
    ];
    let mut agent = agent(&llm, tools);
    agent.workflow = Workflow::default().then(Arc::new(Pause));
    (agent, llm)
}

/// Polls each `next` once and drops it, however often that takes.
async fn play_dropping(agent: &Agent, run: &mut Run) -> (Vec<String>, usize) {
    let mut drive = agent.drive(run, CancellationToken::new());
    let (mut lines, mut dropped) = (Vec::new(), 0);
    while dropped < 10_000 {
        match drive.next().now_or_never() {
            Some(Some(event)) => lines.push(line(&event)),
            Some(None) => return (lines, dropped),
            None => dropped += 1,
        }
        tokio::task::yield_now().await;
    }
    panic!("the drive does not end: {lines:?}");
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing_in_any_stage() {
    let (patient, _) = busy_agent();
    let mut whole = begin(&patient);
    let mut expected = play(&patient, &mut whole).await;
    whole.resume(Verdict::Approved).unwrap();
    expected = format!("{expected}\n{}", play(&patient, &mut whole).await);

    let (hasty, llm) = busy_agent();
    let mut run = begin(&hasty);
    let (mut lines, dropped) = play_dropping(&hasty, &mut run).await;
    run.resume(Verdict::Approved).unwrap();
    let (rest, dropped_later) = play_dropping(&hasty, &mut run).await;
    lines.extend(rest);
    assert_eq!(lines.join("\n"), expected);
    assert_eq!(run, whole);
    assert_eq!(llm.asked().len(), 2, "no request is made twice");
    // The phase, two openings, and a wait per delta at least.
    assert!(dropped + dropped_later >= 10, "{dropped} + {dropped_later} waits were dropped");
}

#[tokio::test]
async fn a_reply_is_read_no_faster_than_its_events_are_taken() {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let reply = stream::iter((0..100).map(|at| Ok(text(&at.to_string()))))
        .inspect(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        })
        .chain(stream::iter([Ok(ModelDelta::Finish(FinishReason::Stop))]));
    let llm = Script::of(vec![Box::pin(async { Ok::<ModelStream, _>(Box::pin(reply)) })]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    let mut drive = agent.drive(&mut run, CancellationToken::new());
    soon(drive.next()).await;
    for taken in 1..=100 {
        soon(drive.next()).await;
        assert_eq!(read.load(Ordering::SeqCst), taken);
    }
}

#[tokio::test]
async fn two_runs_of_one_agent_do_not_meet() {
    let llm = Script::of(vec![says(&["one"]), says(&["two"])]);
    let agent = agent(&llm, vec![]);
    let (mut first, mut second) = (begin(&agent), begin(&agent));
    let (first, second) = tokio::join!(play(&agent, &mut first), play(&agent, &mut second));
    assert!(first.ends_with("done Stop \"one\""), "{first}");
    assert!(second.ends_with("done Stop \"two\""), "{second}");
}
