//! The measures of space: memory, the binary, the crates; and how long a start takes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use smooai_smooth_operator_conformance::figures::median;
use smooai_smooth_operator_conformance::server_process::{Build, ServerProcess, Setup, server_binary};
use tokio::process::Command;

use crate::client::Connection;
use crate::load::open_many;
use crate::table::{Aim, Table};

/// How often the server is started.
const STARTS: usize = 15;

/// After its sessions have left, a program's memory is read until it has not fallen for this long.
const SETTLED: Duration = Duration::from_secs(2);

/// Start-up, idle memory, binary and crates.
pub async fn measure(table: &mut Table) -> Result<()> {
    let binary = server_binary(Build::Release).await?;
    let (mut starts, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let setup = Setup::new().env("SMOOTH_AGENT_STORAGE", "memory").release();
        let from = Instant::now();
        let server = setup.start().await?;
        starts.push(from.elapsed().as_secs_f64() * 1e3);
        idle.push(resident(&server)? / 1e6);
    }
    table.single("start until it listens, ms", median(starts), Aim::AtMost(10.0));
    table.single("idle resident memory, MB", median(idle), Aim::AtMost(15.0));
    let bytes = std::fs::metadata(&binary).with_context(|| format!("{binary:?}"))?.len();
    table.single("stripped binary, MB", bytes as f64 / 1e6, Aim::AtMost(20.0));
    table.single("crates of the server", crates().await? as f64, Aim::AtMost(250.0));
    Ok(())
}

/// Resident memory per idle session, and after all have left.
pub async fn sessions(table: &mut Table, programs: [&ServerProcess; 2], count: usize) -> Result<()> {
    let (mut held, mut left) = ([0.0; 2], [0.0; 2]);
    for (place, program) in programs.into_iter().enumerate() {
        let before = resident(program)?;
        let open = open_many(&program.ws_url(), count).await?;
        held[place] = (resident(program)? - before) / count as f64 / 1024.0;
        let mut open = open.into_iter();
        loop {
            let group: Vec<_> = open.by_ref().take(256).collect();
            if group.is_empty() {
                break;
            }
            try_join_all(group.into_iter().map(Connection::close)).await?;
        }
        left[place] = (settled(program).await? - before) / 1e6;
    }
    let name = format!("resident memory per idle session, {count} sessions, KiB");
    table.compare(&name, held, Aim::AtMost(12.0));
    table.compare("… above idle after all have left, MB", left, Aim::None);
    Ok(())
}

async fn settled(program: &ServerProcess) -> Result<f64> {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let (mut least, mut since) = (resident(program)?, Instant::now());
    while since.elapsed() < SETTLED {
        tick.tick().await;
        let now = resident(program)?;
        if now < least {
            (least, since) = (now, Instant::now());
        }
    }
    Ok(least)
}

fn resident(program: &ServerProcess) -> Result<f64> {
    Ok(program.resident_memory()? as f64)
}

/// How many crates, ours included, the server is made of.
async fn crates() -> Result<usize> {
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["tree", "--package", "smooai-smooth-operator-server", "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .await
        .context("running cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    // A line is `name v1.2.3 (where from) (*)`; the first two words name the crate.
    let names: BTreeSet<String> = text
        .lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .filter(|name| !name.is_empty())
        .collect();
    Ok(names.len())
}
