//! Random conversations: what clients do, how the model behaves and what breaks, drawn from a seed.
//! Each is a scenario like those in the folder, with what must come of it by the rules of the protocol:
//! one terminal event per turn, in the order that is allowed, and a slot that is free before it is seen.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::server_process::server_binary;
use tokio::task::JoinSet;

use crate::Options;
use crate::corpus::{PATIENCE, cell, drivers, nonce, root, say};
use crate::driver::Driver;
use crate::lane::Lane;
use crate::languages::Launch;
use crate::outcome::Outcome;
use crate::place::Place;
use crate::play::Terms;
use crate::scenario::Scenario;

/// Numbers that follow from a seed: SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// One turn, with what the model says in it and what the client does.
#[derive(Debug, Clone)]
struct Unit {
    model: Vec<Value>,
    steps: Vec<Value>,
    /// The connection is lost in it, so that nothing may run beside it.
    alone: bool,
}

/// Draws a conversation: its units, in order. Those of one session follow each other; the two sessions'
/// steps are mixed.
fn draw(seed: u64) -> (Vec<Unit>, u64) {
    let mut chance = Chance(seed);
    let count = 1 + chance.below(4);
    let units = (0..count).map(|n| unit(&mut chance, n)).collect();
    (units, chance.next())
}

/// The ways in which a turn can go.
const KINDS: &[fn(&mut Chance, &Names) -> Unit] = &[
    plain,
    plain,
    tool,
    tool_fails,
    approval,
    approval,
    dies,
    cancelled,
    cancelled_parked,
    refused,
    calls_within,
    empty,
    unknown,
    abandoned,
    lost,
    unstreamed,
];

/// What a unit calls its things.
struct Names {
    turn: String,
    session: String,
    message: String,
    answer: String,
    read: &'static str,
}

fn unit(chance: &mut Chance, n: usize) -> Unit {
    let read = *chance.of(&["both", "both", "iterate", "await"]);
    let names = Names {
        turn: format!("t{n}"),
        session: format!("s{}", n % 2),
        message: format!("message {n}."),
        answer: format!("Answer {n} ü👋{}", "x".repeat(chance.below(40))),
        read,
    };
    chance.of(KINDS)(chance, &names)
}

impl Names {
    fn turn(&self) -> Value {
        json!({ "turn": { "as": self.turn, "session": self.session, "message": self.message, "read": self.read } })
    }

    fn say(&self, pieces: &[Value]) -> Value {
        json!({ "user": self.message, "say": pieces })
    }

    fn answers(&self, chance: &mut Chance) -> Value {
        let mut line = self.say(&pieces(chance, &self.answer));
        if chance.below(4) == 0 {
            line["split"] = json!([1 + chance.below(30)]);
        }
        line
    }

    /// The end with the answer.
    fn ended(&self) -> Value {
        if self.read == "iterate" {
            return json!({ "see": { "turn": self.turn, "type": "eventual_response",
                "event": { "data": { "data": { "response": { "responseParts": [self.answer] } } } } } });
        }
        json!({ "ended": { "turn": self.turn, "text": self.answer } })
    }

    fn failed(&self, kind: &str, code: &str) -> Value {
        json!({ "ended": { "turn": self.turn, "error": { "kind": kind, "code": code } } })
    }

    /// Waits until a kind of event has come, whether or not the caller reads.
    fn came(&self, kind: &str) -> Value {
        json!({ "wire": { "from": "server", "frame": { "type": kind, "requestId": format!("${{{}.requestId}}", self.turn) },
                          "times": 1 } })
    }
}

fn pieces(chance: &mut Chance, text: &str) -> Vec<Value> {
    let (mut out, mut piece) = (Vec::new(), String::new());
    for c in text.chars() {
        piece.push(c);
        if chance.below(6) == 0 {
            out.push(json!(std::mem::take(&mut piece)));
        }
    }
    out.push(json!(piece));
    out
}

fn of(model: Vec<Value>, steps: Vec<Value>) -> Unit {
    Unit { model, steps, alone: false }
}

fn plain(chance: &mut Chance, names: &Names) -> Unit {
    let mut line = names.answers(chance);
    if let (Some(said), true) = (line["say"].as_array_mut(), chance.below(3) == 0) {
        said.insert(0, json!({ "think": "Hm." }));
    }
    of(vec![line], vec![names.turn(), names.ended()])
}

fn tool(chance: &mut Chance, names: &Names) -> Unit {
    let calls =
        (0..=chance.below(3)).map(|n| json!({ "call": ["look_up_order", { "orderId": format!("o-{n}") }] }));
    of(vec![names.say(&calls.collect::<Vec<_>>()), names.answers(chance)], vec![names.turn(), names.ended()])
}

fn tool_fails(chance: &mut Chance, names: &Names) -> Unit {
    let bad = *chance.of(&["{\"orderId\":", "[]", "{}", "nonsense"]);
    let call = json!({ "call": [*chance.of(&["look_up_order", "no_such_tool"]), bad] });
    of(vec![names.say(&[call]), names.answers(chance)], vec![names.turn(), names.ended()])
}

fn refund() -> Value {
    json!({ "call": ["issue_refund", { "orderId": "o-1" }] })
}

fn approval(chance: &mut Chance, names: &Names) -> Unit {
    let approved = chance.below(2) == 0;
    let verdict = json!({ "kind": "confirm", "approved": approved });
    let mut steps = vec![
        names.turn(),
        names.came("write_confirmation_required"),
        json!({ "reply": { "turn": names.turn, "with": verdict, "reply": { "approved": approved } } }),
        names.ended(),
    ];
    if chance.below(2) == 0 {
        steps.push(json!({ "call": { "action": "confirm_tool_action",
            "params": { "sessionId": format!("${{{}.sessionId}}", names.session), "approved": true },
            "error": { "kind": "server", "code": "NO_PENDING_CONFIRMATION" } } }));
    }
    of(vec![names.say(&[refund()]), names.answers(chance)], steps)
}

fn dies(chance: &mut Chance, names: &Names) -> Unit {
    let end = if chance.below(2) == 0 {
        json!({ "cut": {} })
    } else {
        json!({ "error": { "error": { "message": "db-7" } } })
    };
    of(vec![names.say(&[json!("Half"), end])], vec![names.turn(), names.failed("server", "AGENT_ERROR")])
}

fn gate(names: &Names) -> Value {
    json!({ "gate": format!("gate-{}", names.turn) })
}

fn release(names: &Names) -> Value {
    json!({ "release": format!("gate-{}", names.turn) })
}

/// The model has begun to speak, and goes on when the gate is opened.
fn halfway(names: &Names) -> (Value, Vec<Value>) {
    let line = names.say(&[json!("Half"), gate(names), json!(names.answer)]);
    (line, vec![names.turn(), json!({ "at": format!("gate-{}", names.turn) })])
}

fn cancelled(_: &mut Chance, names: &Names) -> Unit {
    let (line, mut steps) = halfway(names);
    steps.extend([json!({ "cancel": names.turn }), names.failed("cancelled", "CANCELLED")]);
    of(vec![line], steps)
}

fn cancelled_parked(_: &mut Chance, names: &Names) -> Unit {
    let steps = vec![
        names.turn(),
        names.came("write_confirmation_required"),
        json!({ "cancel": names.turn }),
        names.failed("cancelled", "CANCELLED"),
    ];
    of(vec![names.say(&[refund()])], steps)
}

fn refused(chance: &mut Chance, names: &Names) -> Unit {
    let (line, mut steps) = halfway(names);
    for n in 0..=chance.below(2) {
        let again = format!("{}again{n}", names.turn);
        steps.push(json!({ "turn": { "as": again, "session": names.session, "message": "Again?" } }));
        steps.push(
            json!({ "ended": { "turn": again, "error": { "kind": "server", "code": "TURN_IN_PROGRESS" } } }),
        );
    }
    steps.extend([release(names), half_ended(names)]);
    of(vec![line], steps)
}

/// The end with "Half" and then the answer.
fn half_ended(names: &Names) -> Value {
    let whole = format!("Half{}", names.answer);
    if names.read == "iterate" {
        return json!({ "see": { "turn": names.turn, "type": "eventual_response",
            "event": { "data": { "data": { "response": { "responseParts": [whole] } } } } } });
    }
    json!({ "ended": { "turn": names.turn, "text": whole } })
}

fn calls_within(chance: &mut Chance, names: &Names) -> Unit {
    let (line, mut steps) = halfway(names);
    for _ in 0..=chance.below(3) {
        let session = json!({ "sessionId": format!("${{{}.sessionId}}", names.session) });
        let action = *chance.of(&["ping", "get_session", "get_conversation_messages", "list_conversations"]);
        let takes_session = matches!(action, "get_session" | "get_conversation_messages");
        let params = if takes_session { session } else { json!({}) };
        steps.push(json!({ "call": { "action": action, "params": params, "reply": {} } }));
    }
    steps.extend([release(names), half_ended(names)]);
    of(vec![line], steps)
}

fn empty(_: &mut Chance, names: &Names) -> Unit {
    let empty = Names { answer: String::new(), ..clone(names) };
    of(vec![names.say(&[])], vec![names.turn(), empty.ended()])
}

fn unknown(_: &mut Chance, names: &Names) -> Unit {
    let (line, mut steps) = halfway(names);
    let request = format!("${{{}.requestId}}", names.turn);
    let frame = json!({ "type": "brand_new", "requestId": request, "timestamp": 1, "x": [1, { "y": null }] });
    steps.push(json!({ "inject": frame }));
    if names.read != "await" {
        steps.push(json!({ "see": { "turn": names.turn, "type": "brand_new", "known": false } }));
    }
    steps.extend([release(names), half_ended(names)]);
    of(vec![line], steps)
}

fn abandoned(_: &mut Chance, names: &Names) -> Unit {
    let (line, mut steps) = halfway(names);
    steps.extend([
        json!({ "abandon": names.turn }),
        json!({ "ended": { "turn": names.turn, "abandoned": true } }),
        release(names),
        names.came("eventual_response"),
    ]);
    of(vec![line], steps)
}

fn lost(_: &mut Chance, names: &Names) -> Unit {
    let (line, mut steps) = halfway(names);
    steps.extend([
        json!({ "drop": {} }),
        names.failed("connection", "CONNECTION_LOST"),
        json!({ "connected": 2 }),
        json!({ "call": { "action": "ping", "params": {}, "reply": {} } }),
    ]);
    Unit { model: vec![line], steps, alone: true }
}

fn unstreamed(chance: &mut Chance, names: &Names) -> Unit {
    let mut turn = names.turn();
    turn["turn"]["params"] = json!({ "stream": false });
    of(vec![names.answers(chance)], vec![turn, names.ended()])
}

fn clone(names: &Names) -> Names {
    Names {
        turn: names.turn.clone(),
        session: names.session.clone(),
        message: names.message.clone(),
        answer: names.answer.clone(),
        read: names.read,
    }
}

/// A scenario of these units. Where none loses the connection, those of one session run beside those of
/// the other; the one that does is the last.
fn scenario(units: &[Unit], mix: u64) -> Value {
    let mut chance = Chance(mix);
    let mut model = Vec::new();
    let mut steps = vec![json!({ "session": { "as": "s0" } }), json!({ "session": { "as": "s1" } })];
    let mut lanes: [Vec<Value>; 2] = [Vec::new(), Vec::new()];
    let mut last = Vec::new();
    for (n, unit) in units.iter().enumerate() {
        if unit.alone {
            // Only one can be: what comes after it would be on another connection.
            if last.is_empty() {
                model.extend(unit.model.iter().cloned());
                last.clone_from(&unit.steps);
            }
            continue;
        }
        model.extend(unit.model.iter().cloned());
        lanes[n % 2].extend(unit.steps.iter().cloned());
    }
    let mut lanes = lanes.map(Vec::into_iter);
    loop {
        let first = chance.below(2);
        let Some(step) = lanes[first].next().or_else(|| lanes[1 - first].next()) else { break };
        steps.push(step);
    }
    steps.extend(last);
    // Something is expected even when nothing is left of the units.
    steps.push(json!({ "wire": { "from": "server", "frame": { "type": "never" }, "times": 0 } }));
    json!({ "about": "A random conversation.", "model": model, "steps": steps })
}

fn read(value: &Value, name: &str) -> Result<Scenario> {
    let mut scenario: Scenario = serde_json::from_value(value.clone()).context("a drawn scenario")?;
    name.clone_into(&mut scenario.name);
    Ok(scenario)
}

/// Plays the seeds, spread over the clients.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let place = options.place()?;
    server_binary(Place::build(&[place])).await?;
    let drivers = drivers(options).await?;
    let seeds: Vec<u64> = match (options.seed, options.seeds) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(0)).collect(),
    };
    let mut lanes = JoinSet::new();
    let clients = drivers.launches.len();
    for (n, launch) in drivers.launches.iter().cloned().enumerate() {
        let own = |(place, _): &(usize, &u64)| options.seed.is_some() || place % clients == n;
        let own: Vec<u64> = seeds.iter().enumerate().filter(own).map(|(_, seed)| *seed).collect();
        lanes.spawn(async move { lane(&launch, &own, place).await });
    }
    let (mut passed, mut failed) = (0, 0);
    while let Some(done) = lanes.join_next().await {
        let (good, bad) = done.context("a lane")??;
        (passed, failed) = (passed + good, failed + bad);
    }
    for (client, why) in &drivers.absent {
        say(format!("NOT RUN: {client}: {why}"));
        failed += usize::from(crate::corpus::is_ci());
    }
    say(format!("seeds: {passed} passed, {failed} failed in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn lane(launch: &Launch, seeds: &[u64], place: Place) -> Result<(usize, usize)> {
    let mut lane = Lane::start(place, Place::build(&[place])).await?;
    let mut driver = None;
    let (mut passed, mut failed) = (0, 0);
    for seed in seeds {
        let (units, mix) = draw(*seed);
        let (outcome, kept) = play(launch, &mut lane, driver.take(), &scenario(&units, mix), *seed).await?;
        driver = kept;
        if outcome.passed() {
            passed += 1;
            continue;
        }
        failed += 1;
        shrink(launch, &mut lane, *seed, units, outcome).await?;
    }
    Ok((passed, failed))
}

async fn play(
    launch: &Launch,
    lane: &mut Lane,
    driver: Option<Driver>,
    drawn: &Value,
    seed: u64,
) -> Result<(Outcome, Option<Driver>)> {
    let scenario = read(drawn, &format!("seed-{seed}"))?;
    let place = usize::try_from(seed).unwrap_or(0);
    let terms = Terms { patience: PATIENCE, mutations: Vec::new(), nonce: nonce(&launch.name, place) };
    Ok(cell(launch, &scenario, lane, driver, &terms).await)
}

/// Takes unit after unit away for as long as it still fails, and shows what is left.
async fn shrink(
    launch: &Launch,
    lane: &mut Lane,
    seed: u64,
    mut units: Vec<Unit>,
    mut outcome: Outcome,
) -> Result<()> {
    let (_, mix) = draw(seed);
    let mut n = 0;
    while n < units.len() && units.len() > 1 {
        let mut fewer = units.clone();
        // Places are kept, because a unit's session follows from its place.
        fewer[n] = of(Vec::new(), Vec::new());
        let (again, _) = play(launch, lane, None, &scenario(&fewer, mix), seed).await?;
        if !again.passed() {
            (units, outcome) = (fewer, again);
        }
        n += 1;
    }
    let shortest = scenario(&units, mix);
    say(format!("FAILED seed {seed} with {}: {}", launch.name, outcome.why()));
    let (services, flags) = (lane.place().services(), lane.place().flags());
    say(format!("       {services}cargo xtask conformance --client {} --seed {seed}{flags}", launch.name));
    say(format!("       {shortest}"));
    crate::report::write(&crate::report::folder(&root(), lane.place()), std::slice::from_ref(&outcome))
}

#[cfg(test)]
mod tests {
    use super::{draw, read, scenario};

    #[test]
    fn a_seed_gives_the_same_conversation_each_time_and_each_can_be_read() {
        for seed in 0..500 {
            let (units, mix) = draw(seed);
            let (again, same) = draw(seed);
            let drawn = scenario(&units, mix);
            assert_eq!(drawn, scenario(&again, same));
            let scenario = read(&drawn, "x").unwrap();
            for step in &scenario.steps {
                step.check().unwrap();
            }
        }
    }
}
