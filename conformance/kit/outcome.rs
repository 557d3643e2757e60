//! What came of one cell of the matrix: the checks that were made, and those that failed.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::place::Place;

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which check.
    pub check: &'static str,
    /// What was wrong.
    pub what: String,
}

/// The checks of one cell.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// How many were made.
    pub made: usize,
    /// Those that failed.
    pub failures: Vec<Failure>,
}

impl Checks {
    /// Makes a check. Tells whether it passed.
    pub fn check(&mut self, check: &'static str, result: anyhow::Result<()>) -> bool {
        self.made += 1;
        match result {
            Ok(()) => true,
            Err(error) => {
                self.failures.push(Failure { check, what: format!("{error:#}") });
                false
            }
        }
    }
}

/// One cell: a scenario with a client.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The client's name.
    pub client: String,
    /// Where it was played.
    pub place: Place,
    /// The checks.
    pub checks: Checks,
    /// How long it took.
    pub took: Duration,
    /// Everything that was done and seen, for a person.
    pub trace: String,
    /// What of the protocol was on the wire.
    pub covered: Covered,
    /// Why it failed although a failure was expected to be listed, or the other way round.
    pub known: Option<String>,
}

impl Outcome {
    /// A cell that has made no check has shown nothing, and has failed.
    pub fn passed(&self) -> bool {
        self.checks.made > 0 && self.checks.failures.is_empty()
    }

    /// The first thing that was wrong.
    pub fn why(&self) -> String {
        match self.checks.failures.first() {
            Some(failure) => format!("[{}] {}", failure.check, failure.what),
            None if self.checks.made == 0 => "[no-check] nothing was checked".to_owned(),
            None => String::new(),
        }
    }
}

/// The parts of the protocol that were on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered {
    /// Actions.
    pub actions: BTreeSet<String>,
    /// Events.
    pub events: BTreeSet<String>,
    /// Error codes.
    pub codes: BTreeSet<String>,
}

impl Covered {
    /// Adds what another has.
    pub fn extend(&mut self, other: &Self) {
        self.actions.extend(other.actions.iter().cloned());
        self.events.extend(other.events.iter().cloned());
        self.codes.extend(other.codes.iter().cloned());
    }
}
