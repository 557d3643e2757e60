//! Signed tokens: who is let in, for how long, and what one caller may see of another.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Reply, Script};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_conformance::socket::Socket;
use smooai_smooth_operator_conformance::stage::Stage;

use crate::shop::{Shop, look_up, operator_toml, refund, verdict};

/// A secret of these tests alone.
const SECRET: &str = "a-secret-of-these-tests-that-is-long-enough";

#[expect(clippy::disallowed_methods, reason = "a token is signed for the server's own clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hs256(secret: &str, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes())
}

/// A token with this header and these claims, signed with HS256.
fn signed(secret: &str, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(hs256(secret, &text));
    format!("{text}.{signature}")
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

fn token(claims: &Value) -> String {
    let mut all = json!({ "sub": "alice", "org_id": "acme", "exp": now() + 3600 });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    signed(SECRET, &header(), &all)
}

/// A server that lets in whom a token of these tests names.
pub fn guarded(setup: Setup) -> Setup {
    setup.env("SMOOTH_AGENT_AUTH_MODE", "jwt").env("AUTH_JWT_HS256_SECRET", SECRET)
}

/// A connection of somebody with these claims; `alice` of `acme` unless they say otherwise.
pub async fn connect(stage: &Stage, claims: &Value) -> Result<Socket> {
    let bearer = format!("Bearer {}", token(claims));
    Socket::connect_with(&stage.server.ws_url(), &[("authorization", &bearer)]).await
}

#[tokio::test]
async fn a_good_token_is_taken_from_each_of_its_places() -> Result<()> {
    let stage = Stage::with(Script::new(), guarded).await?;
    let (url, token) = (stage.server.ws_url(), token(&json!({})));
    let bearer = format!("Bearer {token}");
    let protocols = format!("smooth-operator, bearer.{token}");
    let by_header = Socket::connect_with(&url, &[("authorization", &bearer)]).await?;
    let by_protocol = Socket::connect_with(&url, &[("sec-websocket-protocol", &protocols)]).await?;
    let by_url = Socket::connect(&format!("{url}?token={token}")).await?;
    assert_eq!(by_protocol.protocol(), Some("smooth-operator"));
    let mut owner = by_header;
    let session = owner.session().await?;
    for mut same in [by_protocol, by_url] {
        same.data(json!({ "action": "get_session", "sessionId": session })).await?;
    }
    assert!(!stage.server.log().contains(&token), "a token is never logged");
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_missing_or_bad_is_refused_with_401() -> Result<()> {
    let stage = Stage::with(Script::new(), |setup| {
        guarded(setup)
            .env("AUTH_JWT_ISSUER", "https://login.example.com/")
            .env("AUTH_JWT_AUDIENCE", "support")
    })
    .await?;
    let url = stage.server.ws_url();
    let good = json!({ "iss": "https://login.example.com/", "aud": ["support", "shop"] });
    let claims = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        token(&claims)
    };
    let full = json!({ "sub": "alice", "org_id": "acme", "exp": now() + 3600,
                       "iss": "https://login.example.com/", "aud": "support" });
    let (head, body) =
        (URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(full.to_string()));
    let bad = [
        String::from("not-a-token"),
        claims("exp", json!(now() - 3600)),
        claims("nbf", json!(now() + 3600)),
        claims("iss", json!("https://evil.example.com/")),
        claims("aud", json!("someone-else")),
        claims("exp", Value::Null),
        signed("another-secret-of-these-tests-long-enough", &header(), &full),
        signed(SECRET, &json!({ "alg": "RS256", "typ": "JWT" }), &full),
        format!("{head}.{body}."),
        format!("{}x", token(&good)),
    ];
    for token in bad {
        let bearer = format!("Bearer {token}");
        assert_eq!(Socket::refused(&url, &[("authorization", &bearer)]).await?, 401, "{token}");
    }
    assert_eq!(Socket::refused(&url, &[]).await?, 401, "none at all");
    connect(&stage, &good).await?.session().await?;
    Ok(())
}

/// Whatever one caller does with what another has made, it is not there.
async fn cannot_touch(stranger: &mut Socket, session: &str, conversation: &Value) -> Result<()> {
    let code = |error: &Value| error["error"]["code"].as_str().unwrap().to_owned();
    for action in ["get_session", "get_conversation_messages"] {
        let error = stranger.error(json!({ "action": action, "sessionId": session })).await?;
        assert_eq!(code(&error), "SESSION_NOT_FOUND", "{action}");
    }
    let say = json!({ "action": "send_message", "sessionId": session, "message": "Hello?" });
    assert_eq!(code(&stranger.error(say).await?), "SESSION_NOT_FOUND");
    let rename = json!({ "action": "rename_conversation", "conversationId": conversation, "title": "Mine" });
    assert_eq!(code(&stranger.error(rename).await?), "CONVERSATION_NOT_FOUND");
    assert_eq!(code(&stranger.error(verdict(session, true)).await?), "NO_PENDING_CONFIRMATION");
    let list = stranger.data(json!({ "action": "list_conversations" })).await?;
    assert_eq!(list["conversations"], json!([]));
    stranger.send(json!({ "action": "cancel", "sessionId": session })).await?;
    assert_eq!(stranger.events_before_pong().await?, [] as [Value; 0]);
    let resume = json!({ "action": "create_conversation_session", "conversationId": conversation });
    assert_ne!(&stranger.data(resume).await?["conversationId"], conversation, "a fresh one, no error");
    Ok(())
}

#[tokio::test]
async fn callers_do_not_see_each_other() -> Result<()> {
    let hook = smooai_smooth_operator_conformance::webhook::Webhook::start()
        .await?
        .on("/refund", smooai_smooth_operator_conformance::webhook::Answer::json(json!({})));
    let script =
        Script::new().when_user("Refund", refund("c1", "o-1")).when_user("Refund", Reply::text("Done."));
    let toml = operator_toml(&hook);
    let shop = Shop::with(script, hook, |setup| guarded(setup.operator_toml(&toml))).await?;
    let mut alice = connect(&shop.stage, &json!({})).await?;
    let created = alice.data(json!({ "action": "create_conversation_session" })).await?;
    let session = created["sessionId"].as_str().unwrap();
    alice.say(session, "t1", "Refund o-1.").await?;
    alice.until_parked("t1").await?;
    for stranger in
        [json!({ "org_id": "other" }), json!({ "sub": "bob" }), json!({ "org_id": "other", "sub": "bob" })]
    {
        let mut stranger = connect(&shop.stage, &stranger).await?;
        cannot_touch(&mut stranger, session, &created["conversationId"]).await?;
    }
    assert!(shop.hook.calls("/refund").is_empty());
    // The same caller on another connection can.
    let mut again = connect(&shop.stage, &json!({})).await?;
    again.data(json!({ "action": "get_session", "sessionId": session })).await?;
    alice.data(verdict(session, true)).await?;
    assert_eq!(alice.turn("t1").await?.reply(), "Done.");
    Ok(())
}

#[tokio::test]
async fn a_token_that_expires_closes_its_connection() -> Result<()> {
    let stage = Stage::with(Script::new(), guarded).await?;
    let mut socket = connect(&stage, &json!({ "exp": now() + 12 })).await?;
    socket.session().await?;
    assert_eq!(socket.closed().await?.code, Some(4401));
    assert_eq!(socket.event().await?["error"]["code"], "UNAUTHENTICATED");
    Ok(())
}

#[tokio::test]
async fn a_tool_is_told_who_asks() -> Result<()> {
    let hook = smooai_smooth_operator_conformance::webhook::Webhook::start()
        .await?
        .on("/order", smooai_smooth_operator_conformance::webhook::Answer::json(json!({})));
    let script = Script::new().say(look_up("c1", "o-1")).say(Reply::text("Done."));
    let toml = operator_toml(&hook);
    let shop = Shop::with(script, hook, |setup| guarded(setup.operator_toml(&toml))).await?;
    let mut alice = connect(&shop.stage, &json!({})).await?;
    let session = alice.session().await?;
    alice.whole_turn(&session, "t1", "Where is o-1?").await?;
    assert_eq!(shop.hook.calls("/order")[0].request.header("x-user-id"), Some("alice"));
    Ok(())
}

const SALARIES: &str = "[[knowledge]]\nsource = \"salaries.md\"\ntext = \"The chief salary is 1 doubloon.\"\n\
                        acl = { users = [\"carol\"], groups = [\"board\"] }\n";

#[tokio::test]
async fn a_document_is_found_by_those_who_may_read_it() -> Result<()> {
    let script = Script::new().always(Reply::text("Well."));
    let stage =
        Stage::with(script, |setup| guarded(setup).env("AUTH_DEV_ORG_ID", "acme").operator_toml(SALARIES))
            .await?;
    for (claims, found) in [
        (json!({}), false),
        (json!({ "groups": ["board"] }), true),
        (json!({ "groups": ["staff"] }), false),
        (json!({ "sub": "carol" }), true),
        (json!({ "groups": ["board"], "org_id": "other" }), false),
    ] {
        let mut socket = connect(&stage, &claims).await?;
        let session = socket.session().await?;
        let turn = socket.whole_turn(&session, "t", "What is the chief salary?").await?;
        assert_eq!(turn.answer().get("citations").is_some(), found, "{claims}");
        let prompt = stage.gateway.chats().pop().unwrap().body.to_string();
        assert_eq!(prompt.contains("doubloon"), found, "{claims}");
    }
    Ok(())
}

#[tokio::test]
async fn a_signed_context_says_who_the_user_of_a_session_is() -> Result<()> {
    let secret = "a-context-secret-of-this-test";
    let script = Script::new().always(Reply::text("Well."));
    let stage = Stage::with(script, |setup| {
        let auth = "[auth]\ncontext_secret = { env = \"CONTEXT\" }\n";
        setup.env("CONTEXT", secret).operator_toml(&format!("{auth}{SALARIES}"))
    })
    .await?;
    let context = |user: &str, at: u64, secret: &str| {
        let signature: String = hs256(secret, &format!("{user}:{at}"))
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        json!({ "action": "create_conversation_session",
                "authContext": { "userId": user, "signature": signature, "timestamp": at } })
    };
    let mut socket = stage.socket().await?;
    for bad in [context("carol", now(), "another"), context("carol", now() - 3600, secret), {
        let mut stolen = context("mallory", now(), secret);
        stolen["authContext"]["userId"] = json!("carol");
        stolen
    }] {
        assert_eq!(socket.error(bad).await?["error"]["code"], "AUTH_CONTEXT_INVALID");
    }
    let carol = socket.data(context("carol", now(), secret)).await?;
    let turn =
        socket.whole_turn(carol["sessionId"].as_str().unwrap(), "t", "What is the chief salary?").await?;
    assert_eq!(turn.answer()["citations"][0]["id"], "salaries.md", "{}", turn.answer());
    Ok(())
}
