//! The measures of time: alternately one and the other program, so that a busy moment of the machine
//! falls on both.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use smooai_smooth_operator_conformance::flood::TOKENS;
use tokio::task::JoinSet;

use crate::client::{Connection, Took};
use crate::table::{Aim, Table, median};

/// After that many turns a connection goes on with a fresh session.
const TURNS_PER_SESSION: usize = 10;

/// Turns of all connections together in a round of [`throughput`].
const TURNS_PER_ROUND: usize = 2048;

/// Tokens of a reply in [`streaming`].
const LONG: usize = 500;

/// Turn latency and time to the first token on one connection.
pub async fn latency(table: &mut Table, urls: &[String; 2], turns: usize) -> Result<()> {
    let mut connections = [Connection::open(&urls[0]).await?, Connection::open(&urls[1]).await?];
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
pub async fn throughput(
    table: &mut Table,
    urls: &[String; 2],
    connections: usize,
    rounds: usize,
) -> Result<()> {
    let per_connection = TURNS_PER_ROUND.div_ceil(connections);
    let rates = alternate(urls, connections, rounds, per_connection, TOKENS).await?;
    let rates = rates.map(|times| {
        median(times.iter().map(|t| (connections * per_connection) as f64 / t.as_secs_f64()).collect())
    });
    let name = format!("turns of 20 tokens per second, {connections} connections");
    table.compare(&name, rates, Aim::RatioAtLeast(0.5));
    Ok(())
}

/// Tokens per second with 256 connections that stream long replies.
pub async fn streaming(table: &mut Table, urls: &[String; 2], rounds: usize) -> Result<()> {
    let connections = 256;
    let rates = alternate(urls, connections, rounds, 1, LONG).await?;
    let rates = rates
        .map(|times| median(times.iter().map(|t| (connections * LONG) as f64 / t.as_secs_f64()).collect()));
    table.compare("tokens per second, 256 connections × 500 tokens", rates, Aim::RatioAtLeast(0.9));
    Ok(())
}

/// Rounds with the one and the other program in turn; the first round of each is not counted.
async fn alternate(
    urls: &[String; 2],
    connections: usize,
    rounds: usize,
    turns: usize,
    tokens: usize,
) -> Result<[Vec<Duration>; 2]> {
    let mut open = [open_many(&urls[0], connections).await?, open_many(&urls[1], connections).await?];
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..=rounds {
        for (open, times) in open.iter_mut().zip(&mut times) {
            let time = round(open, turns, tokens).await?;
            if n > 0 {
                times.push(time);
            }
        }
    }
    for connection in open.into_iter().flatten() {
        connection.close().await?;
    }
    Ok(times)
}

async fn round(open: &mut Vec<Connection>, turns: usize, tokens: usize) -> Result<Duration> {
    try_join_all(open.iter_mut().map(Connection::new_session)).await?;
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
