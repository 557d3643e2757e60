//! Keys that tokens are checked with. A key knows its one algorithm: what a token's header says can only
//! agree with it or be refused (RFC 8725, section 3.1).

use super::AuthError;
use super::token::{Algorithm, Token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use ring::{digest, hmac};

/// A key for one algorithm.
pub(super) enum Key {
    Shared(hmac::Key),
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A point of the curve P-256 in the uncompressed form of SEC 1, section 2.3.3.
    P256(Vec<u8>),
}

/// Lengths of RSA keys that are accepted, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

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

    /// An RSA public key by its modulus and exponent (big-endian), for RS256; `None` for a length that is
    /// not accepted.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let trim = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
        let (n, e) = (trim(n), trim(e));
        let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
        RSA_BITS.contains(&bits).then_some(Self::Rsa(RsaPublicKeyComponents { n, e }))
    }

    /// An RSA public key as PEM, for RS256.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let (label, der) = pem(text).ok_or("not a PEM text (-----BEGIN PUBLIC KEY-----)")?;
        let numbers = match label {
            "PUBLIC KEY" => public_key_info(&der).and_then(pkcs1),
            "RSA PUBLIC KEY" => pkcs1(&der),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                return Err("a private key; only the public one belongs here".to_owned());
            }
            other => return Err(format!("a {other}; allowed: PUBLIC KEY, RSA PUBLIC KEY")),
        };
        let key = numbers.and_then(|(n, e)| Self::rsa(n, e));
        key.ok_or_else(|| "not an RSA key of 2048 to 8192 bits".to_owned())
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Shared(_) => Algorithm::Hs256,
            Self::Rsa(_) => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// Whether this key signed the token.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), AuthError> {
        if token.algorithm != self.algorithm() {
            return Err(AuthError::Malformed("its algorithm is not the one of the key"));
        }
        let (message, signature) = (token.signed, token.signature.as_slice());
        let verdict = match self {
            Self::Shared(key) => hmac::verify(key, message, signature),
            Self::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verdict.map_err(|_| AuthError::Signature)
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

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The PKCS #1 key inside an RSA `SubjectPublicKeyInfo` (RFC 3279, section 2.3.1).
fn public_key_info(der: &[u8]) -> Option<&[u8]> {
    /// `rsaEncryption` with its empty parameters.
    const RSA_ENCRYPTION: [u8; 13] =
        [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let (info, []) = element(SEQUENCE, der)? else { return None };
    let (algorithm, rest) = element(SEQUENCE, info)?;
    let (bits, []) = element(BIT_STRING, rest)? else { return None };
    // The first byte of a bit string counts the unused bits of its last.
    let key = bits.strip_prefix(&[0])?;
    (algorithm == RSA_ENCRYPTION).then_some(key)
}

/// Modulus and exponent of a PKCS #1 public key (RFC 8017, appendix A.1.1).
fn pkcs1(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, []) = element(SEQUENCE, der)? else { return None };
    let (n, rest) = element(INTEGER, key)?;
    let (e, []) = element(INTEGER, rest)? else { return None };
    Some((n, e))
}

/// The content of the DER element at the start, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *der.strip_prefix(&[tag])? {
        [short, ref rest @ ..] if short < 0x80 => (usize::from(short), rest),
        [0x81, length, ref rest @ ..] => (usize::from(length), rest),
        [0x82, high, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}
