//! Who is connecting: nobody in particular, or whom a signed token names.

pub mod auth_context;
mod claims;
mod jwks;
mod key;
mod token;

use crate::config::{AuthConfig, AuthMode};
use claims::Claims;
use jiff::Timestamp;
use jwks::Jwks;
use key::Key;
use smooai_smooth_operator::World;
use smooai_smooth_operator_store::{OrganizationId, PrincipalId};
use std::sync::Arc;
use token::Token;

/// The organisation of callers whose token names none, where the settings name none either.
pub const DEFAULT_ORGANIZATION: &str = "00000000-0000-4000-8000-000000000001";

/// The principal of all anonymous callers. It is no user id: those of tokens have a prefix.
const ANONYMOUS: &str = "anonymous";

/// A caller as it was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The organisation.
    pub organization: OrganizationId,
    /// Who owns what the caller makes: a user, or the anonymous caller.
    pub principal: PrincipalId,
    /// The user id; `None` for an anonymous caller.
    pub user: Option<String>,
    /// The groups the user is in.
    pub groups: Vec<String>,
    /// The e-mail address, unless the token says that it is not verified.
    pub email: Option<String>,
    /// The phone number, unless the token says that it is not verified.
    pub phone: Option<String>,
    /// When the token ends; the connection is then closed with 4401.
    pub expires_at: Option<Timestamp>,
}

/// Why a caller is not let in. Nothing of the token is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token came.
    #[error("a token is needed: send it as `Authorization: Bearer …`")]
    Missing,
    /// It is no signed token of the algorithm that is expected here.
    #[error("the token cannot be used: {0}")]
    Malformed(&'static str),
    /// It was signed with another key, or changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It is for somebody else, or says too little.
    #[error("the token's claim `{0}` is missing or wrong")]
    Claim(&'static str),
    /// The keys to check it with cannot be had. Not the caller's fault: a mount answers 503.
    #[error("tokens cannot be checked at the moment")]
    Unavailable,
}

impl AuthError {
    /// What the caller may be told.
    #[must_use]
    pub fn public_message(&self) -> &'static str {
        match self {
            Self::Missing => "A token is needed: send it as `Authorization: Bearer …` or by the subprotocol.",
            Self::Expired => "The token has expired. Get a new one and connect again.",
            Self::NotYetValid => "The token is not valid yet.",
            Self::Claim(_) => "The token is not meant for this service, or names no user or organisation.",
            Self::Malformed(_) | Self::Signature => "The token is not valid.",
            Self::Unavailable => "Tokens cannot be checked at the moment. Try again.",
        }
    }
}

/// A key or address in the settings that tokens cannot be checked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct AuthSetupError {
    setting: &'static str,
    problem: String,
}

/// Judges tokens as the settings say.
pub struct Authenticator {
    mode: Mode,
    organization: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    world: Arc<dyn World>,
}

enum Mode {
    Anonymous,
    /// `must_name_organization`: no organisation is assumed.
    Signed {
        keys: Box<Keys>,
        must_name_organization: bool,
    },
}

enum Keys {
    One(Key),
    Published(Jwks),
}

impl Authenticator {
    /// An authenticator for checked settings. Nothing is fetched before the first token.
    ///
    /// # Errors
    /// When a key cannot be used.
    pub fn new(
        config: &AuthConfig,
        http: &reqwest::Client,
        world: Arc<dyn World>,
    ) -> Result<Self, AuthSetupError> {
        let mode = match config.mode.unwrap_or(AuthMode::None) {
            AuthMode::None => Mode::Anonymous,
            mode => Mode::Signed {
                keys: Box::new(keys(config, http)?),
                must_name_organization: mode == AuthMode::Smoo,
            },
        };
        Ok(Self {
            mode,
            organization: config.dev_org_id.clone(),
            issuer: config.jwt_issuer.clone(),
            audience: config.jwt_audience.clone(),
            world,
        })
    }

    /// Who brings this token. Without one, and in mode `none` whatever comes, the caller is anonymous,
    /// where anonymous callers are let in.
    ///
    /// # Errors
    /// When the caller is not let in.
    pub async fn authenticate(&self, token: Option<&str>) -> Result<Identity, AuthError> {
        let Mode::Signed { keys, must_name_organization } = &self.mode else {
            return Ok(self.anonymous());
        };
        let token = Token::parse(token.ok_or(AuthError::Missing)?)?;
        match &**keys {
            Keys::One(key) => key.verify(&token)?,
            Keys::Published(jwks) => jwks.verify(&token).await?,
        }
        let claims = Claims::read(token.payload())?;
        claims.check_time(self.world.now().as_second())?;
        claims.check_addressee(self.issuer.as_deref(), self.audience.as_deref())?;
        let fallback = match must_name_organization {
            true => None,
            false => Some(self.home_organization()),
        };
        claims.into_identity(fallback)
    }

    fn anonymous(&self) -> Identity {
        Identity {
            organization: self.home_organization(),
            principal: PrincipalId::from(ANONYMOUS),
            user: None,
            groups: Vec::new(),
            email: None,
            phone: None,
            expires_at: None,
        }
    }

    /// The organisation of anonymous callers and of tokens that name none; the one that documents of the
    /// settings belong to.
    #[must_use]
    pub fn home_organization(&self) -> OrganizationId {
        OrganizationId::from(self.organization.as_deref().unwrap_or(DEFAULT_ORGANIZATION))
    }
}

/// Whether a PEM text is a public key that tokens can be checked with, or what is wrong with it.
pub(crate) fn check_public_key(pem: &str) -> Result<(), String> {
    Key::from_pem(pem).map(|_| ())
}

fn keys(config: &AuthConfig, http: &reqwest::Client) -> Result<Keys, AuthSetupError> {
    if let Some(secret) = &config.jwt_hs256_secret {
        return Ok(Keys::One(Key::shared(secret.expose())));
    }
    if let Some(pem) = &config.jwt_rs256_public_key {
        let key = Key::from_pem(pem.as_str());
        let fault = |problem| AuthSetupError { setting: "auth.jwt_rs256_public_key", problem };
        return key.map(Keys::One).map_err(fault);
    }
    let url = config.jwt_jwks_url.as_deref().unwrap_or_default();
    let url = url.parse().map_err(|_| AuthSetupError {
        setting: "auth.jwt_jwks_url",
        problem: "no key for tokens is set".to_owned(),
    })?;
    Ok(Keys::Published(Jwks::new(http.clone(), url, jwks::Times::default())))
}
