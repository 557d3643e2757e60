//! Records of how the store is looked after.

use crate::body;
use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{Outcome, Range, Reading, Table, Write};
use async_trait::async_trait;
use smooai_smooth_operator_store::{AdminRecord, AdminStore, OrganizationId, Result};
use std::sync::Arc;

/// Sorts after every `=id`.
const END: &str = "=\u{10FFFF}\u{10FFFF}";

pub(crate) struct Admin {
    table: Arc<Table>,
}

impl Admin {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self { table }
    }
}

fn key(organization: &OrganizationId, kind: &str, id: &str) -> Result<Key> {
    Ok(Key::new(
        keys::of_names('Z', &[organization.as_str(), kind]),
        keys::sort("the admin record's id", id)?,
    ))
}

#[async_trait]
impl AdminStore for Admin {
    async fn put(&self, record: AdminRecord) -> Result<()> {
        let key = key(&record.organization, &record.kind, &record.id)?;
        let before = self.table.get(&key).await?;
        let item = body::seal(&self.table, Item::new("A", &key), "an admin record", &record).await?;
        self.table.put(item).await?;
        match before {
            Some(before) => body::discard(&self.table, &before).await,
            None => Ok(()),
        }
    }

    async fn get(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<Option<AdminRecord>> {
        match self.table.get(&key(organization, kind, id)?).await? {
            Some(item) => body::open(&self.table, &item).await.map(Some),
            None => Ok(None),
        }
    }

    async fn list(
        &self,
        organization: &OrganizationId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AdminRecord>> {
        let pk = keys::of_names('Z', &[organization.as_str(), kind]);
        let mut after = after.map(|after| key(organization, kind, after)).transpose()?;
        let mut found = Vec::new();
        while found.len() < limit {
            let range = Range { pk: &pk, from: "=", to: END };
            let reading = Reading { newest_first: false, limit: limit - found.len(), consistent: true };
            let page = self.table.query(range, reading, after.as_ref()).await?;
            for item in &page.items {
                found.push(body::open(&self.table, item).await?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(found)
    }

    async fn delete(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<bool> {
        let key = key(organization, kind, id)?;
        let Some(before) = self.table.get(&key).await? else { return Ok(false) };
        // A transaction tells it right even if the answer is lost and it is sent again.
        let removed = self.table.transact(vec![Write::DeleteThere(key)]).await? == Outcome::Done;
        if removed {
            body::discard(&self.table, &before).await?;
        }
        Ok(removed)
    }
}
