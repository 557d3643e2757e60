//! Sessions.

use crate::conversations::scoped;
use crate::database::{Database, Statement, Who, Work};
use crate::failure::Failure;
use crate::row::{Columns, json, name, named};
use crate::text::{self, key};
use async_trait::async_trait;
use smooai_smooth_operator_store::{Activity, Contact, Result, Scope, Session, SessionId, SessionStore};
use sqlx::postgres::PgRow;

/// The columns in the order of [`session`].
macro_rules! columns {
    () => {
        "organization, principal, id, conversation, agent_id, agent_name, user_participant, \
         agent_participant, thread_id, status, supports::text, verified_user, contact_name, contact_email, \
         contact_phone, metadata::text, token_count, message_count, created_at, last_activity_at"
    };
}
pub(crate) use columns;

const CREATE: &str = "\
    INSERT INTO sessions (organization, principal, id, conversation, agent_id, agent_name, user_participant, \
        agent_participant, thread_id, status, supports, verified_user, contact_name, contact_email, \
        contact_phone, metadata, token_count, message_count, created_at, last_activity_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::json, $12, $13, $14, $15, $16::text::json, \
        $17, $18, $19, $20) ON CONFLICT (organization, id) DO NOTHING";
const GET: &str =
    concat!("SELECT ", columns!(), " FROM sessions WHERE organization = $1 AND principal = $2 AND id = $3");
const IDENTIFY: &str = "\
    UPDATE sessions SET contact_name = coalesce($4, contact_name), \
        contact_email = coalesce($5, contact_email), contact_phone = coalesce($6, contact_phone) \
    WHERE organization = $1 AND principal = $2 AND id = $3";
const RECORD: &str = "\
    UPDATE sessions SET token_count = token_count + $4, message_count = message_count + $5, \
        last_activity_at = greatest(last_activity_at, $6) \
    WHERE organization = $1 AND principal = $2 AND id = $3";

/// All sessions.
pub(crate) struct Sessions(pub(crate) Database);

/// A row as a session.
pub(crate) fn session(row: &PgRow) -> Result<Session, Failure> {
    let mut columns = Columns::of(row);
    Ok(Session {
        organization: text::organization_of(columns.value()?),
        principal: columns.id()?,
        id: columns.id()?,
        conversation: columns.id()?,
        agent_id: columns.text()?,
        agent_name: columns.text()?,
        user_participant: columns.id()?,
        agent_participant: columns.id()?,
        thread_id: columns.text()?,
        status: named(columns.value()?)?,
        supports: columns.json()?,
        verified_user: columns.optional_text()?,
        contact: Contact {
            name: columns.optional_text()?,
            email: columns.optional_text()?,
            phone: columns.optional_text()?,
        },
        metadata: columns.optional_json()?,
        token_count: columns.count()?,
        message_count: columns.count()?,
        created_at: columns.instant()?,
        last_activity_at: columns.instant()?,
    })
}

/// The values of [`CREATE`], checked once and bound for each try.
struct New<'a> {
    session: &'a Session,
    status: String,
    supports: String,
    metadata: Option<String>,
}

impl<'a> New<'a> {
    fn of(session: &'a Session) -> Result<Self, Failure> {
        key("organisation", session.organization.as_str())?;
        key("session id", session.id.as_str())?;
        let (status, supports) = (name(&session.status)?, json(&session.supports)?);
        Ok(Self { session, status, supports, metadata: session.metadata.as_ref().map(json).transpose()? })
    }

    fn statement(&self) -> Statement<'_> {
        let made = self.session;
        sqlx::query(CREATE)
            .bind(text::organization(&made.organization))
            .bind(text::escaped(made.principal.as_str()))
            .bind(text::escaped(made.id.as_str()))
            .bind(text::escaped(made.conversation.as_str()))
            .bind(text::escaped(&made.agent_id))
            .bind(text::escaped(&made.agent_name))
            .bind(text::escaped(made.user_participant.as_str()))
            .bind(text::escaped(made.agent_participant.as_str()))
            .bind(text::escaped(&made.thread_id))
            .bind(&self.status)
            .bind(&self.supports)
            .bind(made.verified_user.as_deref().map(text::escaped))
            .bind(made.contact.name.as_deref().map(text::escaped))
            .bind(made.contact.email.as_deref().map(text::escaped))
            .bind(made.contact.phone.as_deref().map(text::escaped))
            .bind(self.metadata.as_deref())
            .bind(text::counted(made.token_count))
            .bind(text::counted(made.message_count))
            .bind(text::nanoseconds(made.created_at))
            .bind(text::nanoseconds(made.last_activity_at))
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, session: Session) -> Result<()> {
        let new = New::of(&session).map_err(Failure::into_error)?;
        let who = Who::Organization(&session.organization);
        self.0.rows(who, Work::Write, || new.statement()).await.map(|_| ())
    }

    async fn get(&self, scope: &Scope, id: &SessionId) -> Result<Option<Session>> {
        let statement = || scoped(GET, scope).bind(text::escaped(id.as_str()));
        let row = self.0.row(Who::Organization(&scope.organization), Work::Read, statement).await?;
        row.as_ref().map(session).transpose().map_err(Failure::into_error)
    }

    async fn identify(&self, scope: &Scope, id: &SessionId, contact: Contact) -> Result<()> {
        let statement = || {
            scoped(IDENTIFY, scope)
                .bind(text::escaped(id.as_str()))
                .bind(contact.name.as_deref().map(text::escaped))
                .bind(contact.email.as_deref().map(text::escaped))
                .bind(contact.phone.as_deref().map(text::escaped))
        };
        self.0.rows(Who::Organization(&scope.organization), Work::Write, statement).await.map(|_| ())
    }

    async fn record(&self, scope: &Scope, id: &SessionId, activity: Activity) -> Result<()> {
        let statement = || {
            scoped(RECORD, scope)
                .bind(text::escaped(id.as_str()))
                .bind(text::counted(activity.tokens))
                .bind(text::counted(activity.messages))
                .bind(text::nanoseconds(activity.now))
        };
        self.0.rows(Who::Organization(&scope.organization), Work::Write, statement).await.map(|_| ())
    }
}
