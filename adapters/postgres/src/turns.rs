//! Who holds a conversation. Every change is one conditional statement: the row's lock makes those that
//! race come one after another, and each sees what the one before it left.

use crate::conversations::scoped;
use crate::database::{Database, Statement, Who, Work};
use crate::failure::Failure;
use crate::row::{Columns, json, name, named};
use crate::text::{self, key};
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Claim, ClaimRequest, ConversationId, ParkId, ParkedTurn, Result, Scope, StoreError, TurnStore,
};
use sqlx::postgres::PgRow;

/// What ends a turn: its request id joins the last 32, and nothing of a park stays.
macro_rules! ending {
    () => {
        "ended = CASE WHEN held.held_until IS NULL THEN held.ended \
             ELSE (array_append(held.ended, held.request_id))[cardinality(held.ended) - 30:] END, \
         park = NULL, session = NULL, reason = NULL, detail = NULL, checkpoint = NULL, \
         attempts_remaining = NULL"
    };
}

/// The turn of a claim that runs; the first three values are of [`claimed`].
macro_rules! running {
    () => {
        "WHERE conversation = $1 AND turn = $2 AND fence = $3 AND held_until IS NOT NULL AND park IS NULL"
    };
}
pub(crate) use running;

/// $6 is now, $7 the lease's end.
const CLAIM: &str = concat!(
    "WITH own AS ( \
        SELECT 1 FROM conversations WHERE organization = $1 AND principal = $2 AND id = $3 \
     ), taken AS ( \
        INSERT INTO turns AS held (organization, conversation, principal, fence, turn, request_id, held_until) \
        SELECT $1, $3, $2, 1, $4, $5, $7 FROM own \
        ON CONFLICT (organization, conversation) DO UPDATE SET fence = held.fence + 1, turn = $4, \
            request_id = $5, held_until = $7, lines = CASE WHEN held.turn = $4 THEN held.lines ELSE 0 END, ",
    ending!(),
    " WHERE held.held_until IS NULL OR held.held_until <= $6 RETURNING fence \
     ) SELECT EXISTS (SELECT 1 FROM own), (SELECT fence FROM taken)"
);
const RENEW: &str = concat!("UPDATE turns SET held_until = $4 ", running!(), " RETURNING fence");
const RELEASE: &str = concat!(
    "UPDATE turns AS held SET held_until = NULL, ",
    ending!(),
    " WHERE conversation = $1 AND turn = $2 AND fence = $3 RETURNING fence"
);
/// Once more with the same park changes nothing.
const PARK: &str = concat!(
    "WITH done AS ( \
        UPDATE turns SET held_until = $4, park = $5, session = $6, reason = $7, detail = $8::text::json, \
            checkpoint = $9::text::json, attempts_remaining = $10 ",
    running!(),
    " RETURNING fence \
     ) SELECT fence FROM done UNION ALL \
     SELECT fence FROM turns WHERE conversation = $1 AND turn = $2 AND fence = $3 AND park = $5"
);
const PARKED: &str = "\
    SELECT turn, request_id, fence, park, session, reason, detail::text, checkpoint::text, \
        attempts_remaining, held_until, ended \
    FROM turns WHERE organization = $1 AND principal = $2 AND conversation = $3 AND park IS NOT NULL";
const UNPARK: &str = "\
    UPDATE turns SET fence = fence + 1, held_until = $5, park = NULL, session = NULL, reason = NULL, \
        detail = NULL, checkpoint = NULL, attempts_remaining = NULL \
    WHERE organization = $1 AND principal = $2 AND conversation = $3 AND park = $4 \
    RETURNING turn, request_id, fence";
const SPEND: &str = "\
    UPDATE turns SET attempts_remaining = attempts_remaining - 1 \
    WHERE organization = $1 AND principal = $2 AND conversation = $3 AND park = $4 \
        AND attempts_remaining > 0 \
    RETURNING attempts_remaining";

/// The turns of all conversations.
pub(crate) struct Turns(pub(crate) Database);

/// A statement about the turn of a claim. It runs as [`Who::Turn`]: a claim does not tell the organisation.
pub(crate) fn claimed<'q>(sql: &'static str, claim: &'q Claim) -> Statement<'q> {
    sqlx::query(sql)
        .bind(text::escaped(claim.conversation.as_str()))
        .bind(text::escaped(claim.turn.as_str()))
        .bind(text::counted(claim.fence))
}

/// A park as it is written.
pub(crate) struct Written {
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) checkpoint: String,
}

impl Written {
    pub(crate) fn of(parked: &ParkedTurn) -> Result<Self, Failure> {
        Ok(Self {
            reason: name(&parked.reason)?,
            detail: json(&parked.detail)?,
            checkpoint: json(&parked.checkpoint)?,
        })
    }
}

/// The columns from `turn` to `held_until` of a parked turn.
pub(crate) fn parked(columns: &mut Columns<'_>, of: &ConversationId) -> Result<ParkedTurn, Failure> {
    Ok(ParkedTurn {
        claim: claim(columns, of)?,
        id: columns.id()?,
        session: columns.id()?,
        reason: named(columns.value()?)?,
        detail: columns.json()?,
        checkpoint: columns.json()?,
        attempts_remaining: columns.count()?,
        expires_at: columns.instant()?,
    })
}

/// The columns `turn`, `request_id` and `fence`.
fn claim(columns: &mut Columns<'_>, of: &ConversationId) -> Result<Claim, Failure> {
    Ok(Claim {
        conversation: of.clone(),
        turn: columns.id()?,
        request_id: columns.text()?,
        fence: columns.count()?,
    })
}

/// The new claim's number, or `None` while another holds.
fn taken(row: Option<&PgRow>) -> Result<Option<u64>, Failure> {
    let mut columns = Columns::of(row.ok_or(StoreError::NotFound("conversation"))?);
    if !columns.value::<bool>()? {
        return Err(StoreError::NotFound("conversation").into());
    }
    columns.value::<Option<i64>>()?.map(text::count).transpose()
}

impl Turns {
    /// Runs a statement that gives a row if the claim still counts.
    async fn held<'q>(
        &self,
        claim: &Claim,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
    ) -> Result<()> {
        match self.0.row(Who::Turn(&claim.turn), Work::Write, statement).await? {
            Some(_) => Ok(()),
            None => Err(StoreError::ClaimLost),
        }
    }
}

#[async_trait]
impl TurnStore for Turns {
    async fn claim(&self, scope: &Scope, request: ClaimRequest) -> Result<Option<Claim>> {
        key("turn id", request.turn.as_str()).map_err(Failure::into_error)?;
        let statement = || {
            scoped(CLAIM, scope)
                .bind(text::escaped(request.conversation.as_str()))
                .bind(text::escaped(request.turn.as_str()))
                .bind(text::escaped(&request.request_id))
                .bind(text::nanoseconds(request.now))
                .bind(text::nanoseconds(request.lease_until))
        };
        let row = self.0.row(Who::Organization(&scope.organization), Work::Write, statement).await?;
        let fence = taken(row.as_ref()).map_err(Failure::into_error)?;
        let ClaimRequest { conversation, turn, request_id, .. } = request;
        Ok(fence.map(|fence| Claim { conversation, turn, request_id, fence }))
    }

    async fn renew(&self, claim: &Claim, lease_until: Timestamp) -> Result<()> {
        self.held(claim, || claimed(RENEW, claim).bind(text::nanoseconds(lease_until))).await
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.held(claim, || claimed(RELEASE, claim)).await
    }

    async fn park(&self, parked: ParkedTurn) -> Result<()> {
        let written = Written::of(&parked).map_err(Failure::into_error)?;
        let statement = || {
            claimed(PARK, &parked.claim)
                .bind(text::nanoseconds(parked.expires_at))
                .bind(text::escaped(parked.id.as_str()))
                .bind(text::escaped(parked.session.as_str()))
                .bind(&written.reason)
                .bind(&written.detail)
                .bind(&written.checkpoint)
                .bind(text::counted(parked.attempts_remaining))
        };
        self.held(&parked.claim, statement).await
    }

    async fn parked(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
    ) -> Result<Option<(ParkedTurn, Vec<String>)>> {
        let statement = || scoped(PARKED, scope).bind(text::escaped(conversation.as_str()));
        let row = self.0.row(Who::Organization(&scope.organization), Work::Read, statement).await?;
        let read = |row: &PgRow| {
            let mut columns = Columns::of(row);
            Ok((parked(&mut columns, conversation)?, columns.texts()?))
        };
        row.as_ref().map(read).transpose().map_err(Failure::into_error)
    }

    async fn unpark(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
        lease_until: Timestamp,
    ) -> Result<Option<Claim>> {
        let statement = || {
            scoped(UNPARK, scope)
                .bind(text::escaped(conversation.as_str()))
                .bind(text::escaped(park.as_str()))
                .bind(text::nanoseconds(lease_until))
        };
        let row = self.0.row(Who::Organization(&scope.organization), Work::Write, statement).await?;
        let read = |row: &PgRow| claim(&mut Columns::of(row), conversation);
        row.as_ref().map(read).transpose().map_err(Failure::into_error)
    }

    async fn spend_attempt(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
    ) -> Result<Option<u32>> {
        let statement = || {
            scoped(SPEND, scope).bind(text::escaped(conversation.as_str())).bind(text::escaped(park.as_str()))
        };
        let row = self.0.row(Who::Organization(&scope.organization), Work::Write, statement).await?;
        row.as_ref().map(|row| Columns::of(row).count()).transpose().map_err(Failure::into_error)
    }
}
