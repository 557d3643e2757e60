//! Records of how the store is looked after.

use crate::database::{Database, Statement, Who, Work};
use crate::failure::Failure;
use crate::row::{Columns, json};
use crate::text::{self, key};
use async_trait::async_trait;
use smooai_smooth_operator_store::{AdminRecord, AdminStore, OrganizationId, Result};
use sqlx::postgres::PgRow;

const PUT: &str = "\
    INSERT INTO admin (organization, kind, id, value, updated_at) VALUES ($1, $2, $3, $4::text::json, $5) \
    ON CONFLICT (organization, kind, id) \
    DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
const GET: &str = "\
    SELECT organization, kind, id, value::text, updated_at FROM admin \
    WHERE organization = $1 AND kind = $2 AND id = $3";
const LIST: &str = "\
    SELECT organization, kind, id, value::text, updated_at FROM admin \
    WHERE organization = $1 AND kind = $2 AND ($3::text IS NULL OR id > $3) ORDER BY id LIMIT $4";
const DELETE: &str =
    "DELETE FROM admin WHERE organization = $1 AND kind = $2 AND id = $3 RETURNING updated_at";

/// All records.
pub(crate) struct Admin(pub(crate) Database);

/// A row as a record.
pub(crate) fn record(row: &PgRow) -> Result<AdminRecord, Failure> {
    let mut columns = Columns::of(row);
    Ok(AdminRecord {
        organization: text::organization_of(columns.value()?),
        kind: columns.text()?,
        id: columns.text()?,
        value: columns.json()?,
        updated_at: columns.instant()?,
    })
}

fn of_kind<'q>(sql: &'static str, organization: &'q OrganizationId, kind: &'q str) -> Statement<'q> {
    sqlx::query(sql).bind(text::organization(organization)).bind(text::escaped(kind))
}

fn written(record: &AdminRecord) -> Result<String, Failure> {
    key("organisation", record.organization.as_str())?;
    key("kind", &record.kind)?;
    key("record id", &record.id)?;
    json(&record.value)
}

#[async_trait]
impl AdminStore for Admin {
    async fn put(&self, record: AdminRecord) -> Result<()> {
        let value = written(&record).map_err(Failure::into_error)?;
        let statement = || {
            of_kind(PUT, &record.organization, &record.kind)
                .bind(text::escaped(&record.id))
                .bind(&value)
                .bind(text::nanoseconds(record.updated_at))
        };
        self.0.rows(Who::Organization(&record.organization), Work::Write, statement).await.map(|_| ())
    }

    async fn get(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<Option<AdminRecord>> {
        let statement = || of_kind(GET, organization, kind).bind(text::escaped(id));
        let row = self.0.row(Who::Organization(organization), Work::Read, statement).await?;
        row.as_ref().map(record).transpose().map_err(Failure::into_error)
    }

    async fn list(
        &self,
        organization: &OrganizationId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AdminRecord>> {
        let statement =
            || of_kind(LIST, organization, kind).bind(after.map(text::escaped)).bind(text::counted(limit));
        let rows = self.0.rows(Who::Organization(organization), Work::Read, statement).await?;
        rows.iter().map(|row| record(row).map_err(Failure::into_error)).collect()
    }

    async fn delete(&self, organization: &OrganizationId, kind: &str, id: &str) -> Result<bool> {
        let statement = || of_kind(DELETE, organization, kind).bind(text::escaped(id));
        Ok(self.0.row(Who::Organization(organization), Work::Write, statement).await?.is_some())
    }
}
