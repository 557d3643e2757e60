//! Who holds a conversation: a small state machine, changed under the conversation's own lock.

use crate::conversations::Threads;
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Claim, ClaimRequest, ConversationId, ParkId, ParkedTurn, Result, Scope, StoreError, TurnHold, TurnId,
    TurnStore, TurnsRecord,
};
use std::collections::VecDeque;

/// So many ended turns are remembered by their request id.
const ENDED: usize = 32;

/// The turn of a conversation.
#[derive(Default)]
pub(crate) struct Turns {
    /// The number of the latest claim.
    fence: u64,
    hold: TurnHold,
    /// Request ids of ended turns, oldest first.
    ended: VecDeque<Box<str>>,
}

impl Turns {
    fn claim(&mut self, request: ClaimRequest) -> Option<Claim> {
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
        self.ended.push_back(request_id.into());
    }

    /// Whether the claim's turn is the one that runs.
    pub(crate) fn runs(&self, claim: &Claim) -> bool {
        matches!(&self.hold, TurnHold::Running { turn, .. } if *turn == claim.turn && self.fence == claim.fence)
    }

    /// The state as a record.
    pub(crate) fn record(&self, scope: Scope, conversation: ConversationId) -> TurnsRecord {
        let ended = self.ended.iter().map(|id| (**id).to_owned()).collect();
        TurnsRecord { scope, conversation, fence: self.fence, hold: self.hold.clone(), ended }
    }

    /// Takes a record's state over, unless a later claim than its is known.
    pub(crate) fn restore(&mut self, record: TurnsRecord) {
        if record.fence > self.fence {
            self.fence = record.fence;
            self.hold = record.hold;
            self.ended = record.ended.into_iter().map(Into::into).collect();
        }
    }

    fn renew(&mut self, claim: &Claim, until: Timestamp) -> Result<()> {
        let runs = self.runs(claim);
        match &mut self.hold {
            TurnHold::Running { lease_until, .. } if runs => {
                *lease_until = until;
                Ok(())
            }
            _ => Err(StoreError::ClaimLost),
        }
    }

    /// Releasing twice is no error, as long as nobody else has claimed since.
    fn release(&mut self, claim: &Claim) -> Result<()> {
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

    fn park(&mut self, parked: ParkedTurn) -> Result<()> {
        match &self.hold {
            TurnHold::Parked(there) if there.id == parked.id && there.claim == parked.claim => Ok(()),
            _ if self.runs(&parked.claim) => {
                self.hold = TurnHold::Parked(Box::new(parked));
                Ok(())
            }
            _ => Err(StoreError::ClaimLost),
        }
    }

    fn parked(&self) -> Option<(ParkedTurn, Vec<String>)> {
        let TurnHold::Parked(parked) = &self.hold else { return None };
        Some(((**parked).clone(), self.ended.iter().map(|id| (**id).to_owned()).collect()))
    }

    fn unpark(&mut self, park: &ParkId, lease_until: Timestamp) -> Option<Claim> {
        let TurnHold::Parked(parked) = &self.hold else { return None };
        if parked.id != *park {
            return None;
        }
        let Claim { conversation, turn, request_id, .. } = parked.claim.clone();
        Some(self.run(conversation, turn, request_id, lease_until))
    }

    fn spend_attempt(&mut self, park: &ParkId) -> Option<u32> {
        match &mut self.hold {
            TurnHold::Parked(parked) if parked.id == *park => {
                parked.attempts_remaining = parked.attempts_remaining.checked_sub(1)?;
                Some(parked.attempts_remaining)
            }
            _ => None,
        }
    }
}

#[async_trait]
impl TurnStore for Threads {
    async fn claim(&self, scope: &Scope, request: ClaimRequest) -> Result<Option<Claim>> {
        let conversation = request.conversation.clone();
        self.change(scope, &conversation, |thread| thread.turns().claim(request))
            .ok_or(StoreError::NotFound("conversation"))
    }

    async fn renew(&self, claim: &Claim, lease_until: Timestamp) -> Result<()> {
        self.change_held(&claim.conversation, |thread| thread.turns().renew(claim, lease_until))
            .unwrap_or(Err(StoreError::ClaimLost))
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.change_held(&claim.conversation, |thread| thread.turns().release(claim))
            .unwrap_or(Err(StoreError::ClaimLost))
    }

    async fn park(&self, parked: ParkedTurn) -> Result<()> {
        let conversation = parked.claim.conversation.clone();
        self.change_held(&conversation, |thread| thread.turns().park(parked))
            .unwrap_or(Err(StoreError::ClaimLost))
    }

    async fn parked(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
    ) -> Result<Option<(ParkedTurn, Vec<String>)>> {
        Ok(self.read(scope, conversation, |thread| thread.turns_ref()?.parked()).flatten())
    }

    async fn unpark(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
        lease_until: Timestamp,
    ) -> Result<Option<Claim>> {
        Ok(self.change(scope, conversation, |thread| thread.turns().unpark(park, lease_until)).flatten())
    }

    async fn spend_attempt(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
    ) -> Result<Option<u32>> {
        Ok(self.change(scope, conversation, |thread| thread.turns().spend_attempt(park)).flatten())
    }
}
