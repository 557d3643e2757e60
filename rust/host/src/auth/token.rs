//! A JSON Web Token taken apart (RFC 7519, in the compact form of RFC 7515); nothing of it is believed yet.

use super::AuthError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 << 10;

/// A token in parts.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    /// The name of the key that it says it was signed with.
    pub(super) key_id: Option<String>,
    /// What the signature covers: header and payload as they came.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
    payload: Vec<u8>,
}

/// The algorithms of RFC 7518 that keys here can have. `none` and all others are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<serde_json::Value>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, AuthError> {
        let malformed = AuthError::Malformed;
        if text.len() > LONGEST {
            return Err(malformed("it is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(malformed("it has no three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(malformed("it has no three parts"))?;
        let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("a part is not base64url"));
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|_| malformed("its header cannot be read or names an algorithm that is not accepted"))?;
        if header.crit.is_some() {
            return Err(malformed("it uses an extension that is not known"));
        }
        Ok(Self {
            algorithm: header.alg,
            key_id: header.kid,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            payload: decode(payload)?,
        })
    }

    /// The claims' JSON. To be read after the signature was verified.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }
}
