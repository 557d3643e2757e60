//! The measures of time: alternately one and the other program, so that a busy moment of the machine
//! falls on both.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use smooai_smooth_operator_conformance::figures::median;
use smooai_smooth_operator_conformance::flood::TOKENS;
use smooai_smooth_operator_conformance::server_process::ServerProcess;
use tokio::task::JoinSet;

use crate::client::{Connection, Took};
use crate::table::{Aim, Table};

/// After that many turns a connection goes on with a fresh session.
const TURNS_PER_SESSION: usize = 10;

/// Turns of all connections together in a round of [`throughput`].
const TURNS_PER_ROUND: usize = 2048;

/// Tokens of a reply in [`streaming`].
const LONG: usize = 500;

/// The server and the relay.
type Both<'a> = [&'a ServerProcess; 2];

/// Turn latency and time to the first token on one connection.
pub async fn latency(table: &mut Table, both: Both<'_>, turns: usize) -> Result<()> {
    let mut connections =
        [Connection::open(&both[0].ws_url()).await?, Connection::open(&both[1].ws_url()).await?];
    let mut took: [Vec<Took>; 2] = [Vec::new(), Vec::new()];
    // The first turns open connections to the gateway and warm caches; they are not measured.
    for n in 0..turns + TURNS_PER_SESSION {
        for (connection, took) in connections.iter_mut().zip(&mut took) {
            if n % TURNS_PER_SESSION == 0 {
                connection.new_session().await?;
            }
            let one = connection.turn(TOKENS).await?;
            if n >= TURNS_PER_SESSION {
                took.push(one);
            }
        }
    }
    let millis = |pick: fn(&Took) -> Duration| {
        took.each_ref().map(|took| took.iter().map(|one| pick(one).as_secs_f64() * 1e3).collect::<Vec<_>>())
    };
    let whole = millis(|took| took.whole);
    let first = millis(|took| took.first_token);
    let p99 = whole.each_ref().map(|values| percentile_99(values));
    table.compare("turn of 20 tokens, 1 connection, ms", whole.map(median), Aim::RatioAtMost(1.6));
    table.compare("… its 99th percentile, ms", p99, Aim::None);
    table.compare("first token, 1 connection, ms", first.map(median), Aim::DifferenceAtMost(0.3));
    Ok(())
}

/// Turns per second with many connections.
pub async fn throughput(table: &mut Table, both: Both<'_>, connections: usize, rounds: usize) -> Result<()> {
    let per_connection = TURNS_PER_ROUND.div_ceil(connections);
    let load = Load { connections, turns: per_connection, tokens: TOKENS };
    let rounds = alternate(both, &load, rounds).await?;
    let turns = (connections * per_connection) as f64;
    let name = format!("turns of 20 tokens per second, {connections} connections");
    table.compare(&name, rates(&rounds, turns), Aim::RatioAtLeast(0.5));
    let processor = rounds.map(|rounds| median(rounds.iter().map(|r| r.processor / turns * 1e6).collect()));
    table.compare("… processor time of a turn, µs", processor, Aim::None);
    Ok(())
}

/// Tokens per second with 256 connections that stream long replies.
pub async fn streaming(table: &mut Table, both: Both<'_>, rounds: usize) -> Result<()> {
    let load = Load { connections: 256, turns: 1, tokens: LONG };
    let rounds = alternate(both, &load, rounds).await?;
    let tokens = (load.connections * LONG) as f64;
    table.compare(
        "tokens per second, 256 connections × 500 tokens",
        rates(&rounds, tokens),
        Aim::RatioAtLeast(0.9),
    );
    let processor = rounds.map(|rounds| median(rounds.iter().map(|r| r.processor / tokens * 1e6).collect()));
    table.compare("… processor time of a token, µs", processor, Aim::None);
    Ok(())
}

/// What a round does.
struct Load {
    connections: usize,
    /// Turns of each connection.
    turns: usize,
    /// Tokens of each reply.
    tokens: usize,
}

/// What a round took, in seconds.
struct Round {
    wall: f64,
    /// Of the program that was measured, which other work on the machine does not change much.
    processor: f64,
}

fn rates(rounds: &[Vec<Round>; 2], count: f64) -> [f64; 2] {
    rounds.each_ref().map(|rounds| median(rounds.iter().map(|round| count / round.wall).collect()))
}

/// Rounds with the one and the other program in turn; the first round of each is not counted.
async fn alternate(both: Both<'_>, load: &Load, rounds: usize) -> Result<[Vec<Round>; 2]> {
    let mut open = [
        open_many(&both[0].ws_url(), load.connections).await?,
        open_many(&both[1].ws_url(), load.connections).await?,
    ];
    let mut took = [Vec::new(), Vec::new()];
    for n in 0..=rounds {
        for ((open, took), program) in open.iter_mut().zip(&mut took).zip(both) {
            try_join_all(open.iter_mut().map(Connection::new_session)).await?;
            let before = program.processor_time()?;
            let wall = round(open, load.turns, load.tokens).await?.as_secs_f64();
            let processor = program.processor_time()? - before;
            if n > 0 {
                took.push(Round { wall, processor });
            }
        }
    }
    for connection in open.into_iter().flatten() {
        connection.close().await?;
    }
    Ok(took)
}

async fn round(open: &mut Vec<Connection>, turns: usize, tokens: usize) -> Result<Duration> {
    let mut tasks = JoinSet::new();
    let from = Instant::now();
    for mut connection in open.drain(..) {
        tasks.spawn(async move {
            for n in 0..turns {
                if n > 0 && n % TURNS_PER_SESSION == 0 {
                    connection.new_session().await?;
                }
                connection.turn(tokens).await?;
            }
            Ok::<_, anyhow::Error>(connection)
        });
    }
    while let Some(connection) = tasks.join_next().await {
        open.push(connection.context("a connection's task")??);
    }
    Ok(from.elapsed())
}

/// Opens connections in small groups, so that the listener's backlog is not overrun.
pub async fn open_many(url: &str, count: usize) -> Result<Vec<Connection>> {
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let group = (count - open.len()).min(64);
        open.extend(try_join_all((0..group).map(|_| Connection::open(url))).await?);
    }
    Ok(open)
}

fn percentile_99(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}
