//! Keys that tokens are checked with. A key knows its one algorithm: what a token's header says can only
//! agree with it or be refused (RFC 8725, section 3.1).

use super::AuthError;
use super::token::{Algorithm, Token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256};
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{digest, hmac};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

/// A key for one algorithm.
pub(super) enum Key {
    Shared(hmac::Key),
    /// An RSA key as an X.509 `SubjectPublicKeyInfo`.
    RsaInfo(Vec<u8>),
    /// An RSA key as PKCS #1.
    RsaPkcs1(Vec<u8>),
    /// The RSA key of a certificate.
    RsaCertificate(Vec<u8>),
    /// An RSA key as its modulus and exponent.
    RsaNumbers {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// A point of the curve P-256.
    P256(Vec<u8>),
}

impl Key {
    /// A shared secret, for HS256.
    pub(super) fn shared(secret: &str) -> Self {
        if secret.len() < digest::SHA256_OUTPUT_LEN {
            tracing::warn!(
                "the secret of HS256 tokens is shorter than 32 bytes, which makes it easier to guess"
            );
        }
        Self::Shared(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// An RSA public key, for RS256: a public key or a certificate as PEM.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let (label, der) = pem(text).ok_or("not a PEM text (-----BEGIN PUBLIC KEY-----)")?;
        let key = match label {
            "PUBLIC KEY" => Self::RsaInfo(der),
            "RSA PUBLIC KEY" => Self::RsaPkcs1(der),
            "CERTIFICATE" => Self::RsaCertificate(der),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                return Err("a private key; only the public one belongs here".to_owned());
            }
            other => return Err(format!("a {other}; allowed: PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE")),
        };
        if key.can_verify() { Ok(key) } else { Err("not an RSA key of 2048 to 8192 bits".to_owned()) }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Shared(_) => Algorithm::Hs256,
            Self::P256(_) => Algorithm::Es256,
            Self::RsaInfo(_) | Self::RsaPkcs1(_) | Self::RsaCertificate(_) | Self::RsaNumbers { .. } => {
                Algorithm::Rs256
            }
        }
    }

    /// Whether this key signed the token.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), AuthError> {
        if token.algorithm != self.algorithm() {
            return Err(AuthError::Malformed("its algorithm is not the one of the key"));
        }
        match self.matches(token.signed, &token.signature) {
            true => Ok(()),
            false => Err(AuthError::Signature),
        }
    }

    fn matches(&self, message: &[u8], signature: &[u8]) -> bool {
        let rsa = webpki::ring::RSA_PKCS1_2048_8192_SHA256;
        match self {
            Self::Shared(key) => hmac::verify(key, message, signature).is_ok(),
            Self::RsaInfo(der) => {
                let der = SubjectPublicKeyInfoDer::from(der.as_slice());
                let key = RawPublicKeyEntity::try_from(&der);
                key.is_ok_and(|key| key.verify_signature(rsa, message, signature).is_ok())
            }
            Self::RsaCertificate(der) => {
                let der = CertificateDer::from(der.as_slice());
                let key = webpki::EndEntityCert::try_from(&der);
                key.is_ok_and(|key| key.verify_signature(rsa, message, signature).is_ok())
            }
            Self::RsaPkcs1(der) => {
                let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
                key.verify(message, signature).is_ok()
            }
            Self::RsaNumbers { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            Self::P256(point) => {
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
        }
    }

    /// Whether an RSA key from a PEM is one that can verify at all. The libraries only tell by the way in
    /// which a wrong signature fails.
    fn can_verify(&self) -> bool {
        use webpki::Error::InvalidSignatureForPublicKey;
        let rsa = webpki::ring::RSA_PKCS1_2048_8192_SHA256;
        let failure = match self {
            Self::RsaInfo(der) => {
                let der = SubjectPublicKeyInfoDer::from(der.as_slice());
                RawPublicKeyEntity::try_from(&der).and_then(|key| key.verify_signature(rsa, b"", b""))
            }
            Self::RsaCertificate(der) => {
                let der = CertificateDer::from(der.as_slice());
                webpki::EndEntityCert::try_from(&der).and_then(|key| key.verify_signature(rsa, b"", b""))
            }
            _ => return true,
        };
        matches!(failure, Err(InvalidSignatureForPublicKey))
    }
}

/// The first section of a PEM text: its label and its bytes.
fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    Some((label, STANDARD.decode(body).ok()?))
}
