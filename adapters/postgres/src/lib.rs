//! Storage in PostgreSQL with pgvector.
//!
//! Each call is one transaction that says for which organisation it is; row-level security shows it
//! nothing else. Nothing outlives a transaction, so that a transaction pooler may stand in between.
//! `docs/storage.md` tells of tables, roles, settings and round trips.

mod admin;
mod conversations;
mod database;
mod failure;
mod journal;
mod knowledge;
mod messages;
mod row;
mod sessions;
mod settings;
mod setup;
mod text;
mod transfer;
mod turns;

use admin::Admin;
use conversations::Conversations;
use journal::Journal;
use knowledge::Knowledge;
use messages::Messages;
use sessions::Sessions;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::StorageAdapter;
use std::sync::Arc;
use transfer::Transfer;
use turns::Turns;

pub use settings::Settings;
pub use setup::SetupError;

/// A store in the database of these settings, whose keyword search cuts words as this language does. The
/// tables are made, or brought up to date, before it returns.
///
/// # Errors
/// See [`SetupError`]: each says what to do.
pub async fn adapter(settings: &Settings, language: Language) -> Result<StorageAdapter, SetupError> {
    let database = setup::set_up(settings).await?;
    let knowledge = Arc::new(Knowledge::new(database.clone(), language));
    Ok(StorageAdapter {
        conversations: Arc::new(Conversations(database.clone())),
        messages: Arc::new(Messages(database.clone())),
        sessions: Arc::new(Sessions(database.clone())),
        turns: Arc::new(Turns(database.clone())),
        journal: Arc::new(Journal(database.clone())),
        knowledge: Arc::clone(&knowledge) as _,
        admin: Arc::new(Admin(database.clone())),
        transfer: Arc::new(Transfer { database, knowledge }),
    })
}
