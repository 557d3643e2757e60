//! Sessions.

use crate::conversations::scope;
use crate::database::Database;
use crate::error::Failure;
use crate::row::{count, get_instant, get_json, get_json_if, instant, json};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use smooai_smooth_operator_store::{
    Activity, Contact, ConversationId, ParticipantId, Result, Scope, Session, SessionId, SessionStore,
};
use std::sync::Arc;

/// The table `sessions`.
pub(crate) struct Sessions(pub(crate) Arc<Database>);

/// Stores the session, unless its id is there.
pub(crate) fn insert(connection: &Connection, session: &Session) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO sessions (id, conversation, organization, principal, agent_id, agent_name,
           user_participant, agent_participant, thread_id, status, supports, verified_user, name, email, phone,
           metadata, token_count, message_count, created_at, last_activity_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )?;
    insert.execute(params![
        session.id.as_str(),
        session.conversation.as_str(),
        session.organization.as_str(),
        session.principal.as_str(),
        session.agent_id,
        session.agent_name,
        session.user_participant.as_str(),
        session.agent_participant.as_str(),
        session.thread_id,
        json(&session.status)?,
        json(&session.supports)?,
        session.verified_user,
        session.contact.name,
        session.contact.email,
        session.contact.phone,
        session.metadata.as_ref().map(json).transpose()?,
        count(session.token_count, "a count of tokens")?,
        count(session.message_count, "a count of messages")?,
        instant(session.created_at),
        instant(session.last_activity_at),
    ])?;
    Ok(())
}

pub(crate) fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let Scope { organization, principal } = scope(row)?;
    Ok(Session {
        id: SessionId::new(row.get::<_, String>("id")?),
        conversation: ConversationId::new(row.get::<_, String>("conversation")?),
        organization,
        principal,
        agent_id: row.get("agent_id")?,
        agent_name: row.get("agent_name")?,
        user_participant: ParticipantId::new(row.get::<_, String>("user_participant")?),
        agent_participant: ParticipantId::new(row.get::<_, String>("agent_participant")?),
        thread_id: row.get("thread_id")?,
        status: get_json(row, "status")?,
        supports: get_json(row, "supports")?,
        verified_user: row.get("verified_user")?,
        contact: Contact { name: row.get("name")?, email: row.get("email")?, phone: row.get("phone")? },
        metadata: get_json_if(row, "metadata")?,
        token_count: row.get("token_count")?,
        message_count: row.get("message_count")?,
        created_at: get_instant(row, "created_at")?,
        last_activity_at: get_instant(row, "last_activity_at")?,
    })
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, session: Session) -> Result<()> {
        self.0.write("creating a session", move |connection| insert(connection, &session)).await
    }

    async fn get(&self, scope: &Scope, id: &SessionId) -> Result<Option<Session>> {
        let (scope, id) = (scope.clone(), id.clone());
        self.0
            .read("reading a session", move |connection| {
                let mut found = connection.prepare_cached(
                    "SELECT * FROM sessions WHERE id = ? AND organization = ? AND principal = ?",
                )?;
                let key = (id.as_str(), scope.organization.as_str(), scope.principal.as_str());
                Ok(found.query_row(key, session).optional()?)
            })
            .await
    }

    async fn identify(&self, scope: &Scope, id: &SessionId, contact: Contact) -> Result<()> {
        let (scope, id) = (scope.clone(), id.clone());
        self.0
            .write("storing a contact", move |connection| {
                let mut change = connection.prepare_cached(
                    "UPDATE sessions SET name = coalesce(?, name), email = coalesce(?, email),
                       phone = coalesce(?, phone)
                     WHERE id = ? AND organization = ? AND principal = ?",
                )?;
                change.execute(params![
                    contact.name,
                    contact.email,
                    contact.phone,
                    id.as_str(),
                    scope.organization.as_str(),
                    scope.principal.as_str(),
                ])?;
                Ok(())
            })
            .await
    }

    async fn record(&self, scope: &Scope, id: &SessionId, activity: Activity) -> Result<()> {
        let (scope, id) = (scope.clone(), id.clone());
        self.0
            .write("counting a session's activity", move |connection| {
                let mut change = connection.prepare_cached(
                    "UPDATE sessions SET token_count = token_count + ?, message_count = message_count + ?,
                       last_activity_at = max(last_activity_at, ?)
                     WHERE id = ? AND organization = ? AND principal = ?",
                )?;
                change.execute(params![
                    count(activity.tokens, "a count of tokens")?,
                    count(activity.messages, "a count of messages")?,
                    instant(activity.now),
                    id.as_str(),
                    scope.organization.as_str(),
                    scope.principal.as_str(),
                ])?;
                Ok(())
            })
            .await
    }
}
