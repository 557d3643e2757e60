//! Records of how a store is looked after: indexing runs, the cursors of connectors. No caller of the
//! protocol sees them, so they are scoped by organisation alone.

use crate::{OrganizationId, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One record, named by its organisation, its kind and its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdminRecord {
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is of: `indexing-run`, `connector-cursor`, …
    pub kind: String,
    /// Its id among those of its kind.
    pub id: String,
    /// What is recorded; opaque to a store.
    pub value: Value,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// Where such records are kept.
#[async_trait]
pub trait AdminStore: Send + Sync {
    /// Stores the record in place of the one with its organisation, kind and id.
    async fn put(&self, record: AdminRecord) -> Result<()>;

    /// The record, if there is one.
    async fn get(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<Option<AdminRecord>>;

    /// The organisation's records of a kind, by id in the order of their bytes, after `after`, at most
    /// `limit`.
    async fn list(
        &self,
        organization: &OrganizationId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AdminRecord>>;

    /// Removes the record; `false` if there was none.
    async fn delete(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<bool>;
}
