//! Records as JSON inside an item, or beside it in parts when they are large: an item holds at most
//! 400 KB.

use crate::failure::contended;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{Range, Table, unique};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smooai_smooth_operator_store::{Result, StoreError};

/// A body up to this size stands in its item, in bytes.
const INLINE: usize = 256 * 1024;
/// The size of a part, in bytes.
const PART: usize = 384 * 1024;
/// The largest body, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// How often an item is looked at whose parts are gone.
const TRIES: u32 = 10;

/// Puts a record into an item. Parts are stored at once, under a name of their own: whoever does not come to
/// write the item after all removes them with [`discard`].
pub(crate) async fn seal(
    table: &Table,
    item: Item,
    what: &'static str,
    record: &impl Serialize,
) -> Result<Item> {
    seal_named(table, item, what, record, &unique()).await
}

/// As [`seal`], with the name given: for a record that all writers of the name write alike.
pub(crate) async fn seal_named(
    table: &Table,
    item: Item,
    what: &'static str,
    record: &impl Serialize,
    name: &str,
) -> Result<Item> {
    let text = serde_json::to_string(record)
        .map_err(|error| StoreError::Corrupt { context: format!("writing {what}: {error}") })?;
    if text.len() <= INLINE {
        return Ok(item.text("body", &text));
    }
    if text.len() > LARGEST {
        return Err(StoreError::TooLarge { what, limit: LARGEST });
    }
    let place = |number| Key::new(keys::of('X', name), keys::number("", number));
    for (number, part) in (0..).zip(text.as_bytes().chunks(PART)) {
        table.put(Item::new("X", &place(number)).bytes("part", part.to_vec())).await?;
    }
    Ok(item.text("parts", name))
}

/// The record of an item that is there.
pub(crate) async fn open<T: DeserializeOwned>(table: &Table, item: &Item) -> Result<T> {
    find(table, item).await?.ok_or_else(|| item.broken("parts"))
}

/// The record of an item; `None` when it is being removed. When the item was replaced since it was read, and
/// its parts are gone, the record is that of the item that took its place: a write under the revision that
/// was read is refused then.
pub(crate) async fn find<T: DeserializeOwned>(table: &Table, item: &Item) -> Result<Option<T>> {
    let mut current = item.clone();
    for _ in 0..TRIES {
        if let Some(text) = current.find_text("body") {
            return serde_json::from_str(text).map(Some).map_err(|_| current.broken("body"));
        }
        let name = current.get_text("parts")?.to_owned();
        if let Ok(record) = serde_json::from_slice(&joined(table, &name).await?) {
            return Ok(Some(record));
        }
        match table.get(&current.key()?).await? {
            Some(now) if now.find_text("parts") != Some(&name) => current = now,
            _ => return Ok(None),
        }
    }
    Err(contended("record"))
}

/// What the parts of a name hold; less than a record when they are being removed.
async fn joined(table: &Table, name: &str) -> Result<Vec<u8>> {
    let pk = keys::of('X', name);
    let mut bytes = Vec::new();
    for part in table.query_all(Range { pk: &pk, from: "0", to: "9999999999999" }).await? {
        bytes.extend_from_slice(part.find_bytes("part").ok_or_else(|| part.broken("part"))?);
    }
    Ok(bytes)
}

/// Removes the parts of an item that has been replaced or removed, or did not come to be.
pub(crate) async fn discard(table: &Table, item: &Item) -> Result<()> {
    match item.find_text("parts") {
        Some(name) => discard_named(table, name).await,
        None => Ok(()),
    }
}

/// Removes the parts of a name, if there are any.
pub(crate) async fn discard_named(table: &Table, name: &str) -> Result<()> {
    let pk = keys::of('X', name);
    let parts = table.query_all(Range { pk: &pk, from: "0", to: "9999999999999" }).await?;
    let gone = parts.iter().map(Item::key).collect::<Result<_>>()?;
    table.write_all(Vec::new(), gone).await
}
