//! A map cut into parts, each behind its own short lock.

use parking_lot::RwLock;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

/// More parts than cores, so that two callers rarely meet.
const PARTS: usize = 64;

/// A map from text to values. A value is only reached inside a closure, so no lock is held for longer.
pub(crate) struct Sharded<V> {
    hasher: RandomState,
    parts: Vec<RwLock<HashMap<Box<str>, V>>>,
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), parts: (0..PARTS).map(|_| RwLock::default()).collect() }
    }
}

impl<V> Sharded<V> {
    /// Reads the value, if there is one.
    pub(crate) fn read<T>(&self, key: &str, read: impl FnOnce(&V) -> T) -> Option<T> {
        self.part(key).read().get(key).map(read)
    }

    /// Changes the value, if there is one.
    pub(crate) fn change<T>(&self, key: &str, change: impl FnOnce(&mut V) -> T) -> Option<T> {
        self.part(key).write().get_mut(key).map(change)
    }

    /// Puts the value there, unless there is one; says whether it did.
    pub(crate) fn insert_new(&self, key: &str, value: V) -> bool {
        let mut part = self.part(key).write();
        if part.contains_key(key) {
            return false;
        }
        part.insert(key.into(), value);
        true
    }

    /// Works on the value, which is made first if there is none.
    pub(crate) fn entry<T>(&self, key: &str, work: impl FnOnce(&mut V) -> T) -> T
    where
        V: Default,
    {
        let mut part = self.part(key).write();
        if let Some(value) = part.get_mut(key) {
            return work(value);
        }
        work(part.entry(key.into()).or_default())
    }

    /// The first `limit` keys after `after`, in the order of their bytes.
    pub(crate) fn keys_after(&self, after: Option<&str>, limit: usize) -> Vec<Box<str>> {
        let mut first: BTreeSet<Box<str>> = BTreeSet::new();
        for part in &self.parts {
            for key in part.read().keys().filter(|key| after.is_none_or(|after| ***key > *after)) {
                if first.len() < limit || first.last().is_some_and(|last| key < last) {
                    first.insert(key.clone());
                }
                if first.len() > limit {
                    first.pop_last();
                }
            }
        }
        first.into_iter().collect()
    }

    fn part(&self, key: &str) -> &RwLock<HashMap<Box<str>, V>> {
        let place = self.hasher.hash_one(key) % PARTS as u64;
        &self.parts[usize::try_from(place).unwrap_or(0)]
    }
}
