//! Who is speaking.

use smooai_smooth_operator_store::{Access, Scope, Session};

/// One connection's speaker, as the mount authenticated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The connection, unique in this process: turns begun on it are cancelled with it.
    pub connection: u64,
    /// Whose conversations and sessions the caller may touch.
    pub scope: Scope,
    /// The user id; `None` for an anonymous caller.
    pub user: Option<String>,
    /// The groups the caller is in.
    pub groups: Vec<String>,
    /// A verified e-mail address, from the token.
    pub email: Option<String>,
    /// A verified phone number, from the token.
    pub phone: Option<String>,
    /// The browser origin the connection came from.
    pub origin: Option<String>,
}

impl Caller {
    /// What the caller may read within a session: as its token says, else as the user that the
    /// session's signed `authContext` named.
    #[must_use]
    pub fn access(&self, session: &Session) -> Access {
        let organization = self.scope.organization.clone();
        match self.user.as_ref().or(session.verified_user.as_ref()) {
            Some(user) => Access::user(organization, user, self.groups.iter().cloned()),
            None => Access::public(organization),
        }
    }
}
