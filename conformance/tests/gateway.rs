//! The scripted gateway, asked over plain HTTP: what it plays, how it fails, and what it keeps.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::Client;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::bound::within;
use smooai_smooth_operator_conformance::gateway::{
    Authorization, Endpoint, Gateway, KEY, Outcome, Piece, Reply, Script,
};

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(20)).build().unwrap()
}

fn question(text: &str) -> Value {
    json!({ "model": "m", "stream": true, "stream_options": { "include_usage": true },
            "messages": [{ "role": "user", "content": text }] })
}

async fn post(gateway: &Gateway, path: &str, body: &Value) -> reqwest::Result<reqwest::Response> {
    let url = format!("{}{path}", gateway.url());
    client().post(url).bearer_auth(KEY).body(body.to_string()).send().await
}

/// The HTTP chunks of a streamed answer, and whether it ended well.
async fn chunks(gateway: &Gateway, text: &str) -> (Vec<Vec<u8>>, bool) {
    let response = post(gateway, "/chat/completions", &question(text)).await.unwrap();
    let mut stream = response.bytes_stream();
    let mut chunks = Vec::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(bytes) => chunks.push(bytes.to_vec()),
            Err(_) => return (chunks, false),
        }
    }
    (chunks, true)
}

async fn body_of(reply: Reply) -> String {
    let gateway = Gateway::start(Script::new().say(reply)).await.unwrap();
    let (chunks, whole) = chunks(&gateway, "hi").await;
    assert!(whole);
    String::from_utf8(chunks.concat()).unwrap()
}

fn deltas(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: {"))
        .map(|data| serde_json::from_str::<Value>(&format!("{{{data}")).unwrap())
        .collect()
}

#[tokio::test]
async fn a_stream_says_its_pieces_then_why_it_ended_then_its_usage() {
    let body = body_of(Reply::pieces(["Hel", "lo"]).usage(7, 2)).await;
    let deltas = deltas(&body);
    assert_eq!(deltas[0]["choices"][0]["delta"]["content"], "Hel");
    assert_eq!(deltas[1]["choices"][0]["delta"]["content"], "lo");
    assert_eq!(deltas[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!(deltas[3]["choices"], json!([]));
    assert_eq!(deltas[3]["usage"]["total_tokens"], 9);
    assert!(body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn usage_comes_only_when_the_request_asks_for_it() {
    let gateway = Gateway::start(Script::new().say(Reply::text("Hi").usage(7, 2))).await.unwrap();
    let mut body = question("hi");
    body["stream_options"] = Value::Null;
    let response = post(&gateway, "/chat/completions", &body).await.unwrap();
    assert!(!response.text().await.unwrap().contains("usage"));
}

#[tokio::test]
async fn parallel_tool_calls_have_their_index_and_their_fragments() {
    let reply = Reply::default()
        .and_tool("a", "first", "{\"x\"")
        .and_tool("b", "second", "{malformed")
        .piece(Piece::Arguments { index: 0, fragment: ":1}".to_owned() });
    let deltas = deltas(&body_of(reply.clone()).await);
    let call = |delta: &Value| delta["choices"][0]["delta"]["tool_calls"][0].clone();
    assert_eq!(
        call(&deltas[1]),
        json!({ "index": 1, "id": "b", "type": "function",
                "function": { "name": "second", "arguments": "{malformed" } })
    );
    assert_eq!(call(&deltas[2]), json!({ "index": 0, "function": { "arguments": ":1}" } }));
    assert_eq!(deltas[3]["choices"][0]["finish_reason"], "tool_calls");

    let gateway = Gateway::start(Script::new().say(reply)).await.unwrap();
    let mut request = question("hi");
    request["stream"] = json!(false);
    let whole = post(&gateway, "/chat/completions", &request).await.unwrap().text().await.unwrap();
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{\"x\":1}");
}

#[tokio::test]
async fn bytes_are_split_where_the_script_says_even_within_a_character() {
    let gateway =
        Gateway::start(Script::new().say(Reply::text("Grüße 👋").split(&[1, 2, 40]))).await.unwrap();
    let (chunks, whole) = chunks(&gateway, "hi").await;
    assert!(whole);
    let sizes: Vec<usize> = chunks.iter().map(Vec::len).collect();
    assert_eq!(sizes[..5], [1, 2, 40, 1, 2]);
    assert!(chunks.iter().any(|chunk| std::str::from_utf8(chunk).is_err()), "a character was split");
    assert!(String::from_utf8(chunks.concat()).unwrap().contains("Grüße 👋"));
}

#[tokio::test]
async fn lines_end_as_the_script_says_and_done_can_be_left_out() {
    let body = body_of(
        Reply::default().piece(Piece::Comment("keep-alive".to_owned())).then("Hi").crlf().without_done(),
    )
    .await;
    assert!(body.starts_with(": keep-alive\r\n\r\ndata: {"));
    assert!(!body.contains("[DONE]"));
    assert_eq!(body.matches('\n').count(), body.matches("\r\n").count());
}

#[tokio::test]
async fn a_connection_is_cut_before_the_head_after_it_and_among_the_pieces() {
    let script = Script::new()
        .say(Reply::dead_before_headers())
        .say(Reply::dead_after_headers())
        .say(Reply::text("half").cut());
    let gateway = Gateway::start(script).await.unwrap();
    assert!(post(&gateway, "/chat/completions", &question("1")).await.is_err());
    assert_eq!(chunks(&gateway, "2").await, (vec![], false));
    let (pieces, whole) = chunks(&gateway, "3").await;
    assert!(!whole && pieces.len() == 1);
    let outcomes: Vec<Outcome> = gateway.chats().iter().map(|chat| chat.outcome).collect();
    assert_eq!(outcomes, [Outcome::Cut; 3]);
}

#[tokio::test]
async fn refusals_have_their_status_headers_and_body() {
    let script = Script::new().say(Reply::rate_limited("3")).say(Reply::context_too_long());
    let gateway = Gateway::start(script).await.unwrap();
    let limited = post(&gateway, "/chat/completions", &question("1")).await.unwrap();
    assert_eq!(limited.status(), 429);
    assert_eq!(limited.headers()["retry-after"], "3");
    let long = post(&gateway, "/chat/completions", &question("2")).await.unwrap();
    assert_eq!(long.status(), 400);
    assert!(long.text().await.unwrap().contains("context_length_exceeded"));
    let unscripted = post(&gateway, "/chat/completions", &question("3")).await.unwrap();
    assert_eq!(unscripted.status(), 500);
    assert_eq!(gateway.unscripted().len(), 1);
}

#[tokio::test]
async fn a_gate_holds_the_stream_until_it_is_released() {
    let gateway =
        Gateway::start(Script::new().say(Reply::text("before").gate("door").then("after"))).await.unwrap();
    let response = post(&gateway, "/chat/completions", &question("hi")).await.unwrap();
    let mut stream = response.bytes_stream();
    let first = within("the first piece", stream.next()).await.unwrap().unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("before"));
    gateway.wait_at("door").await.unwrap();
    assert_eq!(gateway.chats()[0].outcome, Outcome::Open);
    gateway.release("door");
    let rest: Vec<_> = within("the rest", stream.collect()).await.unwrap();
    let rest: Vec<u8> = rest.into_iter().flat_map(|chunk| chunk.unwrap().to_vec()).collect();
    assert!(String::from_utf8_lossy(&rest).contains("after"));
}

#[tokio::test]
async fn a_client_that_leaves_at_a_gate_is_noticed() {
    let gateway = Gateway::start(Script::new().say(Reply::text("before").gate("door"))).await.unwrap();
    let response = post(&gateway, "/chat/completions", &question("hi")).await.unwrap();
    gateway.wait_at("door").await.unwrap();
    drop(response);
    gateway.wait_for_dropped(1).await.unwrap();
    assert_eq!(gateway.chats()[0].outcome, Outcome::Dropped);
}

#[tokio::test]
async fn replies_are_chosen_by_the_last_user_message_or_the_model() {
    let script = Script::new()
        .when_user("refund", Reply::text("REFUND"))
        .when_model("other", Reply::text("OTHER"))
        .always(Reply::text("ANY"));
    let gateway = Gateway::start(script).await.unwrap();
    let answer =
        async |body: Value| post(&gateway, "/chat/completions", &body).await.unwrap().text().await.unwrap();
    assert!(answer(question("hello")).await.contains("ANY"));
    let mut other = question("hello");
    other["model"] = json!("other");
    assert!(answer(other).await.contains("OTHER"));
    assert!(answer(question("a refund, please")).await.contains("REFUND"));
    assert!(answer(question("a refund, please")).await.contains("ANY"), "a rule is used once");
}

#[tokio::test]
async fn requests_are_kept_without_the_key() {
    let gateway = Gateway::start(Script::new().always(Reply::text("Hi"))).await.unwrap();
    post(&gateway, "/chat/completions", &question("hi")).await.unwrap().text().await.unwrap();
    let url = format!("{}/chat/completions", gateway.url());
    client().post(&url).bearer_auth("wrong").body("{}").send().await.unwrap();
    client().post(&url).body("{}").send().await.unwrap();
    let seen = gateway.chats();
    let keys: Vec<Authorization> = seen.iter().map(|chat| chat.authorization).collect();
    assert_eq!(keys, [Authorization::Expected, Authorization::Other, Authorization::Absent]);
    assert!(!format!("{seen:?}").contains(KEY));
    assert_eq!(seen[0].user(), "hi");
}

#[tokio::test]
async fn embeddings_follow_from_the_words() {
    let gateway = Gateway::start(Script::new()).await.unwrap();
    let body = json!({ "model": "e", "input": ["return policy", "policy, return!", "ice cream"] });
    let answer = post(&gateway, "/embeddings", &body).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let vector = |n: usize| answer["data"][n]["embedding"].as_array().unwrap().clone();
    assert_eq!(vector(0), vector(1));
    assert_ne!(vector(0), vector(2));
    let length: f64 = vector(2).iter().map(|x| x.as_f64().unwrap().powi(2)).sum();
    assert!((length - 1.0).abs() < 1e-6);
}

#[tokio::test]
async fn reranking_puts_the_document_with_the_querys_words_first() {
    let gateway = Gateway::start(Script::new()).await.unwrap();
    let body = json!({ "model": "r", "query": "return window", "top_n": 1,
                       "documents": ["Shipping takes a week.", "The return window is 17 days."] });
    let answer = post(&gateway, "/rerank", &body).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["results"], json!([{ "index": 1, "relevance_score": 1.0 }]));
}

#[tokio::test]
async fn another_endpoint_can_be_scripted_too() {
    let script = Script::new().at(Endpoint::Embeddings, Reply::server_error(503));
    let gateway = Gateway::start(script).await.unwrap();
    let body = json!({ "model": "e", "input": "x" });
    assert_eq!(post(&gateway, "/embeddings", &body).await.unwrap().status(), 503);
    assert_eq!(post(&gateway, "/embeddings", &body).await.unwrap().status(), 200);
}

#[test]
fn a_script_is_data() {
    let script = Script::new()
        .when_user("x", Reply::pieces(["a"]).gate("g").and_tool("1", "t", "{}").cost("0.1").split(&[3]))
        .always(Reply::rate_limited("1"));
    let text = serde_json::to_string(&script).unwrap();
    assert_eq!(serde_json::from_str::<Script>(&text).unwrap(), script);
}

#[test]
fn the_script_of_the_readme_is_one() {
    let readme = include_str!("../README.md");
    let script = readme.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let script: Script = serde_json::from_str(script).unwrap();
    assert_eq!(script.rules.len(), 4);
    assert_eq!(script.rules[1].reply, Reply::text("Half an ans").cut());
}
