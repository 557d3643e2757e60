//! The turns by this crate: a task for each, as a program would have it.

use futures_util::StreamExt as _;
use smooai_smooth_operator_client as ours;
use smooai_smooth_operator_client::Turn;
use smooai_smooth_operator_client::protocol::{CreateConversationSessionParams, Event, SendMessageParams};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{Outcome, Side};

pub struct Client {
    client: ours::Client,
    session: String,
    /// The turns that stay open.
    held: JoinSet<Outcome>,
}

impl Side for Client {
    async fn connect(url: &str) -> Outcome<Self> {
        let client = ours::Client::connect(url).await?;
        let session =
            client.create_conversation_session(CreateConversationSessionParams::default()).await?.session_id;
        Ok(Self { client, session, held: JoinSet::new() })
    }

    async fn turns(&mut self, message: &'static str, count: usize, at_once: usize) -> Outcome {
        let mut running = JoinSet::new();
        for _ in 0..count {
            if running.len() == at_once
                && let Some(ended) = running.join_next().await
            {
                ended??;
            }
            running.spawn(read(self.client.send_message(SendMessageParams::new(&self.session, message))));
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    }

    async fn open(&mut self, count: usize) -> Outcome {
        let (begun, mut news) = mpsc::channel(count.max(1));
        for n in 0..count {
            let turn = self.client.send_message(SendMessageParams::new(&self.session, "hold"));
            self.held.spawn(hold(turn, begun.clone()));
            // Not more on their way than the client lets wait.
            if n >= 512 {
                news.recv().await.ok_or("a turn ended")?;
            }
        }
        for _ in 0..count.min(512) {
            news.recv().await.ok_or("a turn ended")?;
        }
        Ok(())
    }

    fn decode(frame: &str) -> Outcome {
        std::hint::black_box(Event::from_json(frame)?);
        Ok(())
    }
}

async fn read(mut turn: Turn) -> Outcome {
    let mut text = String::new();
    while let Some(event) = turn.next().await {
        if let Event::StreamToken(event) = event? {
            text.push_str(&event.token);
        }
    }
    let answer = turn.text().await?;
    if text == answer { Ok(()) } else { Err(format!("{text:?} is not {answer:?}").into()) }
}

async fn hold(mut turn: Turn, begun: mpsc::Sender<()>) -> Outcome {
    while let Some(event) = turn.next().await {
        if matches!(event?, Event::StreamToken(_)) {
            begun.send(()).await?;
            break;
        }
    }
    drop(begun);
    turn.finish().await?;
    Ok(())
}
