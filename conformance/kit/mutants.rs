//! Deliberate faults in what the server says. A harness that does not find each of them finds too little.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use smooai_smooth_operator_conformance::server_process::server_binary;

use crate::Options;
use crate::corpus::{cell, drivers, nonce, root, say};
use crate::fault::Fault;
use crate::lane::Lane;
use crate::languages::Launch;
use crate::place::Place;
use crate::play::Terms;
use crate::scenario::Scenario;

/// A fault, and the scenario in which it is done.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mutant {
    /// What is wrong, in a few words.
    about: String,
    scenario: String,
    fault: Fault,
}

/// The longest wait for one thing; a mutant that only keeps everybody waiting is found by it.
const PATIENCE: Duration = Duration::from_secs(4);

/// Does every mutant to one client, and lets a driver that says "ok" to everything play the corpus.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let place = options.place()?;
    server_binary(Place::build(&[place])).await?;
    let mut scenarios = Scenario::read_all(&root().join("conformance/scenarios"))?;
    scenarios.retain(|scenario| scenario.needs.lacking(place).is_none());
    let mutants = read()?;
    let drivers = drivers(options).await?;
    let (mut passed, mut failed) = (0, 0);
    for launch in &drivers.launches {
        let (found, missed) = all(launch, &scenarios, &mutants, place).await?;
        (passed, failed) = (passed + found, failed + missed);
    }
    for (client, why) in &drivers.absent {
        say(format!("NOT RUN: {client}: {why}"));
        failed += usize::from(crate::corpus::is_ci());
    }
    let score = liar_score(&scenarios, place).await?;
    say(format!("a driver that says ok to everything passes {score} scenarios"));
    if score == 0 {
        passed += 1;
    } else {
        failed += 1;
    }
    say(format!("mutants: {passed} passed, {failed} failed in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read() -> Result<Vec<Mutant>> {
    let path = root().join("conformance/mutants.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))
}

/// How many mutants were found and how many were not, with one client.
async fn all(
    launch: &Launch,
    scenarios: &[Scenario],
    mutants: &[Mutant],
    place: Place,
) -> Result<(usize, usize)> {
    let mut lane = Lane::start(place, Place::build(&[place])).await?;
    let named: BTreeMap<&str, &Scenario> =
        scenarios.iter().map(|scenario| (scenario.name.as_str(), scenario)).collect();
    let mut driver = None;
    // What fails without a fault proves nothing when it fails with one.
    let mut controls: Vec<&str> = mutants.iter().map(|mutant| mutant.scenario.as_str()).collect();
    controls.sort_unstable();
    controls.dedup();
    for name in controls {
        let scenario = named.get(name).with_context(|| format!("there is no scenario {name}"))?;
        let patience = crate::corpus::PATIENCE;
        let terms = Terms { patience, mutations: Vec::new(), nonce: nonce(name, 0) };
        let (outcome, kept) = cell(launch, scenario, &mut lane, driver.take(), &terms).await;
        driver = kept;
        if !outcome.passed() {
            bail!("{name} fails with {} without any fault: {}", launch.name, outcome.why());
        }
    }
    let (mut found, mut missed) = (0, 0);
    for (n, mutant) in mutants.iter().enumerate() {
        let scenario = named[mutant.scenario.as_str()];
        let mutations = vec![mutant.fault.clone()];
        let terms = Terms { patience: PATIENCE, mutations, nonce: nonce(&mutant.about, n) };
        let (outcome, kept) = cell(launch, scenario, &mut lane, driver.take(), &terms).await;
        driver = kept;
        let mut checks: Vec<&str> = outcome.checks.failures.iter().map(|failure| failure.check).collect();
        checks.dedup();
        if outcome.passed() {
            missed += 1;
            say(format!("NOT FOUND {} with {}: {}", mutant.scenario, launch.name, mutant.about));
        } else {
            found += 1;
            let why: String = outcome.why().replace('\n', " ").chars().take(110).collect();
            say(format!("found {:52} {:18} by {:?}: {why}", mutant.about, mutant.scenario, checks));
        }
    }
    Ok((found, missed))
}

/// How many scenarios a driver passes that says "ok" to everything.
async fn liar_score(scenarios: &[Scenario], place: Place) -> Result<usize> {
    let launch = Launch::liar()?;
    let mut lane = Lane::start(place, Place::build(&[place])).await?;
    let (mut score, mut driver) = (0, None);
    for (n, scenario) in scenarios.iter().filter(|scenario| !scenario.raw).enumerate() {
        let terms =
            Terms { patience: Duration::from_millis(200), mutations: Vec::new(), nonce: nonce("liar", n) };
        let (outcome, kept) = cell(&launch, scenario, &mut lane, driver.take(), &terms).await;
        driver = kept;
        if outcome.passed() {
            score += 1;
            say(format!("a driver that says ok to everything passes {}", scenario.name));
        }
    }
    Ok(score)
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_are_enough_mutants_and_each_has_a_scenario() {
        let mutants = super::read().unwrap();
        assert!(mutants.len() >= 40, "{}", mutants.len());
        for mutant in &mutants {
            let path = crate::corpus::root().join(format!("conformance/scenarios/{}.json", mutant.scenario));
            assert!(path.is_file(), "{}", path.display());
        }
    }
}
