//! Id newtypes: opaque strings that cannot be mixed up. The service makes them; a store only keeps them.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

id!(/// An organisation: the outer wall of isolation.
    OrganizationId);
id!(/// Who owns sessions and conversations inside an organisation: a user, or the anonymous caller.
    PrincipalId);
id!(/// A conversation (UUID).
    ConversationId);
id!(/// A session (UUID): a caller's hold on a conversation.
    SessionId);
id!(/// A message (UUID).
    MessageId);
id!(/// A participant of a conversation (UUID).
    ParticipantId);
id!(/// A turn (UUID): one user message up to its terminal event.
    TurnId);
id!(/// A park (UUID): one wait of a turn for a person.
    ParkId);
id!(/// A document: its path relative to the configuration, or the source it was given.
    DocumentId);
