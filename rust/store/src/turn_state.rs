//! Who holds a conversation, as a small state machine without a store: a backend that can read a record
//! and write it back under a condition needs nothing else to keep what [`crate::TurnStore`] promises.

use crate::{
    Claim, ClaimRequest, ConversationId, ParkId, ParkedTurn, Result, Scope, StoreError, TurnHold, TurnId,
    TurnsRecord,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// So many ended turns are remembered by their request id.
const ENDED: usize = 32;

/// The turn of a conversation. Each method is one change, all or nothing; the caller makes it atomic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnState {
    /// The number of the latest claim.
    fence: u64,
    hold: TurnHold,
    /// Request ids of ended turns, oldest first.
    ended: VecDeque<String>,
}

impl TurnState {
    /// Takes the conversation for a turn, or `None` while another turn holds it.
    pub fn claim(&mut self, request: ClaimRequest) -> Option<Claim> {
        let held_until = match &self.hold {
            TurnHold::Free => None,
            TurnHold::Running { lease_until, .. } => Some(*lease_until),
            TurnHold::Parked(parked) => Some(parked.expires_at),
        };
        if held_until.is_some_and(|until| until > request.now) {
            return None;
        }
        self.end();
        Some(self.run(request.conversation, request.turn, request.request_id, request.lease_until))
    }

    fn run(
        &mut self,
        conversation: ConversationId,
        turn: TurnId,
        request_id: String,
        lease_until: Timestamp,
    ) -> Claim {
        self.fence += 1;
        self.hold = TurnHold::Running { turn: turn.clone(), request_id: request_id.clone(), lease_until };
        Claim { conversation, turn, request_id, fence: self.fence }
    }

    /// Frees the conversation and remembers whose turn it was.
    fn end(&mut self) {
        let request_id = match std::mem::take(&mut self.hold) {
            TurnHold::Free => return,
            TurnHold::Running { request_id, .. } => request_id,
            TurnHold::Parked(parked) => parked.claim.request_id,
        };
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(request_id);
    }

    /// Whether the claim's turn is the one that runs.
    #[must_use]
    pub fn runs(&self, claim: &Claim) -> bool {
        matches!(&self.hold, TurnHold::Running { turn, .. } if *turn == claim.turn && self.fence == claim.fence)
    }

    /// The state as a record.
    #[must_use]
    pub fn record(&self, scope: Scope, conversation: ConversationId) -> TurnsRecord {
        let ended = self.ended.iter().cloned().collect();
        TurnsRecord { scope, conversation, fence: self.fence, hold: self.hold.clone(), ended }
    }

    /// Takes a record's state over, unless a later claim than its is known.
    pub fn restore(&mut self, record: TurnsRecord) {
        if record.fence > self.fence {
            self.fence = record.fence;
            self.hold = record.hold;
            self.ended = record.ended.into();
        }
    }

    /// Prolongs the lease.
    ///
    /// # Errors
    /// `ClaimLost` if the claim does not run any more.
    pub fn renew(&mut self, claim: &Claim, until: Timestamp) -> Result<()> {
        let runs = self.runs(claim);
        match &mut self.hold {
            TurnHold::Running { lease_until, .. } if runs => {
                *lease_until = until;
                Ok(())
            }
            _ => Err(StoreError::ClaimLost),
        }
    }

    /// Ends the turn, running or parked. Releasing twice is no error, as long as nobody else has claimed
    /// since.
    ///
    /// # Errors
    /// `ClaimLost` if a later claim holds the conversation.
    pub fn release(&mut self, claim: &Claim) -> Result<()> {
        match &self.hold {
            TurnHold::Free if self.fence == claim.fence => Ok(()),
            TurnHold::Parked(parked) if parked.claim == *claim => {
                self.end();
                Ok(())
            }
            TurnHold::Running { .. } if self.runs(claim) => {
                self.end();
                Ok(())
            }
            _ => Err(StoreError::ClaimLost),
        }
    }

    /// Turns the running turn into a parked one; once more with the same park is no error.
    ///
    /// # Errors
    /// `ClaimLost` if the claim does not run any more.
    pub fn park(&mut self, parked: ParkedTurn) -> Result<()> {
        match &self.hold {
            TurnHold::Parked(there) if there.id == parked.id && there.claim == parked.claim => Ok(()),
            _ if self.runs(&parked.claim) => {
                self.hold = TurnHold::Parked(Box::new(parked));
                Ok(())
            }
            _ => Err(StoreError::ClaimLost),
        }
    }

    /// The parked turn, and the request ids of turns that ended before it.
    #[must_use]
    pub fn parked(&self) -> Option<(ParkedTurn, Vec<String>)> {
        let TurnHold::Parked(parked) = &self.hold else { return None };
        Some(((**parked).clone(), self.ended.iter().cloned().collect()))
    }

    /// Takes the park for one verdict; `None` when it is gone.
    pub fn unpark(&mut self, park: &ParkId, lease_until: Timestamp) -> Option<Claim> {
        let TurnHold::Parked(parked) = &self.hold else { return None };
        if parked.id != *park {
            return None;
        }
        let Claim { conversation, turn, request_id, .. } = parked.claim.clone();
        Some(self.run(conversation, turn, request_id, lease_until))
    }

    /// Spends one attempt of the park; the attempts left, or `None` when it is gone or had none left.
    pub fn spend_attempt(&mut self, park: &ParkId) -> Option<u32> {
        match &mut self.hold {
            TurnHold::Parked(parked) if parked.id == *park => {
                parked.attempts_remaining = parked.attempts_remaining.checked_sub(1)?;
                Some(parked.attempts_remaining)
            }
            _ => None,
        }
    }
}
