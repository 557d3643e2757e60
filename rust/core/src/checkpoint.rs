//! Checkpoints: a run as stored data, so that any process may take it up again.

use crate::run::Run;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A run with the version of its stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The version of the form; [`Checkpoint::VERSION`] in every checkpoint made here.
    pub version: u32,
    /// The run.
    pub run: Run,
}

/// The part of a checkpoint that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Checkpoint {
    /// The version that this crate writes and reads.
    pub const VERSION: u32 = 1;

    /// A checkpoint of a run.
    #[must_use]
    pub fn new(run: Run) -> Self {
        Self { version: Self::VERSION, run }
    }

    /// Its stored form.
    ///
    /// # Errors
    /// When a value inside cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, CheckpointError> {
        serde_json::to_string(self).map_err(CheckpointError::Malformed)
    }

    /// Reads its stored form.
    ///
    /// # Errors
    /// When the text is not a checkpoint, or one of another version.
    pub fn from_json(text: &str) -> Result<Self, CheckpointError> {
        let Versioned { version } = serde_json::from_str(text).map_err(CheckpointError::Malformed)?;
        if version != Self::VERSION {
            return Err(CheckpointError::Version { found: version });
        }
        serde_json::from_str(text).map_err(CheckpointError::Malformed)
    }
}

/// Why a checkpoint could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// It was written by a program that stores runs in another form.
    #[error(
        "the checkpoint has version {found}, this program reads version {}: let the program that wrote it end the run, or begin the turn again",
        Checkpoint::VERSION
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// It is not a checkpoint.
    #[error("the checkpoint cannot be read: {0}")]
    Malformed(#[source] serde_json::Error),
    /// An in-process store holds as many as it may.
    #[error("{limit} checkpoints are held already: delete those of ended runs, or allow more")]
    Full {
        /// How many it may hold.
        limit: usize,
    },
    /// The store failed. The cause is for the log.
    #[error("the checkpoint store failed")]
    Store(#[source] Box<dyn Error + Send + Sync>),
}

/// Where checkpoints are kept, by an id of the caller's choice.
#[async_trait]
pub trait CheckpointStore: Send + Sync {
    /// Keeps a checkpoint in place of an earlier one of this id.
    ///
    /// # Errors
    /// When it cannot be kept; the earlier one then still stands.
    async fn save(&self, id: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError>;

    /// The checkpoint of this id, or `None`.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    async fn load(&self, id: &str) -> Result<Option<Checkpoint>, CheckpointError>;

    /// Forgets the checkpoint of this id, if there is one.
    ///
    /// # Errors
    /// When the store cannot be reached.
    async fn delete(&self, id: &str) -> Result<(), CheckpointError>;
}

/// Checkpoints in this process, in their stored form, at most a fixed number of them.
#[derive(Debug)]
pub struct InProcessCheckpoints {
    limit: usize,
    stored: Mutex<HashMap<String, String>>,
}

impl InProcessCheckpoints {
    /// An empty store of at most `limit` checkpoints.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, stored: Mutex::default() }
    }

    /// Each change is one call on the map, so a panic elsewhere cannot leave it half changed.
    fn stored(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CheckpointStore for InProcessCheckpoints {
    async fn save(&self, id: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let json = checkpoint.to_json()?;
        let mut stored = self.stored();
        if stored.len() >= self.limit && !stored.contains_key(id) {
            return Err(CheckpointError::Full { limit: self.limit });
        }
        stored.insert(id.to_owned(), json);
        Ok(())
    }

    async fn load(&self, id: &str) -> Result<Option<Checkpoint>, CheckpointError> {
        let json = self.stored().get(id).cloned();
        json.map(|json| Checkpoint::from_json(&json)).transpose()
    }

    async fn delete(&self, id: &str) -> Result<(), CheckpointError> {
        self.stored().remove(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::CostBudget;
    use crate::message::ChatMessage;
    use futures_util::FutureExt;

    fn checkpoint(question: &str) -> Checkpoint {
        Checkpoint::new(Run::new(vec![ChatMessage::user(question)], 3, CostBudget::default()))
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was() {
        let before = checkpoint("Hello");
        assert_eq!(Checkpoint::from_json(&before.to_json().unwrap()).unwrap(), before);
    }

    #[test]
    fn another_version_is_refused_by_its_number_even_in_another_form() {
        let error = Checkpoint::from_json(r#"{"version":2,"run":{"new":"form"}}"#).unwrap_err();
        let expected = "the checkpoint has version 2, this program reads version 1: let the program that \
                        wrote it end the run, or begin the turn again";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        for text in ["", "{}", r#"{"version":1}"#, r#"{"version":"1","run":{}}"#] {
            let error = Checkpoint::from_json(text).unwrap_err();
            assert!(matches!(error, CheckpointError::Malformed(_)), "{text}: {error}");
        }
    }

    #[test]
    fn a_store_keeps_replaces_and_forgets_by_id_within_its_limit() {
        let store = InProcessCheckpoints::new(1);
        let load = |id: &str| store.load(id).now_or_never().unwrap().unwrap();
        let save = |id: &str, question: &str| store.save(id, &checkpoint(question)).now_or_never().unwrap();
        assert_eq!(load("a"), None);
        save("a", "one").unwrap();
        save("a", "two").unwrap();
        assert_eq!(load("a"), Some(checkpoint("two")));
        assert!(matches!(save("b", "one"), Err(CheckpointError::Full { limit: 1 })));
        store.delete("a").now_or_never().unwrap().unwrap();
        assert_eq!(load("a"), None);
        save("b", "one").unwrap();
    }
}
