//! Raw scenarios: literal frames against the server alone, without a client of ours.

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::socket::Socket;

use crate::lane::{Lane, Server};
use crate::outcome::{Checks, Covered, Outcome};
use crate::pattern::{Captured, fill, fits};
use crate::proxy::Proxy;
use crate::scenario::Scenario;
use crate::step::{Connect, Step};
use crate::{around, corpus, token};

/// The column of raw scenarios in the matrix.
pub const COLUMN: &str = "(raw)";

/// All raw scenarios, one after another.
pub async fn lane(scenarios: &[Scenario], mut lane: Lane) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (n, scenario) in scenarios.iter().enumerate() {
        outcomes.push(Box::pin(play(scenario, &mut lane, &corpus::nonce(COLUMN, n))).await);
    }
    outcomes
}

async fn play(scenario: &Scenario, lane: &mut Lane, nonce: &str) -> Outcome {
    let started = Instant::now();
    let mut checks = Checks::default();
    let mut trace = format!("{}: {}\n\n", scenario.name, scenario.about);
    around::prepare(lane, scenario, nonce);
    match lane.server(&scenario.server).await {
        Err(error) => {
            checks.check("begin", Err(error));
        }
        Ok(server) => {
            let mut stage =
                Stage { lane, server, proxy: None, socket: None, captured: around::captured(nonce) };
            for (n, step) in scenario.steps.iter().enumerate() {
                trace.push_str(&format!("step {}: {}\n", n + 1, step.line()));
                let done = stage.step(step).await.with_context(|| format!("in step {}", n + 1));
                let failed = done.is_err();
                if failed || step.expects() {
                    checks.check("step", done);
                }
                if failed {
                    break;
                }
            }
            checks.check("gateway", around::as_scripted(stage.lane, scenario));
            if let Some(socket) = &stage.socket {
                trace.push_str(&socket.told("the end"));
            }
        }
    }
    let (scenario, client, place) = (scenario.name.clone(), COLUMN.to_owned(), lane.place());
    let covered = Covered::default();
    Outcome { scenario, client, place, checks, took: started.elapsed(), trace, covered, known: None }
}

struct Stage<'a> {
    lane: &'a mut Lane,
    server: Server,
    proxy: Option<Proxy>,
    socket: Option<Socket>,
    captured: Captured,
}

impl Stage<'_> {
    async fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Connect(connect) => self.connect(connect).await,
            Step::Session(session) => {
                let mut frame =
                    if session.params.is_null() { json!({}) } else { fill(&session.params, &self.captured)? };
                frame["action"] = json!("create_conversation_session");
                let data = self.socket()?.data(frame).await?;
                self.captured.insert(session.name.clone().unwrap_or_else(|| "s".to_owned()), data);
                Ok(())
            }
            Step::Send(frame) => {
                let frame = fill(frame, &self.captured)?;
                let socket = self.socket()?;
                match (&frame, frame["binary"].as_str()) {
                    (_, Some(binary)) => socket.send_binary(binary.as_bytes()).await,
                    (Value::String(text), _) => socket.send_text(text).await,
                    _ => socket.send(frame).await,
                }
            }
            Step::Receive(expected) => {
                for (n, event) in expected.iter().enumerate() {
                    let event = fill(event, &self.captured)?;
                    let found = self.next().await?;
                    fits(&event, &found).with_context(|| format!("event {} is {found}", n + 1))?;
                }
                Ok(())
            }
            Step::Before(expected) => {
                let expected = fill(&json!(expected), &self.captured)?;
                let found = self.socket()?.events_before_pong().await?;
                fits(&expected, &json!(found))
            }
            Step::Closed(code) => {
                let closed = self.socket()?.closed().await?;
                ensure!(closed.code == *code, "closed with {closed:?}");
                Ok(())
            }
            Step::Asked(asked) => around::asked(self.lane, &self.captured, asked).await,
            Step::Called(called) => around::called(self.lane, &self.captured, called).await,
            Step::Code { name, nth } => {
                let code = around::code(self.lane, *nth).await?;
                self.captured.insert(name.clone(), code);
                Ok(())
            }
            Step::At(gate) => {
                let proxy = self.proxy.as_ref().context("nothing is connected")?;
                around::at(self.lane, proxy, gate).await
            }
            Step::Release(gate) => {
                let proxy = self.proxy.as_ref().context("nothing is connected")?;
                around::release(self.lane, proxy, gate);
                Ok(())
            }
            Step::Terminate {} => self.lane.running(&self.server)?.process()?.terminate(),
            Step::ServerEnded {} => self.lane.ended(&mut self.server).await,
            _ => bail!("this is no step of raw scenarios"),
        }
    }

    fn socket(&mut self) -> Result<&mut Socket> {
        self.socket.as_mut().ok_or_else(|| anyhow!("nothing is connected"))
    }

    /// The next event that is no mark of a phase: which phases there are is the agent's own matter.
    async fn next(&mut self) -> Result<Value> {
        loop {
            let event = self.socket()?.event().await?;
            let state = event["data"]["state"].as_object();
            if !(event["type"] == "stream_chunk" && state.is_some_and(serde_json::Map::is_empty)) {
                return Ok(event);
            }
        }
    }

    async fn connect(&mut self, connect: &Connect) -> Result<()> {
        let proxy = Proxy::start(self.lane.running(&self.server)?.host()).await?;
        let url = format!("{}{}", proxy.url(), connect.query);
        let lane = self.lane.organisations(&self.server);
        let bearer = connect.claims.as_ref().map(|claims| format!("Bearer {}", token::token(claims, &lane)));
        let mut headers: Vec<(&str, &str)> =
            connect.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
        if let Some(wanted) = connect.refused {
            let status = Socket::refused(&url, &headers).await?;
            ensure!(status == wanted, "refused with {status}");
            return Ok(());
        }
        self.socket = Some(Socket::connect_with(&url, &headers).await?);
        self.proxy = Some(proxy);
        Ok(())
    }
}
