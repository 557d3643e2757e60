//! Sessions: one item each. What changes with every turn stands beside the body, so that it is changed
//! by one unconditional read-free write.

use crate::body;
use crate::item::{Attributes, Item};
use crate::keys::{self, Key};
use crate::table::{Change, Table};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use smooai_smooth_operator_store::{Activity, Contact, Result, Scope, Session, SessionId, SessionStore};
use std::sync::Arc;

pub(crate) struct Sessions {
    table: Arc<Table>,
}

fn key(id: &SessionId) -> Key {
    Key::new(keys::of('S', id.as_str()), "S")
}

const OF_SCOPE: &str = "org = :org AND principal = :principal";
const COUNTED: &str = "tokens :tokens, messages :messages";

fn scope_values(scope: &Scope) -> Attributes {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    [(":org", scope.organization.as_str()), (":principal", scope.principal.as_str())]
        .map(|(name, value)| (name.to_owned(), text(value)))
        .into()
}

impl Sessions {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self { table }
    }

    /// The session of an item, whosever it is.
    pub(crate) async fn read(&self, item: &Item) -> Result<Session> {
        let mut session: Session = body::open(&self.table, item).await?;
        let own = |name| item.find_text(name).map(str::to_owned);
        session.contact = Contact {
            name: own("nm").or(session.contact.name),
            email: own("em").or(session.contact.email),
            phone: own("ph").or(session.contact.phone),
        };
        session.token_count = item.get_number("tokens")?;
        session.message_count = item.get_number("messages")?;
        session.last_activity_at = item.get_text("active")?.parse().map_err(|_| item.broken("active"))?;
        Ok(session)
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, session: Session) -> Result<()> {
        let item = Item::new("S", &key(&session.id))
            .text("org", session.organization.as_str())
            .text("principal", session.principal.as_str())
            .number("tokens", session.token_count)
            .number("messages", session.message_count)
            .text("active", &session.last_activity_at.to_string())
            .text("latest", &keys::inverted(session.last_activity_at));
        let item = body::seal(&self.table, item, "a session", &session).await?;
        if !self.table.put_new(item.clone()).await? {
            body::discard(&self.table, &item).await?;
        }
        Ok(())
    }

    async fn get(&self, scope: &Scope, id: &SessionId) -> Result<Option<Session>> {
        let Some(item) = self.table.get(&key(id)).await? else { return Ok(None) };
        if item.get_text("org")? != scope.organization.as_str()
            || item.get_text("principal")? != scope.principal.as_str()
        {
            return Ok(None);
        }
        self.read(&item).await.map(Some)
    }

    async fn identify(&self, scope: &Scope, id: &SessionId, contact: Contact) -> Result<()> {
        let mut values = scope_values(scope);
        let mut sets = Vec::new();
        let fields = [("nm", contact.name), ("em", contact.email), ("ph", contact.phone)];
        for (field, given) in fields {
            if let Some(given) = given {
                sets.push(format!("{field} = :{field}"));
                values.insert(format!(":{field}"), AttributeValue::S(given));
            }
        }
        if sets.is_empty() {
            return Ok(());
        }
        let change = Change { set: &sets.join(", "), add: "", condition: OF_SCOPE, values };
        self.table.update(&key(id), change).await.map(|_| ())
    }

    async fn record(&self, scope: &Scope, id: &SessionId, activity: Activity) -> Result<()> {
        let mut values = scope_values(scope);
        values.insert(":tokens".to_owned(), AttributeValue::N(activity.tokens.to_string()));
        values.insert(":messages".to_owned(), AttributeValue::N(activity.messages.to_string()));
        let counted = values.clone();
        values.insert(":now".to_owned(), AttributeValue::S(activity.now.to_string()));
        values.insert(":latest".to_owned(), AttributeValue::S(keys::inverted(activity.now)));
        let later = Change {
            set: "active = :now, latest = :latest",
            add: COUNTED,
            condition: "org = :org AND principal = :principal AND latest >= :latest",
            values,
        };
        if self.table.update(&key(id), later).await? {
            return Ok(());
        }
        // Of another scope, or something later has been recorded already.
        let earlier = Change { set: "", add: COUNTED, condition: OF_SCOPE, values: counted };
        self.table.update(&key(id), earlier).await.map(|_| ())
    }
}
