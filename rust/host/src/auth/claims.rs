//! What a token says, after its signature was verified.

use super::{AuthError, Identity};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use smooai_smooth_operator_store::{OrganizationId, PrincipalId};

/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY: i64 = 30;

/// The claims that are looked at. Some have several names among issuers; the first one that is there counts.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: Option<String>,
    iss: Option<String>,
    aud: Option<OneOrMany>,
    exp: Option<f64>,
    nbf: Option<f64>,
    org_id: Option<String>,
    organization_id: Option<String>,
    org: Option<Value>,
    groups: Option<OneOrMany>,
    roles: Option<OneOrMany>,
    email: Option<String>,
    email_verified: Option<bool>,
    phone_number: Option<String>,
    phone_number_verified: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    pub(super) fn read(payload: &[u8]) -> Result<Self, AuthError> {
        serde_json::from_slice(payload).map_err(|_| AuthError::Malformed("its claims cannot be read"))
    }

    /// Whether `now`, in seconds since the Unix epoch, lies in the token's time. Its end must be told.
    pub(super) fn check_time(&self, now: i64) -> Result<(), AuthError> {
        let now = now as f64;
        let end = self.exp.filter(|end| end.is_finite()).ok_or(AuthError::Claim("exp"))?;
        if now >= end + LEEWAY as f64 {
            return Err(AuthError::Expired);
        }
        match self.nbf {
            Some(begin) if now < begin - LEEWAY as f64 => Err(AuthError::NotYetValid),
            _ => Ok(()),
        }
    }

    /// Whether it is of the issuer and for the audience that are wanted.
    pub(super) fn check_addressee(
        &self,
        issuer: Option<&str>,
        audience: Option<&str>,
    ) -> Result<(), AuthError> {
        if issuer.is_some() && self.iss.as_deref() != issuer {
            return Err(AuthError::Claim("iss"));
        }
        let named = |wanted: &str| match &self.aud {
            Some(OneOrMany::One(one)) => one == wanted,
            Some(OneOrMany::Many(many)) => many.iter().any(|one| one == wanted),
            None => false,
        };
        if audience.is_some_and(|wanted| !named(wanted)) {
            return Err(AuthError::Claim("aud"));
        }
        Ok(())
    }

    /// The caller, who is in `organization` where the token names none.
    pub(super) fn into_identity(self, organization: Option<OrganizationId>) -> Result<Identity, AuthError> {
        let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let user = said(self.sub).ok_or(AuthError::Claim("sub"))?;
        let org = self.org.as_ref().and_then(Value::as_str).map(str::to_owned);
        let named = said(self.org_id).or_else(|| said(self.organization_id)).or_else(|| said(org));
        let organization =
            named.map(OrganizationId::from).or(organization).ok_or(AuthError::Claim("org_id"))?;
        let principal = PrincipalId::from(format!("user:{user}"));
        let email = said(self.email).filter(|_| self.email_verified != Some(false));
        let phone = said(self.phone_number).filter(|_| self.phone_number_verified != Some(false));
        let groups = self.groups.or(self.roles).map(OneOrMany::into_names).unwrap_or_default();
        let expires_at = self.exp.and_then(|end| Timestamp::from_second(end as i64).ok());
        Ok(Identity { organization, principal, user: Some(user), groups, email, phone, expires_at })
    }
}

impl OneOrMany {
    /// Names in a list, or in one text between spaces or commas.
    fn into_names(self) -> Vec<String> {
        match self {
            Self::Many(names) => names,
            Self::One(text) => {
                let names = text.split([' ', ',']).filter(|name| !name.is_empty());
                names.map(str::to_owned).collect()
            }
        }
    }
}
