//! `bench-clients`: what each language's client costs beside a plain read loop with that language's usual WebSocket
//! and JSON library. One process per language, mode and round, client and plain in turn; medians, ratios, a table.
//! It asserts nothing. The gateway, the relay and the server that holds turns are this same program.

mod hold;
mod program;
mod table;

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use smooai_smooth_operator_conformance::server_process::{ServerProcess, Setup};
use smooai_smooth_operator_conformance::{flood, relay};
use tokio::net::TcpListener;

use crate::program::{LANGUAGES, Language, Line, Load};

const USAGE: &str = "usage: bench-clients [--quick] [--rounds N] [--client LANGUAGE]...";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["gateway"] => flood::serve(listen("gateway").await?).await,
        ["relay", gateway] => relay::serve(listen("relay").await?, gateway).await,
        ["hold"] => hold::serve(listen("hold").await?).await,
        _ => measure(&Plan::from_arguments(&words)?).await,
    }
}

/// What is measured, and how often.
struct Plan {
    languages: Vec<&'static Language>,
    rounds: usize,
    load: Load,
}

impl Plan {
    fn from_arguments(words: &[&str]) -> Result<Self> {
        let (mut languages, mut rounds, mut load) = (Vec::new(), 5, Load::FULL);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => (rounds, load) = (1, Load::QUICK),
                "--rounds" => {
                    let count = words.next().context(USAGE)?;
                    rounds = count.parse().with_context(|| format!("--rounds {count}"))?;
                    ensure!(rounds > 0, "--rounds 0 measures nothing");
                }
                "--client" => {
                    let name = words.next().context(USAGE)?;
                    let names = || LANGUAGES.iter().map(|each| each.name).collect::<Vec<_>>().join(", ");
                    let found = LANGUAGES.iter().find(|each| each.name == *name);
                    languages.push(
                        found.with_context(|| {
                            format!("there is no client `{name}`: choose from {}", names())
                        })?,
                    );
                }
                _ => bail!(USAGE),
            }
        }
        if languages.is_empty() {
            languages = LANGUAGES.iter().collect();
        }
        Ok(Self { languages, rounds, load })
    }
}

async fn listen(role: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{role} listening on ws://{}/ws", listener.local_addr()?)?;
    Ok(listener)
}

async fn measure(plan: &Plan) -> Result<()> {
    let this = std::env::current_exe().context("the path of this program")?;
    let gateway = Setup::default().arg("gateway").start_program(&this).await?;
    let relay = relay_process(&this, &gateway).await?;
    let hold = Setup::default().arg("hold").start_program(&this).await?;
    let (mut ready, mut not_run) = (Vec::new(), Vec::new());
    for language in &plan.languages {
        match language.build().await {
            Ok(()) => ready.push((*language, [Vec::new(), Vec::new()])),
            Err(error) => not_run.push(format!("{}: not run: {error:#}", language.name)),
        }
    }
    // The languages take turns within a round, so that a busy moment of the machine falls on all.
    for round in 1..=plan.rounds {
        for (language, lines) in &mut ready {
            for (mode, lines) in ["client", "plain"].iter().zip(lines) {
                writeln!(std::io::stderr(), "round {round}: {} {mode}", language.name)?;
                lines.push(language.run(mode, &relay.ws_url(), &hold.ws_url(), &plan.load).await?);
            }
        }
    }
    let mut out = std::io::stdout();
    let measured: Vec<(&str, [Vec<Line>; 2])> =
        ready.into_iter().map(|(language, lines)| (language.name, lines)).collect();
    table::print(&measured, &mut out)?;
    for line in &not_run {
        writeln!(out, "{line}")?;
    }
    ensure!(not_run.is_empty(), "{} of the clients could not be measured", not_run.len());
    Ok(())
}

async fn relay_process(this: &Path, gateway: &ServerProcess) -> Result<ServerProcess> {
    Setup::default().arg("relay").arg(&format!("http://{}/v1", gateway.host())).start_program(this).await
}
