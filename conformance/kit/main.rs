//! `conformance-kit`: every client against the real server, by the same scenarios. It does not know which
//! language it is testing. `cargo xtask conformance` starts it; `docs/conformance.md` tells how to use it.

mod around;
mod corpus;
mod coverage;
mod driver;
mod fault;
mod inprocess;
mod known;
mod lane;
mod languages;
mod liar;
mod line;
mod mutants;
mod outcome;
mod pattern;
mod place;
mod play;
mod proxy;
mod random;
mod raw;
mod report;
mod scenario;
mod step;
mod token;
mod witness;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

use place::{Mount, Place, Storage};

/// What `--client` calls the scenarios without a client.
const RAW: &str = "raw";

/// Runs every client against the real server, by the same scenarios.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask conformance")]
pub struct Options {
    /// Only these clients: rust, go, dotnet, typescript, python, and raw for the scenarios without one
    #[arg(long = "client", value_name = "CLIENT")]
    clients: Vec<String>,
    /// Only these scenarios; `*` stands for any text
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Where the server keeps its data; several, with commas between, are played side by side [default: memory]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STORAGE")]
    storage: Vec<Storage>,
    /// What stands before the service; both, with a comma between, are played side by side [default: server]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "MOUNT")]
    mount: Vec<Mount>,
    /// The kit against a client of your own: the command that starts its driver, at the root
    #[arg(long, value_name = "COMMAND")]
    driver: Option<String>,
    /// Does deliberate faults to the server's frames, each of which some check must find
    #[arg(long)]
    mutants: bool,
    /// Plays that many random conversations instead of the scenarios, spread over the clients
    #[arg(long, value_name = "COUNT")]
    seeds: Option<u64>,
    /// Plays one random conversation
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// List the scenarios instead of running them
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(clap::Subcommand, Debug)]
enum Role {
    /// Speaks as a driver that says "ok" to everything.
    #[command(hide = true)]
    Liar,
}

impl Options {
    /// Where the scenarios are played.
    fn places(&self) -> Result<Vec<Place>> {
        let places = Place::all(&self.storage, &self.mount);
        Place::check(&places)?;
        Ok(places)
    }

    /// Whether the scenarios without a client are played too: where nothing else or they themselves are named.
    fn with_raw(&self) -> bool {
        let named = self.clients.iter().any(|name| name == RAW);
        named || self.clients.is_empty() && self.driver.is_none()
    }

    /// The one place of what is played in one place only.
    fn place(&self) -> Result<Place> {
        match self.places()?.as_slice() {
            [place] => Ok(*place),
            _ => bail!("name one storage and one mount: this is played in one place"),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = run(&Options::parse()).await;
    ended.unwrap_or_else(|error| {
        // Without the path through the kit: what is wrong is about the call, not about the kit.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(options: &Options) -> Result<ExitCode> {
    if matches!(options.role, Some(Role::Liar)) {
        liar::run().await?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.mutants {
        return mutants::run(options).await;
    }
    if options.seeds.is_some() || options.seed.is_some() {
        return random::run(options).await;
    }
    corpus::run(options).await
}
