//! Cancelling in each stage of a turn: what stops at once, what is let to its end, what is kept.

use crate::script::{
    Held, Opening, Script, agent, begin, deltas, finish, forever, held, line, says, soon, text, tool,
    tool_messages, wants,
};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream};
use smooai_smooth_operator_core::{
    Agent, ChatMessage, Drive, Effect, ModelStream, Outcome, Phase, PhaseError, Run, Step, Workflow,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Pulls events until this line came.
async fn until(drive: &mut Drive<'_>, wanted: &str) {
    loop {
        let event = soon(drive.next()).await.expect("the event comes before the end");
        if line(&event).starts_with(wanted) {
            return;
        }
    }
}

/// Drives up to an event and into the wait after it, cancels there, and gives the rest of the events.
async fn cancel_after(agent: &Agent, run: &mut Run, event: &str) -> String {
    let cancel = CancellationToken::new();
    let mut drive = agent.drive(run, cancel.clone());
    until(&mut drive, event).await;
    {
        let mut waiting = Box::pin(drive.next());
        for _ in 0..20 {
            assert!((&mut waiting).now_or_never().is_none(), "the drive waits here");
            tokio::task::yield_now().await;
        }
        cancel.cancel();
        // The same wait ends by the token alone.
        assert_eq!(soon(waiting).await.as_ref().map(line).as_deref(), Some("cancelled"));
    }
    finish(&mut drive).await
}

fn assert_cancelled(run: &Run) {
    let Step::Done(answer) = run.next() else { panic!("a cancelled run is over") };
    assert_eq!(answer.outcome, Outcome::Cancelled);
}

struct Stuck(Mutex<Option<Held>>);

#[async_trait]
impl Phase for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    async fn enter(&self, _question: &str) -> Result<Vec<ChatMessage>, PhaseError> {
        let held = self.0.lock().unwrap().take().unwrap();
        forever(held).await
    }
}

#[tokio::test]
async fn in_a_phase() {
    let llm = Script::of(vec![]);
    let (held, gone) = held();
    let mut agent = agent(&llm, vec![]);
    agent.workflow = Workflow::default().then(Arc::new(Stuck(Mutex::new(Some(held)))));
    let mut run = begin(&agent);
    assert_eq!(cancel_after(&agent, &mut run, "phase stuck").await, "");
    assert!(gone.load(Ordering::SeqCst));
    assert_cancelled(&run);
    assert!(llm.asked().is_empty());
}

#[tokio::test]
async fn before_the_model_answers() {
    let (held, gone) = held();
    let llm = Script::of(vec![Box::pin(forever(held))]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    assert_eq!(cancel_after(&agent, &mut run, "phase response_gen").await, "");
    assert!(gone.load(Ordering::SeqCst), "the request is dropped");
    assert_cancelled(&run);
}

fn one_piece_then_silence(held: Held) -> Opening {
    let silence = stream::once(forever(held));
    let reply = stream::iter([Ok(text("Hel"))]).chain(silence);
    Box::pin(async { Ok::<ModelStream, _>(Box::pin(reply)) })
}

#[tokio::test]
async fn while_the_reply_comes() {
    let (held, gone) = held();
    let llm = Script::of(vec![one_piece_then_silence(held)]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    assert_eq!(cancel_after(&agent, &mut run, "token Hel").await, "");
    assert!(gone.load(Ordering::SeqCst), "the reply is dropped");
    assert_cancelled(&run);
}

#[tokio::test]
async fn between_two_pieces_that_are_both_there() {
    let llm = Script::of(vec![says(&["Hel", "lo."])]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    let cancel = CancellationToken::new();
    let mut drive = agent.drive(&mut run, cancel.clone());
    until(&mut drive, "token Hel").await;
    cancel.cancel();
    assert_eq!(finish(&mut drive).await, "cancelled");
    assert_cancelled(&run);
}

#[tokio::test]
async fn reads_are_dropped_at_once_and_what_they_had_answered_is_kept() {
    let llm = Script::of(vec![wants(&[("a", "look", ""), ("b", "hang", ""), ("c", "write", "")])]);
    let (held, gone) = held();
    let held = Mutex::new(Some(held));
    let look = tool("look", Effect::Read, |_| async { Ok("seen".to_owned()) });
    let hang = tool("hang", Effect::Read, move |_| forever(held.lock().unwrap().take().unwrap()));
    let agent = agent(&llm, vec![(look, vec![]), (hang, vec![]), (write_that_flags().0, vec![])]);
    let mut run = begin(&agent);
    assert_eq!(cancel_after(&agent, &mut run, "result a look").await, "");
    assert!(gone.load(Ordering::SeqCst), "the call is dropped");
    assert_cancelled(&run);
    let expected = ["a: seen", "b: The turn was cancelled.", "c: The turn was cancelled."];
    assert_eq!(tool_messages(&run), expected);
}

fn write_that_flags() -> (Arc<dyn smooai_smooth_operator_core::Tool>, Arc<AtomicBool>) {
    let written = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&written);
    let write = tool("write", Effect::Write, move |_| {
        let flag = Arc::clone(&flag);
        async move {
            flag.store(true, Ordering::SeqCst);
            Ok("written".to_owned())
        }
    });
    (write, written)
}

#[tokio::test]
async fn a_write_that_has_begun_is_let_to_its_end_and_the_next_is_not_begun() {
    let llm = Script::of(vec![wants(&[("a", "slow", ""), ("b", "write", "")])]);
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes_on) = (Arc::clone(&begun), Arc::clone(&go_on));
    let slow = tool("slow", Effect::Write, move |_| {
        let (begins, goes_on) = (Arc::clone(&begins), Arc::clone(&goes_on));
        async move {
            begins.notify_one();
            goes_on.notified().await;
            Ok("written to its end".to_owned())
        }
    });
    let (write, written) = write_that_flags();
    let agent = agent(&llm, vec![(slow, vec![]), (write, vec![])]);
    let mut run = begin(&agent);
    let cancel = CancellationToken::new();
    let mut drive = agent.drive(&mut run, cancel.clone());
    until(&mut drive, "call a slow").await;
    {
        let mut waiting = Box::pin(drive.next());
        assert!((&mut waiting).now_or_never().is_none());
        soon(begun.notified()).await;
        cancel.cancel();
        for _ in 0..20 {
            assert!((&mut waiting).now_or_never().is_none(), "the write is not given up");
            tokio::task::yield_now().await;
        }
        go_on.notify_one();
        let ended = soon(waiting).await;
        assert_eq!(ended.as_ref().map(line).as_deref(), Some("result a slow: written to its end"));
    }
    assert_eq!(finish(&mut drive).await, "cancelled");
    assert!(!written.load(Ordering::SeqCst));
    assert_cancelled(&run);
    assert_eq!(tool_messages(&run), ["a: written to its end", "b: The turn was cancelled."]);
}

#[tokio::test]
async fn a_write_that_was_only_announced_is_not_begun() {
    let llm = Script::of(vec![wants(&[("a", "write", "")])]);
    let (write, written) = write_that_flags();
    let agent = agent(&llm, vec![(write, vec![])]);
    let mut run = begin(&agent);
    let cancel = CancellationToken::new();
    let mut drive = agent.drive(&mut run, cancel.clone());
    until(&mut drive, "call a write").await;
    cancel.cancel();
    assert_eq!(finish(&mut drive).await, "cancelled");
    assert!(!written.load(Ordering::SeqCst));
    assert_eq!(tool_messages(&run), ["a: The turn was cancelled."]);
}

#[tokio::test]
async fn a_turn_cancelled_before_it_begins_asks_nobody() {
    let llm = Script::of(vec![deltas(vec![])]);
    let agent = agent(&llm, vec![]);
    let mut run = begin(&agent);
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(finish(&mut agent.drive(&mut run, cancel)).await, "cancelled");
    assert!(llm.asked().is_empty());
    assert_cancelled(&run);
}
