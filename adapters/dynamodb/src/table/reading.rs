//! Reads: of items by their keys, of ranges of a partition, and of everything.

use super::{Table, back_off};
use crate::failure::{invalid, throttled, unavailable};
use crate::item::{Attributes, Item, attributes};
use crate::keys::Key;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use smooai_smooth_operator_store::Result;

/// The most keys of a batch read.
const BATCH_READ: usize = 100;
/// How often what a batch left undone is asked for again without getting any further.
const BATCH_TRIES: u32 = 8;
/// How many items a scan looks at, at least.
const SCANNED: usize = 500;

/// A page of a query or a scan.
pub(crate) struct ItemPage {
    pub(crate) items: Vec<Item>,
    pub(crate) next: Option<Key>,
}

/// Which sort keys of a partition, inclusive on both sides.
pub(crate) struct Range<'a> {
    pub(crate) pk: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
}

/// How to read a range.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) newest_first: bool,
    pub(crate) limit: usize,
    /// Whether a read sees every write that has been acknowledged; it costs twice as much.
    pub(crate) consistent: bool,
}

impl Table {
    /// The item, as of all acknowledged writes.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Item>> {
        let request = self
            .client
            .get_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .set_key(Some(attributes(key)));
        let found = request
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| unavailable("reading an item", error))?;
        self.units.add_read(&found.consumed_capacity);
        Ok(found.item.map(Item))
    }

    /// The items that are there, in no order, as of all acknowledged writes. Keys must be distinct.
    pub(crate) async fn get_all(&self, keys: &[Key]) -> Result<Vec<Item>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH_READ) {
            let mut wanted: Vec<Attributes> = keys.iter().map(attributes).collect();
            let mut attempt = 0;
            loop {
                let asked_for = wanted.len();
                let asked = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
                let asked = asked.map_err(invalid)?;
                let request = self
                    .client
                    .batch_get_item()
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .request_items(&self.name, asked);
                let answer = request.send().await.map_err(|error| unavailable("reading items", error))?;
                self.units.add_read(answer.consumed_capacity.iter().flatten());
                let items = answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default();
                found.extend(items.into_iter().map(Item));
                let left = answer.unprocessed_keys.unwrap_or_default().remove(&self.name);
                let Some(left) = left else { break };
                attempt = if left.keys.len() < asked_for { 0 } else { attempt + 1 };
                if attempt == BATCH_TRIES {
                    return Err(throttled("reading items"));
                }
                wanted = left.keys;
                back_off(attempt, &self.name).await;
            }
        }
        Ok(found)
    }

    /// A page of a range of a partition.
    pub(crate) async fn query(
        &self,
        range: Range<'_>,
        reading: Reading,
        after: Option<&Key>,
    ) -> Result<ItemPage> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self
            .client
            .query()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(range.pk))
            .expression_attribute_values(":from", text(range.from))
            .expression_attribute_values(":to", text(range.to))
            .scan_index_forward(!reading.newest_first)
            .consistent_read(reading.consistent)
            .limit(i32::try_from(reading.limit.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(after.map(attributes));
        let found = request.send().await.map_err(|error| unavailable("reading a range", error))?;
        self.units.add_read(&found.consumed_capacity);
        page(found.items, found.last_evaluated_key)
    }

    /// All items of a range, in order. For ranges that are small by their nature.
    pub(crate) async fn query_all(&self, range: Range<'_>) -> Result<Vec<Item>> {
        let reading = Reading { newest_first: false, limit: 1_000, consistent: true };
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let range = Range { pk: range.pk, from: range.from, to: range.to };
            let found = self.query(range, reading, after.as_ref()).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// The first items of a kind after a key, in no order of partitions, but in order inside each. May be
    /// fewer than `limit`, or none, and not the last.
    pub(crate) async fn scan(&self, kind: &str, limit: usize, after: Option<&Key>) -> Result<ItemPage> {
        let limit = limit.max(1);
        let request = self
            .client
            .scan()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .filter_expression("k = :k")
            .expression_attribute_values(":k", AttributeValue::S(kind.to_owned()))
            .consistent_read(true)
            .limit(i32::try_from(limit.max(SCANNED)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(after.map(attributes));
        let found = request.send().await.map_err(|error| unavailable("reading the table", error))?;
        self.units.add_read(&found.consumed_capacity);
        let mut page = page(found.items, found.last_evaluated_key)?;
        if page.items.len() > limit {
            page.items.truncate(limit);
            page.next = page.items.last().map(Item::key).transpose()?;
        }
        Ok(page)
    }
}

fn page(items: Option<Vec<Attributes>>, next: Option<Attributes>) -> Result<ItemPage> {
    let next = next.map(|key| Item(key).key()).transpose()?;
    Ok(ItemPage { items: items.unwrap_or_default().into_iter().map(Item).collect(), next })
}
