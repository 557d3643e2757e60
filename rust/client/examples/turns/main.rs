//! What many turns over one socket cost, by this crate or by a plain read loop, as `cargo xtask bench clients` asks.
//! Prints one line of JSON: turns and their time, CPU of long answers, memory of an open turn, decoding.
#![expect(clippy::print_stdout, reason = "the line is what the program is for")]

mod client;
mod plain;

use std::error::Error;
use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::time::Instant;

use serde::Serialize;

/// Whatever goes wrong ends the program.
type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Turns that run at once, short ones and long ones.
const SHORT_AT_ONCE: usize = 64;
const LONG_AT_ONCE: usize = 8;

/// One way to speak to a server.
trait Side: Sized {
    /// A connection with a session.
    fn connect(url: &str) -> impl Future<Output = Outcome<Self>>;
    /// Runs turns up to their ends, some at once, and checks that their tokens make up their answers.
    fn turns(&mut self, message: &'static str, count: usize, at_once: usize)
    -> impl Future<Output = Outcome>;
    /// Begins turns that do not end, and returns when each has had its first token.
    fn open(&mut self, count: usize) -> impl Future<Output = Outcome>;
    /// Decodes a frame.
    fn decode(frame: &str) -> Outcome;
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    language: &'static str,
    mode: String,
    turns: usize,
    turns_seconds: f64,
    turns_cpu_seconds: f64,
    tokens: usize,
    tokens_cpu_seconds: f64,
    open_turns: usize,
    open_turn_bytes: f64,
    decode_micros: f64,
}

#[tokio::main]
async fn main() -> Outcome {
    let line = match flag("--mode")?.as_str() {
        "client" => measure::<client::Client>().await?,
        "plain" => measure::<plain::Plain>().await?,
        other => return Err(format!("--mode is client or plain, not {other}").into()),
    };
    println!("{}", serde_json::to_string(&line)?);
    Ok(())
}

async fn measure<S: Side>() -> Outcome<Line> {
    let (turns, long) = (count("--turns")?, count("--long")?);
    let (open, decodes) = (count("--open")?, count("--decodes")?);
    let mut side = S::connect(&flag("--url")?).await?;
    side.turns("tokens=20", (turns / 4).max(64), SHORT_AT_ONCE).await?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    side.turns("tokens=20", turns, SHORT_AT_ONCE).await?;
    let (turns_seconds, turns_cpu_seconds) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);

    side.turns("tokens=500", LONG_AT_ONCE, LONG_AT_ONCE).await?;
    let cpu = cpu_seconds()?;
    side.turns("tokens=500", long, LONG_AT_ONCE).await?;
    let tokens_cpu_seconds = cpu_seconds()? - cpu;

    let mut held = S::connect(&flag("--hold")?).await?;
    held.open(64).await?;
    let before = resident_bytes()?;
    held.open(open).await?;
    let grown = resident_bytes()? - before;
    Ok(Line {
        language: "rust",
        mode: flag("--mode")?,
        turns,
        turns_seconds,
        turns_cpu_seconds,
        tokens: 500 * long,
        tokens_cpu_seconds,
        open_turns: open,
        open_turn_bytes: grown / open.max(1) as f64,
        decode_micros: decode_micros::<S>(decodes)?,
    })
}

fn decode_micros<S: Side>(repetitions: usize) -> Outcome<f64> {
    let mut frames: Vec<String> = (0..500)
        .map(|n| {
            format!(r#"{{"type":"stream_token","requestId":"r","timestamp":0,"token":"w{n} ","data":{{"requestId":"r","token":"w{n} "}}}}"#)
        })
        .collect();
    let text: String = (0..500).map(|n| format!("w{n} ")).collect();
    frames.push(format!(
        r#"{{"type":"eventual_response","requestId":"r","timestamp":0,"status":200,"data":{{"requestId":"r","status":200,"data":{{"messageId":"m","response":{{"responseParts":["{text}"],"customerHappinessScore":0.5,"needsSatisfactionScore":0.5,"requestSummary":"","resolutionStatus":"in_progress","suggestedNextActions":[]}},"needsEscalation":false}}}}}}"#
    ));
    let mut micros = Vec::new();
    for _ in 0..repetitions.max(1) + 10 {
        let start = Instant::now();
        for frame in &frames {
            S::decode(black_box(frame))?;
        }
        micros.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let mut measured = micros.split_off(10);
    measured.sort_by(f64::total_cmp);
    Ok(measured[measured.len() / 2])
}

fn flag(name: &str) -> Outcome<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().ok_or_else(|| format!("{name} is missing").into())
}

fn count(name: &str) -> Outcome<usize> {
    Ok(flag(name)?.parse()?)
}

/// What all threads have used of the processors.
fn cpu_seconds() -> Outcome<f64> {
    let mut nanoseconds = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let spent = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += spent.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

fn resident_bytes() -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(kib.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}
