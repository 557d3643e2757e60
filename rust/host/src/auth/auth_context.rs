//! `authContext`: a host system tells which of its users speaks, and signs it with a shared secret.

use crate::config::{AuthConfig, Secret};
use ring::hmac;
use smooai_smooth_operator::AuthContextVerifier;

/// How old or how far ahead a signature may be, in seconds.
const WINDOW: u64 = 300;

/// A context that is not believed; the protocol's `AUTH_CONTEXT_INVALID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthContextError {
    /// It is older than five minutes, or ahead of the clock by as much.
    #[error("the authContext's timestamp is more than five minutes away")]
    Time,
    /// It was signed with another secret, or changed.
    #[error("the authContext's signature is wrong")]
    Signature,
}

/// The verifier that the settings ask for; `None` where they set no secret, so that no context is accepted.
#[must_use]
pub fn verifier(config: &AuthConfig) -> Option<ContextVerifier> {
    config.context_secret.as_ref().map(Secret::expose).map(ContextVerifier::new)
}

/// Checks signatures made with one shared secret.
pub struct ContextVerifier {
    key: hmac::Key,
}

impl ContextVerifier {
    /// A verifier of this secret.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) }
    }

    /// Whether `signature` is the hexadecimal HMAC-SHA256 of `user_id:timestamp`. Both times are seconds
    /// since the Unix epoch. The comparison takes the same time wherever the two differ.
    ///
    /// # Errors
    /// When it is not, or not of now.
    pub fn check(
        &self,
        user_id: &str,
        timestamp: i64,
        signature: &str,
        now: i64,
    ) -> Result<(), AuthContextError> {
        if now.abs_diff(timestamp) > WINDOW {
            return Err(AuthContextError::Time);
        }
        let signature = hexadecimal(signature).ok_or(AuthContextError::Signature)?;
        let message = format!("{user_id}:{timestamp}");
        hmac::verify(&self.key, message.as_bytes(), &signature).map_err(|_| AuthContextError::Signature)
    }
}

impl AuthContextVerifier for ContextVerifier {
    fn verify(&self, user_id: &str, timestamp: i64, signature: &str, now: i64) -> bool {
        match self.check(user_id, timestamp, signature, now) {
            Ok(()) => true,
            Err(error) => {
                tracing::info!(%error, "an authContext was refused");
                false
            }
        }
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let pairs = digits?;
    (pairs.len() % 2 == 0).then(|| pairs.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
