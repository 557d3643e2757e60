//! Running and parked turns. At most one turn holds a conversation: the claim is a conditional write
//! with a lease and a fencing number. A parked turn is only this data; any process may resume it.

use crate::{ConversationId, ParkId, Result, Scope, SessionId, TurnId};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A wish to run a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The conversation to hold.
    pub conversation: ConversationId,
    /// The new turn.
    pub turn: TurnId,
    /// The client's name for the turn.
    pub request_id: String,
    /// The present instant.
    pub now: Timestamp,
    /// Until when the claim holds unless renewed.
    pub lease_until: Timestamp,
}

/// A held conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The conversation held.
    pub conversation: ConversationId,
    /// The turn that holds it.
    pub turn: TurnId,
    /// The client's name for the turn.
    pub request_id: String,
    /// Grows with every claim of the conversation; a write with an older number is refused.
    pub fence: u64,
}

/// Why a turn waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParkReason {
    /// A write needs approval.
    Approval,
    /// A one-time code is awaited.
    Verification,
    /// A form is to be filled in.
    Interaction,
}

/// A turn that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParkedTurn {
    /// This wait; another wait of the same turn has another id.
    pub id: ParkId,
    /// The claim the turn held when it parked; a resumed turn gets a new one.
    pub claim: Claim,
    /// The session that asked.
    pub session: SessionId,
    /// Why it waits.
    pub reason: ParkReason,
    /// What the reason needs to be judged by (the form, the hash of the code); opaque to a store.
    pub detail: Value,
    /// The run and the turn's own state; opaque to a store.
    pub checkpoint: Value,
    /// Wrong codes still allowed.
    pub attempts_remaining: u32,
    /// When nobody may answer any more.
    pub expires_at: Timestamp,
}

/// Where turns are kept.
#[async_trait]
pub trait TurnStore: Send + Sync {
    /// Takes the conversation for a turn. `None` while another turn holds it: its lease has not ended,
    /// or it is parked and its park has not expired. An ended lease or park is taken over.
    ///
    /// # Errors
    /// `NotFound` if the conversation is not of this scope.
    async fn claim(&self, scope: &Scope, request: ClaimRequest) -> Result<Option<Claim>>;

    /// Prolongs the lease. `ClaimLost` if a later claim holds the conversation.
    async fn renew(&self, claim: &Claim, lease_until: Timestamp) -> Result<()>;

    /// Ends the turn and frees the conversation; also ends a parked turn, if the claim is the one it
    /// parked with. Keeps the request id among the last 32 ended ones. `ClaimLost` as above.
    async fn release(&self, claim: &Claim) -> Result<()>;

    /// Turns the running turn into a parked one. `ClaimLost` as above.
    async fn park(&self, parked: ParkedTurn) -> Result<()>;

    /// The conversation's parked turn, expired or not, and the request ids of turns that ended before it.
    async fn parked(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
    ) -> Result<Option<(ParkedTurn, Vec<String>)>>;

    /// Takes the park for one verdict: of all callers that name it, exactly one gets the new claim.
    /// `None` when the park is gone.
    async fn unpark(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
        lease_until: Timestamp,
    ) -> Result<Option<Claim>>;

    /// Spends one attempt of the park before a code is compared, so that parallel guesses are counted:
    /// the attempts left after this one, or `None` when the park is gone or had none left.
    async fn spend_attempt(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
    ) -> Result<Option<u32>>;
}
