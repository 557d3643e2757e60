//! Records of how the store is looked after. They are few: one ordered map.

use async_trait::async_trait;
use parking_lot::RwLock;
use smooai_smooth_operator_store::{AdminRecord, AdminStore, OrganizationId, Result};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// Organisation, kind and id.
type Key = (String, String, String);

/// All records.
#[derive(Default)]
pub(crate) struct Admin(RwLock<BTreeMap<Key, AdminRecord>>);

fn key(organization: &OrganizationId, kind: &str, id: &str) -> Key {
    (organization.as_str().to_owned(), kind.to_owned(), id.to_owned())
}

impl Admin {
    /// The first records after a key, of all organisations; for moving data only.
    pub(crate) fn all_after(&self, after: Option<Key>, limit: usize) -> Vec<AdminRecord> {
        let from = after.map_or(Unbounded, Excluded);
        self.0.read().range((from, Unbounded)).take(limit).map(|(_, record)| record.clone()).collect()
    }
}

#[async_trait]
impl AdminStore for Admin {
    async fn put(&self, record: AdminRecord) -> Result<()> {
        self.0.write().insert(key(&record.organization, &record.kind, &record.id), record);
        Ok(())
    }

    async fn get(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<Option<AdminRecord>> {
        Ok(self.0.read().get(&key(organization, kind, id)).cloned())
    }

    async fn list(
        &self,
        organization: &OrganizationId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AdminRecord>> {
        let records = self.0.read();
        let of_kind = |key: &Key| key.0 == organization.as_str() && key.1 == kind;
        let listed = records
            .range(key(organization, kind, after.unwrap_or_default())..)
            .take_while(|(key, _)| of_kind(key))
            .filter(|(key, _)| after.is_none_or(|after| key.2.as_str() > after));
        Ok(listed.take(limit).map(|(_, record)| record.clone()).collect())
    }

    async fn delete(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<bool> {
        Ok(self.0.write().remove(&key(organization, kind, id)).is_some())
    }
}
