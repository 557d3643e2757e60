//! The recording webhook, called over plain HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use smooai_smooth_operator_conformance::gateway::Outcome;
use smooai_smooth_operator_conformance::webhook::{Answer, Webhook};

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(20)).build().unwrap()
}

#[tokio::test]
async fn answers_come_in_order_and_the_last_one_stays() {
    let hook = Webhook::start().await.unwrap();
    let hook = hook.on("/t", Answer::text(500, "broken")).on("/t", Answer::json(json!({ "ok": true })));
    let call = async || {
        let answer = client().post(hook.url("/t")).body(r#"{"a":1}"#).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(call().await, (500, "broken".to_owned()));
    assert_eq!(call().await, (200, r#"{"ok":true}"#.to_owned()));
    assert_eq!(call().await, (200, r#"{"ok":true}"#.to_owned()));
    assert_eq!(hook.wait_for_call("/t", 3).await.unwrap().body, json!({ "a": 1 }));
    assert!(hook.calls("/other").is_empty());
}

#[tokio::test]
async fn a_path_without_an_answer_is_not_found_and_a_cut_is_no_answer() {
    let hook = Webhook::start().await.unwrap().on("/cut", Answer::cut());
    assert_eq!(client().get(hook.url("/x")).send().await.unwrap().status(), 404);
    assert!(client().get(hook.url("/cut")).send().await.is_err());
}

#[tokio::test]
async fn calls_meet_at_a_gate_and_a_caller_that_leaves_is_noticed() {
    let hook = Webhook::start().await.unwrap().on("/t", Answer::text(200, "ok").gate("door"));
    let call = || client().post(hook.url("/t")).send();
    let meet = async {
        hook.wait_at("door", 2).await.unwrap();
        hook.release("door");
    };
    let (first, second, ()) = tokio::join!(call(), call(), meet);
    assert_eq!((first.unwrap().status().as_u16(), second.unwrap().status().as_u16()), (200, 200));

    let hook = Webhook::start().await.unwrap().on("/t", Answer::text(200, "ok").gate("door"));
    tokio::select! {
        _ = client().post(hook.url("/t")).send() => unreachable!("the gate is closed"),
        waited = hook.wait_at("door", 1) => waited.unwrap(),
    }
    hook.wait_for_dropped("/t", 1).await.unwrap();
    assert_eq!(hook.calls("/t")[0].outcome, Outcome::Dropped);
}
