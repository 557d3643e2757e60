//! Who holds a conversation, changed under the conversation's own lock.

use crate::conversations::Threads;
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Claim, ClaimRequest, ConversationId, ParkId, ParkedTurn, Result, Scope, StoreError, TurnStore,
};

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
