//! A run over the corpus: drivers are built, clients run side by side, and all cells are judged.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use smooai_smooth_operator_conformance::server_process::server_binary;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::driver::Driver;
use crate::lane::Lane;
use crate::languages::{LANGUAGES, Launch};
use crate::outcome::{Checks, Covered, Outcome};
use crate::place::Place;
use crate::play::{Terms, play};
use crate::scenario::Scenario;
use crate::{Options, coverage, known, raw, report};

/// The longest wait for one thing in a scenario; only a failure ever reaches it.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The root of the repository.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Whether nobody is watching, so that what cannot run has failed.
#[expect(clippy::disallowed_methods, reason = "the harness is no part of the product and has no Config")]
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1")
}

/// Where cargo puts what it builds.
#[expect(clippy::disallowed_methods, reason = "the harness is no part of the product and has no Config")]
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}

/// Prints a line for a person.
pub fn say(line: impl AsRef<str>) {
    // A closed stdout is no reason to stop.
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// The drivers of a run, and what could not be built.
pub struct Drivers {
    /// How each is started.
    pub launches: Vec<Launch>,
    /// Clients that do not run, with the reason.
    pub absent: Vec<(String, String)>,
}

/// Builds the drivers that the options ask for.
pub async fn drivers(options: &Options) -> Result<Drivers> {
    let mut drivers = Drivers { launches: Vec::new(), absent: Vec::new() };
    if let Some(command) = &options.driver {
        drivers.launches.push(Launch::own(&root(), command));
        if options.clients.is_empty() {
            return Ok(drivers);
        }
    }
    for name in &options.clients {
        if name != crate::RAW && LANGUAGES.iter().all(|language| language.name != name) {
            let names = LANGUAGES.iter().map(|language| language.name).chain([crate::RAW]);
            let names: Vec<&str> = names.collect();
            bail!("there is no client `{name}`: choose from {}", names.join(", "));
        }
    }
    for language in LANGUAGES {
        let named = options.clients.iter().any(|name| name == language.name);
        if !options.clients.is_empty() && !named {
            continue;
        }
        if let Err(why) = language.is_there().await {
            drivers.absent.push((language.name.to_owned(), why));
            continue;
        }
        let started = Instant::now();
        let launch = language.build(&root(), &target()).await;
        let launch = launch.with_context(|| format!("building the driver of {}", language.name))?;
        say(format!("built the driver of {} in {:.1} s", language.name, started.elapsed().as_secs_f64()));
        drivers.launches.push(launch);
    }
    Ok(drivers)
}

/// The scenarios that the options ask for.
pub fn scenarios(options: &Options) -> Result<Vec<Scenario>> {
    let mut scenarios = Scenario::read_all(&root().join("conformance/scenarios"))?;
    let chosen = |scenario: &Scenario| {
        let names = &options.scenarios;
        names.is_empty() || names.iter().any(|name| is_like(name, &scenario.name))
    };
    scenarios.retain(chosen);
    if scenarios.is_empty() {
        bail!("no scenario is named {:?}; `--list` shows all", options.scenarios);
    }
    Ok(scenarios)
}

fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        last = Some(part);
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.is_empty() || last.is_some_and(|last| last.is_empty() || name.ends_with(last))
}

/// Runs everything and prints what came of it, place by place.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let scenarios = scenarios(options)?;
    if options.list {
        let line = |s: &Scenario| format!("{:32} {}{}", s.name, s.about, s.needs.words());
        scenarios.iter().for_each(|scenario| say(line(scenario)));
        return Ok(ExitCode::SUCCESS);
    }
    let places = options.places()?;
    let build = Place::build(&places);
    server_binary(build).await?;
    let drivers = match scenarios.iter().all(|scenario| scenario.raw) {
        true => Drivers { launches: Vec::new(), absent: Vec::new() },
        false => drivers(options).await?,
    };
    let started = Instant::now();
    let (mut lanes, room) = (JoinSet::new(), room());
    let only_raw = scenarios.iter().all(|scenario| scenario.raw);
    let with_raw = only_raw || options.with_raw();
    for place in &places {
        let here = scenarios.iter().filter(|scenario| scenario.needs.lacking(*place).is_none());
        let (raws, typed): (Vec<Scenario>, Vec<Scenario>) = here.cloned().partition(|s| s.raw);
        // What waits for a clock does so beside the others.
        let (slow, quick): (Vec<Scenario>, Vec<Scenario>) = typed.into_iter().partition(|s| s.slow);
        for launch in &drivers.launches {
            for scenarios in [&quick, &slow].into_iter().filter(|scenarios| !scenarios.is_empty()) {
                let own = Lane::start(*place, build).await?;
                let (launch, scenarios, room) = (launch.clone(), scenarios.clone(), Arc::clone(&room));
                lanes.spawn(async move { lane(&launch, &scenarios, own, &room).await });
            }
        }
        if with_raw && !raws.is_empty() {
            let own = Lane::start(*place, build).await?;
            lanes.spawn(async move { Ok(raw::lane(&raws, own).await) });
        }
    }
    let mut outcomes = Vec::new();
    while let Some(done) = lanes.join_next().await {
        outcomes.extend(done.context("a lane")??);
    }
    outcomes.sort_by(|a, b| (&a.scenario, &a.client).cmp(&(&b.scenario, &b.client)));
    let run = Run { scenarios: &scenarios, drivers: &drivers, whole: options.scenarios.is_empty(), started };
    let mut good = true;
    for place in places {
        let (here, others) = outcomes.into_iter().partition(|outcome| outcome.place == place);
        outcomes = others;
        good &= run.close(place, here)?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a place's cells are judged by.
struct Run<'a> {
    scenarios: &'a [Scenario],
    drivers: &'a Drivers,
    /// All scenarios are played, so that what is missing is missing for good.
    whole: bool,
    started: Instant,
}

impl Run<'_> {
    /// Judges what was played in one place, and prints it: the matrix, what failed, what could not be
    /// played there, and the closing line. Tells whether all is well.
    fn close(&self, place: Place, mut outcomes: Vec<Outcome>) -> Result<bool> {
        let mut wrong = Vec::new();
        for launch in &self.drivers.launches {
            let mut known = known::read(&root().join("conformance/known-failing"), &launch.name)?;
            let is_elsewhere = |name: &str| {
                self.scenarios.iter().any(|s| s.name == name && s.needs.lacking(place).is_some())
            };
            known.retain(|name, _| !is_elsewhere(name));
            wrong.extend(known::judge(&mut outcomes, &known, &launch.name, self.whole));
        }
        if self.whole {
            wrong.extend(self.uncovered(place, &outcomes)?);
        }
        say(format!("\n{}", place.name()));
        say(report::matrix(&outcomes));
        for (lacking, names) in self.elsewhere(place) {
            say(format!("not played here, without {lacking}: {}", names.join(", ")));
        }
        let mut failed = 0;
        for cell in outcomes.iter().filter(|cell| !cell.passed() && cell.known.is_none()) {
            failed += 1;
            say(format!("FAILED {} with {}: {}", cell.scenario, cell.client, cell.why()));
            say(format!("       {}", report::repeat(cell)));
        }
        for (client, why) in &self.drivers.absent {
            say(format!("NOT RUN: {client}: {why}"));
            if is_ci() {
                wrong.push(format!("{client} did not run"));
            }
        }
        if let Err(error) = report::write(&report::folder(&root(), place), &outcomes) {
            wrong.push(format!("{error:#}"));
        }
        wrong.iter().for_each(|line| say(format!("FAILED {line}")));
        let passed = outcomes.iter().filter(|cell| cell.passed()).count();
        let checks: usize = outcomes.iter().map(|cell| cell.checks.made).sum();
        failed += wrong.len();
        let (seconds, name) = (self.started.elapsed().as_secs_f64(), place.name());
        say(format!(
            "conformance: {passed} passed, {failed} failed, {checks} checks in {seconds:.1} s ({name})"
        ));
        Ok(failed == 0 && passed > 0)
    }

    /// The scenarios that a place cannot play, by what it lacks.
    fn elsewhere(&self, place: Place) -> BTreeMap<String, Vec<&str>> {
        let mut names: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for scenario in self.scenarios {
            if let Some(lacking) = scenario.needs.lacking(place) {
                names.entry(lacking).or_default().push(&scenario.name);
            }
        }
        names
    }

    /// What of the protocol a client has not had on its wire.
    fn uncovered(&self, place: Place, outcomes: &[Outcome]) -> Result<Vec<String>> {
        let wanted = coverage::wanted_at(&root().join("spec"), place)?;
        let mut lines = Vec::new();
        for launch in &self.drivers.launches {
            let mut seen = Covered::default();
            let own = outcomes.iter().filter(|cell| cell.client == launch.name);
            own.for_each(|cell| seen.extend(&cell.covered));
            let missing = coverage::missing(&wanted, &seen);
            lines.extend(missing.iter().map(|name| format!("{}: {name} was never on the wire", launch.name)));
        }
        Ok(lines)
    }
}

/// How many cells may be at work at the same time: many more than there are processors would only keep each other
/// waiting, until some limit passes.
fn room() -> Arc<Semaphore> {
    let processors = std::thread::available_parallelism().map_or(2, NonZero::get);
    Arc::new(Semaphore::new(processors + 2))
}

/// One client through all scenarios, one after another.
async fn lane(
    launch: &Launch,
    scenarios: &[Scenario],
    mut lane: Lane,
    room: &Semaphore,
) -> Result<Vec<Outcome>> {
    let mut driver = None;
    let mut outcomes = Vec::new();
    for (n, scenario) in scenarios.iter().enumerate() {
        let mut _place = Some(room.acquire().await?);
        if scenario.slow {
            // It mostly waits: only its driver's start is work.
            driver = match driver {
                Some(driver) => Some(driver),
                None => Driver::start(launch).await.ok(),
            };
            _place = None;
        }
        let terms = Terms { patience: PATIENCE, mutations: Vec::new(), nonce: nonce(&launch.name, n) };
        let (outcome, kept) = cell(launch, scenario, &mut lane, driver.take(), &terms).await;
        driver = kept;
        outcomes.push(outcome);
    }
    if let Some(driver) = driver {
        driver.exit().await.with_context(|| format!("the driver of {}", launch.name))?;
    }
    Ok(outcomes)
}

/// One cell. A driver is kept for the next one, unless the cell has failed.
pub async fn cell(
    launch: &Launch,
    scenario: &Scenario,
    lane: &mut Lane,
    driver: Option<Driver>,
    terms: &Terms,
) -> (Outcome, Option<Driver>) {
    let started = match driver {
        Some(driver) => Ok(driver),
        None => Driver::start(launch).await,
    };
    match started {
        Ok(mut driver) => {
            let outcome = Box::pin(play(scenario, lane, &mut driver, &launch.name, terms)).await;
            let keeps = outcome.passed();
            (outcome, keeps.then_some(driver))
        }
        Err(error) => {
            let mut checks = Checks::default();
            checks.check("driver", Err(error));
            let (scenario, client, trace) = (scenario.name.clone(), launch.name.clone(), String::new());
            let (took, covered, place) = (Duration::ZERO, Covered::default(), lane.place());
            (Outcome { scenario, client, place, checks, took, trace, covered, known: None }, None)
        }
    }
}

/// A word that no scenario has by itself: from the client, the place and the process.
pub fn nonce(client: &str, place: usize) -> String {
    let mut hash = u64::from(std::process::id()) ^ 0xcbf2_9ce4_8422_2325;
    for byte in client.bytes().chain(place.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("n{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn names_are_chosen_by_pattern() {
        assert!(is_like("streaming", "streaming") && !is_like("stream", "streaming"));
        assert!(
            is_like("stream*", "streaming") && is_like("*ing", "streaming") && is_like("s*m*g", "streaming")
        );
        assert!(!is_like("*x*", "streaming") && !is_like("s*x", "streaming"));
    }
}
