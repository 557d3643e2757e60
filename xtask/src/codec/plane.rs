//! Runs all cases through every language, side by side, and tells what disagrees.
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use super::build::{self, Language};
use super::canon::{difference, short};
use super::case::{Case, Expected};
use super::peer::{Answer, Peer, Phase, Refusal};
use super::{Package, start};
use crate::codegen::json::Json;
use crate::interrupt;

/// How many disagreements of one type and language are printed.
const SHOWN: usize = 3;

/// How one language did.
struct Score {
    language: &'static str,
    seconds: f64,
    /// By type: how many cases, and the complaints.
    types: BTreeMap<String, (usize, Vec<String>)>,
}

/// Runs `cases` in `languages` and prints disagreements and counts: one test per type and language.
pub fn run(languages: &[&'static Language], package: &Package, cases: &[Case], ci: bool) -> Result<ExitCode> {
    let (there, missing): (Vec<&'static Language>, Vec<&'static Language>) =
        languages.iter().copied().partition(|language| build::is_there(language));
    let scores: Vec<Result<Score>> = thread::scope(|scope| {
        let start = |language: &&'static Language| {
            let name = language.name;
            (name, scope.spawn(move || language_run(name, package, cases)))
        };
        let runs: Vec<_> = there.iter().map(start).collect();
        let join = |(name, run): (&str, thread::ScopedJoinHandle<'_, Result<Score>>)| match run.join() {
            Ok(score) => score.with_context(|| format!("{name} did not finish")),
            Err(_) => bail!("the comparison with {name} broke off"),
        };
        runs.into_iter().map(join).collect()
    });
    if interrupt::requested() {
        return Ok(ExitCode::from(interrupt::EXIT_CODE));
    }
    let (mut passed, mut failed) = (0, 0);
    for score in scores {
        match score {
            Ok(score) => {
                let (good, bad) = report(&score);
                passed += good;
                failed += bad;
            }
            Err(error) => {
                println!("{error:#}");
                failed += 1;
            }
        }
    }
    for language in &missing {
        println!("{} was not run: {}", language.name, language.get);
    }
    let (not_run, missing) = if ci { (0, missing.len()) } else { (missing.len(), 0) };
    failed += missing;
    let verdict = if failed == 0 && passed > 0 { "ok" } else { "FAILED" };
    println!("test result: {verdict}. {passed} passed; {failed} failed; {not_run} ignored");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints how a language did: every type that disagrees, and one line of counts.
fn report(score: &Score) -> (usize, usize) {
    let (mut good, mut bad, mut cases) = (0, 0, 0);
    for (name, (count, complaints)) in &score.types {
        cases += count;
        if complaints.is_empty() {
            good += 1;
            continue;
        }
        bad += 1;
        println!("{} {name}: {} of {count} cases disagree", score.language, complaints.len());
        complaints.iter().take(SHOWN).for_each(|complaint| println!("{complaint}"));
    }
    println!(
        "{:<10} {:>4} types, {cases} cases, {bad} types disagree, {:.1} s",
        score.language,
        score.types.len(),
        score.seconds
    );
    (good, bad)
}

fn language_run(language: &'static str, package: &Package, cases: &[Case]) -> Result<Score> {
    let mut peer = start(language, package)?;
    let started = Instant::now();
    let types = ask_all(language, &mut peer, cases)?;
    Ok(Score { language, seconds: started.elapsed().as_secs_f64(), types })
}

pub fn ask_all(
    language: &str,
    peer: &mut dyn Peer,
    cases: &[Case],
) -> Result<BTreeMap<String, (usize, Vec<String>)>> {
    let mut types: BTreeMap<String, (usize, Vec<String>)> = BTreeMap::new();
    for case in cases {
        if interrupt::requested() {
            break;
        }
        let answer =
            peer.ask(&case.type_name, &case.text).map_err(|error| error.context(describe(language, case)))?;
        let (count, complaints) = types.entry(case.type_name.clone()).or_default();
        *count += 1;
        if let Some(wrong) = judge(case, &answer) {
            complaints.push(format!("{wrong}\n{}", describe(language, case)));
        }
    }
    Ok(types)
}

/// The case, for whoever wants to see it again.
fn describe(language: &str, case: &Case) -> String {
    format!(
        "  in {language}, {} of {}\n  instance {}\n  again: cargo xtask codec --lang {language} --type {} --seed {}",
        case.what,
        case.type_name,
        short(&case.text),
        case.type_name,
        case.seed,
    )
}

/// What is wrong with an answer.
fn judge(case: &Case, answer: &Answer) -> Option<String> {
    match (&case.expected, answer) {
        (_, Answer::NoSuchType) => Some("  the process knows no such type".to_owned()),
        (Expected::Same(expected), Answer::Text(text)) => match Json::parse(text) {
            Ok(found) => difference(expected, &found)
                .map(|(pointer, said)| format!("  it came back changed: {} {said}", place(&pointer))),
            Err(error) => {
                Some(format!("  it came back as something that is not JSON ({error}): {}", short(text)))
            }
        },
        (Expected::Same(_), Answer::Refused(refusal)) => {
            Some(format!("  expected: the same value back\n  got: {}", told(refusal)))
        }
        (Expected::Refused { phase, pointer, keywords }, answer) => {
            let wanted = format!(
                "  expected: refused by {} at {}{}",
                by(*phase),
                place(pointer),
                if keywords.is_empty() { String::new() } else { format!(" for {}", keywords.join(" or ")) }
            );
            match answer {
                Answer::Refused(refusal) if fits(refusal, *phase, pointer, keywords) => None,
                Answer::Refused(refusal) => Some(format!("{wanted}\n  got: {}", told(refusal))),
                Answer::Text(text) => {
                    Some(format!("{wanted}\n  got: accepted, and encoded as {}", short(text)))
                }
                Answer::NoSuchType => None,
            }
        }
    }
}

fn fits(refusal: &Refusal, phase: Phase, pointer: &str, keywords: &[&str]) -> bool {
    let named = refusal.keyword.as_deref();
    let keyword = phase == Phase::Decode || named.is_some_and(|named| keywords.contains(&named));
    refusal.phase == phase && refusal.pointer == pointer && keyword
}

fn told(refusal: &Refusal) -> String {
    let keyword = refusal.keyword.as_deref().map(|keyword| format!(" for {keyword}")).unwrap_or_default();
    format!("refused by {} at {}{keyword}: {}", by(refusal.phase), place(&refusal.pointer), refusal.message)
}

fn by(phase: Phase) -> &'static str {
    match phase {
        Phase::Decode => "decoding",
        Phase::Validate => "validate()",
    }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the whole value" } else { pointer }
}
