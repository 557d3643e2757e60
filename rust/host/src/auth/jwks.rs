//! Public keys that an issuer publishes (RFC 7517): fetched when a token needs them, kept, and fetched
//! again when a token names one that is not among them.

use super::AuthError;
use super::key::Key;
use super::token::{Algorithm, Token};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The largest set that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// The most keys of a set.
const MOST_KEYS: usize = 100;

/// When keys are fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// A fetch takes at most this long.
    pub(super) fetch: Duration,
    /// Between two fetches, whatever tokens ask for, lies at least this.
    pub(super) pause: Duration,
    /// Keys of this age are fetched anew, so that a withdrawn one ends.
    pub(super) refresh: Duration,
    /// While the issuer cannot be reached, its keys are used up to this age.
    pub(super) lifetime: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { fetch: minute / 12, pause: minute / 2, refresh: 10 * minute, lifetime: 60 * minute }
    }
}

/// An issuer's keys.
pub(super) struct Jwks {
    http: Client,
    url: Url,
    times: Times,
    keys: RwLock<Option<Arc<Fetched>>>,
    /// When a fetch was last begun. Held while one is under way, so that there is only one.
    begun: Mutex<Option<Instant>>,
}

struct Fetched {
    at: Instant,
    keys: Vec<(Option<String>, Key)>,
}

impl Jwks {
    pub(super) fn new(http: Client, url: Url, times: Times) -> Self {
        Self { http, url, times, keys: RwLock::default(), begun: Mutex::default() }
    }

    /// Whether one of the issuer's keys signed the token.
    pub(super) async fn verify(&self, token: &Token<'_>) -> Result<(), AuthError> {
        if token.algorithm == Algorithm::Hs256 {
            return Err(AuthError::Malformed("its algorithm is not one of a published key"));
        }
        let known = self.known();
        let fresh = known.as_ref().filter(|known| known.at.elapsed() < self.times.refresh);
        if let Some(verdict) = fresh.and_then(|known| known.verify(token)) {
            return verdict;
        }
        let fetched = self.fetch(known.as_ref().map(|known| known.at)).await;
        let current = fetched.or(known).filter(|known| known.at.elapsed() < self.times.lifetime);
        let current = current.ok_or(AuthError::Unavailable)?;
        current.verify(token).unwrap_or(Err(AuthError::Signature))
    }

    fn known(&self) -> Option<Arc<Fetched>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys, unless that was tried just now; or takes those that another caller has fetched
    /// in the meantime. `seen`: the age of the keys that did not do.
    async fn fetch(&self, seen: Option<Instant>) -> Option<Arc<Fetched>> {
        let mut begun = self.begun.lock().await;
        let newer = self.known().filter(|known| Some(known.at) > seen);
        if newer.is_some() || begun.is_some_and(|at| at.elapsed() < self.times.pause) {
            return newer;
        }
        *begun = Some(Instant::now());
        match timeout(self.times.fetch, self.download()).await {
            Ok(Ok(keys)) => {
                let fetched = Arc::new(Fetched { at: Instant::now(), keys });
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fetched));
                Some(fetched)
            }
            Ok(Err(problem)) => {
                tracing::warn!(url = %self.url, problem, "the keys of tokens could not be fetched");
                None
            }
            Err(_) => {
                tracing::warn!(url = %self.url, "the keys of tokens did not come in time");
                None
            }
        }
    }

    async fn download(&self) -> Result<Vec<(Option<String>, Key)>, String> {
        let request = self.http.get(self.url.clone()).send().await;
        let mut response = request.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
            if body.len() + chunk.len() > LARGEST {
                return Err("the answer is too large".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        read(&body).ok_or_else(|| "the answer is no JSON Web Key Set".to_owned())
    }
}

impl Fetched {
    /// What the keys say about the token; `None` where none of them is named like the token's, so that a
    /// newer set may have it.
    fn verify(&self, token: &Token<'_>) -> Option<Result<(), AuthError>> {
        let fits = |(id, key): &&(Option<String>, Key)| {
            let named = token.key_id.is_none() || id.is_none() || *id == token.key_id;
            named && key.algorithm() == token.algorithm
        };
        let mut outcome = None;
        for (_, key) in self.keys.iter().filter(fits) {
            match key.verify(token) {
                Ok(()) => return Some(Ok(())),
                Err(error) => outcome = Some(Err(error)),
            }
        }
        outcome
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct JsonKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a set that can be used here; others do not make the set unreadable.
fn read(body: &[u8]) -> Option<Vec<(Option<String>, Key)>> {
    let KeySet { keys } = serde_json::from_slice(body).ok()?;
    let keys = keys.into_iter().take(MOST_KEYS);
    Some(keys.filter_map(|key| read_key(serde_json::from_value(key).ok()?)).collect())
}

fn read_key(key: JsonKey) -> Option<(Option<String>, Key)> {
    if key.purpose.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let number = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
    let alg_is = |name: &str| key.alg.as_deref().is_none_or(|alg| alg == name);
    let read = match (key.kty.as_str(), key.crv.as_deref()) {
        ("RSA", _) if alg_is("RS256") => Key::rsa(&number(key.n)?, &number(key.e)?)?,
        ("EC", Some("P-256")) if alg_is("ES256") => {
            let point = [vec![4], number(key.x)?, number(key.y)?].concat();
            Key::P256(point)
        }
        _ => return None,
    };
    Some((key.kid, read))
}
