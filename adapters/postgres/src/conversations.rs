//! Conversations.

use crate::database::{Database, Statement, Who, Work};
use crate::failure::Failure;
use crate::row::{Columns, json};
use crate::text::{self, key};
use async_trait::async_trait;
use jiff::Timestamp;
use smooai_smooth_operator_store::{
    Conversation, ConversationId, ConversationStore, Result, Scope, StoreError,
};
use sqlx::postgres::PgRow;

/// The columns in the order of [`conversation`].
macro_rules! columns {
    () => {
        "organization, principal, id, idempotency_key, platform, title, user_participant::text, \
         agent_participant::text, message_count, created_at, updated_at"
    };
}
pub(crate) use columns;

/// A second create with the key writes the key again, and so gives back what is there.
const CREATE: &str = concat!(
    "INSERT INTO conversations (organization, principal, id, idempotency_key, platform, title, \
     user_participant, agent_participant, message_count, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, $9, $10, $11) \
     ON CONFLICT (organization, principal, idempotency_key) \
     DO UPDATE SET idempotency_key = conversations.idempotency_key RETURNING ",
    columns!()
);
const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM conversations WHERE organization = $1 AND principal = $2 AND id = $3"
);
const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM conversations WHERE organization = $1 AND principal = $2 AND message_count > 0 \
     ORDER BY updated_at DESC, id LIMIT $3"
);
const RENAME: &str = concat!(
    "UPDATE conversations SET title = $4, updated_at = greatest(updated_at, $5) \
     WHERE organization = $1 AND principal = $2 AND id = $3 RETURNING ",
    columns!()
);

/// All conversations.
pub(crate) struct Conversations(pub(crate) Database);

/// A row as a conversation.
pub(crate) fn conversation(row: &PgRow) -> Result<Conversation, Failure> {
    let mut columns = Columns::of(row);
    Ok(Conversation {
        organization: text::organization_of(columns.value()?),
        principal: columns.id()?,
        id: columns.id()?,
        idempotency_key: columns.text()?,
        platform: columns.text()?,
        title: columns.optional_text()?,
        user: columns.json()?,
        agent: columns.json()?,
        message_count: columns.count()?,
        created_at: columns.instant()?,
        updated_at: columns.instant()?,
    })
}

pub(crate) fn scoped<'q>(sql: &'static str, scope: &'q Scope) -> Statement<'q> {
    sqlx::query(sql)
        .bind(text::organization(&scope.organization))
        .bind(text::escaped(scope.principal.as_str()))
}

/// The values of [`CREATE`], checked once and bound for each try.
struct New<'a> {
    conversation: &'a Conversation,
    user: String,
    agent: String,
}

impl<'a> New<'a> {
    fn of(conversation: &'a Conversation) -> Result<Self, Failure> {
        key("organisation", conversation.organization.as_str())?;
        key("principal", conversation.principal.as_str())?;
        key("conversation id", conversation.id.as_str())?;
        key("idempotency key", &conversation.idempotency_key)?;
        Ok(Self { conversation, user: json(&conversation.user)?, agent: json(&conversation.agent)? })
    }

    fn statement(&self) -> Statement<'_> {
        let made = self.conversation;
        sqlx::query(CREATE)
            .bind(text::organization(&made.organization))
            .bind(text::escaped(made.principal.as_str()))
            .bind(text::escaped(made.id.as_str()))
            .bind(text::escaped(&made.idempotency_key))
            .bind(text::escaped(&made.platform))
            .bind(made.title.as_deref().map(text::escaped))
            .bind(&self.user)
            .bind(&self.agent)
            .bind(text::counted(made.message_count))
            .bind(text::nanoseconds(made.created_at))
            .bind(text::nanoseconds(made.updated_at))
    }
}

#[async_trait]
impl ConversationStore for Conversations {
    async fn create(&self, made: Conversation) -> Result<Conversation> {
        let new = New::of(&made).map_err(Failure::into_error)?;
        let who = Who::Organization(&made.organization);
        let row = self.0.row(who, Work::Write, || new.statement()).await?;
        let row = row.ok_or(StoreError::NotFound("conversation"))?;
        conversation(&row).map_err(Failure::into_error)
    }

    async fn get(&self, scope: &Scope, id: &ConversationId) -> Result<Option<Conversation>> {
        let statement = || scoped(GET, scope).bind(text::escaped(id.as_str()));
        let row = self.0.row(Who::Organization(&scope.organization), Work::Read, statement).await?;
        row.as_ref().map(conversation).transpose().map_err(Failure::into_error)
    }

    async fn list(&self, scope: &Scope, limit: usize) -> Result<Vec<Conversation>> {
        let statement = || scoped(LIST, scope).bind(text::counted(limit));
        let rows = self.0.rows(Who::Organization(&scope.organization), Work::Read, statement).await?;
        rows.iter().map(|row| conversation(row).map_err(Failure::into_error)).collect()
    }

    async fn rename(
        &self,
        scope: &Scope,
        id: &ConversationId,
        title: &str,
        now: Timestamp,
    ) -> Result<Option<Conversation>> {
        let statement = || {
            scoped(RENAME, scope)
                .bind(text::escaped(id.as_str()))
                .bind(text::escaped(title))
                .bind(text::nanoseconds(now))
        };
        let row = self.0.row(Who::Organization(&scope.organization), Work::Write, statement).await?;
        row.as_ref().map(conversation).transpose().map_err(Failure::into_error)
    }
}
