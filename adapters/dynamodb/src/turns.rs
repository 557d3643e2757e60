//! Who holds a conversation, and the tool journal. The state is one item with a revision: it is read,
//! changed by the store's own state machine and written back if nobody else has written meanwhile.

use crate::body;
use crate::conversations::{TRIES, is_of, meta};
use crate::failure::contended;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{Outcome, Range, Reading, Table, Write, back_off};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Claim, ClaimRequest, Conversation, ConversationId, JournalEntry, JournalRecord, JournalStore, ParkId,
    ParkedTurn, Result, Scope, StoreError, TurnHold, TurnId, TurnState, TurnStore,
};
use std::sync::Arc;
use std::time::SystemTime;

/// How long a line of the journal is kept after it was written, in seconds: 90 days.
const JOURNAL_KEPT: u64 = 90 * 24 * 60 * 60;

pub(crate) struct Turns {
    pub(crate) table: Arc<Table>,
}

/// The item that says who holds a conversation.
pub(crate) fn turn_key(id: &ConversationId) -> Key {
    Key::new(keys::of('C', id.as_str()), "TURN")
}

fn line(turn: &TurnId, number: u64) -> Key {
    Key::new(keys::of('J', turn.as_str()), keys::number("", number))
}

/// When the service may remove a line, in Unix seconds.
#[expect(clippy::disallowed_methods, reason = "the service compares it with its own wall clock")]
fn expiry() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() + JOURNAL_KEPT
}

impl Turns {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self { table }
    }

    /// Whether the conversation is of the scope.
    async fn owns(&self, scope: &Scope, id: &ConversationId) -> Result<bool> {
        match self.table.get(&meta(id)).await? {
            Some(item) => Ok(is_of(&body::open::<Conversation>(&self.table, &item).await?, scope)),
            None => Ok(false),
        }
    }

    /// Applies a change to the state of a conversation; nothing is written if it changes nothing.
    pub(crate) async fn change<T>(
        &self,
        id: &ConversationId,
        mut change: impl FnMut(&mut TurnState) -> T,
    ) -> Result<T> {
        let key = turn_key(id);
        for attempt in 0..TRIES {
            let old = self.table.get(&key).await?;
            let before: TurnState = match &old {
                Some(item) => body::open(&self.table, item).await?,
                None => TurnState::default(),
            };
            let mut after = before.clone();
            let result = change(&mut after);
            if after == before {
                return Ok(result);
            }
            let revision = old.as_ref().map(|old| old.get_number("rev")).transpose()?;
            let record = after.record(Scope::new("", ""), id.clone());
            let running = match &record.hold {
                TurnHold::Running { turn, .. } => turn.as_str(),
                _ => "",
            };
            let item = Item::new("T", &key)
                .number("rev", revision.map_or(0, |revision| revision + 1))
                .number("fence", record.fence)
                .text("running", running)
                .text("id", id.as_str());
            let item = body::seal(&self.table, item, "a parked turn", &after).await?;
            let written = match revision {
                Some(revision) => self.table.put_revision(item.clone(), revision).await?,
                None => self.table.put_new(item.clone()).await?,
            };
            if written {
                if let Some(old) = &old {
                    body::discard(&self.table, old).await?;
                }
                return Ok(result);
            }
            body::discard(&self.table, &item).await?;
            back_off(attempt, running).await;
        }
        Err(contended("conversation"))
    }

    /// Changes the state of a conversation of the scope; `None` if it is none.
    async fn change_of<T>(
        &self,
        scope: &Scope,
        id: &ConversationId,
        change: impl FnMut(&mut TurnState) -> T,
    ) -> Result<Option<T>> {
        match self.owns(scope, id).await? {
            true => self.change(id, change).await.map(Some),
            false => Ok(None),
        }
    }

    /// Writes a line with its number; `false` if that number is taken.
    pub(crate) async fn restore_line(&self, record: &JournalRecord) -> Result<bool> {
        let number = u64::from(record.ordinal);
        let item = self.line_item(&record.conversation, &record.turn, number, &record.entry).await?;
        let written = self.table.put_new(item.clone()).await?;
        if !written {
            body::discard(&self.table, &item).await?;
        }
        Ok(written)
    }

    async fn line_item(
        &self,
        conversation: &ConversationId,
        turn: &TurnId,
        number: u64,
        entry: &JournalEntry,
    ) -> Result<Item> {
        let item = Item::new("J", &line(turn, number))
            .text("conversation", conversation.as_str())
            .text("turn", turn.as_str())
            .number("number", number)
            .number("ttl", expiry());
        body::seal(&self.table, item, "a line of the journal", entry).await
    }
}

#[async_trait]
impl TurnStore for Turns {
    async fn claim(&self, scope: &Scope, request: ClaimRequest) -> Result<Option<Claim>> {
        let id = request.conversation.clone();
        let claimed = self.change_of(scope, &id, |state| state.claim(request.clone())).await?;
        claimed.ok_or(StoreError::NotFound("conversation"))
    }

    async fn renew(&self, claim: &Claim, lease_until: Timestamp) -> Result<()> {
        self.change(&claim.conversation, |state| state.renew(claim, lease_until)).await?
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        self.change(&claim.conversation, |state| state.release(claim)).await?
    }

    async fn park(&self, parked: ParkedTurn) -> Result<()> {
        self.change(&parked.claim.conversation, |state| state.park(parked.clone())).await?
    }

    async fn parked(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
    ) -> Result<Option<(ParkedTurn, Vec<String>)>> {
        Ok(self.change_of(scope, conversation, |state| state.parked()).await?.flatten())
    }

    async fn unpark(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
        lease_until: Timestamp,
    ) -> Result<Option<Claim>> {
        Ok(self.change_of(scope, conversation, |state| state.unpark(park, lease_until)).await?.flatten())
    }

    async fn spend_attempt(
        &self,
        scope: &Scope,
        conversation: &ConversationId,
        park: &ParkId,
    ) -> Result<Option<u32>> {
        Ok(self.change_of(scope, conversation, |state| state.spend_attempt(park)).await?.flatten())
    }
}

#[async_trait]
impl JournalStore for Turns {
    async fn append(&self, claim: &Claim, entry: JournalEntry) -> Result<()> {
        let pk = keys::of('J', claim.turn.as_str());
        let held = [
            ("running".to_owned(), AttributeValue::S(claim.turn.as_str().to_owned())),
            ("fence".to_owned(), AttributeValue::N(claim.fence.to_string())),
        ];
        for attempt in 0..TRIES {
            let reading = Reading { newest_first: true, limit: 1, consistent: true };
            let last =
                self.table.query(Range { pk: &pk, from: "0", to: "9999999999999" }, reading, None).await?;
            let last = last.items.first().map(|item| item.get_number("number")).transpose()?;
            let number = last.map_or(0, |last| last + 1);
            let item = self.line_item(&claim.conversation, &claim.turn, number, &entry).await?;
            let writes = vec![
                Write::Check(turn_key(&claim.conversation), held.clone().into()),
                Write::New(item.clone()),
            ];
            let Outcome::Refused(failed) = self.table.transact(writes).await? else { return Ok(()) };
            body::discard(&self.table, &item).await?;
            if failed.first() == Some(&true) {
                return Err(StoreError::ClaimLost);
            }
            back_off(attempt, &entry.call).await;
        }
        Err(contended("conversation"))
    }

    async fn entries(&self, turn: &TurnId) -> Result<Vec<JournalEntry>> {
        let pk = keys::of('J', turn.as_str());
        let mut entries = Vec::new();
        for item in self.table.query_all(Range { pk: &pk, from: "0", to: "9999999999999" }).await? {
            entries.push(body::open(&self.table, &item).await?);
        }
        Ok(entries)
    }
}
