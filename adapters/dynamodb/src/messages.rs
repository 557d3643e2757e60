//! Messages: numbered from 1 inside their conversation, so that their order is total.

use crate::body;
use crate::conversations::{Conversations, Held, TRIES, moves};
use crate::failure::contended;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{ItemPage, Outcome, Range, Reading, Write, back_off};
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Before, ConversationId, Message, MessageId, MessagePage, MessageStore, Page, Result, Scope, StoreError,
};

fn partition(conversation: &ConversationId) -> String {
    keys::of('C', conversation.as_str())
}

/// The message with a number.
fn place(conversation: &ConversationId, number: u64) -> Key {
    Key::new(partition(conversation), keys::number("M#", number))
}

/// Where the number of a message stands.
fn by_id(conversation: &ConversationId, id: &MessageId) -> Key {
    Key::new(partition(conversation), format!("I#{}", keys::digest(&[id.as_str().as_bytes()])))
}

/// The number before which the next page ends, bound to its conversation.
fn cursor(conversation: &ConversationId, number: u64) -> String {
    let bound = keys::digest(&[conversation.as_str().as_bytes()]);
    format!("{number:x}-{}", &bound[..16])
}

fn resolve(conversation: &ConversationId, text: &str, count: u64) -> Result<u64> {
    text.split_once('-')
        .and_then(|(number, _)| u64::from_str_radix(number, 16).ok())
        .filter(|number| (1..=count + 1).contains(number) && cursor(conversation, *number) == text)
        .ok_or(StoreError::UnknownCursor)
}

impl Conversations {
    /// A page of messages with numbers below `end`, newest first.
    async fn below(
        &self,
        conversation: &ConversationId,
        end: u64,
        limit: usize,
        after: Option<&Key>,
    ) -> Result<ItemPage> {
        if end <= 1 {
            return Ok(ItemPage { items: Vec::new(), next: None });
        }
        let (pk, to) = (partition(conversation), keys::number("M#", end - 1));
        let reading = Reading { newest_first: true, limit, consistent: true };
        self.table.query(Range { pk: &pk, from: "M#000000000001", to: &to }, reading, after).await
    }

    /// One more than the number of the last message that was made before an instant.
    async fn end_before(&self, conversation: &ConversationId, count: u64, instant: Timestamp) -> Result<u64> {
        let wanted = keys::inverted(instant);
        let mut after = None;
        loop {
            let page = self.below(conversation, count + 1, 100, after.as_ref()).await?;
            for item in &page.items {
                // Later instants sort first.
                if item.get_text("made")? > wanted.as_str() {
                    return Ok(item.get_number("number")? + 1);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(1),
            }
        }
    }

    async fn end(&self, held: &Held, before: Option<Before>) -> Result<u64> {
        let (id, count) = (&held.conversation.id, held.conversation.message_count);
        match before {
            None => Ok(count + 1),
            Some(Before::Cursor(text)) => resolve(id, &text, count),
            Some(Before::Instant(instant)) => self.end_before(id, count, instant).await,
            Some(Before::Message(message)) => match self.table.get(&by_id(id, &message)).await? {
                Some(item) => item.get_number("number"),
                None => Err(StoreError::UnknownCursor),
            },
        }
    }

    /// Adds a message as the next; `false` if others were in the way.
    async fn try_append(&self, held: Held, message: &Message) -> Result<bool> {
        let Held { conversation: before, item: old, revision } = held;
        let mut after = before.clone();
        after.message_count += 1;
        after.updated_at = after.updated_at.max(message.created_at);
        let item = Item::new("M", &place(&before.id, after.message_count))
            .number("number", after.message_count)
            .text("made", &keys::inverted(message.created_at));
        let id = by_id(&before.id, &message.id);
        let new = self.sealed(&after, revision + 1).await?;
        let said = body::seal(&self.table, item, "a message", message).await?;
        let mut writes = vec![
            Write::New(Item::new("I", &id).number("number", after.message_count)),
            Write::Revision(new.clone(), revision),
            Write::New(said.clone()),
        ];
        writes.extend(moves(&before, &after));
        match self.table.transact(writes).await? {
            Outcome::Done => {
                body::discard(&self.table, &old).await?;
                Ok(true)
            }
            Outcome::Refused(failed) => {
                body::discard(&self.table, &new).await?;
                body::discard(&self.table, &said).await?;
                // The message is there already.
                Ok(failed.first() == Some(&true))
            }
        }
    }
}

#[async_trait]
impl MessageStore for Conversations {
    async fn append(&self, scope: &Scope, message: Message) -> Result<()> {
        for attempt in 0..TRIES {
            let held = self.load_of(scope, &message.conversation).await?;
            let held = held.ok_or(StoreError::NotFound("conversation"))?;
            if self.try_append(held, &message).await? {
                return Ok(());
            }
            back_off(attempt, message.id.as_str()).await;
        }
        Err(contended("conversation"))
    }

    async fn page(&self, scope: &Scope, conversation: &ConversationId, page: Page) -> Result<MessagePage> {
        let Some(held) = self.load_of(scope, conversation).await? else {
            return Ok(MessagePage { messages: Vec::new(), next: None });
        };
        let end = self.end(&held, page.before).await?;
        let limit = page.limit.clamp(1, 100);
        let mut messages = Vec::with_capacity(limit);
        let (mut after, mut start) = (None, end);
        while messages.len() < limit {
            let found = self.below(conversation, end, limit - messages.len(), after.as_ref()).await?;
            for item in &found.items {
                start = item.get_number("number")?;
                messages.push(body::open(&self.table, item).await?);
            }
            match found.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(MessagePage { messages, next: (start > 1).then(|| cursor(conversation, start)) })
    }
}
