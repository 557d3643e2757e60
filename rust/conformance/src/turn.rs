//! One turn as its caller follows it, and the orders that change what the caller does.

use futures_util::StreamExt as _;
use smooai_smooth_operator_client::protocol::Event;
use smooai_smooth_operator_client::{Error, Turn};
use smooai_smooth_operator_conformance_driver::{
    DoneReport, ErrorKind, ErrorSeen, FailedReport, ParkAnswer, Reading, Report, TurnEndedReport,
    TurnEventReport,
};
use tokio::select;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio_util::task::TaskTracker;

use crate::{answered, call, error, is_known, object};

/// What the harness wants of a turn, with the number of the command.
pub enum Order {
    Answer(u32, ParkAnswer),
    Cancel(u32),
    Abandon(u32),
    Pause(u32),
    GoOn(u32),
}

/// What the caller does and has seen.
pub struct Seen {
    report: TurnEndedReport,
    iterates: bool,
    awaits: bool,
    reads: bool,
    over: bool,
}

impl Seen {
    pub fn new(turn: String, read: Reading) -> Self {
        Self {
            report: TurnEndedReport::new(turn, 0),
            iterates: read != Reading::Await,
            awaits: read != Reading::Iterate,
            reads: read != Reading::Neither,
            over: false,
        }
    }

    /// Waits for the turn's next event, or for its end when that is what is left to wait for.
    async fn step(&mut self, turn: &mut Turn) -> Option<Event> {
        if !self.iterates {
            self.finish(turn).await;
            return None;
        }
        match turn.next().await {
            Some(Ok(event)) => Some(event),
            // An error event ends a stream as an error, which holds the event.
            Some(Err(Error::Server(event))) => Some(Event::from(*event)),
            Some(Err(error)) => {
                self.report.iteration_error = Some(error::seen(&error));
                None
            }
            None => {
                self.iterates = false;
                self.over = !self.awaits;
                None
            }
        }
    }

    async fn finish(&mut self, turn: &mut Turn) {
        match turn.finish().await {
            // Told once per park; the turn goes on when the park is answered.
            Err(Error::Parked(_)) => return,
            Err(error) => self.report.error = Some(error::seen(&error)),
            Ok(result) => {
                self.report.text = turn.text().await.ok();
                self.report.result = serde_json::to_value(result).ok();
            }
        }
        self.over = true;
    }
}

/// Reads a turn, and obeys the orders until there are no more.
pub async fn follow(
    mut turn: Turn,
    mut seen: Seen,
    mut orders: Receiver<Order>,
    reports: &Sender<Report>,
    tasks: &TaskTracker,
) -> Result<(), SendError<Report>> {
    let mut open = true;
    loop {
        select! {
            order = orders.recv(), if open => match order {
                Some(Order::Abandon(id)) => {
                    drop(turn);
                    if !seen.over {
                        seen.report.error = Some(ErrorSeen::new(ErrorKind::Abandoned, "ABANDONED", false, "the turn was dropped"));
                        reports.send(seen.report.into()).await?;
                    }
                    return reports.send(DoneReport::new(id).into()).await;
                }
                Some(Order::Answer(id, answer)) => {
                    let (verdict, reports) = (verdict(&turn, answer), reports.clone());
                    tasks.spawn(async move { reports.send(answered(id, verdict.await)).await });
                }
                Some(Order::Cancel(id)) => reports.send(match turn.cancel() {
                    Ok(()) => DoneReport::new(id).into(),
                    Err(error) => FailedReport::new(id, error::seen(&error)).into(),
                }).await?,
                Some(Order::Pause(id)) => {
                    seen.reads = false;
                    reports.send(DoneReport::new(id).into()).await?;
                }
                Some(Order::GoOn(id)) => {
                    seen.reads = true;
                    reports.send(DoneReport::new(id).into()).await?;
                }
                // The driver ends: a reader who was paused sees how the turn has ended.
                None => (open, seen.reads) = (false, true),
            },
            event = seen.step(&mut turn), if seen.reads && !seen.over => {
                if let Some(event) = event {
                    seen.report.events += 1;
                    let report = TurnEventReport::new(&seen.report.turn, object(&event), is_known(&event));
                    reports.send(report.into()).await?;
                }
                if seen.over {
                    reports.send(seen.report.clone().into()).await?;
                }
            }
            else => return Ok(()),
        }
    }
}

/// The turn's own method for an answer; what it returns is independent of the turn.
fn verdict(turn: &Turn, answer: ParkAnswer) -> std::pin::Pin<Box<dyn Future<Output = call::Outcome> + Send>> {
    match answer {
        ParkAnswer::Confirm(answer) => {
            let verdict = turn.confirm(answer.approved);
            Box::pin(async move { call::reply(verdict.await) })
        }
        ParkAnswer::Code(answer) => {
            let verdict = turn.verify(answer.code);
            Box::pin(async move { call::verified(verdict.await.map(Event::from)) })
        }
        ParkAnswer::Form(answer) => {
            let verdict = turn.submit(&answer.values);
            Box::pin(async move { call::reply(verdict.await) })
        }
        ParkAnswer::Decline(_) => {
            let verdict = turn.decline();
            Box::pin(async move { call::reply(verdict.await) })
        }
    }
}
