//! Writes: under a condition, together, and many by themselves.
//!
//! A request whose answer was lost is sent again by the SDK. A transaction carries a token that the service
//! knows it by. Any other conditional write leaves one in the item, and is taken for done when its condition
//! is refused by an item that holds this very token.

use super::{Table, back_off};
use crate::failure::{invalid, throttled, unavailable};
use crate::item::{Attributes, Item, attributes};
use crate::keys::Key;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, DeleteRequest, Put, PutRequest,
    ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, WriteRequest,
};
use smooai_smooth_operator_store::Result;
use std::collections::HashMap;
use uuid::Uuid;

/// The most requests of a batch write.
const BATCH_WRITE: usize = 25;
/// How often what was throttled is asked for again without getting any further.
const TRIES: u32 = 8;
/// The attribute that tells whose write an item is.
const TOKEN: &str = "w";

/// How a transaction ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Nothing was written. One flag for each write, in order: whether its condition did not hold. All
    /// are false when another transaction was in the way.
    Refused(Vec<bool>),
}

/// An update and when it may be done.
pub(crate) struct Change<'a> {
    /// Assignments, with commas between.
    pub(crate) set: &'a str,
    /// Additions, with commas between; may be empty.
    pub(crate) add: &'a str,
    pub(crate) condition: &'a str,
    pub(crate) values: Attributes,
}

/// A name that nothing else has.
#[expect(clippy::disallowed_methods, reason = "nothing that a caller sees depends on the name")]
pub(crate) fn unique() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Whether the item that refused a condition is the one that this very write has left.
fn is_own(there: Option<&Attributes>, token: &str) -> bool {
    there.and_then(|item| item.get(TOKEN)?.as_s().ok()).is_some_and(|found| found == token)
}

impl Table {
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
        let token = unique();
        let request = self
            .client
            .put_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .table_name(&self.name)
            .set_item(Some(item.text(TOKEN, &token).0))
            .condition_expression(condition)
            .set_expression_attribute_values((!values.is_empty()).then_some(values));
        match request.send().await {
            Ok(put) => {
                self.units.add_written(&put.consumed_capacity);
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(is_own(refused.item(), &token))
                }
                _ => Err(unavailable("writing an item", error)),
            },
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

    /// Removes the item, if it is there.
    pub(crate) async fn delete(&self, key: &Key) -> Result<()> {
        let request = self
            .client
            .delete_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .table_name(&self.name)
            .set_key(Some(attributes(key)));
        let gone = request.send().await.map_err(|error| unavailable("removing an item", error))?;
        self.units.add_written(&gone.consumed_capacity);
        Ok(())
    }

    /// Changes attributes of an item; `false` if the condition does not hold.
    pub(crate) async fn update(&self, key: &Key, change: Change<'_>) -> Result<bool> {
        let token = unique();
        let Change { set, add, condition, mut values } = change;
        values.insert(":w".to_owned(), AttributeValue::S(token.clone()));
        let add = if add.is_empty() { String::new() } else { format!(" ADD {add}") };
        let request = self
            .client
            .update_item()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .update_expression(format!("SET {}{TOKEN} = :w{add}", with_comma(set)))
            .condition_expression(format!(
                "({condition}) AND (attribute_not_exists({TOKEN}) OR {TOKEN} <> :w)"
            ))
            .set_expression_attribute_values(Some(values));
        match request.send().await {
            Ok(updated) => {
                self.units.add_written(&updated.consumed_capacity);
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(is_own(refused.item(), &token))
                }
                _ => Err(unavailable("changing an item", error)),
            },
        }
    }

    /// Writes all or nothing; at most 100 writes, of at most 4 MB together.
    pub(crate) async fn transact(&self, writes: Vec<Write>) -> Result<Outcome> {
        let items: Vec<TransactWriteItem> =
            writes.into_iter().map(|write| write.item(&self.name)).collect::<Result<_>>()?;
        for attempt in 0..=TRIES {
            if let Some(outcome) = self.try_transact(items.clone()).await? {
                return Ok(outcome);
            }
            back_off(attempt, &self.name).await;
        }
        Err(throttled("writing items together"))
    }

    /// `None` when nothing was written because the service throttles. The SDK does not ask again then,
    /// because the service tells it as a cancelled transaction.
    async fn try_transact(&self, items: Vec<TransactWriteItem>) -> Result<Option<Outcome>> {
        let count = items.len();
        let request = self
            .client
            .transact_write_items()
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_transact_items(Some(items));
        let error = match request.send().await {
            Ok(written) => {
                self.units.add_transaction(written.consumed_capacity.iter().flatten(), count);
                return Ok(Some(Outcome::Done));
            }
            Err(error) => error,
        };
        // That the same transaction is still in progress is an error too: it may yet be done.
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(unavailable("writing items together", error));
        };
        match judge(cancelled.cancellation_reasons()) {
            Verdict::Refused(failed) => Ok(Some(Outcome::Refused(failed))),
            Verdict::Throttled => Ok(None),
            Verdict::Broken => Err(unavailable("writing items together", error)),
        }
    }

    /// Puts items and removes keys, each by itself.
    pub(crate) async fn write_all(&self, puts: Vec<Item>, deletes: Vec<Key>) -> Result<()> {
        let mut requests = Vec::with_capacity(puts.len() + deletes.len());
        for item in puts {
            let put = PutRequest::builder().set_item(Some(item.0)).build();
            let put = put.map_err(invalid)?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        for key in deletes {
            let delete = DeleteRequest::builder().set_key(Some(attributes(&key))).build();
            let delete = delete.map_err(invalid)?;
            requests.push(WriteRequest::builder().delete_request(delete).build());
        }
        for batch in requests.chunks(BATCH_WRITE) {
            let mut left: HashMap<String, Vec<WriteRequest>> = [(self.name.clone(), batch.to_vec())].into();
            let (mut attempt, mut count) = (0, batch.len());
            loop {
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
                let remaining = left.values().map(Vec::len).sum();
                attempt = if remaining < count { 0 } else { attempt + 1 };
                count = remaining;
                if attempt == TRIES {
                    return Err(throttled("writing items"));
                }
                back_off(attempt, &self.name).await;
            }
        }
        Ok(())
    }
}

fn with_comma(set: &str) -> String {
    if set.is_empty() { String::new() } else { format!("{set}, ") }
}

/// What the reasons of a cancelled transaction come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Refused(Vec<bool>),
    Throttled,
    Broken,
}

fn judge(reasons: &[CancellationReason]) -> Verdict {
    let is = |reason: &CancellationReason, code: &str| reason.code() == Some(code);
    let any = |codes: &[&str]| reasons.iter().any(|reason| codes.iter().any(|code| is(reason, code)));
    if any(&["ConditionalCheckFailed", "TransactionConflict"]) {
        return Verdict::Refused(reasons.iter().map(|reason| is(reason, "ConditionalCheckFailed")).collect());
    }
    if any(&["ProvisionedThroughputExceeded", "ThrottlingError"]) {
        Verdict::Throttled
    } else {
        Verdict::Broken
    }
}

/// One write of a transaction.
#[derive(Clone)]
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
        let put = || Put::builder().table_name(table);
        Ok(match self {
            Self::New(item) => {
                let put = put().set_item(Some(item.0)).condition_expression("attribute_not_exists(pk)");
                write.put(put.build().map_err(invalid)?)
            }
            Self::Revision(item, revision) => {
                let put = put()
                    .set_item(Some(item.0))
                    .condition_expression("rev = :rev")
                    .expression_attribute_values(":rev", AttributeValue::N(revision.to_string()));
                write.put(put.build().map_err(invalid)?)
            }
            Self::Put(item) => write.put(put().set_item(Some(item.0)).build().map_err(invalid)?),
            Self::Delete(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(attributes(&key)));
                write.delete(delete.build().map_err(invalid)?)
            }
            Self::DeleteThere(key) => {
                let delete = Delete::builder().table_name(table).set_key(Some(attributes(&key)));
                write.delete(delete.condition_expression("attribute_exists(pk)").build().map_err(invalid)?)
            }
            Self::DeleteIf(key, name, value) => {
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(attributes(&key)))
                    .condition_expression("#n = :v")
                    .expression_attribute_names("#n", name)
                    .expression_attribute_values(":v", value);
                write.delete(delete.build().map_err(invalid)?)
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
                    check.condition_expression(conditions.join(" AND ")).build().map_err(invalid)?,
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
    update.update_expression(expression).build().map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(codes: &[&str]) -> Verdict {
        let reasons: Vec<_> =
            codes.iter().map(|code| CancellationReason::builder().code(*code).build()).collect();
        judge(&reasons)
    }

    #[test]
    fn the_reasons_of_a_cancelled_transaction_are_told_apart() {
        assert_eq!(judged(&["None", "ConditionalCheckFailed"]), Verdict::Refused(vec![false, true]));
        assert_eq!(judged(&["TransactionConflict", "None"]), Verdict::Refused(vec![false, false]));
        assert_eq!(
            judged(&["ThrottlingError", "ConditionalCheckFailed"]),
            Verdict::Refused(vec![false, true]),
            "a condition that does not hold will not hold later"
        );
        assert_eq!(judged(&["None", "ThrottlingError"]), Verdict::Throttled);
        assert_eq!(judged(&["ProvisionedThroughputExceeded"]), Verdict::Throttled);
        assert_eq!(judged(&["ValidationError"]), Verdict::Broken);
    }

    #[test]
    fn a_write_knows_its_own_item_by_the_token() {
        let item = Item::default().text(TOKEN, "mine").0;
        assert!(is_own(Some(&item), "mine"));
        assert!(!is_own(Some(&item), "other") && !is_own(None, "mine"));
        assert!(!is_own(Some(&Attributes::new()), "mine"));
    }
}
