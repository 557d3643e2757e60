//! Records as JSON inside an item, or beside it in parts when they are large: an item holds at most
//! 400 KB.

use crate::item::Item;
use crate::keys::{self, Key, digest};
use crate::table::{Range, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smooai_smooth_operator_store::{Result, StoreError};

/// A body up to this size stands in its item, in bytes.
const INLINE: usize = 256 * 1024;
/// The size of a part, in bytes.
const PART: usize = 384 * 1024;
/// The largest body, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;

/// Puts a record into an item. Parts are stored at once, named by their content and their owner, so that
/// writing them again changes nothing.
pub(crate) async fn seal(
    table: &Table,
    item: Item,
    what: &'static str,
    record: &impl Serialize,
) -> Result<Item> {
    let text = serde_json::to_string(record)
        .map_err(|error| StoreError::Corrupt { context: format!("writing {what}: {error}") })?;
    if text.len() <= INLINE {
        return Ok(item.text("body", &text));
    }
    if text.len() > LARGEST {
        return Err(StoreError::TooLarge { what, limit: LARGEST });
    }
    let key = item.key()?;
    let hash = digest(&[key.pk.as_bytes(), key.sk.as_bytes(), text.as_bytes()]);
    let place = |number| Key::new(keys::of('X', &hash), keys::number("", number));
    let parts = text.as_bytes().chunks(PART);
    let items =
        (0..).zip(parts).map(|(number, part)| Item::new("X", &place(number)).bytes("part", part.to_vec()));
    for item in items {
        table.put(item).await?;
    }
    Ok(item.text("parts", &hash))
}

/// The record of an item.
pub(crate) async fn open<T: DeserializeOwned>(table: &Table, item: &Item) -> Result<T> {
    if let Some(text) = item.find_text("body") {
        return serde_json::from_str(text).map_err(|_| item.broken("body"));
    }
    let pk = keys::of('X', item.get_text("parts")?);
    let mut bytes = Vec::new();
    for part in table.query_all(Range { pk: &pk, from: "0", to: "9999999999999" }).await? {
        bytes.extend_from_slice(part.find_bytes("part").ok_or_else(|| part.broken("part"))?);
    }
    serde_json::from_slice(&bytes).map_err(|_| item.broken("parts"))
}

/// Removes the parts of an item that has been replaced or removed, unless `now` still has them.
pub(crate) async fn discard(table: &Table, old: &Item, now: Option<&Item>) -> Result<()> {
    let Some(hash) = old.find_text("parts") else { return Ok(()) };
    if now.and_then(|now| now.find_text("parts")) == Some(hash) {
        return Ok(());
    }
    let pk = keys::of('X', hash);
    let parts = table.query_all(Range { pk: &pk, from: "0", to: "9999999999999" }).await?;
    let gone = parts.iter().map(Item::key).collect::<Result<_>>()?;
    table.write_all(Vec::new(), gone).await
}
