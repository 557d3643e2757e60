//! Everything the file holds, read page by page, and taken in: a page is one transaction.

use crate::admin;
use crate::conversations::{conversation, insert, number, number_held, scope};
use crate::database::Database;
use crate::error::Failure;
use crate::knowledge::{Knowledge, documents_after};
use crate::row::{get_json, json};
use crate::{messages, sessions, turns};
use async_trait::async_trait;
use rusqlite::{Connection, Params, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use smooai_smooth_operator_store::{
    ConversationId, JournalRecord, KnowledgeStore as _, MessageRecord, Record, RecordKind, RecordPage,
    Result, StoreError, TransferStore, TurnId, TurnState, TurnsRecord,
};
use std::sync::Arc;

/// All tables, and the documents in memory that belong to them.
pub(crate) struct Transfer {
    pub(crate) database: Arc<Database>,
    pub(crate) knowledge: Arc<Knowledge>,
}

/// A place in a table as the text that [`open`] reads again.
fn seal(place: &impl Serialize) -> Result<String, Failure> {
    json(place)
}

fn open<T: DeserializeOwned>(cursor: Option<&str>, first: T) -> Result<T, Failure> {
    let Some(cursor) = cursor else { return Ok(first) };
    Ok(serde_json::from_str(cursor).map_err(|_| StoreError::UnknownCursor)?)
}

/// The records of a query, and the place of the last one.
fn select<P: Serialize>(
    connection: &Connection,
    (query, key): (&str, impl Params),
    limit: usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<(P, Record)>,
) -> Result<RecordPage, Failure> {
    let mut found = connection.prepare_cached(query)?;
    let mut last = None;
    let found = found.query_map(key, |row| {
        let (place, record) = read(row)?;
        last = Some(place);
        Ok(record)
    })?;
    let records = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = last.filter(|_| records.len() == limit).map(|place| seal(&place)).transpose()?;
    Ok(RecordPage { records, next })
}

/// The smallest number is 1, and the first place 0.
const START: (i64, i64) = (0, -1);

fn export(
    connection: &Connection,
    kind: RecordKind,
    after: Option<&str>,
    limit: usize,
) -> Result<RecordPage, Failure> {
    match kind {
        RecordKind::Conversation => {
            let query = "SELECT * FROM conversations WHERE number > ? ORDER BY number LIMIT ?";
            let key = params![open(after, 0_i64)?, limit];
            select(connection, (query, key), limit, |row| {
                Ok((row.get::<_, i64>("number")?, Record::Conversation(Box::new(conversation(row)?))))
            })
        }
        RecordKind::Message => export_messages(connection, after, limit),
        RecordKind::Session => {
            let query = "SELECT * FROM sessions WHERE id > ? ORDER BY id LIMIT ?";
            let key = params![open(after, String::new())?, limit];
            select(connection, (query, key), limit, |row| {
                Ok((row.get::<_, String>("id")?, Record::Session(Box::new(sessions::session(row)?))))
            })
        }
        RecordKind::Turns => export_turns(connection, after, limit),
        RecordKind::Journal => export_journal(connection, after, limit),
        RecordKind::Document => {
            let place = open(after, (String::new(), String::new()))?;
            let found = documents_after(connection, &place, limit)?;
            let last = found.last().filter(|_| found.len() == limit);
            let next = last.map(|last| seal(&(&last.organization, &last.id))).transpose()?;
            let records = found.into_iter().map(|document| Record::Document(Box::new(document))).collect();
            Ok(RecordPage { records, next })
        }
        RecordKind::Admin => {
            let query = "SELECT * FROM admin WHERE (organization, kind, id) > (?, ?, ?)
                         ORDER BY organization, kind, id LIMIT ?";
            let place = open(after, (String::new(), String::new(), String::new()))?;
            let key = params![place.0, place.1, place.2, limit];
            select(connection, (query, key), limit, |row| {
                let record = admin::record(row)?;
                let place = (record.organization.clone(), record.kind.clone(), record.id.clone());
                Ok((place, Record::Admin(Box::new(record))))
            })
        }
    }
}

fn export_messages(
    connection: &Connection,
    after: Option<&str>,
    limit: usize,
) -> Result<RecordPage, Failure> {
    let query = "SELECT messages.*, conversations.id AS of, organization, principal
                 FROM messages JOIN conversations ON number = conversation
                 WHERE (conversation, place) > (?, ?) ORDER BY conversation, place LIMIT ?";
    let (number, place) = open(after, START)?;
    select(connection, (query, params![number, place, limit]), limit, |row| {
        let place: (i64, i64) = (row.get("conversation")?, row.get("place")?);
        let of = ConversationId::new(row.get::<_, String>("of")?);
        let record = MessageRecord { scope: scope(row)?, message: messages::message(row, &of)? };
        Ok((place, Record::Message(Box::new(record))))
    })
}

fn export_turns(connection: &Connection, after: Option<&str>, limit: usize) -> Result<RecordPage, Failure> {
    let query = "SELECT turns.*, conversations.id AS of, organization, principal
                 FROM turns JOIN conversations ON number = conversation
                 WHERE conversation > ? ORDER BY conversation LIMIT ?";
    select(connection, (query, params![open(after, 0_i64)?, limit]), limit, |row| {
        let of = ConversationId::new(row.get::<_, String>("of")?);
        let record = get_json::<TurnState>(row, "state")?.record(scope(row)?, of);
        Ok((row.get::<_, i64>("conversation")?, Record::Turns(Box::new(record))))
    })
}

fn export_journal(connection: &Connection, after: Option<&str>, limit: usize) -> Result<RecordPage, Failure> {
    let query = "SELECT journal.*, conversations.id AS of, organization, principal
                 FROM journal JOIN conversations ON number = conversation
                 WHERE (turn, ordinal) > (?, ?) ORDER BY turn, ordinal LIMIT ?";
    let (turn, ordinal) = open(after, (String::new(), -1_i64))?;
    select(connection, (query, params![turn, ordinal, limit]), limit, |row| {
        let turn: String = row.get("turn")?;
        let record = JournalRecord {
            scope: scope(row)?,
            conversation: ConversationId::new(row.get::<_, String>("of")?),
            turn: TurnId::new(turn.clone()),
            ordinal: row.get("ordinal")?,
            entry: get_json(row, "entry")?,
        };
        Ok(((turn, record.ordinal), Record::Journal(Box::new(record))))
    })
}

/// Takes in what is no document.
fn import(connection: &Connection, record: &Record) -> Result<(), Failure> {
    match record {
        Record::Conversation(made) => match number_held(connection, &made.id)? {
            Some(_) => Ok(()),
            None => insert(connection, made),
        },
        Record::Message(record) => messages::append(connection, &record.scope, &record.message),
        Record::Session(session) => sessions::insert(connection, session),
        Record::Turns(record) => import_turns(connection, record),
        Record::Journal(record) => {
            let number = number(connection, &record.scope, &record.conversation)?;
            let number = number.ok_or(StoreError::NotFound("conversation"))?;
            let mut insert = connection.prepare_cached(
                "INSERT INTO journal (turn, ordinal, conversation, entry) VALUES (?, ?, ?, ?)
                 ON CONFLICT (turn, ordinal) DO NOTHING",
            )?;
            insert.execute(params![record.turn.as_str(), record.ordinal, number, json(&record.entry)?])?;
            Ok(())
        }
        // Documents are taken in by what keeps their index.
        Record::Document(_) => Ok(()),
        Record::Admin(record) => admin::put(connection, record),
    }
}

fn import_turns(connection: &Connection, record: &TurnsRecord) -> Result<(), Failure> {
    let number = number(connection, &record.scope, &record.conversation)?;
    let number = number.ok_or(StoreError::NotFound("conversation"))?;
    let mut state: TurnState = turns::load(connection, number)?;
    state.restore(record.clone());
    turns::save(connection, number, &state)
}

impl Transfer {
    async fn import_plain(&self, records: Vec<Record>) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.database
            .write("taking records in", move |connection| {
                records.iter().try_for_each(|record| import(connection, record))
            })
            .await
    }
}

#[async_trait]
impl TransferStore for Transfer {
    async fn export(&self, kind: RecordKind, after: Option<&str>, limit: usize) -> Result<RecordPage> {
        let (after, limit) = (after.map(str::to_owned), limit.max(1));
        self.database
            .read("giving records out", move |connection| export(connection, kind, after.as_deref(), limit))
            .await
    }

    async fn import(&self, records: Vec<Record>) -> Result<()> {
        let mut plain = Vec::new();
        for record in records {
            match record {
                Record::Document(document) => {
                    self.import_plain(std::mem::take(&mut plain)).await?;
                    self.knowledge.put(*document).await?;
                }
                record => plain.push(record),
            }
        }
        self.import_plain(plain).await
    }
}
