//! Who holds a conversation: the turn's state in one row, changed inside the writer's transaction.

use crate::conversations::{number, number_held};
use crate::database::Database;
use crate::error::Failure;
use crate::row::{get_json, json};
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use smooai_smooth_operator_store::{
    Claim, ClaimRequest, ConversationId, ParkId, ParkedTurn, Result, Scope, StoreError, TurnState, TurnStore,
};
use std::sync::Arc;

/// The table `turns`.
pub(crate) struct Turns(pub(crate) Arc<Database>);

/// The state of a conversation by its number.
pub(crate) fn load(connection: &Connection, number: i64) -> Result<TurnState, Failure> {
    let mut found = connection.prepare_cached("SELECT state FROM turns WHERE conversation = ?")?;
    Ok(found.query_row([number], |row| get_json(row, "state")).optional()?.unwrap_or_default())
}

/// Stores the state of a conversation.
pub(crate) fn save(connection: &Connection, number: i64, state: &TurnState) -> Result<(), Failure> {
    let mut save =
        connection.prepare_cached("INSERT OR REPLACE INTO turns (conversation, state) VALUES (?, ?)")?;
    save.execute(params![number, json(state)?])?;
    Ok(())
}

/// Changes the state of a conversation, if its number is known; an error changes nothing.
fn change<T>(
    connection: &Connection,
    number: Option<i64>,
    change: impl FnOnce(&mut TurnState) -> Result<T>,
) -> Result<Option<T>, Failure> {
    let Some(number) = number else { return Ok(None) };
    let before = load(connection, number)?;
    let mut after = before.clone();
    let result = change(&mut after)?;
    if after != before {
        save(connection, number, &after)?;
    }
    Ok(Some(result))
}

impl Turns {
    /// Changes the state of a conversation that the caller holds a claim of.
    async fn held(
        &self,
        context: &'static str,
        id: &ConversationId,
        work: impl FnOnce(&mut TurnState) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let id = id.clone();
        self.0
            .write(context, move |connection| {
                let done = change(connection, number_held(connection, &id)?, work)?;
                Ok(done.ok_or(StoreError::ClaimLost)?)
            })
            .await
    }

    /// Changes the state of a conversation of the scope.
    async fn scoped<T: Send + 'static>(
        &self,
        context: &'static str,
        scope: &Scope,
        id: &ConversationId,
        work: impl FnOnce(&mut TurnState) -> T + Send + 'static,
    ) -> Result<Option<T>> {
        let (scope, id) = (scope.clone(), id.clone());
        self.0
            .write(context, move |connection| {
                change(connection, number(connection, &scope, &id)?, |state| Ok(work(state)))
            })
            .await
    }
}

#[async_trait]
impl TurnStore for Turns {
    async fn claim(&self, scope: &Scope, request: ClaimRequest) -> Result<Option<Claim>> {
        let id = request.conversation.clone();
        self.scoped("claiming a conversation", scope, &id, |state| state.claim(request))
            .await?
            .ok_or(StoreError::NotFound("conversation"))
    }

    async fn renew(&self, claim: &Claim, lease_until: Timestamp) -> Result<()> {
        let held = claim.clone();
        self.held("renewing a claim", &claim.conversation, move |state| state.renew(&held, lease_until)).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let held = claim.clone();
        self.held("releasing a claim", &claim.conversation, move |state| state.release(&held)).await
    }

    async fn park(&self, parked: ParkedTurn) -> Result<()> {
        let id = parked.claim.conversation.clone();
        self.held("parking a turn", &id, |state| state.park(parked)).await
    }

    async fn parked(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
    ) -> Result<Option<(ParkedTurn, Vec<String>)>> {
        let (scope, id) = (scope.clone(), conversation.clone());
        self.0
            .read("reading a parked turn", move |connection| {
                let Some(number) = number(connection, &scope, &id)? else { return Ok(None) };
                Ok(load(connection, number)?.parked())
            })
            .await
    }

    async fn unpark(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
        lease_until: Timestamp,
    ) -> Result<Option<Claim>> {
        let park = park.clone();
        let taken = self
            .scoped("taking a park", scope, conversation, move |state| state.unpark(&park, lease_until))
            .await?;
        Ok(taken.flatten())
    }

    async fn spend_attempt(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
    ) -> Result<Option<u32>> {
        let park = park.clone();
        let left = self
            .scoped("spending an attempt", scope, conversation, move |state| state.spend_attempt(&park))
            .await?;
        Ok(left.flatten())
    }
}
