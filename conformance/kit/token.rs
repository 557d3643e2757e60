//! Tokens and signed contexts that the harness makes for its own servers.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use crate::lane::SECRET;

/// The server's clock in seconds.
#[expect(clippy::disallowed_methods, reason = "a token is signed for the server's own clock")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn hs256(text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes())
}

/// A token: claims are completed and signed, a text is taken as it is. `expiresIn` is in seconds from now.
/// The name of its organisation gets `before` in front.
pub fn token(claims: &Value, before: &str) -> String {
    let Value::Object(claims) = claims else { return claims.as_str().unwrap_or_default().to_owned() };
    let mut all = json!({ "sub": "alice", "org_id": "acme", "exp": now() + 3600 });
    for (name, value) in claims {
        match (name.as_str(), value.as_i64()) {
            ("expiresIn", Some(seconds)) => all["exp"] = json!(now().saturating_add_signed(seconds)),
            _ => all[name] = value.clone(),
        }
    }
    if let Some(organisation) = all["org_id"].as_str() {
        all["org_id"] = json!(format!("{before}{organisation}"));
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(&all));
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(hs256(&text)))
}

/// An `authContext` that says who a user is.
pub fn context(user: &str) -> Value {
    let at = now();
    let mut signature = String::new();
    for byte in hs256(&format!("{user}:{at}")).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(signature, "{byte:02x}");
    }
    json!({ "userId": user, "signature": signature, "timestamp": at })
}
