//! The items of a document: its head, which says which version counts, and the version's own items.

use crate::keys::{self, Key};
use serde::{Deserialize, Serialize};
use smooai_smooth_operator_store::{AccessList, DocumentId, DocumentInfo, OrganizationId, Result};

/// What the document's own item holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) organization: OrganizationId,
    /// The version that counts; no other put, of this document or another, gives the same name.
    pub(super) version: String,
    /// The access class it is searched in.
    pub(super) class: String,
    pub(super) info: DocumentInfo,
    /// The number of terms of all its chunks.
    pub(super) length: u64,
    /// The dimensions of its embeddings.
    pub(super) dimensions: Vec<usize>,
}

impl Head {
    /// What is needed to remove the version: not its list, which may be long.
    pub(super) fn for_removal(&self) -> Self {
        let info = DocumentInfo { acl: AccessList::Nobody, url: None, ..self.info.clone() };
        Self { info, ..self.clone() }
    }
}

/// What a chunk's item holds beside its embedding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) headings: Vec<String>,
    pub(super) start: usize,
    pub(super) end: usize,
}

pub(super) fn document(organization: &OrganizationId, id: &DocumentId) -> Result<Key> {
    Ok(Key::new(keys::of('D', organization.as_str()), keys::sort("the document's id", id.as_str())?))
}

pub(super) fn chunk(version: &str, ordinal: u64) -> Key {
    Key::new(keys::of('V', version), keys::number("", ordinal))
}

/// Where the head of a version stands until the version is removed, so that it can be.
pub(super) fn manifest(organization: &OrganizationId, version: &str) -> Key {
    Key::new(keys::of('G', organization.as_str()), version)
}

pub(super) fn class(organization: &OrganizationId, class: &str) -> Key {
    Key::new(keys::of('A', organization.as_str()), class)
}

/// The name of an access list: documents with equal lists are searched together. Sets are ordered, so
/// equal lists have equal texts.
pub(super) fn class_of(list: &AccessList) -> String {
    let text = serde_json::to_vec(list).unwrap_or_default();
    keys::digest(&[&text])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_have_one_class_and_others_another() {
        let list = |users: &[&str]| AccessList::Restricted {
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            groups: ["a".to_owned()].into(),
        };
        assert_eq!(class_of(&list(&["x", "y"])), class_of(&list(&["y", "x"])));
        assert_ne!(class_of(&list(&["x", "y"])), class_of(&list(&["xy"])));
        assert_ne!(class_of(&AccessList::Public), class_of(&AccessList::Nobody));
    }
}
