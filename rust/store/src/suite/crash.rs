//! What is promised when a process that writes is killed in the middle: what it said was acknowledged is
//! there, nothing is half there, and who held a conversation still holds it until the lease ends.
//!
//! An adapter's test is a program that starts itself again: the second process calls
//! [`write_until_killed`], the first one [`kill_in_a_loop`] and then [`check_after_kills`].

use super::model::model;
use super::records::{Numbers, at, conversation, document, message, parked, request, scope};
use crate::{
    Access, AccessList, Before, Claim, ConversationId, JournalEntry, JournalOutcome, Page, Scope,
    StorageAdapter, StoreError,
};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Child;
use tokio::task::JoinSet;

/// So many writers are at work in the process at once, besides the one that takes turns.
const WRITERS: usize = 4;
/// The most acknowledgements that are waited for before a kill.
const MOST: usize = 80;
/// The steps of one turn; see [`Turn::step`].
const STEPS: usize = 7;

/// What killed processes said.
#[derive(Debug, Default)]
pub struct Killed {
    rounds: u64,
    /// One line for each acknowledged write.
    lines: BTreeSet<String>,
}

/// Says a line to the process that listens.
///
/// # Panics
/// When nobody listens any more.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Starts processes one after the other, each with the number of its round, and kills each at a random
/// moment, until so many writes were acknowledged. Their standard output must be a pipe. `between` is
/// called after every kill.
///
/// # Panics
/// When a process ends by itself without having said anything.
pub fn kill_in_a_loop(
    writes: usize,
    mut start: impl FnMut(u64) -> Child,
    mut between: impl FnMut(),
) -> Killed {
    const SEED: u64 = 0x5EED;
    say(&format!("seed {SEED:#x}"));
    let (mut killed, mut numbers) = (Killed::default(), Numbers::new(SEED));
    while killed.lines.len() < writes {
        let enough = 1 + numbers.below(MOST);
        let mut child = start(killed.rounds);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: Vec<String> = lines.by_ref().take(enough).map(Result::unwrap).collect();
        assert_eq!(said.len(), enough, "round {} ended by itself", killed.rounds);
        child.kill().unwrap();
        child.wait().unwrap();
        killed.lines.extend(said);
        // What it said before it died, and was not read yet. The last line may be half of one.
        let mut rest = lines.map_while(Result::ok).peekable();
        while let Some(line) = rest.next() {
            if rest.peek().is_some() {
                killed.lines.insert(line);
            }
        }
        between();
        killed.rounds += 1;
    }
    killed
}

fn writer_scope(round: u64, writer: usize) -> Scope {
    scope(&format!("crash {round}"), &format!("writer {writer}"))
}

/// The conversation that every process takes over from the one before.
fn heirloom() -> Scope {
    scope("crash heirloom", "heir")
}

/// Writes to the store, and says every write that was acknowledged, until the process is killed.
///
/// # Panics
/// When the store refuses a write.
pub async fn write_until_killed(store: StorageAdapter, round: u64) {
    inherit(&store, round).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(store.clone(), round, writer));
    }
    writers.spawn(take_turns(store, round));
    writers.join_all().await;
}

/// Takes the conversation that the process before this one held when it was killed.
async fn inherit(store: &StorageAdapter, round: u64) {
    let scope = heirloom();
    let of = store.conversations.create(conversation(&scope, "heirloom")).await.unwrap().id;
    let mut wish = request(&of, &round.to_string());
    let now = i64::try_from(round).unwrap() * 1_000;
    (wish.now, wish.lease_until) = (at(now), at(now + 60));
    let claim = store.turns.claim(&scope, wish).await.unwrap();
    let claim = claim.expect("a lease that has ended holds nothing");
    say(&format!("heir {round} {}", claim.fence));
    if round.is_multiple_of(2) {
        store.turns.park(parked(&claim, "heirloom")).await.unwrap();
    }
}

async fn write(store: StorageAdapter, round: u64, writer: usize) {
    let scope = writer_scope(round, writer);
    let made = store.conversations.create(conversation(&scope, "c")).await.unwrap();
    say(&format!("conversation {}", made.id));
    for n in 0.. {
        if n % 10 == 9 {
            let word = format!("word{writer}x{n}");
            let chunks = [(word.as_str(), [1.0, 0.0, 0.0, 0.0]); 3];
            let put = document(&scope, &word, AccessList::Public, &chunks);
            let line = format!("document {} {}", put.organization, put.id);
            store.knowledge.put(put).await.unwrap();
            say(&line);
        } else {
            let mut sent = message(&made, n);
            sent.text = "what is said ".repeat(n % 200);
            let line = format!("message {}", sent.id);
            store.messages.append(&scope, sent).await.unwrap();
            say(&line);
        }
    }
}

/// The scope whose turns a process takes.
fn turn_scope(round: u64) -> Scope {
    scope(&format!("crash {round}"), "turns")
}

async fn take_turns(store: StorageAdapter, round: u64) {
    let mut turn = Turn::begin(store, turn_scope(round)).await;
    for n in 0.. {
        turn.step(n).await;
        let fence = turn.claim.as_ref().map_or(0, |claim| claim.fence);
        say(&format!("step {round} {n} {fence}"));
    }
}

/// Turns of one conversation, one after the other.
struct Turn {
    store: StorageAdapter,
    scope: Scope,
    of: ConversationId,
    claim: Option<Claim>,
}

impl Turn {
    async fn begin(store: StorageAdapter, scope: Scope) -> Self {
        let of = store.conversations.create(conversation(&scope, "turns")).await.unwrap().id;
        Self { store, scope, of, claim: None }
    }

    fn held(&self) -> Claim {
        self.claim.clone().unwrap()
    }

    /// The `n`th write. Each can be told from the one before by what [`Self::look`] sees.
    async fn step(&mut self, n: usize) {
        let (turns, journal) = (&self.store.turns, &self.store.journal);
        let entry = |call: &str| JournalEntry {
            call: call.to_owned(),
            tool: "tool".to_owned(),
            outcome: JournalOutcome::Begun,
            at: at(0),
        };
        match n % STEPS {
            0 => {
                let wish = request(&self.of, &(n / STEPS).to_string());
                self.claim = turns.claim(&self.scope, wish).await.unwrap();
            }
            1 => journal.append(&self.held(), entry("first")).await.unwrap(),
            2 => turns.park(parked(&self.held(), "p")).await.unwrap(),
            3 => {
                let park = parked(&self.held(), "p").id;
                let left = turns.spend_attempt(&self.scope, &self.of, &park).await.unwrap();
                assert_eq!(left, Some(2));
            }
            4 => {
                let park = parked(&self.held(), "p").id;
                self.claim = turns.unpark(&self.scope, &self.of, &park, at(60)).await.unwrap();
            }
            5 => journal.append(&self.held(), entry("second")).await.unwrap(),
            _ => turns.release(&self.held()).await.unwrap(),
        }
    }

    /// What is to be seen after so many steps, and whether another turn may have the conversation.
    async fn look(&self, steps: usize) -> String {
        let mut parked = self.store.turns.parked(&self.scope, &self.of).await.unwrap();
        if let Some((parked, _)) = &mut parked {
            // Stores number claims as they like.
            parked.claim.fence = 0;
        }
        let mut calls = Vec::new();
        for turn in [steps.saturating_sub(1) / STEPS, steps / STEPS, (steps + 1) / STEPS] {
            let turn = request(&self.of, &turn.to_string()).turn;
            for entry in self.store.journal.entries(&turn).await.unwrap() {
                calls.push(entry.call);
            }
        }
        let mut probe = request(&self.of, "probe");
        probe.now = at(1);
        let free = self.store.turns.claim(&self.scope, probe).await.unwrap().is_some();
        format!("{parked:?} {calls:?} {free}")
    }
}

/// Holds the store to what the killed processes said, and says how much that was.
///
/// # Panics
/// When something is lost or half there.
pub async fn check_after_kills(store: &StorageAdapter, killed: &Killed) {
    let mut there = BTreeSet::new();
    for round in 0..killed.rounds {
        for writer in 0..WRITERS {
            messages(store, round, writer, &mut there).await;
        }
        documents(store, round, &mut there).await;
    }
    let said: BTreeSet<String> = killed.lines.iter().filter(|line| is_record(line)).cloned().collect();
    let lost: Vec<&String> = said.difference(&there).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), said.len());
    let surplus = there.len() - said.len();
    // Only what was under way at a kill may be there without having been said, and the line that was cut.
    assert!(surplus <= usize::try_from(killed.rounds).unwrap() * (WRITERS + 1), "{surplus} too many");
    check_heirs(store, killed).await;
    // Last, because what was under way when a process was killed may still take effect then.
    for round in 0..killed.rounds {
        check_turns(store, killed, round).await;
    }
    say(&format!("{} kills, {} writes acknowledged, none lost: ok", killed.rounds, killed.lines.len()));
}

fn is_record(line: &str) -> bool {
    ["conversation ", "message ", "document "].iter().any(|kind| line.starts_with(kind))
}

/// The conversation of a writer and its messages, as far as they are in the store.
async fn messages(store: &StorageAdapter, round: u64, writer: usize, there: &mut BTreeSet<String>) {
    let scope = writer_scope(round, writer);
    let id = conversation(&scope, "c").id;
    let Some(made) = store.conversations.get(&scope, &id).await.unwrap() else { return };
    there.insert(format!("conversation {id}"));
    let (mut before, mut count) = (None, 0);
    loop {
        let page = store.messages.page(&scope, &id, Page { limit: 100, before }).await.unwrap();
        count += page.messages.len() as u64;
        there.extend(page.messages.into_iter().map(|message| format!("message {}", message.id)));
        let Some(next) = page.next else { break };
        before = Some(Before::Cursor(next));
    }
    assert_eq!(made.message_count, count);
}

/// The documents of a round, which are in one organisation.
async fn documents(store: &StorageAdapter, round: u64, there: &mut BTreeSet<String>) {
    let access = Access::public(writer_scope(round, 0).organization);
    for info in store.knowledge.list(&access, None, 10_000).await.unwrap() {
        there.insert(format!("document {} {}", access.organization, info.id));
        let found = store.knowledge.keyword(&access, info.id.as_str(), 1_000).await.unwrap();
        let chunks = found.iter().filter(|hit| hit.chunk.document == info.id).count();
        assert_eq!(chunks, info.chunk_count, "{}: what is listed is found", info.id);
    }
}

/// The numbers of a kind of line, by their place in it.
fn numbers(line: &str, kind: &str) -> Option<Vec<u64>> {
    line.strip_prefix(kind)?.split(' ').map(|number| number.parse().ok()).collect()
}

/// Every process took over from the one before, with a higher fencing number.
async fn check_heirs(store: &StorageAdapter, killed: &Killed) {
    let mut heirs: Vec<Vec<u64>> = killed.lines.iter().filter_map(|line| numbers(line, "heir ")).collect();
    heirs.sort_unstable();
    assert!(heirs.windows(2).all(|pair| pair[0][1] < pair[1][1]), "{heirs:?}");
    let Some([round, fence]) = heirs.last().map(Vec::as_slice) else { return };
    let of = conversation(&heirloom(), "heirloom").id;
    let mut wish = request(&of, "last");
    wish.now = at(i64::try_from(killed.rounds).unwrap() * 1_000);
    wish.lease_until = wish.now;
    let last = store.turns.claim(&heirloom(), wish).await.unwrap().unwrap();
    assert!(last.fence > *fence, "{} after {fence}", last.fence);
    let request = request(&of, &round.to_string());
    let lost = Claim { conversation: of, turn: request.turn, request_id: request.request_id, fence: *fence };
    assert_lost(store, &lost).await;
}

/// A claim of a process that is dead does nothing any more.
async fn assert_lost(store: &StorageAdapter, claim: &Claim) {
    let renewed = store.turns.renew(claim, at(99_999)).await;
    assert!(matches!(renewed, Err(StoreError::ClaimLost)), "{renewed:?}");
    let entry = JournalEntry {
        call: "late".to_owned(),
        tool: "tool".to_owned(),
        outcome: JournalOutcome::Begun,
        at: at(0),
    };
    let written = store.journal.append(claim, entry).await;
    assert!(matches!(written, Err(StoreError::ClaimLost)), "{written:?}");
}

/// The turns of a round are where the last acknowledged step has left them, or one step further.
async fn check_turns(store: &StorageAdapter, killed: &Killed, round: u64) {
    let prefix = format!("step {round} ");
    let last = killed.lines.iter().filter_map(|line| numbers(line, &prefix)).max();
    let steps = last.as_ref().map_or(0, |last| usize::try_from(last[0]).unwrap() + 1);
    let scope = turn_scope(round);
    if store.conversations.get(&scope, &conversation(&scope, "turns").id).await.unwrap().is_none() {
        assert_eq!(steps, 0, "round {round}: the conversation is lost");
        return;
    }
    let mut expected = Vec::new();
    for taken in [steps, steps + 1, steps + 2] {
        let mut plain = Turn::begin(model(), scope.clone()).await;
        for n in 0..taken {
            plain.step(n).await;
        }
        expected.push(plain.look(steps).await);
    }
    // Two further: the line of a step may have been cut while the next was under way.
    let turn = Turn::begin(store.clone(), scope.clone()).await;
    let seen = turn.look(steps).await;
    assert!(expected.contains(&seen), "round {round}, after {steps} steps: {seen}, not one of {expected:?}");
    let mut wish = request(&turn.of, "heir");
    wish.now = at(10_000);
    let heir = store.turns.claim(&scope, wish).await.unwrap();
    let heir = heir.expect("a lease that has ended holds nothing");
    if let Some([n, fence]) = last.as_deref() {
        assert!(heir.fence > *fence, "round {round}: {} after {fence}", heir.fence);
        let wish = request(&turn.of, &(usize::try_from(*n).unwrap() / STEPS).to_string());
        let (turn, request_id) = (wish.turn, wish.request_id);
        let lost = Claim { conversation: wish.conversation, turn, request_id, fence: *fence };
        assert_lost(store, &lost).await;
    }
}
