//! An item of the table: its attributes by short names, read and written as Rust values.

use crate::keys::Key;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use smooai_smooth_operator_store::{Result, StoreError};
use std::collections::HashMap;

/// The attributes of an item, keys included.
pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// An item.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Item(pub(crate) Attributes);

impl Item {
    /// An item of a kind (what an export looks for) with nothing but its key.
    pub(crate) fn new(kind: &str, key: &Key) -> Self {
        Self(attributes(key)).text("k", kind)
    }

    /// With a text.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
        self
    }

    /// With a number.
    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        self
    }

    /// With bytes.
    pub(crate) fn bytes(mut self, name: &str, value: Vec<u8>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::B(Blob::new(value)));
        self
    }

    pub(crate) fn get_text(&self, name: &str) -> Result<&str> {
        self.find_text(name).ok_or_else(|| self.broken(name))
    }

    pub(crate) fn find_text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    pub(crate) fn get_number(&self, name: &str) -> Result<u64> {
        self.find_number(name).ok_or_else(|| self.broken(name))
    }

    pub(crate) fn find_number(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }

    pub(crate) fn find_bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.as_b().ok().map(AsRef::as_ref)
    }

    /// The item's key.
    pub(crate) fn key(&self) -> Result<Key> {
        Ok(Key::new(self.get_text("pk")?, self.get_text("sk")?))
    }

    /// Says which attribute cannot be read, and never what stands in it.
    pub(crate) fn broken(&self, name: &str) -> StoreError {
        let kind = self.find_text("k").unwrap_or("?");
        StoreError::Corrupt { context: format!("attribute {name} of an item of kind {kind}") }
    }
}

/// A key as attributes.
pub(crate) fn attributes(key: &Key) -> Attributes {
    [("pk", &key.pk), ("sk", &key.sk)]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.clone())))
        .into()
}
