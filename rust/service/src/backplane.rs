//! What this process knows of turns beyond the store: how to stop the ones it runs, and who watches
//! the ones that are parked. Everything here may be lost; the store is the truth.

use crate::caller::Caller;
use smooai_smooth_operator_store::{Claim, ConversationId, ParkId, ParkedTurn, Scope};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Running turns by conversation, and watched parks.
#[derive(Default)]
pub(crate) struct Backplane {
    running: Mutex<HashMap<ConversationId, Running>>,
    watched: Mutex<HashMap<ParkId, Watched>>,
}

struct Running {
    owner: Owner,
    request_id: String,
    fence: u64,
    cancel: CancellationToken,
}

/// Whose turn it is, and on which connection it was begun.
#[derive(Clone, PartialEq, Eq)]
struct Owner {
    scope: Scope,
    connection: u64,
}

#[derive(Clone)]
struct Watched {
    owner: Owner,
    conversation: ConversationId,
    request_id: String,
    speaking: Arc<tokio::sync::Mutex<()>>,
}

/// Which turn a `cancel` means.
pub(crate) struct Target<'a> {
    /// The turn's request id; `None`: whichever runs.
    pub request_id: Option<&'a str>,
    /// The conversation of the named session; `None`: the turns of this connection.
    pub conversation: Option<&'a ConversationId>,
}

impl Target<'_> {
    fn means(&self, caller: &Caller, owner: &Owner, conversation: &ConversationId, request_id: &str) -> bool {
        let place = match self.conversation {
            Some(named) => named == conversation,
            None => owner.connection == caller.connection,
        };
        place && owner.scope == caller.scope && self.request_id.is_none_or(|named| named == request_id)
    }
}

/// Keeps a turn listed as running; dropping it takes the turn off the list.
pub(crate) struct RunningGuard {
    backplane: Arc<Backplane>,
    conversation: ConversationId,
    fence: u64,
    /// Cancelled when the turn is to stop.
    pub cancel: CancellationToken,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        let mut running = lock(&self.backplane.running);
        if running.get(&self.conversation).is_some_and(|turn| turn.fence == self.fence) {
            running.remove(&self.conversation);
        }
    }
}

/// Keeps a park listed as watched.
pub(crate) struct WatchGuard {
    backplane: Arc<Backplane>,
    park: ParkId,
    /// Held while something is said about the parked turn, so that nothing is said after its end.
    pub speaking: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        lock(&self.backplane.watched).remove(&self.park);
    }
}

impl Backplane {
    pub(crate) fn run(self: &Arc<Self>, caller: &Caller, claim: &Claim) -> RunningGuard {
        let cancel = CancellationToken::new();
        let turn = Running {
            owner: owner(caller),
            request_id: claim.request_id.clone(),
            fence: claim.fence,
            cancel: cancel.clone(),
        };
        lock(&self.running).insert(claim.conversation.clone(), turn);
        RunningGuard {
            backplane: Arc::clone(self),
            conversation: claim.conversation.clone(),
            fence: claim.fence,
            cancel,
        }
    }

    pub(crate) fn watch(self: &Arc<Self>, caller: &Caller, parked: &ParkedTurn) -> WatchGuard {
        let speaking = Arc::new(tokio::sync::Mutex::new(()));
        let watched = Watched {
            owner: owner(caller),
            conversation: parked.claim.conversation.clone(),
            request_id: parked.claim.request_id.clone(),
            speaking: Arc::clone(&speaking),
        };
        lock(&self.watched).insert(parked.id.clone(), watched);
        WatchGuard { backplane: Arc::clone(self), park: parked.id.clone(), speaking }
    }

    /// The lock of a watched park, to be held while it is taken.
    pub(crate) fn speaking(&self, park: &ParkId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        lock(&self.watched).get(park).map(|watched| Arc::clone(&watched.speaking))
    }

    /// Stops the running turns that are meant; their own futures say `cancelled`.
    pub(crate) fn cancel_running(&self, caller: &Caller, target: &Target<'_>) {
        for (conversation, turn) in lock(&self.running).iter() {
            if target.means(caller, &turn.owner, conversation, &turn.request_id) {
                turn.cancel.cancel();
            }
        }
    }

    /// How many turns run that were begun on this connection.
    pub(crate) fn running_on(&self, connection: u64) -> usize {
        lock(&self.running).values().filter(|turn| turn.owner.connection == connection).count()
    }

    /// The conversations of watched parks that are meant.
    pub(crate) fn watched(&self, caller: &Caller, target: &Target<'_>) -> Vec<ConversationId> {
        let watched = lock(&self.watched);
        let meant =
            watched.values().filter(|w| target.means(caller, &w.owner, &w.conversation, &w.request_id));
        meant.map(|w| w.conversation.clone()).collect()
    }
}

fn owner(caller: &Caller) -> Owner {
    Owner { scope: caller.scope.clone(), connection: caller.connection }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
