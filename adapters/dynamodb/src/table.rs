//! The table: reads, conditional writes, transactions and batches, each with its errors told apart.

use crate::item::{Attributes, Item, attributes};
use crate::keys::Key;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, ConsumedCapacity, Delete,
    DeleteRequest, KeySchemaElement, KeyType, KeysAndAttributes, Put, PutRequest, ReturnConsumedCapacity,
    ScalarAttributeType, TableStatus, TimeToLiveSpecification, TransactWriteItem, Update, WriteRequest,
};
use smooai_smooth_operator_store::{Result, StoreError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The most keys of a batch read, and the most requests of a batch write.
const BATCH_READ: usize = 100;
const BATCH_WRITE: usize = 25;
/// How many items a scan looks at, at least.
const SCANNED: usize = 500;
/// How often what a batch left undone is asked for again.
const BATCH_TRIES: u32 = 8;
/// How often a new table is looked at until it can be used, and how long between.
const TABLE_TRIES: u32 = 60;
const TABLE_WAIT: Duration = Duration::from_secs(1);

/// The table's client.
pub(crate) struct Table {
    client: Client,
    name: String,
    pub(crate) units: Units,
}

/// What requests have cost since the start, in hundredths of capacity units.
#[derive(Default)]
pub(crate) struct Units {
    read: AtomicU64,
    written: AtomicU64,
}

impl Units {
    fn add<'a>(counter: &AtomicU64, costs: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let units: f64 = costs.into_iter().filter_map(|cost| cost.capacity_units).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cost is small and positive"
        )]
        counter.fetch_add((units * 100.0).round() as u64, Ordering::Relaxed);
    }

    fn add_read<'a>(&self, costs: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        Self::add(&self.read, costs);
    }

    fn add_written<'a>(&self, costs: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        Self::add(&self.written, costs);
    }

    /// Read and write units.
    pub(crate) fn spent(&self) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 hundredths")]
        let units = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64 / 100.0;
        (units(&self.read), units(&self.written))
    }
}

/// How a transaction ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Nothing was written. One flag for each write, in order: whether its condition did not hold. All
    /// are false when another transaction was in the way.
    Refused(Vec<bool>),
}

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

/// Tells a failed request from what it was about; the service's own words go to the log only.
fn unavailable<E, R>(doing: &'static str, error: SdkError<E, R>) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    StoreError::Unavailable { context: doing.to_owned(), source: Some(Box::new(error)) }
}

/// A wait that grows with the attempt, up to about half a second; the salt keeps writers apart.
pub(crate) async fn back_off(attempt: u32, salt: &str) {
    let spread =
        u64::from(salt.bytes().fold(attempt, |sum, byte| sum.wrapping_mul(31) ^ u32::from(byte)) % 8);
    let base = 4_u64 << attempt.min(6);
    tokio::time::sleep(Duration::from_millis(base + base * spread / 8)).await;
}

impl Table {
    pub(crate) fn new(config: &SdkConfig, name: String) -> Self {
        Self { client: Client::new(config), name, units: Units::default() }
    }

    /// Makes the table if it is missing, and waits until it can be used.
    pub(crate) async fn ensure(&self) -> Result<()> {
        for _ in 0..TABLE_TRIES {
            match self.client.describe_table().table_name(&self.name).send().await {
                Ok(found) => match found.table.and_then(|table| table.table_status) {
                    Some(TableStatus::Active | TableStatus::Updating) => return Ok(()),
                    _ => tokio::time::sleep(TABLE_WAIT).await,
                },
                Err(error) if error.code() == Some("ResourceNotFoundException") => {
                    self.create().await?;
                }
                Err(error) => {
                    return Err(StoreError::Unavailable {
                        context: format!(
                            "looking for the DynamoDB table {}: check AWS_REGION, the credentials, and that \
                             the role may dynamodb:DescribeTable",
                            self.name
                        ),
                        source: Some(Box::new(error)),
                    });
                }
            }
        }
        Err(StoreError::Unavailable {
            context: format!("the DynamoDB table {} did not become active in a minute", self.name),
            source: None,
        })
    }

    async fn create(&self) -> Result<()> {
        let missing = |source| StoreError::Unavailable {
            context: format!(
                "making the DynamoDB table {}: create it with the string keys pk (hash) and sk (range), or \
                 let the role dynamodb:CreateTable",
                self.name
            ),
            source,
        };
        let mut request =
            self.client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        for (name, role) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build();
            let element = KeySchemaElement::builder().attribute_name(name).key_type(role).build();
            request = request
                .attribute_definitions(attribute.map_err(|error| missing(Some(Box::new(error))))?)
                .key_schema(element.map_err(|error| missing(Some(Box::new(error))))?);
        }
        match request.send().await {
            Ok(_) => {}
            // Another process made it meanwhile.
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(missing(Some(Box::new(error)))),
        }
        let expiry = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build();
        if let Ok(expiry) = expiry {
            // Without it old lines of the journal stay; that is no reason not to start.
            let _kept = self
                .client
                .update_time_to_live()
                .table_name(&self.name)
                .time_to_live_specification(expiry)
                .send()
                .await;
        }
        Ok(())
    }

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
            for attempt in 0.. {
                let asked = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
                let asked = asked.map_err(|error| invalid(Box::new(error)))?;
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
                match left {
                    None => break,
                    Some(_) if attempt == BATCH_TRIES => return Err(throttled("reading items")),
                    Some(left) => wanted = left.keys,
                }
                back_off(attempt, &self.name).await;
            }
        }
        Ok(found)
    }

    /// Puts the item if there is none with its key; `false` if there is.
    pub(crate) async fn put_new(&self, item: Item) -> Result<bool> {
        self.put_if(item, "attribute_not_exists(pk)", Attributes::new()).await
    }

    /// Puts the item in place of the one that has this revision; `false` if it has another.
    pub(crate) async fn put_revision(&self, item: Item, revision: u64) -> Result<bool> {
        let value = AttributeValue::N(revision.to_string());
        self.put_if(item, "rev = :rev", [(":rev".to_owned(), value)].into()).await
    }

    async fn put_if(&self, item: Item, condition: &str, values: Attributes) -> Result<bool> {
        let values = (!values.is_empty()).then_some(values);
        let request = self
            .client
            .put_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .set_item(Some(item.0));
        match request.condition_expression(condition).set_expression_attribute_values(values).send().await {
            Ok(put) => {
                self.units.add_written(&put.consumed_capacity);
                Ok(true)
            }
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(unavailable("writing an item", error)),
        }
    }

    /// Puts the item, whatever is there.
    pub(crate) async fn put(&self, item: Item) -> Result<()> {
        let request = self
            .client
            .put_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .set_item(Some(item.0));
        let put = request.send().await.map_err(|error| unavailable("writing an item", error))?;
        self.units.add_written(&put.consumed_capacity);
        Ok(())
    }

    /// Removes the item; `false` if there was none.
    pub(crate) async fn delete(&self, key: &Key) -> Result<bool> {
        let request = self
            .client
            .delete_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .set_key(Some(attributes(key)));
        let request = request.return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld);
        let gone = request.send().await.map_err(|error| unavailable("removing an item", error))?;
        self.units.add_written(&gone.consumed_capacity);
        Ok(gone.attributes.is_some())
    }

    /// Changes attributes of an item; `false` if the condition does not hold.
    pub(crate) async fn update(&self, key: &Key, change: Change<'_>) -> Result<bool> {
        let request = self
            .client
            .update_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .set_key(Some(attributes(key)));
        let request = request
            .update_expression(change.expression)
            .condition_expression(change.condition)
            .set_expression_attribute_values(Some(change.values));
        match request.send().await {
            Ok(updated) => {
                self.units.add_written(&updated.consumed_capacity);
                Ok(true)
            }
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(unavailable("changing an item", error)),
        }
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

    /// Writes all or nothing; at most 100 writes.
    pub(crate) async fn transact(&self, writes: Vec<Write>) -> Result<Outcome> {
        let items: Vec<TransactWriteItem> =
            writes.into_iter().map(|write| write.item(&self.name)).collect::<Result<_>>()?;
        match self
            .client
            .transact_write_items()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_transact_items(Some(items))
            .send()
            .await
        {
            Ok(written) => {
                self.units.add_written(written.consumed_capacity.iter().flatten());
                Ok(Outcome::Done)
            }
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let reasons = cancelled.cancellation_reasons();
                    let code = |wanted: &str| reasons.iter().any(|reason| reason.code() == Some(wanted));
                    if code("ConditionalCheckFailed") || code("TransactionConflict") {
                        let failed = |reason: &aws_sdk_dynamodb::types::CancellationReason| {
                            reason.code() == Some("ConditionalCheckFailed")
                        };
                        return Ok(Outcome::Refused(reasons.iter().map(failed).collect()));
                    }
                    Err(unavailable("writing items together", error))
                }
                Some(other) if other.code() == Some("TransactionInProgressException") => {
                    Ok(Outcome::Refused(Vec::new()))
                }
                _ => Err(unavailable("writing items together", error)),
            },
        }
    }

    /// Puts items and removes keys, each by itself.
    pub(crate) async fn write_all(&self, puts: Vec<Item>, deletes: Vec<Key>) -> Result<()> {
        let mut requests = Vec::with_capacity(puts.len() + deletes.len());
        for item in puts {
            let put = PutRequest::builder().set_item(Some(item.0)).build();
            let put = put.map_err(|error| invalid(Box::new(error)))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        for key in deletes {
            let delete = DeleteRequest::builder().set_key(Some(attributes(&key))).build();
            let delete = delete.map_err(|error| invalid(Box::new(error)))?;
            requests.push(WriteRequest::builder().delete_request(delete).build());
        }
        for batch in requests.chunks(BATCH_WRITE) {
            let mut left: HashMap<String, Vec<WriteRequest>> = [(self.name.clone(), batch.to_vec())].into();
            for attempt in 0.. {
                let request = self
                    .client
                    .batch_write_item()
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .set_request_items(Some(left));
                let answer = request.send().await.map_err(|error| unavailable("writing items", error))?;
                self.units.add_written(answer.consumed_capacity.iter().flatten());
                left = answer.unprocessed_items.unwrap_or_default();
                if left.is_empty() {
                    break;
                }
                if attempt == BATCH_TRIES {
                    return Err(throttled("writing items"));
                }
                back_off(attempt, &self.name).await;
            }
        }
        Ok(())
    }
}

fn page(items: Option<Vec<Attributes>>, next: Option<Attributes>) -> Result<ItemPage> {
    let next = next.map(|key| Item(key).key()).transpose()?;
    Ok(ItemPage { items: items.unwrap_or_default().into_iter().map(Item).collect(), next })
}

fn throttled(doing: &'static str) -> StoreError {
    StoreError::Unavailable { context: format!("{doing}: DynamoDB is throttling"), source: None }
}

fn invalid(source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Unavailable { context: "making a request".to_owned(), source: Some(source) }
}

/// An update and when it may be done.
pub(crate) struct Change<'a> {
    pub(crate) expression: &'a str,
    pub(crate) condition: &'a str,
    pub(crate) values: Attributes,
}

/// One write of a transaction.
pub(crate) enum Write {
    /// Puts an item if there is none with its key.
    New(Item),
    /// Puts an item in place of the one with this revision.
    Revision(Item, u64),
    /// Puts an item, whatever is there.
    Put(Item),
    /// Removes an item, if it is there.
    Delete(Key),
    /// Removes an item that must be there.
    DeleteThere(Key),
    /// Removes an item if its attribute has this value.
    DeleteIf(Key, &'static str, AttributeValue),
    /// Adds to a number; the item is made if it is not there.
    Add { item: Item, numbers: Vec<(&'static str, i64)> },
    /// Writes nothing, and holds only if the texts and numbers of the item are these.
    Check(Key, Attributes),
}

impl Write {
    fn item(self, table: &str) -> Result<TransactWriteItem> {
        let write = TransactWriteItem::builder();
        let refused = |error| invalid(Box::new(error));
        let put = || Put::builder().table_name(table);
        Ok(match self {
            Self::New(item) => {
                let put = put().set_item(Some(item.0)).condition_expression("attribute_not_exists(pk)");
                write.put(put.build().map_err(refused)?)
            }
            Self::Revision(item, revision) => {
                let put = put()
                    .set_item(Some(item.0))
                    .condition_expression("rev = :rev")
                    .expression_attribute_values(":rev", AttributeValue::N(revision.to_string()));
                write.put(put.build().map_err(refused)?)
            }
            Self::Put(item) => write.put(put().set_item(Some(item.0)).build().map_err(refused)?),
            Self::Delete(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(attributes(&key)));
                write.delete(delete.build().map_err(refused)?)
            }
            Self::DeleteThere(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(attributes(&key)));
                write.delete(delete.condition_expression("attribute_exists(pk)").build().map_err(refused)?)
            }
            Self::DeleteIf(key, name, value) => {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(attributes(&key)))
                    .condition_expression("#n = :v")
                    .expression_attribute_names("#n", name)
                    .expression_attribute_values(":v", value);
                write.delete(delete.build().map_err(refused)?)
            }
            Self::Add { item, numbers } => write.update(add(table, item, &numbers)?),
            Self::Check(key, wanted) => {
                let mut check = ConditionCheck::builder().table_name(table).set_key(Some(attributes(&key)));
                let mut conditions = Vec::new();
                for (at, (name, value)) in wanted.into_iter().enumerate() {
                    conditions.push(format!("#n{at} = :v{at}"));
                    check = check
                        .expression_attribute_names(format!("#n{at}"), name)
                        .expression_attribute_values(format!(":v{at}"), value);
                }
                write.condition_check(
                    check.condition_expression(conditions.join(" AND ")).build().map_err(refused)?,
                )
            }
        }
        .build())
    }
}

/// An update that adds numbers and sets the item's other attributes.
fn add(table: &str, item: Item, numbers: &[(&'static str, i64)]) -> Result<Update> {
    let key = item.key()?;
    let mut update = Update::builder().table_name(table).set_key(Some(attributes(&key)));
    let (mut adds, mut sets) = (Vec::new(), Vec::new());
    for (at, (name, value)) in numbers.iter().enumerate() {
        adds.push(format!("#a{at} :a{at}"));
        update = update
            .expression_attribute_names(format!("#a{at}"), *name)
            .expression_attribute_values(format!(":a{at}"), AttributeValue::N(value.to_string()));
    }
    for (at, (name, value)) in item.0.into_iter().filter(|(name, _)| name != "pk" && name != "sk").enumerate()
    {
        sets.push(format!("#s{at} = :s{at}"));
        update = update
            .expression_attribute_names(format!("#s{at}"), name)
            .expression_attribute_values(format!(":s{at}"), value);
    }
    let expression = format!("SET {} ADD {}", sets.join(", "), adds.join(", "));
    update.update_expression(expression).build().map_err(|error| invalid(Box::new(error)))
}
