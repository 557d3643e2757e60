//! Records of how the store is looked after.

use crate::database::Database;
use crate::error::Failure;
use crate::row::{get_instant, get_json, instant, json};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use smooai_smooth_operator_store::{AdminRecord, AdminStore, OrganizationId, Result};
use std::sync::Arc;

/// The table `admin`.
pub(crate) struct Admin(pub(crate) Arc<Database>);

pub(crate) fn put(connection: &Connection, record: &AdminRecord) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO admin (organization, kind, id, value, updated_at) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            record.organization.as_str(),
            record.kind,
            record.id,
            json(&record.value)?,
            instant(record.updated_at),
        ])?;
    Ok(())
}

pub(crate) fn record(row: &Row<'_>) -> rusqlite::Result<AdminRecord> {
    Ok(AdminRecord {
        organization: OrganizationId::new(row.get::<_, String>("organization")?),
        kind: row.get("kind")?,
        id: row.get("id")?,
        value: get_json(row, "value")?,
        updated_at: get_instant(row, "updated_at")?,
    })
}

#[async_trait]
impl AdminStore for Admin {
    async fn put(&self, record: AdminRecord) -> Result<()> {
        self.0.write("storing an admin record", move |connection| put(connection, &record)).await
    }

    async fn get(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<Option<AdminRecord>> {
        let key = (organization.as_str().to_owned(), kind.to_owned(), id.to_owned());
        self.0
            .read("reading an admin record", move |connection| {
                let mut found = connection
                    .prepare_cached("SELECT * FROM admin WHERE organization = ? AND kind = ? AND id = ?")?;
                Ok(found.query_row(key, record).optional()?)
            })
            .await
    }

    async fn list(
        &self,
        organization: &OrganizationId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AdminRecord>> {
        let (organization, kind) = (organization.as_str().to_owned(), kind.to_owned());
        let after = after.map(str::to_owned);
        self.0
            .read("listing admin records", move |connection| {
                let mut found = connection.prepare_cached(
                    "SELECT * FROM admin WHERE organization = ?1 AND kind = ?2 AND (?3 IS NULL OR id > ?3)
                     ORDER BY id LIMIT ?4",
                )?;
                let found = found.query_map(params![organization, kind, after, limit], record)?;
                Ok(found.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn delete(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<bool> {
        let key = (organization.as_str().to_owned(), kind.to_owned(), id.to_owned());
        self.0
            .write("removing an admin record", move |connection| {
                let mut remove = connection
                    .prepare_cached("DELETE FROM admin WHERE organization = ? AND kind = ? AND id = ?")?;
                Ok(remove.execute(key)? > 0)
            })
            .await
    }
}
