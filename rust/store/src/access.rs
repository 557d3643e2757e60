//! Who may read what: the scope of records and the access to documents.

use crate::{OrganizationId, PrincipalId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Whose conversations and sessions a call may touch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The caller's organisation.
    pub organization: OrganizationId,
    /// The caller inside it.
    pub principal: PrincipalId,
}

impl Scope {
    /// A scope of one principal in one organisation.
    pub fn new(organization: impl Into<OrganizationId>, principal: impl Into<PrincipalId>) -> Self {
        Self { organization: organization.into(), principal: principal.into() }
    }
}

/// Which documents a reader may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The reader's organisation; documents of others do not exist for him.
    pub organization: OrganizationId,
    /// The reader's user id; `None` for an anonymous reader, who sees public documents only.
    pub user: Option<String>,
    /// The groups the reader is in.
    pub groups: BTreeSet<String>,
}

impl Access {
    /// An anonymous reader: the organisation's public documents.
    pub fn public(organization: impl Into<OrganizationId>) -> Self {
        Self { organization: organization.into(), user: None, groups: BTreeSet::new() }
    }

    /// A known reader with his groups.
    pub fn user<G: Into<String>>(
        organization: impl Into<OrganizationId>,
        user: impl Into<String>,
        groups: impl IntoIterator<Item = G>,
    ) -> Self {
        Self {
            organization: organization.into(),
            user: Some(user.into()),
            groups: groups.into_iter().map(Into::into).collect(),
        }
    }

    /// Whether the list lets this reader in, given that the document is of his organisation.
    #[must_use]
    pub fn admits(&self, list: &AccessList) -> bool {
        match list {
            AccessList::Public => true,
            AccessList::Restricted { users, groups } => {
                self.user.as_ref().is_some_and(|user| users.contains(user))
                    || groups.iter().any(|group| self.groups.contains(group))
            }
            AccessList::Nobody => false,
        }
    }
}

/// A document's access list, inside its organisation. One that cannot be read admits nobody: reading it
/// gives [`AccessList::Nobody`] instead of an error, so that a record of another program hides its document
/// and not the whole store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum AccessList {
    /// Everyone in the organisation; what an absent list means.
    #[default]
    Public,
    /// The named users and the members of the named groups.
    Restricted {
        /// User ids.
        users: BTreeSet<String>,
        /// Group names.
        groups: BTreeSet<String>,
    },
    /// Nobody; what an unreadable list means.
    Nobody,
}

impl AccessList {
    /// The list of a stored text.
    #[must_use]
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or(Self::Nobody)
    }

    /// A list as it is written. Something unknown beside what is known may narrow it, so it is not read.
    fn of(value: Value) -> Option<Self> {
        let Value::Object(mut fields) = value else { return None };
        let kind = fields.remove("kind")?;
        let mut names = |name| serde_json::from_value(fields.remove(name)?).ok();
        let list = match kind.as_str()? {
            "public" => Self::Public,
            "nobody" => Self::Nobody,
            "restricted" => Self::Restricted { users: names("users")?, groups: names("groups")? },
            _ => return None,
        };
        fields.is_empty().then_some(list)
    }
}

impl<'de> Deserialize<'de> for AccessList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(Value::deserialize(deserializer)?).unwrap_or(Self::Nobody))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_admits_its_users_and_its_groups_and_nobody_else() {
        let list = AccessList::Restricted {
            users: ["ada".to_owned()].into(),
            groups: ["support".to_owned()].into(),
        };
        assert!(Access::user("o", "ada", [""; 0]).admits(&list));
        assert!(Access::user("o", "bob", ["support"]).admits(&list));
        assert!(!Access::user("o", "bob", ["sales"]).admits(&list));
        assert!(!Access::public("o").admits(&list));
        assert!(Access::public("o").admits(&AccessList::Public));
        assert!(!Access::user("o", "ada", ["support"]).admits(&AccessList::Nobody));
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let restricted = AccessList::Restricted {
            users: ["ada".to_owned(), "\"".to_owned()].into(),
            groups: ["support".to_owned()].into(),
        };
        for list in [AccessList::Public, AccessList::Nobody, restricted] {
            assert_eq!(AccessList::read(&serde_json::to_string(&list).unwrap()), list);
        }
        assert_eq!(AccessList::default(), AccessList::Public, "an absent list");
    }

    #[test]
    fn an_unreadable_list_is_nobody() {
        for text in [
            "",
            "null",
            "{}",
            "[]",
            "\"public\"",
            "{\"kind\":\"public\"",
            "{\"kind\":\"everyone\"}",
            "{\"kind\":\"Public\"}",
            "{\"kind\":\"public\",\"except\":[\"ada\"]}",
            "{\"kind\":\"restricted\"}",
            "{\"kind\":\"restricted\",\"users\":[\"ada\"]}",
            "{\"kind\":\"restricted\",\"users\":[\"ada\"],\"groups\":null}",
            "{\"kind\":\"restricted\",\"users\":[\"ada\"],\"groups\":[],\"not\":[\"ada\"]}",
            "{\"kind\":\"restricted\",\"users\":[1],\"groups\":[]}",
        ] {
            assert_eq!(AccessList::read(text), AccessList::Nobody, "{text}");
        }
    }
}
