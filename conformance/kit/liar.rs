//! A driver that says "ok" to everything and does nothing. It must score 0.

use anyhow::Result;
use serde_json::json;
use smooai_smooth_operator_conformance_driver::{
    Command, DoneReport, ReadyReport, RepliedReport, Report, StartedReport, TurnEndedReport, frames,
};

/// Speaks the drivers' protocol on stdin and stdout until `exit`.
pub async fn run() -> Result<()> {
    let (mut stdin, mut stdout) = (tokio::io::stdin(), tokio::io::stdout());
    frames::write(&mut stdout, &Report::Ready(ReadyReport::new("none", "liar"))).await?;
    while let Some(command) = frames::read::<Command>(&mut stdin).await? {
        let mut exits = false;
        let reports = match command {
            Command::Open(open) => vec![done(open.id)],
            Command::Call(call) => vec![replied(call.id)],
            Command::AnswerPark(answer) => vec![replied(answer.id)],
            Command::Decode(decode) => vec![replied(decode.id)],
            Command::StartTurn(start) => {
                let mut ended = TurnEndedReport::new(start.turn, 0);
                ended.text = Some("ok".to_owned());
                ended.result = Some(json!({}));
                let started = StartedReport::new(start.id, "ok");
                vec![Report::Started(started), Report::TurnEnded(ended)]
            }
            Command::CancelTurn(command) => vec![done(command.id)],
            Command::AbandonTurn(command) => vec![done(command.id)],
            Command::PauseReading(command) => vec![done(command.id)],
            Command::GoOn(command) => vec![done(command.id)],
            Command::Close(command) => vec![done(command.id)],
            Command::Exit(command) => {
                exits = true;
                vec![done(command.id)]
            }
        };
        for report in reports {
            frames::write(&mut stdout, &report).await?;
        }
        if exits {
            break;
        }
    }
    Ok(())
}

fn done(id: u32) -> Report {
    Report::Done(DoneReport::new(id))
}

fn replied(id: u32) -> Report {
    Report::Replied(RepliedReport::new(id, json!({ "ok": true, "sessionId": "ok", "conversationId": "ok" })))
}
