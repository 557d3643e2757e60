//! Plays a scenario with one client: steps become commands, and what comes back is compared.

mod end;
mod look;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance_driver::{Command, ErrorSeen, Report};
use smooai_smooth_operator_protocol::decode::value_from_json;

use crate::corpus::PATIENCE;
use crate::driver::Driver;
use crate::fault::Fault;
use crate::lane::{Lane, Server};
use crate::outcome::{Checks, Covered, Outcome};
use crate::pattern::{Captured, fill, fill_string, fits, shortened};
use crate::proxy::Proxy;
use crate::scenario::Scenario;
use crate::step::{Call, Ended, Open, ReplyTo, See, Session, Step, Turn};
use crate::{around, token, witness};

/// How a scenario is played.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The longest wait for one thing.
    pub patience: Duration,
    /// What is done to the frames as if the server had sent them so.
    pub mutations: Vec<Fault>,
    /// Part of what the model says, and of the names that the driver is given.
    pub nonce: String,
}

/// Plays a scenario from its beginning to its end.
pub async fn play(
    scenario: &Scenario,
    lane: &mut Lane,
    driver: &mut Driver,
    client: &str,
    terms: &Terms,
) -> Outcome {
    let started = Instant::now();
    let mut checks = Checks::default();
    let mut trace = format!("{}: {}\nclient: {client}\n\n", scenario.name, scenario.about);
    let mut covered = Covered::default();
    match Cell::begin(scenario, lane, driver, terms).await {
        Err(error) => {
            checks.check("begin", Err(error));
        }
        Ok(mut cell) => {
            for (n, step) in scenario.steps.iter().enumerate() {
                cell.trace.push_str(&format!("step {}: {}\n", n + 1, step.line()));
                let done = cell.step(step).await;
                let done = done.with_context(|| format!("in step {} ({})", n + 1, name(step)));
                let kind = if step.expects() { "step" } else { "doing" };
                let failed = done.is_err();
                if failed || step.expects() {
                    cell.checks.check(kind, done);
                }
                if failed {
                    break;
                }
            }
            cell.end().await;
            covered = cell.proxy.look(|seen| witness::covered(&seen.frames));
            checks = std::mem::take(&mut cell.checks);
            trace.push_str(&cell.told());
        }
    }
    let (scenario, client, place) = (scenario.name.clone(), client.to_owned(), lane.place());
    Outcome { scenario, client, place, checks, took: started.elapsed(), trace, covered, known: None }
}

fn name(step: &Step) -> String {
    let text = format!("{step:?}");
    text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

/// A scenario that is being played.
struct Cell<'a> {
    scenario: &'a Scenario,
    lane: &'a mut Lane,
    driver: &'a mut Driver,
    terms: &'a Terms,
    server: Server,
    proxy: Proxy,
    captured: Captured,
    checks: Checks,
    trace: String,
    /// What the caller does with each turn.
    reading: BTreeMap<String, String>,
    /// How many of a turn's events the steps have looked at.
    looked: BTreeMap<String, usize>,
    /// The commands that are waited for later.
    later: BTreeMap<String, (u32, String)>,
    open: Vec<String>,
    /// What calls have returned, as text.
    replies: String,
}

impl<'a> Cell<'a> {
    async fn begin(
        scenario: &'a Scenario,
        lane: &'a mut Lane,
        driver: &'a mut Driver,
        terms: &'a Terms,
    ) -> Result<Self> {
        around::prepare(lane, scenario, &terms.nonce);
        let server = lane.server(&scenario.server).await?;
        let proxy = Proxy::start(lane.running(&server)?.host()).await?;
        if scenario.browser {
            proxy.as_browser();
        }
        scenario.faults.iter().for_each(|fault| proxy.arm(fault.clone()));
        terms.mutations.iter().for_each(|fault| proxy.mutate(fault.clone()));
        driver.forget();
        let captured = around::captured(&terms.nonce);
        Ok(Self {
            scenario,
            lane,
            driver,
            terms,
            server,
            proxy,
            captured,
            checks: Checks::default(),
            trace: String::new(),
            reading: BTreeMap::new(),
            looked: BTreeMap::new(),
            later: BTreeMap::new(),
            open: Vec::new(),
            replies: String::new(),
        })
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Open(open) => self.open(open).await,
            Step::Session(session) => self.session(session).await,
            Step::Call(call) => self.call(call).await,
            Step::Answer(expect) => {
                let (id, action) = self.later.remove(&expect.of).context("there is no such call")?;
                self.answer(id, &action, expect.reply.as_ref(), expect.error.as_ref()).await.map(|_| ())
            }
            Step::Turn(turn) => self.turn(turn).await,
            Step::See(see) => self.see(see).await,
            Step::Ended(ended) => self.ended(ended).await,
            Step::Reply(reply) => self.reply(reply).await,
            Step::Cancel(turn) => self.order("cancel_turn", turn).await,
            Step::Abandon(turn) => self.order("abandon_turn", turn).await,
            Step::Pause(turn) => self.order("pause_reading", turn).await,
            Step::GoOn(turn) => self.order("go_on", turn).await,
            Step::Close(client) => self.close(client).await,
            Step::Asked(asked) => around::asked(self.lane, &self.captured, asked).await,
            Step::Called(called) => around::called(self.lane, &self.captured, called).await,
            Step::Code { name, nth } => {
                let code = around::code(self.lane, *nth).await?;
                self.captured.insert(name.clone(), code);
                Ok(())
            }
            Step::Stray(event) => {
                let (event, own) = (fill(event, &self.captured)?, self.own(""));
                self.wait("a stray event", move |book| {
                    let mut strays = book.stray.iter().filter(|(client, _)| client.ends_with(&own));
                    strays.any(|(_, stray)| fits(&event, stray).is_ok()).then_some(())
                })
                .await
            }
            Step::Decode(decode) => self.decode(decode).await,
            other => self.circumstance(other).await,
        }
    }

    /// Steps that no client takes: what its surroundings do.
    async fn circumstance(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::At(gate) => around::at(self.lane, &self.proxy, gate).await,
            Step::Release(gate) => {
                around::release(self.lane, &self.proxy, gate);
                Ok(())
            }
            Step::Wire(wire) => self.wire(wire).await,
            Step::Handshake { contains, without } => self.proxy.look(|seen| {
                let request = &seen.handshakes.last().context("there was no handshake")?.request;
                let has = |text: &String| request.contains(&text.to_lowercase());
                ensure!(contains.iter().all(has), "the handshake lacks one of {contains:?}");
                ensure!(!without.iter().any(has), "the handshake has one of {without:?}");
                Ok(())
            }),
            Step::Fault(fault) => {
                self.proxy.arm(fault.clone());
                Ok(())
            }
            Step::Drop {} => {
                self.proxy.cut();
                Ok(())
            }
            Step::Inject(frame) => self.proxy.inject(&fill(frame, &self.captured)?),
            Step::Connected(times) => self.until("connections", |seen| seen.handshakes.len() >= *times).await,
            Step::Disconnected(times) => self.until("ended connections", |seen| seen.ended >= *times).await,
            Step::Terminate {} => self.lane.running(&self.server)?.process()?.terminate(),
            Step::Restart {} => {
                self.lane.restart(&mut self.server).await?;
                self.proxy.lead_to(self.lane.running(&self.server)?.host());
                Ok(())
            }
            Step::ServerEnded {} => self.lane.ended(&mut self.server).await,
            Step::CutStorage {} => self.lane.cut_storage(true),
            Step::MendStorage {} => self.lane.cut_storage(false),
            other => bail!("{} is a step of raw scenarios", name(other)),
        }
    }

    /// The driver's name for a client or turn of this scenario.
    fn own(&self, name: &str) -> String {
        format!("{name}-{}", self.terms.nonce)
    }

    fn client(&self, name: Option<&String>) -> String {
        self.own(name.map_or("alice", String::as_str))
    }

    /// Sends a command that is given as JSON without its number.
    async fn send(&mut self, mut command: Value) -> Result<u32> {
        let id = self.driver.number();
        command["id"] = json!(id);
        self.trace.push_str(&format!("  > {}\n", shortened(&command)));
        let command: Command = value_from_json(&command.to_string()).map_err(|error| anyhow!("{error}"))?;
        self.driver.send(&command).await?;
        Ok(id)
    }

    /// Waits for what a driver reports; a frame that breaks the protocol ends the wait.
    async fn wait<T>(
        &mut self,
        what: &str,
        find: impl FnMut(&crate::driver::Book) -> Option<T>,
    ) -> Result<T> {
        let patience = self.terms.patience;
        tokio::select! {
            biased;
            found = self.driver.wait(patience, what, find) => found,
            trouble = trouble(&self.proxy) => Err(trouble.context(format!("while waiting for {what}"))),
        }
    }

    async fn until(&self, what: &str, holds: impl Fn(&crate::proxy::Seen) -> bool) -> Result<()> {
        let mut changes = self.proxy.changes();
        let waited = tokio::time::timeout(self.terms.patience, async {
            while !self.proxy.look(&holds) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
        waited.await.with_context(|| format!("waited {:?} for {what} at the proxy", self.terms.patience))
    }

    async fn report(&mut self, id: u32, what: &str) -> Result<Report> {
        let what = format!("the answer to {what}");
        let report = self.wait(&what, |book| book.answers.get(&id).cloned()).await?;
        let text = serde_json::to_value(&report).unwrap_or_default();
        self.trace.push_str(&format!("  < {}\n", shortened(&text)));
        Ok(report)
    }

    async fn open(&mut self, open: &Open) -> Result<()> {
        let client = self.client(open.client.as_ref());
        let url = match &open.path {
            Some(path) => self.proxy.url().replace("/ws", path),
            None => self.proxy.url().to_owned(),
        };
        let mut command = json!({ "do": "open", "client": client, "url": url });
        if !open.tokens.is_empty() {
            let lane = self.lane.organisations(&self.server);
            command["tokens"] = open.tokens.iter().map(|claims| json!(token::token(claims, &lane))).collect();
        }
        if let Some(by) = &open.token_by {
            command["tokenBy"] = by.clone();
        }
        if let Some(heartbeat) = open.heartbeat_ms {
            command["heartbeatMs"] = json!(heartbeat);
        }
        // On a slow machine no clock runs out but the one that a scenario is about.
        let limit = PATIENCE.as_millis();
        command["timeouts"] = json!({ "connectMs": limit, "requestMs": limit });
        for (name, limit) in open.timeouts.iter().filter_map(Value::as_object).flatten() {
            command["timeouts"][name] = limit.clone();
        }
        let id = self.send(command).await?;
        match (self.report(id, "open").await?, &open.error) {
            (Report::Done(_), None) => {
                self.open.push(client);
                Ok(())
            }
            (Report::Failed(failed), Some(error)) => expect_error(error, &failed.error),
            (other, _) => bail!("open was answered by {other:?}"),
        }
    }

    async fn session(&mut self, session: &Session) -> Result<()> {
        let client = self.client(session.client.as_ref());
        if !self.open.contains(&client) {
            self.open(&Open { client: session.client.clone(), ..Open::default() }).await?;
        }
        let call = Call {
            client: session.client.clone(),
            action: "create_conversation_session".to_owned(),
            params: session.params.clone(),
            name: Some(session.name.clone().unwrap_or_else(|| "s".to_owned())),
            reply: Some(json!({ "sessionId": "<uuid>", "conversationId": "<uuid>" })),
            error: None,
            timeouts: None,
            later: None,
        };
        self.call(&call).await
    }

    async fn call(&mut self, call: &Call) -> Result<()> {
        let params = object(fill(&call.params, &self.captured)?);
        let client = self.client(call.client.as_ref());
        let mut command = json!({ "do": "call", "client": client, "action": call.action, "params": params });
        if let Some(timeouts) = &call.timeouts {
            command["timeouts"] = timeouts.clone();
        }
        let id = self.send(command).await?;
        if let Some(later) = &call.later {
            self.later.insert(later.clone(), (id, call.action.clone()));
            return Ok(());
        }
        let reply = self.answer(id, &call.action, call.reply.as_ref(), call.error.as_ref()).await?;
        if let Some(name) = &call.name {
            self.captured.insert(name.clone(), reply);
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        id: u32,
        action: &str,
        reply: Option<&Value>,
        error: Option<&Value>,
    ) -> Result<Value> {
        match (self.report(id, action).await?, error) {
            (Report::Replied(replied), None) => {
                self.proxy.look(|seen| witness::same_reply(action, &replied.reply, &seen.frames))?;
                self.replies.push_str(&replied.reply.to_string());
                let mut found = replied.reply;
                if found.is_null() {
                    let last = self.proxy.look(|seen| witness::last_reply(action, &seen.frames));
                    found = last.unwrap_or_default();
                }
                if let Some(reply) = reply {
                    fits(&fill(reply, &self.captured)?, &found)?;
                }
                Ok(found)
            }
            (Report::Done(_), None) if reply.is_none() => Ok(Value::Null),
            (Report::Failed(failed), Some(error)) => {
                expect_error(error, &failed.error)?;
                self.same_error(&failed.error)?;
                Ok(Value::Null)
            }
            (other, _) => bail!("{action} was answered by {other:?}"),
        }
    }

    async fn turn(&mut self, turn: &Turn) -> Result<()> {
        let mut params = object(fill(&turn.params, &self.captured)?);
        let session = turn.session.clone().unwrap_or_else(|| "s".to_owned());
        let found = self.captured.get(&session).map(|session| session["sessionId"].clone());
        params["sessionId"] = found.unwrap_or_else(|| json!(session));
        params["message"] = json!(fill_string(&turn.message, &self.captured)?);
        let read = turn.read.clone().unwrap_or_else(|| "both".to_owned());
        let client = self.client(turn.client.as_ref());
        let name = self.own(&turn.name);
        let mut command =
            json!({ "do": "start_turn", "client": client, "turn": name, "params": params, "read": read });
        if let Some(timeouts) = &turn.timeouts {
            command["timeouts"] = timeouts.clone();
        }
        self.reading.insert(turn.name.clone(), read);
        let id = self.send(command).await?;
        match self.report(id, "start_turn").await? {
            Report::Started(started) => {
                let request = json!({ "requestId": started.request_id });
                self.captured.insert(turn.name.clone(), request);
                Ok(())
            }
            // Told by the step that looks at the turn's end.
            Report::Failed(failed) => {
                let failure = json!({ "failed": serde_json::to_value(failed.error)? });
                self.captured.insert(turn.name.clone(), failure);
                Ok(())
            }
            other => bail!("start_turn was answered by {other:?}"),
        }
    }

    async fn see(&mut self, see: &See) -> Result<()> {
        let (name, kind) = (self.own(&see.turn), see.kind.clone());
        let from = self.looked.get(&see.turn).copied().unwrap_or(0);
        let what = format!("the client to read a {kind} of {}", see.turn);
        let (place, event, known) = self
            .wait(&what, move |book| {
                let events = &book.turns.get(&name)?.events;
                let place = events.iter().skip(from).position(|(event, _)| event["type"] == kind.as_str())?;
                let (event, known) = events[from + place].clone();
                Some((from + place, event, known))
            })
            .await?;
        self.looked.insert(see.turn.clone(), place + 1);
        if let Some(expected) = &see.event {
            fits(&fill(expected, &self.captured)?, &event)?;
        }
        if let Some(expected) = see.known {
            ensure!(known == expected, "the client says known={known} of {event}");
        }
        if let Some(name) = &see.name {
            self.captured.insert(name.clone(), event);
        }
        Ok(())
    }

    async fn ended(&mut self, expected: &Ended) -> Result<()> {
        let failed = self.captured.get(&expected.turn).and_then(|turn| turn.get("failed")).cloned();
        if let Some(failed) = failed {
            let error: ErrorSeen = serde_json::from_value(failed)?;
            let wanted = expected.error.as_ref().context("the turn could not be started")?;
            return expect_error(wanted, &error);
        }
        let name = self.own(&expected.turn);
        let what = format!("the end of {}", expected.turn);
        let find = |book: &crate::driver::Book| book.turns.get(&name)?.ended.first().cloned();
        let ended = self.wait(&what, find).await?;
        let text = serde_json::to_value(&ended)?;
        self.trace.push_str(&format!("  < {}\n", shortened(&text)));
        // What a slow reader has missed is no end.
        let iteration = ended.iteration_error.as_ref().filter(|error| error.code != "MISSED");
        let error = ended.error.as_ref().or(iteration);
        match (&expected.error, error) {
            (Some(wanted), Some(error)) => expect_error(wanted, error)?,
            (Some(wanted), None)
                if self.reading.get(&expected.turn).is_some_and(|read| read == "iterate") =>
            {
                self.error_event(&name, wanted)?;
            }
            (Some(wanted), None) => bail!("the turn ended without the error {wanted}"),
            (None, Some(error)) if !expected.abandoned => bail!("the turn ended with {error:?}"),
            (None, _) => {}
        }
        if let Some(text) = &expected.text {
            let text = fill_string(text, &self.captured)?;
            ensure!(
                ended.text.as_ref() == Some(&text),
                "the text is {:?}",
                ended.text.map(|text| shortened(&json!(text)))
            );
        }
        if let Some(result) = &expected.result {
            fits(&fill(result, &self.captured)?, &ended.result.unwrap_or_default())?;
        }
        if let Some(lines) = &expected.lines {
            self.lines(&name, lines)?;
        }
        Ok(())
    }

    async fn reply(&mut self, reply: &ReplyTo) -> Result<()> {
        let answer = fill(&reply.with, &self.captured)?;
        let action = match answer["kind"].as_str() {
            Some("confirm") => "confirm_tool_action",
            Some("code") => "verify_otp",
            _ => "submit_interaction",
        };
        let id = self
            .send(json!({ "do": "answer_park", "turn": self.own(&reply.turn), "answer": answer }))
            .await?;
        self.answer(id, action, reply.reply.as_ref(), reply.error.as_ref()).await.map(|_| ())
    }

    async fn order(&mut self, verb: &str, turn: &str) -> Result<()> {
        let id = self.send(json!({ "do": verb, "turn": self.own(turn) })).await?;
        match self.report(id, verb).await? {
            Report::Done(_) => Ok(()),
            other => bail!("{verb} was answered by {other:?}"),
        }
    }

    async fn close(&mut self, client: &str) -> Result<()> {
        let client = self.own(client);
        let id = self.send(json!({ "do": "close", "client": client })).await?;
        self.open.retain(|open| *open != client);
        match self.report(id, "close").await? {
            Report::Done(_) => Ok(()),
            other => bail!("close was answered by {other:?}"),
        }
    }
}

/// Ends with the first frame that breaks the protocol.
async fn trouble(proxy: &Proxy) -> anyhow::Error {
    let mut changes = proxy.changes();
    let mut next = 0;
    loop {
        let found = proxy.look(|seen| {
            let found = (next..seen.frames.len()).find_map(|place| witness::frame(&seen.frames, place).err());
            next = seen.frames.len();
            found.or_else(|| witness::turns(&seen.frames).err())
        });
        if let Some(error) = found {
            return error;
        }
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn expect_error(expected: &Value, error: &ErrorSeen) -> Result<()> {
    fits(expected, &serde_json::to_value(error)?).with_context(|| format!("the error {error:?}"))
}

fn object(value: Value) -> Value {
    if value.is_null() { json!({}) } else { value }
}
