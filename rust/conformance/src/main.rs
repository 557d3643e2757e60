//! The driver of the Rust client: carries out the harness's commands by the public client and reports what a caller
//! sees. It knows no scenario and judges nothing.

mod call;
mod error;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::StreamExt as _;
use smooai_smooth_operator_client::protocol::{Action, Event, JsonObject};
use smooai_smooth_operator_client::{Client, Options, Timeouts, Token};
use smooai_smooth_operator_conformance_driver as wire;
use smooai_smooth_operator_conformance_driver::{
    BrokenReport, Command, DoneReport, FailedReport, OpenCommand, ReadyReport, RepliedReport, Report,
    StartTurnCommand, StartedReport, StrayEventReport, TokenBy, frames,
};
use tokio::io::{stdin, stdout};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use turn::Order;

/// Reports that wait to be written; who has more to tell waits.
const MAX_REPORTS: usize = 1024;
/// Orders to one turn that wait.
const MAX_ORDERS: usize = 256;

// One thread: what the client delivers right after it has connected finds its listener.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (reports, mut queue) = mpsc::channel::<Report>(MAX_REPORTS);
    let commands = async move {
        let mut driver =
            Driver { reports, clients: Arc::default(), turns: HashMap::new(), tasks: TaskTracker::new() };
        driver.reports.send(ReadyReport::new("rust", package()).into()).await?;
        let mut input = stdin();
        while let Some(command) = frames::read::<Command>(&mut input).await? {
            let id = command.id();
            if matches!(command, Command::Exit(_)) {
                driver.end().await;
                driver.reports.send(DoneReport::new(id).into()).await?;
                return Ok(());
            }
            if let Err(error) = driver.carry_out(command) {
                let broken = BrokenReport { id: Some(id), ..BrokenReport::new(format!("{error:#}")) };
                driver.reports.send(broken.into()).await?;
            }
        }
        driver.end().await;
        anyhow::Ok(())
    };
    let write = async move {
        let mut output = stdout();
        while let Some(report) = queue.recv().await {
            frames::write(&mut output, &report).await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(commands, write).map(|_| ())
}

fn package() -> String {
    format!("smooai-smooth-operator-client {}", env!("CARGO_PKG_VERSION"))
}

struct Driver {
    reports: mpsc::Sender<Report>,
    clients: Arc<Mutex<HashMap<String, Client>>>,
    turns: HashMap<String, mpsc::Sender<Order>>,
    tasks: TaskTracker,
}

impl Driver {
    /// Does what takes no time, and starts what does.
    fn carry_out(&mut self, command: Command) -> Result<()> {
        let id = command.id();
        match command {
            Command::Open(open) => self.open(open)?,
            Command::Call(call) => {
                let client = within(&self.client(&call.client)?, call.timeouts.as_ref());
                self.answer(id, async move { call::call(&client, &call.action, call.params).await });
            }
            Command::Decode(decode) => self.answer(id, async move { call::decode(&decode.text) }),
            Command::StartTurn(start) => self.start_turn(start)?,
            Command::AnswerPark(order) => self.order(&order.turn, Order::Answer(id, order.answer))?,
            Command::CancelTurn(order) => self.order(&order.turn, Order::Cancel(id))?,
            Command::AbandonTurn(order) => self.order(&order.turn, Order::Abandon(id))?,
            Command::PauseReading(order) => self.order(&order.turn, Order::Pause(id))?,
            Command::GoOn(order) => self.order(&order.turn, Order::GoOn(id))?,
            Command::Close(close) => {
                let client = self.client(&close.client)?;
                self.report(async move {
                    client.close().await;
                    DoneReport::new(id).into()
                });
            }
            Command::Exit(_) => bail!("exit ends the driver and is carried out there"),
        }
        Ok(())
    }

    fn open(&self, open: OpenCommand) -> Result<()> {
        let mut options = Options {
            timeouts: limits(Timeouts::default(), open.timeouts.as_ref()),
            token: token(open.tokens.unwrap_or_default()),
            ..Options::default()
        };
        if let Some(milliseconds) = open.heartbeat_ms {
            options.pacing.heartbeat = Duration::from_millis(milliseconds.into());
        }
        options.token_in_subprotocol = open.token_by == Some(TokenBy::Subprotocol);
        let (clients, reports, name) = (Arc::clone(&self.clients), self.reports.clone(), open.client);
        self.tasks.spawn(async move {
            let client = match Client::connect_with(open.url, options).await {
                Ok(client) => client,
                Err(error) => {
                    return reports.send(FailedReport::new(open.id, error::seen(&error)).into()).await;
                }
            };
            let mut strays = client.events();
            clients.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), client);
            reports.send(DoneReport::new(open.id).into()).await?;
            while let Some(event) = strays.next().await {
                let report = match event {
                    Ok(event) => StrayEventReport::new(&name, object(&event), is_known(&event)).into(),
                    Err(error) => BrokenReport::new(format!("stray events of {name}: {error}")).into(),
                };
                reports.send(report).await?;
            }
            Ok(())
        });
        Ok(())
    }

    fn start_turn(&mut self, start: StartTurnCommand) -> Result<()> {
        let client = within(&self.client(&start.client)?, start.timeouts.as_ref());
        let params = match call::typed("send_message", start.params) {
            Ok(Action::SendMessage(params)) => params,
            Ok(other) => bail!("{other:?} starts no turn"),
            Err(error) => {
                self.report(async move { FailedReport::new(start.id, *error).into() });
                return Ok(());
            }
        };
        let turn = client.send_message(params);
        let started = StartedReport::new(start.id, turn.request_id());
        let (orders, queue) = mpsc::channel(MAX_ORDERS);
        self.turns.insert(start.turn.clone(), orders);
        let (reports, tasks) = (self.reports.clone(), self.tasks.clone());
        self.tasks.spawn(async move {
            reports.send(started.into()).await?;
            turn::follow(turn, turn::Seen::new(start.turn, start.read), queue, &reports, &tasks).await
        });
        Ok(())
    }

    fn order(&self, turn: &str, order: Order) -> Result<()> {
        let orders = self.turns.get(turn).with_context(|| format!("no turn named {turn}"))?;
        orders
            .try_send(order)
            .map_err(|_| anyhow!("the turn {turn} is abandoned, or too many orders wait for it"))
    }

    fn client(&self, name: &str) -> Result<Client> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.get(name).cloned().with_context(|| format!("no client named {name}"))
    }

    fn answer(&self, id: u32, call: impl Future<Output = call::Outcome> + Send + 'static) {
        self.report(async move { answered(id, call.await) });
    }

    fn report(&self, report: impl Future<Output = Report> + Send + 'static) {
        let reports = self.reports.clone();
        // The harness has gone when nobody takes the report.
        self.tasks.spawn(async move { reports.send(report.await).await });
    }

    /// Closes every client and waits until everything that they end has been told.
    async fn end(&mut self) {
        let clients: Vec<Client> = {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.drain().map(|(_, client)| client).collect()
        };
        for client in clients {
            client.close().await;
        }
        self.turns.clear();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn answered(id: u32, outcome: call::Outcome) -> Report {
    match outcome {
        Ok(reply) => RepliedReport::new(id, reply).into(),
        Err(error) => FailedReport::new(id, *error).into(),
    }
}

/// The client with what a command says about its limits.
fn within(client: &Client, timeouts: Option<&wire::Timeouts>) -> Client {
    client.with_timeouts(limits(client.timeouts, timeouts))
}

fn limits(usual: Timeouts, said: Option<&wire::Timeouts>) -> Timeouts {
    let Some(said) = said else { return usual };
    let or = |said: Option<u32>, usual| said.map_or(usual, |said| Duration::from_millis(said.into()));
    Timeouts {
        connect: or(said.connect_ms, usual.connect),
        request: or(said.request_ms, usual.request),
        idle: or(said.idle_ms, usual.idle),
        turn: or(said.turn_ms, usual.turn),
    }
}

/// An event encoded by the generated code.
/// A token for each time that the client asks; the last one stays.
fn token(tokens: Vec<String>) -> Option<Token> {
    if tokens.len() < 2 {
        return tokens.into_iter().next().map(Token::new);
    }
    let left = Mutex::new(VecDeque::from(tokens));
    Some(Token::from_fn(move || {
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let token = if left.len() > 1 { left.pop_front() } else { left.front().cloned() };
        async move { Ok::<_, Infallible>(token.unwrap_or_default()) }
    }))
}

fn object(event: &Event) -> JsonObject {
    serde_json::from_str(&event.to_json()).unwrap_or_default()
}

fn is_known(event: &Event) -> bool {
    !matches!(event, Event::Unknown(_))
}
