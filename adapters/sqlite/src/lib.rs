//! Embedded storage in one SQLite file: the default. Nothing to set up, and nothing that was acknowledged
//! is lost, whatever happens to the process.
//!
//! One thread writes and a few read, each with a connection of its own; the async side talks to them over
//! bounded queues. Documents are kept in the file and searched in memory: see [`open`].

mod admin;
mod conversations;
mod database;
mod error;
mod journal;
mod knowledge;
mod lock;
mod messages;
mod row;
mod schema;
mod sessions;
mod thread;
mod transfer;
mod turns;

pub use error::OpenError;

use admin::Admin;
use conversations::Conversations;
use database::Database;
use journal::Journal;
use knowledge::Knowledge;
use messages::Messages;
use sessions::Sessions;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::StorageAdapter;
use std::path::Path;
use std::sync::Arc;
use transfer::Transfer;
use turns::Turns;

/// The name of the database file in its folder.
pub const FILE: &str = "smooth-operator.db";

/// An open database.
pub struct Sqlite {
    database: Arc<Database>,
    adapter: StorageAdapter,
}

impl Sqlite {
    /// The storage.
    #[must_use]
    pub fn adapter(&self) -> StorageAdapter {
        self.adapter.clone()
    }

    /// Breaks off what the connections are doing now, as a failing disk would: callers get
    /// `Unavailable`, and of a transaction nothing remains. For tests of what happens then.
    pub fn interrupt(&self) {
        self.database.interrupt();
    }
}

/// Opens the database in a folder, which is made if it is not there; one process at a time may have it
/// open. Keyword search cuts words as the language does.
///
/// Documents are read into memory on a thread of their own. Until that is done, what searches or changes
/// them waits; everything else works at once.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(folder: &Path, language: Language) -> Result<Sqlite, OpenError> {
    let database = Arc::new(Database::open(folder).await?);
    let knowledge = Knowledge::load(Arc::clone(&database), language)?;
    let conversations = Arc::new(Conversations(Arc::clone(&database)));
    let adapter = StorageAdapter {
        conversations,
        messages: Arc::new(Messages(Arc::clone(&database))),
        sessions: Arc::new(Sessions(Arc::clone(&database))),
        turns: Arc::new(Turns(Arc::clone(&database))),
        journal: Arc::new(Journal(Arc::clone(&database))),
        knowledge: Arc::clone(&knowledge) as _,
        admin: Arc::new(Admin(Arc::clone(&database))),
        transfer: Arc::new(Transfer { database: Arc::clone(&database), knowledge }),
    };
    Ok(Sqlite { database, adapter })
}
