//! The keys of the one table. `pk` names a partition, `sk` a place in it; both are strings.
//! `docs/storage.md` lists them.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use smooai_smooth_operator_store::{Scope, StoreError};
use std::fmt::Write as _;

/// The longest sort key that DynamoDB takes is 1,024 bytes; what stands around an id takes some of them.
pub(crate) const LONGEST_ID: usize = 900;

/// Names longer than this stand in a partition key by their hash.
const LONGEST_NAME: usize = 400;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// The first 128 bits of the SHA-256 of some texts, in hexadecimal; lengths keep `a, bc` from `ab, c`.
pub(crate) fn digest(texts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let bytes = hash.finalize();
    bytes[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _written = write!(hex, "{byte:02x}");
        hex
    })
}

/// A name as part of a partition key: with its length, so that names beside each other stay apart.
fn named(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        format!("{}:{name}", name.len())
    } else {
        format!("~:{}", digest(&[name.as_bytes()]))
    }
}

/// A record's own partition.
pub(crate) fn of(kind: char, id: &str) -> String {
    format!("{kind}#{}", named(id))
}

/// A scope's partition.
pub(crate) fn of_scope(kind: char, scope: &Scope) -> String {
    format!("{kind}#{}#{}", named(scope.organization.as_str()), named(scope.principal.as_str()))
}

/// The partition of some names.
pub(crate) fn of_names(kind: char, names: &[&str]) -> String {
    names.iter().fold(kind.to_string(), |key, name| format!("{key}#{}", named(name)))
}

/// An id as a sort key.
///
/// # Errors
/// `TooLarge` when it is longer than a sort key can be.
pub(crate) fn sort(what: &'static str, id: &str) -> Result<String, StoreError> {
    if id.len() > LONGEST_ID {
        return Err(StoreError::TooLarge { what, limit: LONGEST_ID });
    }
    Ok(format!("={id}"))
}

/// A number as a sort key that keeps the order.
pub(crate) fn number(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:012}")
}

/// An instant as part of a sort key; later ones sort first.
pub(crate) fn inverted(instant: Timestamp) -> String {
    // The range of a timestamp is about ±3.8 · 10²⁰ nanoseconds.
    format!("{:021}", 400_000_000_000_000_000_000_i128 - instant.as_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_each_other_stay_apart() {
        assert_ne!(of_names('Z', &["a#1:b", "c"]), of_names('Z', &["a", "b#1:c"]));
        assert_ne!(of_scope('R', &Scope::new("a", "bc")), of_scope('R', &Scope::new("ab", "c")));
        let (long, other) = ("x".repeat(5_000), "x".repeat(5_001));
        assert!(of('D', &long).len() < 100 && of('D', &long) != of('D', &other));
    }

    #[test]
    fn later_instants_sort_first() {
        let keys: Vec<String> = [Timestamp::MAX, Timestamp::UNIX_EPOCH, Timestamp::MIN].map(inverted).into();
        assert!(keys.is_sorted() && keys.iter().all(|key| key.len() == 21), "{keys:?}");
    }

    #[test]
    fn an_id_that_is_too_long_is_refused() {
        assert!(matches!(
            sort("document id", &"x".repeat(901)),
            Err(StoreError::TooLarge { limit: 900, .. })
        ));
    }
}
