//! What a comparison says: a rule, a place, what changed, and between whom the talk then breaks.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::finding::{Place, one_line};

/// Two peers of different versions that no longer understand each other, in the direction of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pair {
    /// What an old client writes is refused or lost.
    OldClientNewServer,
    /// What a new client writes is refused or lost.
    NewClientOldServer,
    /// What an old server writes is refused or lost.
    OldServerNewClient,
    /// What a new server writes is refused or lost.
    NewServerOldClient,
    /// Nothing on the wire: a program that names the type no longer compiles against the generated code.
    Source,
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldClientNewServer => "old client → new server",
            Self::NewClientOldServer => "new client → old server",
            Self::OldServerNewClient => "old server → new client",
            Self::NewServerOldClient => "new server → old client",
            Self::Source => "code that names it",
        })
    }
}

/// Who writes the values of a type. The other side reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Writer {
    /// What actions hold.
    Client,
    /// What events and replies hold.
    Server,
    /// A type that no message refers to: nobody can tell.
    Either,
}

impl Writer {
    /// Between whom it breaks when a reader of the new version refuses what a writer of the old one may write.
    pub fn old_to_new(self) -> BTreeSet<Pair> {
        match self {
            Self::Client => [Pair::OldClientNewServer].into(),
            Self::Server => [Pair::OldServerNewClient].into(),
            Self::Either => [Pair::OldClientNewServer, Pair::OldServerNewClient].into(),
        }
    }

    /// Between whom it breaks when a reader of the old version refuses what a writer of the new one may write.
    pub fn new_to_old(self) -> BTreeSet<Pair> {
        match self {
            Self::Client => [Pair::NewClientOldServer].into(),
            Self::Server => [Pair::NewServerOldClient].into(),
            Self::Either => [Pair::NewClientOldServer, Pair::NewServerOldClient].into(),
        }
    }

    /// Both.
    pub fn both_ways(self) -> BTreeSet<Pair> {
        &self.old_to_new() | &self.new_to_old()
    }

    /// Between whom a meaning is lost when the new version no longer has something: its server ignores it, or no
    /// longer says it.
    pub fn loss(self) -> BTreeSet<Pair> {
        match self {
            Self::Client => [Pair::OldClientNewServer].into(),
            Self::Server => [Pair::NewServerOldClient].into(),
            Self::Either => [Pair::OldClientNewServer, Pair::NewServerOldClient].into(),
        }
    }
}

/// Every break found, each once, with all pairs that it concerns.
#[derive(Debug, Default)]
pub struct Breaks {
    found: BTreeMap<(Place, &'static str, String), BTreeSet<Pair>>,
}

impl Breaks {
    /// Notes a break. The same one, found on another way, only adds its pairs.
    pub fn add(&mut self, rule: &'static str, place: &Place, problem: String, pairs: BTreeSet<Pair>) {
        if !pairs.is_empty() {
            self.found.entry((place.clone(), rule, problem)).or_default().extend(pairs);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// One line each, in the order of files and places.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.found.iter().map(|((place, rule, problem), pairs)| {
            let pairs: Vec<String> = pairs.iter().map(Pair::to_string).collect();
            one_line(&format!("breaking[{rule}] {place}: {problem}; breaks {}", pairs.join(", ")))
        })
    }
}
