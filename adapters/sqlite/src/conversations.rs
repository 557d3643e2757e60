//! Conversations.

use crate::database::Database;
use crate::error::Failure;
use crate::row::{get_instant, get_json, instant, json};
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use smooai_smooth_operator_store::{
    Conversation, ConversationId, ConversationStore, Result, Scope, StoreError,
};
use std::sync::Arc;

/// The table `conversations`.
pub(crate) struct Conversations(pub(crate) Arc<Database>);

/// The number of a conversation of the scope.
pub(crate) fn number(
    connection: &Connection,
    scope: &Scope,
    id: &ConversationId,
) -> Result<Option<i64>, Failure> {
    let mut found = connection.prepare_cached(
        "SELECT number FROM conversations WHERE id = ? AND organization = ? AND principal = ?",
    )?;
    let key = (id.as_str(), scope.organization.as_str(), scope.principal.as_str());
    Ok(found.query_row(key, |row| row.get(0)).optional()?)
}

/// The number of a conversation that the caller holds a claim of.
pub(crate) fn number_held(connection: &Connection, id: &ConversationId) -> Result<Option<i64>, Failure> {
    let mut found = connection.prepare_cached("SELECT number FROM conversations WHERE id = ?")?;
    Ok(found.query_row([id.as_str()], |row| row.get(0)).optional()?)
}

/// The scope of a row that has its columns.
pub(crate) fn scope(row: &Row<'_>) -> rusqlite::Result<Scope> {
    Ok(Scope::new(row.get::<_, String>("organization")?, row.get::<_, String>("principal")?))
}

pub(crate) fn conversation(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let Scope { organization, principal } = scope(row)?;
    Ok(Conversation {
        id: ConversationId::new(row.get::<_, String>("id")?),
        organization,
        principal,
        platform: row.get("platform")?,
        title: row.get("title")?,
        idempotency_key: row.get("idempotency_key")?,
        user: get_json(row, "user")?,
        agent: get_json(row, "agent")?,
        message_count: row.get("message_count")?,
        created_at: get_instant(row, "created_at")?,
        updated_at: get_instant(row, "updated_at")?,
    })
}

/// Stores the conversation without messages, unless its key is there. Another one under its id is an error.
pub(crate) fn insert(connection: &Connection, made: &Conversation) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO conversations (id, organization, principal, platform, title, idempotency_key, user, agent,
           message_count, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)
         ON CONFLICT (organization, principal, idempotency_key) DO NOTHING",
    )?;
    insert.execute(params![
        made.id.as_str(),
        made.organization.as_str(),
        made.principal.as_str(),
        made.platform,
        made.title,
        made.idempotency_key,
        json(&made.user)?,
        json(&made.agent)?,
        instant(made.created_at),
        instant(made.updated_at),
    ])?;
    Ok(())
}

fn get(connection: &Connection, scope: &Scope, id: &ConversationId) -> Result<Option<Conversation>, Failure> {
    let mut found = connection
        .prepare_cached("SELECT * FROM conversations WHERE id = ? AND organization = ? AND principal = ?")?;
    let key = (id.as_str(), scope.organization.as_str(), scope.principal.as_str());
    Ok(found.query_row(key, conversation).optional()?)
}

#[async_trait]
impl ConversationStore for Conversations {
    async fn create(&self, made: Conversation) -> Result<Conversation> {
        self.0
            .write("creating a conversation", move |connection| {
                if number_held(connection, &made.id)?.is_none() {
                    insert(connection, &made)?;
                }
                let mut found = connection.prepare_cached(
                    "SELECT * FROM conversations WHERE organization = ? AND principal = ? AND idempotency_key = ?",
                )?;
                let key = (made.organization.as_str(), made.principal.as_str(), &made.idempotency_key);
                let taken = || StoreError::Corrupt {
                    context: format!("the conversation id {} is taken", made.id),
                };
                Ok(found.query_row(key, conversation).optional()?.ok_or_else(taken)?)
            })
            .await
    }

    async fn get(&self, scope: &Scope, id: &ConversationId) -> Result<Option<Conversation>> {
        let (scope, id) = (scope.clone(), id.clone());
        self.0.read("reading a conversation", move |connection| get(connection, &scope, &id)).await
    }

    async fn list(&self, scope: &Scope, limit: usize) -> Result<Vec<Conversation>> {
        let scope = scope.clone();
        self.0
            .read("listing conversations", move |connection| {
                let mut found = connection.prepare_cached(
                    "SELECT * FROM conversations
                     WHERE organization = ? AND principal = ? AND message_count > 0
                     ORDER BY updated_at DESC, id LIMIT ?",
                )?;
                let key = params![scope.organization.as_str(), scope.principal.as_str(), limit];
                let found = found.query_map(key, conversation)?;
                Ok(found.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn rename(
        &self,
        scope: &Scope,
        id: &ConversationId,
        title: &str,
        now: Timestamp,
    ) -> Result<Option<Conversation>> {
        let (scope, id, title) = (scope.clone(), id.clone(), title.to_owned());
        self.0
            .write("renaming a conversation", move |connection| {
                let mut change = connection.prepare_cached(
                    "UPDATE conversations SET title = ?, updated_at = max(updated_at, ?)
                     WHERE id = ? AND organization = ? AND principal = ? RETURNING *",
                )?;
                let key = params![
                    title,
                    instant(now),
                    id.as_str(),
                    scope.organization.as_str(),
                    scope.principal.as_str()
                ];
                Ok(change.query_row(key, conversation).optional()?)
            })
            .await
    }
}
