//! Chat over real HTTP: what is sent, what comes of every way an answer can go well or badly.

use crate::scripted::{Act, Server, chunk, end, plain, reply, stream_head, within};
use futures_util::StreamExt;
use serde_json::{Value, json};
use smooai_smooth_operator_core::{
    ChatMessage, ContentPart, Effect, FinishReason, LlmError, LlmErrorKind, LlmProvider, ModelDelta,
    ModelRequest, RequestedCall, ToolSpec, Usage,
};
use smooai_smooth_operator_llm::{ApiKey, Gateway, GatewaySettings, Limits, Price, PriceTable, http};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const HELLO: &str = r#"{"choices":[{"delta":{"content":"Hello"}}]}"#;
const STOP: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
const USED: &str = r#"{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":10}}"#;
const DONE: &str = "[DONE]";

fn limits() -> Limits {
    Limits {
        first_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(50),
        ..Limits::default()
    }
}

fn gateway_with(server: &Server, limits: Limits) -> Gateway {
    let settings = GatewaySettings {
        url: server.url.clone(),
        key: Some(ApiKey::new("sk-test-key")),
        prices: PriceTable::new(vec![Price {
            model: "priced-*".into(),
            prompt: 1_000.0,
            completion: 2_000.0,
        }]),
        limits,
    };
    Gateway::new(http::client(http::CONNECT_TIMEOUT).unwrap(), settings).unwrap()
}

fn gateway(server: &Server) -> Gateway {
    gateway_with(server, limits())
}

fn request(model: &str) -> ModelRequest {
    ModelRequest {
        model: model.into(),
        messages: vec![ChatMessage::user("hi")],
        tools: Arc::default(),
        may_call_tools: true,
        max_tokens: 100,
        temperature: None,
    }
}

async fn deltas(
    gateway: &Gateway,
    request: ModelRequest,
) -> Result<Vec<Result<ModelDelta, LlmError>>, LlmError> {
    Ok(within(gateway.stream(request)).await?.collect().await)
}

async fn good(gateway: &Gateway) -> Vec<ModelDelta> {
    within(deltas(gateway, request("m"))).await.unwrap().into_iter().map(Result::unwrap).collect()
}

async fn refused(gateway: &Gateway) -> LlmError {
    match within(gateway.stream(request("m"))).await {
        Ok(_) => panic!("a stream"),
        Err(error) => error,
    }
}

fn text(text: &str) -> ModelDelta {
    ModelDelta::Text(text.into())
}

#[tokio::test]
async fn a_reply_streams_with_usage_and_the_price_of_the_header() {
    let script = vec![
        stream_head("x-litellm-response-cost: 0.25\r\n"),
        chunk(format!("data: {HELLO}\n\ndata: {STOP}\n\ndata: {USED}\n\ndata: {DONE}\n\n")),
        end(),
    ];
    let mut server = Server::start(vec![script]).await;
    let got = good(&gateway(&server)).await;
    let usage = Usage { prompt_tokens: 1_000, completion_tokens: 10, cost_usd: Some(0.25) };
    assert_eq!(got, [text("Hello"), ModelDelta::Usage(usage), ModelDelta::Finish(FinishReason::Stop)]);
    let request = server.request().await;
    assert_eq!(request.path, "/v1/chat/completions");
    assert_eq!(request.headers["authorization"], "Bearer sk-test-key");
    assert_eq!(request.headers["content-type"], "application/json");
    let body = json!({
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100,
        "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(request.body, body);
}

#[tokio::test]
async fn the_price_table_counts_where_the_gateway_is_silent_or_says_zero() {
    let zero = vec![
        stream_head("x-litellm-response-cost: 0.0\r\n"),
        chunk(format!("data: {STOP}\n\ndata: {USED}\n\ndata: {DONE}\n\n")),
        end(),
    ];
    let server = Server::start(vec![zero, reply(&[STOP, USED, DONE])]).await;
    let gateway = gateway(&server);
    for (model, cost) in [("priced-1", Some(1.02)), ("unknown", None)] {
        let got = deltas(&gateway, request(model)).await.unwrap();
        let Ok(ModelDelta::Usage(usage)) = &got[0] else { panic!("{got:?}") };
        assert_eq!(usage.cost_usd, cost, "{model}");
    }
}

#[tokio::test]
async fn everything_a_request_can_hold_is_sent() {
    let mut server = Server::start(vec![reply(&[STOP, DONE]), reply(&[STOP, DONE])]).await;
    let gateway = gateway(&server);
    let schema = json!({"type": "object", "properties": {"q": {"type": "string"}}});
    let tool = ToolSpec::new("search", "Searches.", schema.clone(), Effect::Read, Duration::from_secs(1));
    let call = |id: &str, arguments: &str| RequestedCall {
        id: id.into(),
        name: "search".into(),
        arguments: arguments.into(),
    };
    let file = |url: &str| ContentPart::File {
        name: "a.pdf".into(),
        mime_type: Some("application/pdf".into()),
        url: url.into(),
    };
    let parts = vec![
        ContentPart::Text { text: "look".into() },
        ContentPart::Image { url: "https://x/y.png".into(), detail: Some("low".into()) },
        ContentPart::Image { url: "data:image/png;base64,AA==".into(), detail: None },
        file("data:application/pdf;base64,AA=="),
        file("https://x/a.pdf"),
    ];
    let calls = vec![call("1", r#"{"q":"a"}"#), call("2", ""), call("3", "{broken")];
    let request = ModelRequest {
        messages: vec![
            ChatMessage::system("Be kind."),
            ChatMessage::User { parts },
            ChatMessage::Assistant { text: String::new(), calls },
            ChatMessage::Tool { call_id: "1".into(), name: "search".into(), text: "found".into() },
            ChatMessage::assistant("done"),
        ],
        tools: vec![Arc::new(tool.unwrap())].into(),
        may_call_tools: false,
        temperature: Some(0.7),
        ..request("m")
    };
    let may_call = ModelRequest { may_call_tools: true, ..request.clone() };
    deltas(&gateway, request).await.unwrap();
    deltas(&gateway, may_call).await.unwrap();
    let body = server.request().await.body;
    let called = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "search", "arguments": arguments}});
    let messages = json!([
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            {"type": "file", "file": {"file_id": "https://x/a.pdf", "format": "application/pdf"}},
        ]},
        {"role": "assistant", "content": null, "tool_calls": [
            called("1", r#"{"q":"a"}"#), called("2", "{}"), called("3", r#"{"malformed_arguments":"{broken"}"#),
        ]},
        {"role": "tool", "tool_call_id": "1", "content": "found"},
        {"role": "assistant", "content": "done"},
    ]);
    assert_eq!(body["messages"], messages);
    let function = json!({"name": "search", "description": "Searches.", "parameters": schema});
    assert_eq!(body["tools"], json!([{"type": "function", "function": function}]));
    assert_eq!(body["tool_choice"], json!("none"));
    assert_eq!(body["temperature"], json!(0.7));
    let body = server.request().await.body;
    assert!(body["tools"].is_array() && body["tool_choice"] == Value::Null, "{body}");
}

#[tokio::test]
async fn deltas_come_before_the_reply_is_whole_and_every_cut_gives_the_same() {
    let go = Arc::new(Notify::new());
    let bytes = format!("data: {HELLO}\r\n\r\n: note\n\ndata: {STOP}\n\ndata: {DONE}\n\n");
    let mut slow = vec![stream_head(""), chunk(format!("data: {HELLO}\n\n")), Act::Wait(Arc::clone(&go))];
    slow.extend([chunk(format!("data: {STOP}\n\ndata: {DONE}\n\n")), end()]);
    let mut split = vec![stream_head("")];
    split.extend(bytes.as_bytes().chunks(7).map(chunk));
    split.push(end());
    let server = Server::start(vec![slow, split]).await;
    let gateway = gateway(&server);
    let mut stream = within(gateway.stream(request("m"))).await.unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap(), text("Hello"));
    go.notify_one();
    let rest: Vec<_> = within(stream.map(Result::unwrap).collect()).await;
    assert_eq!(rest, [ModelDelta::Finish(FinishReason::Stop)]);
    assert_eq!(good(&gateway).await, [text("Hello"), ModelDelta::Finish(FinishReason::Stop)]);
}

#[tokio::test]
async fn a_connection_carries_the_next_turn() {
    let scripts = (0..5).map(|_| reply(&[HELLO, STOP, DONE])).collect();
    let mut server = Server::start(scripts).await;
    let gateway = gateway(&server);
    for _ in 0..5 {
        good(&gateway).await;
        assert_eq!(server.request().await.connection, 0);
    }
}

#[tokio::test]
async fn endings_without_done_are_whole_only_if_the_model_said_why_it_stopped() {
    let finished = vec![stream_head(""), chunk(format!("data: {HELLO}\n\ndata: {STOP}")), end()];
    let finished_then_broken =
        vec![stream_head(""), chunk(format!("data: {HELLO}\n\ndata: {STOP}\n\n")), Act::Close];
    let done_only = reply(&[HELLO, DONE]);
    let server = Server::start(vec![finished, finished_then_broken, done_only]).await;
    let gateway = gateway(&server);
    for _ in 0..3 {
        assert_eq!(good(&gateway).await, [text("Hello"), ModelDelta::Finish(FinishReason::Stop)]);
    }
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_interrupted_and_not_tried_again() {
    let hello = || chunk(format!("data: {HELLO}\n\n"));
    let scripts = vec![
        vec![stream_head(""), hello(), end()],
        vec![stream_head(""), hello(), Act::Close],
        vec![stream_head(""), hello(), chunk("data: {\"choices\":[{\"del"), end()],
        vec![
            stream_head(""),
            hello(),
            chunk("data: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\n"),
            end(),
        ],
    ];
    let count = scripts.len();
    let mut server = Server::start(scripts).await;
    let gateway = gateway(&server);
    for case in 0..count {
        let got = deltas(&gateway, request("m")).await.unwrap();
        assert_eq!(got.len(), 2, "case {case}: {got:?}");
        assert_eq!(*got[0].as_ref().unwrap(), text("Hello"));
        assert_eq!(got[1].as_ref().unwrap_err().kind, LlmErrorKind::Interrupted, "case {case}");
    }
    assert_eq!(server.further_requests(), count, "one request each");
}

/// Waits for what only a timer can bring, with a clock that runs ahead.
async fn ahead<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::pause();
    let brought = wait.await;
    tokio::time::resume();
    brought
}

#[tokio::test]
async fn a_reply_that_falls_silent_is_interrupted_and_not_tried_again() {
    let closed = Arc::new(Notify::new());
    let hello = chunk(format!("data: {HELLO}\n\n"));
    let mut server =
        Server::start(vec![vec![stream_head(""), hello, Act::AwaitClose(Arc::clone(&closed))]]).await;
    let mut stream = within(gateway(&server).stream(request("m"))).await.unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap(), text("Hello"));
    let error = ahead(stream.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind, LlmErrorKind::Interrupted);
    assert!(error.detail.contains("stopped sending"), "{}", error.detail);
    assert!(stream.next().await.is_none());
    within(closed.notified()).await;
    assert_eq!(server.further_requests(), 1);
}

#[tokio::test]
async fn before_the_first_piece_every_passing_failure_is_tried_again() {
    let failures = || {
        vec![
            plain("500 Oops", "", "{}"),
            plain("503 Busy", "", ""),
            plain("408 Slow", "", ""),
            plain("409 Conflict", "", ""),
            plain("429 Many", "Retry-After: 0\r\n", "{}"),
            vec![Act::Close],
            vec![stream_head(""), Act::Close],
            vec![stream_head(""), end()],
            vec![stream_head(""), chunk(": still thinking\n\n"), Act::Close],
            vec![
                stream_head(""),
                chunk("data: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n"),
                end(),
            ],
        ]
    };
    for (case, failure) in failures().into_iter().enumerate() {
        let mut server = Server::start(vec![failure, reply(&[HELLO, STOP, DONE])]).await;
        let got = good(&gateway(&server)).await;
        assert_eq!(got[0], text("Hello"), "case {case}");
        assert_eq!(server.further_requests(), 2, "case {case}");
    }
}

#[tokio::test]
async fn three_attempts_are_the_most() {
    let scripts = (0..4).map(|_| plain("503 Busy", "", "later")).collect();
    let mut server = Server::start(scripts).await;
    let error = refused(&gateway(&server)).await;
    assert_eq!(error.kind, LlmErrorKind::Unavailable);
    assert!(error.detail.contains("503") && error.detail.contains("later"), "{}", error.detail);
    assert_eq!(server.further_requests(), 3);
}

#[tokio::test]
async fn retry_after_is_kept_up_to_the_limit() {
    let limits = Limits { longest_pause: Duration::from_secs(2), jitter: || 0.0, ..limits() };
    let many = |after: &str| plain("429 Many", &format!("Retry-After: {after}\r\n"), "{}");
    let server = Server::start(vec![many("0.3"), reply(&[HELLO, STOP, DONE])]).await;
    let begun = Instant::now();
    good(&gateway_with(&server, limits.clone())).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let mut server = Server::start(vec![many("3600")]).await;
    let error = refused(&gateway_with(&server, limits)).await;
    let hour = Some(Duration::from_secs(3_600));
    assert_eq!(error.kind, LlmErrorKind::RateLimited { retry_after: hour });
    assert_eq!(server.further_requests(), 1);
}

#[tokio::test]
async fn lasting_refusals_are_asked_once_and_classed() {
    let body = |code: &str| format!(r#"{{"error":{{"message":"no: sk-test-key","code":"{code}"}}}}"#);
    let cases = [
        ("400 Bad", "invalid", LlmErrorKind::BadRequest),
        ("400 Bad", "context_length_exceeded", LlmErrorKind::ContextTooLong),
        ("400 Bad", "content_filter", LlmErrorKind::ContentFiltered),
        ("401 Who", "invalid_api_key", LlmErrorKind::Unavailable),
        ("404 What", "model_not_found", LlmErrorKind::BadRequest),
    ];
    for (status, code, kind) in cases {
        let mut server = Server::start(vec![plain(status, "", &body(code))]).await;
        let error = refused(&gateway(&server)).await;
        assert_eq!(error.kind, kind, "{status} {code}");
        assert!(error.detail.contains(code) && !error.detail.contains("sk-test-key"), "{}", error.detail);
        assert_eq!(server.further_requests(), 1);
    }
}

#[tokio::test]
async fn a_gateway_that_is_not_there_and_one_that_says_nothing() {
    // A port that is taken, so that nobody else can get it, and on which nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let mut server = Server::start(vec![]).await;
    server.url = format!("http://{}/v1", taken.local_addr().unwrap());
    let error = refused(&gateway(&server)).await;
    assert_eq!(error.kind, LlmErrorKind::Unavailable);
    assert!(!error.detail.contains("127.0.0.1/v1"), "{}", error.detail);
    let closed = Arc::new(Notify::new());
    let silent = || vec![Act::AwaitClose(Arc::clone(&closed))];
    let mut server = Server::start(vec![silent()]).await;
    let gateway = gateway_with(&server, Limits { attempts: 1, ..limits() });
    let mut asking = gateway.stream(request("m"));
    tokio::select! {
        _ = &mut asking => panic!("the server says nothing"),
        request = server.request() => drop(request),
    }
    let error = ahead(asking).await.map(|_| "a stream").unwrap_err();
    assert_eq!(error.kind, LlmErrorKind::Unavailable);
    within(closed.notified()).await;
    assert_eq!(server.further_requests(), 0, "asked once");
}

#[tokio::test]
async fn the_whole_call_is_bounded() {
    let mut script = vec![stream_head("")];
    let never = Arc::new(Notify::new());
    script.push(chunk(format!("data: {HELLO}\n\n")));
    script.push(Act::AwaitClose(never));
    let server = Server::start(vec![script]).await;
    let limits = Limits { total: Duration::from_secs(20), ..limits() };
    let mut stream = within(gateway_with(&server, limits).stream(request("m"))).await.unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap(), text("Hello"));
    let error = ahead(stream.next()).await.unwrap().unwrap_err();
    assert_eq!(error.kind, LlmErrorKind::Interrupted);
    assert!(error.detail.contains("too long"), "{}", error.detail);
}

#[tokio::test]
async fn dropping_the_stream_ends_the_request_at_once() {
    let closed = Arc::new(Notify::new());
    let script =
        vec![stream_head(""), chunk(format!("data: {HELLO}\n\n")), Act::AwaitClose(Arc::clone(&closed))];
    let waiting = vec![Act::AwaitClose(Arc::clone(&closed))];
    let mut server = Server::start(vec![script, waiting]).await;
    let gateway = gateway(&server);
    let mut stream = within(gateway.stream(request("m"))).await.unwrap();
    assert_eq!(within(stream.next()).await.unwrap().unwrap(), text("Hello"));
    server.request().await;
    drop(stream);
    within(closed.notified()).await;
    let pending = gateway.stream(request("m"));
    tokio::select! {
        _ = pending => panic!("the server says nothing"),
        request = server.request() => drop(request),
    }
    within(closed.notified()).await;
}

#[tokio::test]
async fn a_model_that_knows_only_the_newer_name_of_the_limit() {
    let refusal = r#"{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}"#;
    let scripts =
        vec![plain("400 Bad", "", refusal), reply(&[HELLO, STOP, DONE]), reply(&[HELLO, STOP, DONE])];
    let mut server = Server::start(scripts).await;
    let gateway = gateway(&server);
    good(&gateway).await;
    good(&gateway).await;
    assert_eq!(server.request().await.body["max_tokens"], json!(100));
    for _ in 0..2 {
        let body = server.request().await.body;
        assert_eq!((&body["max_tokens"], &body["max_completion_tokens"]), (&Value::Null, &json!(100)));
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_stream() {
    let body = r#"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]}"#;
    let error = r#"{"error":{"message":"prompt is too long","code":400}}"#;
    let kind = "Content-Type: application/json; charset=utf-8\r\n";
    let server = Server::start(vec![plain("200 OK", kind, body), plain("200 OK", kind, error)]).await;
    let gateway = gateway(&server);
    assert_eq!(good(&gateway).await, [text("Hello"), ModelDelta::Finish(FinishReason::Stop)]);
    assert_eq!(refused(&gateway).await.kind, LlmErrorKind::ContextTooLong);
}

#[tokio::test]
async fn without_a_key_nothing_is_asked() {
    let mut server = Server::start(vec![reply(&[HELLO, STOP, DONE])]).await;
    for key in [None, Some(ApiKey::new(" \n"))] {
        let settings =
            GatewaySettings { url: server.url.clone(), key, prices: PriceTable::default(), limits: limits() };
        let gateway = Gateway::new(http::client(http::CONNECT_TIMEOUT).unwrap(), settings).unwrap();
        assert!(!gateway.is_available());
        let error = refused(&gateway).await;
        assert_eq!(error.kind, LlmErrorKind::Unavailable);
        assert!(error.detail.contains("SMOOAI_GATEWAY_KEY"), "{}", error.detail);
    }
    assert_eq!(server.further_requests(), 0);
}

#[tokio::test]
async fn addresses_and_keys_that_cannot_be() {
    let client = http::client(http::CONNECT_TIMEOUT).unwrap();
    let new = |url: &str, key: &str| {
        let settings = GatewaySettings {
            url: url.into(),
            key: Some(ApiKey::new(key)),
            prices: PriceTable::default(),
            limits: limits(),
        };
        Gateway::new(client.clone(), settings).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(new("llm.smoo.ai/v1", "k").unwrap_err().contains("https://llm.smoo.ai/v1"));
    assert!(new("ftp://x/", "k").unwrap_err().contains("http"));
    let fault = new("https://x/v1", "a\u{7}secret").unwrap_err();
    assert!(fault.contains("SMOOAI_GATEWAY_KEY") && !fault.contains("secret"), "{fault}");
    assert_eq!(new("https://x/v1/?api-version=3", "k"), Ok(()));
}

#[tokio::test]
async fn names_that_a_model_invented_are_sent_as_gateways_accept_them() {
    let mut server = Server::start(vec![reply(&[STOP, DONE])]).await;
    let names = ["fine-name_1", "", "rm -rf /", "größe", &"x".repeat(80)];
    let call = |name: &&str| RequestedCall { id: "1".into(), name: (*name).into(), arguments: "{}".into() };
    let calls = names.iter().map(call).collect();
    let messages = vec![ChatMessage::user("hi"), ChatMessage::Assistant { text: "I try.".into(), calls }];
    deltas(&gateway(&server), ModelRequest { messages, ..request("m") }).await.unwrap();
    let sent = server.request().await.body["messages"][1]["tool_calls"].take();
    let sent: Vec<&str> =
        sent.as_array().unwrap().iter().map(|call| call["function"]["name"].as_str().unwrap()).collect();
    assert_eq!(sent, ["fine-name_1", "_", "rm_-rf__", "gr__e", &"x".repeat(64)]);
}

#[tokio::test]
async fn a_redirect_is_followed_on_its_own_host_only() {
    let moved = |to: &str| plain("307 Moved", &format!("Location: {to}\r\n"), "");
    let mut elsewhere = Server::start(vec![reply(&[HELLO, STOP, DONE])]).await;
    let other_host = elsewhere.url.replace("127.0.0.1", "localhost");
    let scripts = vec![moved("/v2/chat/completions"), reply(&[HELLO, STOP, DONE]), moved(&other_host)];
    let mut server = Server::start(scripts).await;
    let gateway = gateway(&server);
    assert_eq!(good(&gateway).await[0], text("Hello"));
    assert_eq!(server.request().await.path, "/v1/chat/completions");
    let followed = server.request().await;
    assert_eq!((followed.path.as_str(), &followed.body["model"]), ("/v2/chat/completions", &json!("m")));
    let error = refused(&gateway).await;
    assert!(error.kind == LlmErrorKind::BadRequest && error.detail.contains("307"), "{error}");
    assert_eq!(elsewhere.further_requests(), 0, "the key stays with its host");
}
