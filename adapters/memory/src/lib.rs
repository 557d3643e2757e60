//! Embedded storage in memory: everything is gone when the process ends. Locks are short and sharded;
//! knowledge is read from immutable snapshots, so a writer never stops a search.

mod admin;
mod conversations;
mod journal;
mod knowledge;
mod packed;
mod sessions;
mod shard;
mod thread;
mod transfer;
mod turns;

use admin::Admin;
use conversations::Threads;
use journal::Journal;
use knowledge::Knowledge;
use sessions::Sessions;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::StorageAdapter;
use std::sync::Arc;
use transfer::Transfer;

/// An empty store whose keyword search is in English.
#[must_use]
pub fn adapter() -> StorageAdapter {
    adapter_in(Language::English)
}

/// An empty store whose keyword search cuts words as this language does.
#[must_use]
pub fn adapter_in(language: Language) -> StorageAdapter {
    let threads = Arc::new(Threads::default());
    let sessions = Arc::new(Sessions::default());
    let journal = Arc::new(Journal::new(Arc::clone(&threads)));
    let knowledge = Arc::new(Knowledge::new(language));
    let admin = Arc::new(Admin::default());
    StorageAdapter {
        conversations: Arc::clone(&threads) as _,
        messages: Arc::clone(&threads) as _,
        turns: Arc::clone(&threads) as _,
        journal: Arc::clone(&journal) as _,
        sessions: Arc::clone(&sessions) as _,
        knowledge: Arc::clone(&knowledge) as _,
        admin: Arc::clone(&admin) as _,
        transfer: Arc::new(Transfer { threads, sessions, journal, knowledge, admin }),
    }
}
