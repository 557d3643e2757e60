//! Whom tokens let in: every kind of key, every way a token can be wrong, and keys that are published.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use ring::{digest, hmac};
use serde_json::{Value, json};
use smooai_smooth_operator::{AuthContextVerifier, World};
use smooai_smooth_operator_host::auth::auth_context::{AuthContextError, ContextVerifier, verifier};
use smooai_smooth_operator_host::auth::{AuthError, Authenticator, DEFAULT_ORGANIZATION, Identity};
use smooai_smooth_operator_host::config::{AuthConfig, AuthMode, Secret, TextOrFile};
use smooai_smooth_operator_llm::http;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const SECRET: &str = "a shared secret of at least 32 bytes";
const NOW: i64 = 1_900_000_000;

/// A token signed with RS256 until the year 2033. The private key was thrown away.
const RSA_TOKEN: &str = include_str!("rs256/token.txt");
const RSA_PUBLIC_KEY: &str = include_str!("rs256/public_key.pem");
const RSA_PKCS1: &str = include_str!("rs256/pkcs1.pem");
const RSA_MODULUS: &str = include_str!("rs256/modulus.txt");
/// Too short a key.
const RSA_1024: &str = include_str!("rs256/short_key.pem");
/// A key of another kind.
const P256_PUBLIC_KEY: &str = include_str!("rs256/p256_key.pem");

struct Frozen;

impl World for Frozen {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn uuid(&self) -> String {
        String::new()
    }

    fn code(&self) -> u32 {
        0
    }
}

fn jwt(mode: AuthMode) -> AuthConfig {
    AuthConfig { mode: Some(mode), ..AuthConfig::default() }
}

fn shared(mode: AuthMode) -> AuthConfig {
    AuthConfig { jwt_hs256_secret: Some(Secret::new(SECRET)), ..jwt(mode) }
}

fn authenticator(config: &AuthConfig) -> Authenticator {
    let http = http::client(http::CONNECT_TIMEOUT).unwrap();
    Authenticator::new(config, &http, Arc::new(Frozen)).unwrap()
}

async fn judge(config: &AuthConfig, token: &str) -> Result<Identity, AuthError> {
    authenticator(config).authenticate(Some(token)).await
}

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn hs256_with(header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn hs256(claims: &Value) -> String {
    hs256_with(&json!({"alg": "HS256", "typ": "JWT"}), claims)
}

/// The claims of a good token, with these over them.
fn claims(more: &Value) -> Value {
    let mut claims = json!({"sub": "user-1", "org_id": "org-1", "exp": NOW + 60});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn without_authentication_everyone_is_anonymous_in_one_organisation() {
    for config in [AuthConfig::default(), jwt(AuthMode::None)] {
        let authenticator = authenticator(&config);
        for token in [None, Some("whatever")] {
            let identity = authenticator.authenticate(token).await.unwrap();
            assert_eq!(identity.organization.as_str(), DEFAULT_ORGANIZATION);
            assert_eq!((identity.user, identity.groups.len(), identity.expires_at), (None, 0, None));
        }
    }
    let config = AuthConfig { dev_org_id: Some("dev".into()), ..AuthConfig::default() };
    assert_eq!(authenticator(&config).authenticate(None).await.unwrap().organization.as_str(), "dev");
}

#[tokio::test]
async fn a_good_token_tells_who_speaks() {
    let token = hs256(&claims(&json!({
        "groups": ["support", "staff"], "email": "ada@example.com", "phone_number": "+4912345",
        "phone_number_verified": false,
    })));
    let identity = judge(&shared(AuthMode::Smoo), &token).await.unwrap();
    assert_eq!(identity.organization.as_str(), "org-1");
    assert_eq!(identity.principal.as_str(), "user:user-1");
    assert_eq!(identity.user.as_deref(), Some("user-1"));
    assert_eq!(identity.groups, ["support", "staff"]);
    assert_eq!(identity.email.as_deref(), Some("ada@example.com"));
    assert_eq!(identity.phone, None, "an unverified number is nobody's");
    assert_eq!(identity.expires_at.map(Timestamp::as_second), Some(NOW + 60));
}

#[tokio::test]
async fn claims_by_their_other_names() {
    for (more, organization) in [
        (json!({"org_id": null, "organization_id": "b"}), "b"),
        (json!({"org_id": null, "org": "c"}), "c"),
        (json!({"org_id": " ", "org": {"id": "x"}}), DEFAULT_ORGANIZATION),
    ] {
        let identity = judge(&shared(AuthMode::Jwt), &hs256(&claims(&more))).await.unwrap();
        assert_eq!(identity.organization.as_str(), organization, "{more}");
    }
    for groups in [json!({"roles": ["a", "b"]}), json!({"groups": "a b"}), json!({"roles": "a,b"})] {
        let identity = judge(&shared(AuthMode::Jwt), &hs256(&claims(&groups))).await.unwrap();
        assert_eq!(identity.groups, ["a", "b"], "{groups}");
    }
}

#[tokio::test]
async fn a_token_of_the_platform_must_name_its_organisation() {
    let config = AuthConfig { dev_org_id: Some("dev".into()), ..shared(AuthMode::Smoo) };
    let outcome = judge(&config, &hs256(&claims(&json!({"org_id": null})))).await;
    assert_eq!(outcome, Err(AuthError::Claim("org_id")));
}

#[tokio::test]
async fn every_way_in_which_a_token_is_wrong() {
    let good = hs256(&claims(&json!({})));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = hs256(&claims(&json!({"sub": "admin"})));
    let (forged_head, _) = forged.rsplit_once('.').unwrap();
    let none = format!("{}.{}.", encode(&json!({"alg": "none"})), encode(&claims(&json!({}))));
    let with = |more: &Value| hs256(&claims(more));
    let malformed = |error: &AuthError| matches!(error, AuthError::Malformed(_));
    let is = |expected: AuthError| move |error: &AuthError| *error == expected;
    type Check = Box<dyn Fn(&AuthError) -> bool>;
    let cases: Vec<(&str, String, Check)> = vec![
        ("empty", String::new(), Box::new(malformed)),
        ("two parts", "a.b".into(), Box::new(malformed)),
        ("four parts", format!("{good}.x"), Box::new(malformed)),
        ("not base64url", format!("{head}.+/="), Box::new(malformed)),
        ("no algorithm", none, Box::new(malformed)),
        ("other algorithm", hs256_with(&json!({"alg": "HS512"}), &claims(&json!({}))), Box::new(malformed)),
        ("key's algorithm", hs256_with(&json!({"alg": "RS256"}), &claims(&json!({}))), Box::new(malformed)),
        (
            "extension",
            hs256_with(&json!({"alg": "HS256", "crit": ["b64"]}), &claims(&json!({}))),
            Box::new(malformed),
        ),
        ("too long", with(&json!({"x": "y".repeat(20_000)})), Box::new(malformed)),
        ("claims no object", hs256(&json!("x")), Box::new(malformed)),
        ("changed", format!("{forged_head}.{signature}"), Box::new(is(AuthError::Signature))),
        ("cut", format!("{head}.{}", &signature[..40]), Box::new(is(AuthError::Signature))),
        ("unsigned", format!("{head}."), Box::new(is(AuthError::Signature))),
        ("expired", with(&json!({"exp": NOW - 30})), Box::new(is(AuthError::Expired))),
        ("endless", with(&json!({"exp": null})), Box::new(is(AuthError::Claim("exp")))),
        ("too early", with(&json!({"nbf": NOW + 31})), Box::new(is(AuthError::NotYetValid))),
        ("nobody", with(&json!({"sub": ""})), Box::new(is(AuthError::Claim("sub")))),
    ];
    for (name, token, check) in cases {
        let error = judge(&shared(AuthMode::Jwt), &token).await.expect_err(name);
        assert!(check(&error), "{name}: {error:?}");
        let told = format!("{error} {}", error.public_message());
        assert!(!told.contains(signature) && !told.contains("admin"), "{told}");
    }
    assert_eq!(authenticator(&shared(AuthMode::Jwt)).authenticate(None).await, Err(AuthError::Missing));
}

#[tokio::test]
async fn clocks_may_be_half_a_minute_apart() {
    for more in [json!({"exp": NOW - 29}), json!({"nbf": NOW + 30}), json!({"exp": NOW as f64 + 0.5})] {
        judge(&shared(AuthMode::Jwt), &hs256(&claims(&more))).await.unwrap();
    }
}

#[tokio::test]
async fn issuer_and_audience_are_checked_where_they_are_set() {
    let config = AuthConfig {
        jwt_issuer: Some("https://login/".into()),
        jwt_audience: Some("chat".into()),
        ..shared(AuthMode::Jwt)
    };
    for (more, outcome) in [
        (json!({"iss": "https://login/", "aud": "chat"}), Ok(())),
        (json!({"iss": "https://login/", "aud": ["mail", "chat"]}), Ok(())),
        (json!({"iss": "https://login", "aud": "chat"}), Err(AuthError::Claim("iss"))),
        (json!({"aud": "chat"}), Err(AuthError::Claim("iss"))),
        (json!({"iss": "https://login/", "aud": ["mail"]}), Err(AuthError::Claim("aud"))),
        (json!({"iss": "https://login/"}), Err(AuthError::Claim("aud"))),
    ] {
        let judged = judge(&config, &hs256(&claims(&more))).await.map(|_| ());
        assert_eq!(judged, outcome, "{more}");
    }
}

fn public_key(pem: &str) -> AuthConfig {
    AuthConfig { jwt_rs256_public_key: Some(TextOrFile::new(pem)), ..jwt(AuthMode::Jwt) }
}

#[tokio::test]
async fn a_public_key_in_each_of_its_forms() {
    for pem in [RSA_PUBLIC_KEY, RSA_PKCS1] {
        let config = public_key(pem);
        let identity = judge(&config, RSA_TOKEN.trim()).await.unwrap();
        assert_eq!((identity.user.as_deref(), identity.organization.as_str()), (Some("user-7"), "org-7"));
        let mut parts: Vec<String> = RSA_TOKEN.trim().split('.').map(str::to_owned).collect();
        parts[1] = encode(&claims(&json!({"sub": "admin"})));
        assert_eq!(judge(&config, &parts.join(".")).await, Err(AuthError::Signature));
        // The classic confusion: the public key, which everyone has, as the secret of HS256.
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, pem.as_bytes()), b"x");
        let confused =
            format!("{}.{}.{}", encode(&json!({"alg": "HS256"})), parts[1], URL_SAFE_NO_PAD.encode(tag));
        assert!(matches!(judge(&config, &confused).await, Err(AuthError::Malformed(_))));
    }
}

#[test]
fn a_key_that_cannot_be_used_is_told_at_the_start() {
    let http = http::client(http::CONNECT_TIMEOUT).unwrap();
    let broken = RSA_PUBLIC_KEY.replace("MIIBIjAN", "MIIBIjAO");
    let private = RSA_PUBLIC_KEY.replace("PUBLIC KEY", "PRIVATE KEY");
    let certificate = RSA_PUBLIC_KEY.replace("PUBLIC KEY", "CERTIFICATE");
    for (pem, part) in [
        ("no pem", "PEM"),
        (RSA_1024, "2048"),
        (P256_PUBLIC_KEY, "RSA"),
        (broken.as_str(), "RSA"),
        (private.as_str(), "private"),
        (certificate.as_str(), "allowed: PUBLIC KEY"),
    ] {
        let outcome = Authenticator::new(&public_key(pem), &http, Arc::new(Frozen));
        let error = outcome.err().expect("an error").to_string();
        assert!(error.contains("auth.jwt_rs256_public_key") && error.contains(part), "{part}: {error}");
    }
}

/// An issuer that publishes these sets of keys one after another, the last one from then on.
struct Issuer {
    url: String,
    fetches: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

async fn issuer(sets: Vec<Option<Value>>) -> Issuer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let sets = Mutex::new(VecDeque::from(sets));
    let fetches = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetches);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let set = {
                let mut sets = sets.lock().unwrap();
                if sets.len() > 1 { sets.pop_front().flatten() } else { sets[0].clone() }
            };
            let (status, body) = match set {
                Some(set) => ("200 OK", set.to_string()),
                None => ("500 Oops", String::new()),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    Issuer { url, fetches, _serving: serving }
}

impl Issuer {
    fn config(&self) -> AuthConfig {
        AuthConfig { jwt_jwks_url: Some(self.url.clone()), ..jwt(AuthMode::Jwt) }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

struct P256 {
    pair: EcdsaKeyPair,
    id: &'static str,
}

fn p256(id: &'static str) -> P256 {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    P256 { pair, id }
}

impl P256 {
    fn published(&self) -> Value {
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    fn token(&self, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(&json!({"alg": "ES256", "kid": self.id})), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn rsa() -> Value {
    json!({"kty": "RSA", "alg": "RS256", "kid": "rsa-1", "n": RSA_MODULUS.trim(), "e": "AQAB"})
}

#[tokio::test]
async fn published_keys_of_both_kinds_are_fetched_once_and_kept() {
    let key = p256("ec-1");
    let odd = json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"});
    let issuer = issuer(vec![Some(json!({"keys": [odd, {"kty": 7}, rsa(), key.published()]}))]).await;
    let authenticator = authenticator(&issuer.config());
    for token in [RSA_TOKEN.trim(), &key.token(&claims(&json!({}))), RSA_TOKEN.trim()] {
        authenticator.authenticate(Some(token)).await.unwrap();
    }
    assert_eq!(issuer.fetches(), 1);
    let stranger = p256("ec-1").token(&claims(&json!({})));
    assert_eq!(authenticator.authenticate(Some(&stranger)).await, Err(AuthError::Signature));
    let shared = hs256(&claims(&json!({})));
    assert!(matches!(authenticator.authenticate(Some(&shared)).await, Err(AuthError::Malformed(_))));
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_but_not_for_every_unknown_name() {
    let (old, new) = (p256("old"), p256("new"));
    let sets = vec![Some(json!({"keys": [old.published()]})), Some(json!({"keys": [new.published()]}))];
    let issuer = issuer(sets).await;
    let authenticator = authenticator(&issuer.config());
    authenticator.authenticate(Some(&old.token(&claims(&json!({}))))).await.unwrap();
    // Right after a fetch there is no other one: unknown names cost the issuer nothing.
    let token = new.token(&claims(&json!({})));
    assert_eq!(authenticator.authenticate(Some(&token)).await, Err(AuthError::Signature));
    assert_eq!(issuer.fetches(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    authenticator.authenticate(Some(&token)).await.unwrap();
    assert_eq!(issuer.fetches(), 2);
    let withdrawn = old.token(&claims(&json!({})));
    assert_eq!(authenticator.authenticate(Some(&withdrawn)).await, Err(AuthError::Signature));
}

#[tokio::test]
async fn an_issuer_that_fails_is_not_the_callers_fault_and_its_old_keys_hold_for_a_while() {
    let key = p256("k");
    let token = key.token(&claims(&json!({})));
    let down = issuer(vec![None]).await;
    let waiting = authenticator(&down.config());
    assert_eq!(waiting.authenticate(Some(&token)).await, Err(AuthError::Unavailable));
    assert_eq!(waiting.authenticate(Some(&token)).await, Err(AuthError::Unavailable));
    assert_eq!(down.fetches(), 1, "not asked again at once");
    let failing = issuer(vec![Some(json!({"keys": [key.published()]})), None]).await;
    let authenticator = authenticator(&failing.config());
    authenticator.authenticate(Some(&token)).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11 * 60)).await;
    tokio::time::resume();
    authenticator.authenticate(Some(&token)).await.unwrap();
    assert_eq!(failing.fetches(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60 * 60)).await;
    tokio::time::resume();
    assert_eq!(authenticator.authenticate(Some(&token)).await, Err(AuthError::Unavailable));
}

#[tokio::test]
async fn many_callers_wait_for_one_fetch() {
    let key = p256("k");
    let issuer = issuer(vec![Some(json!({"keys": [key.published()]}))]).await;
    let authenticator = authenticator(&issuer.config());
    let token = key.token(&claims(&json!({})));
    let callers = (0..20).map(|_| authenticator.authenticate(Some(&token)));
    let outcomes = futures_util::future::join_all(callers).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(issuer.fetches(), 1);
}

#[test]
fn a_signed_context_is_of_its_user_of_now_and_of_the_host() {
    let secret = "the host's secret";
    let sign = |text: &str| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let contexts = ContextVerifier::new(secret);
    let good = sign(&format!("user-1:{NOW}"));
    assert_eq!(good.len(), 2 * digest::SHA256_OUTPUT_LEN);
    for (user, timestamp, signature, now, expected) in [
        ("user-1", NOW, good.clone(), NOW, Ok(())),
        ("user-1", NOW, good.to_uppercase(), NOW + 300, Ok(())),
        ("user-1", NOW, good.clone(), NOW + 301, Err(AuthContextError::Time)),
        ("user-1", NOW, good.clone(), NOW - 301, Err(AuthContextError::Time)),
        ("user-1", i64::MIN, good.clone(), i64::MAX, Err(AuthContextError::Time)),
        ("user-2", NOW, good.clone(), NOW, Err(AuthContextError::Signature)),
        ("user-1", NOW + 1, good.clone(), NOW, Err(AuthContextError::Signature)),
        ("user-1", NOW, good[..62].to_owned(), NOW, Err(AuthContextError::Signature)),
        ("user-1", NOW, String::new(), NOW, Err(AuthContextError::Signature)),
        ("user-1", NOW, "zz".to_owned(), NOW, Err(AuthContextError::Signature)),
        ("user-1", NOW, "é".to_owned(), NOW, Err(AuthContextError::Signature)),
    ] {
        let outcome = contexts.check(user, timestamp, &signature, now);
        assert_eq!(outcome, expected, "{user} {timestamp} {signature} {now}");
        assert_eq!(contexts.verify(user, timestamp, &signature, now), expected.is_ok());
    }
    assert!(verifier(&AuthConfig::default()).is_none());
    let config = AuthConfig { context_secret: Some(Secret::new(secret)), ..AuthConfig::default() };
    assert!(verifier(&config).unwrap().verify("user-1", NOW, &good, NOW));
}
