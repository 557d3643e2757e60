//! Embeddings and rerank over real HTTP.

use crate::scripted::{Act, Server, plain, within};
use serde_json::{Value, json};
use smooai_smooth_operator_llm::{
    ApiKey, Dimension, Gateway, GatewayEmbedder, GatewayReranker, GatewaySettings, Limits, PriceTable, http,
    known_dimension,
};
use smooai_smooth_operator_retrieval::{EmbedKind, Embedder, Reranker};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

fn gateway(server: &Server) -> Gateway {
    let limits = Limits { first_pause: Duration::from_millis(1), ..Limits::default() };
    let key = Some(ApiKey::new("sk-test-key"));
    let settings = GatewaySettings { url: server.url.clone(), key, prices: PriceTable::default(), limits };
    Gateway::new(http::client(http::CONNECT_TIMEOUT).unwrap(), settings).unwrap()
}

fn ok(body: &Value) -> Vec<Act> {
    plain("200 OK", "Content-Type: application/json\r\n", &body.to_string())
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

/// The whole answer to a request for vectors, whichever of several it is.
fn answer(body: &Value) -> Vec<u8> {
    let texts = body["input"].as_array().unwrap();
    let first = texts[0].as_str().unwrap().trim_start_matches("text ").parse().unwrap();
    let Some(Act::Send(bytes)) = ok(&vectors(first, texts.len())).pop() else { unreachable!("one write") };
    bytes
}

/// The answer for `count` texts from number `first`, in reverse order; text number n has the angle n/1000.
fn vectors(first: usize, count: usize) -> Value {
    let vector = |place: usize| {
        let angle = (first + place) as f64 / 1_000.0;
        json!({"index": place, "embedding": [3.0 * angle.cos(), 3.0 * angle.sin()]})
    };
    json!({"data": (0..count).rev().map(vector).collect::<Vec<_>>()})
}

#[tokio::test]
async fn many_texts_go_in_batches_and_come_back_in_order_at_unit_length() {
    let go = Arc::new(Notify::new());
    // Which of the first two is waited with does not matter: they come on connections of their own.
    let first = vec![Act::Wait(Arc::clone(&go)), Act::Answer(answer)];
    let mut server = Server::start(vec![first, vec![Act::Answer(answer)], vec![Act::Answer(answer)]]).await;
    let embedder = GatewayEmbedder::new(gateway(&server), "some-model", Dimension::Own(2));
    let texts = texts(300);
    let embedding = embedder.embed(EmbedKind::Document, &texts);
    let watching = async {
        let (first, second) = (server.request().await, server.request().await);
        assert_eq!(
            (&first.path, first.connection == second.connection),
            (&"/v1/embeddings".to_owned(), false)
        );
        assert_eq!(first.body["input"].as_array().unwrap().len(), 128);
        assert_eq!(first.body["dimensions"], Value::Null);
        assert_eq!(server.further_requests(), 0, "at most two at once");
        go.notify_one();
        server.request().await
    };
    let (vectors, third) = within(async { tokio::join!(embedding, watching) }).await;
    assert_eq!(third.body["input"].as_array().unwrap().len(), 44);
    let vectors = vectors.unwrap();
    assert_eq!(vectors.len(), 300);
    for (number, vector) in vectors.iter().enumerate() {
        let angle = number as f32 / 1_000.0;
        assert!((vector[0] - angle.cos()).abs() < 1e-5 && (vector[1] - angle.sin()).abs() < 1e-5, "{number}");
    }
}

#[tokio::test]
async fn the_length_of_vectors_is_asked_for_learned_or_known_and_always_checked() {
    let scripts = vec![ok(&vectors(0, 1)), ok(&vectors(0, 1)), ok(&vectors(0, 1)), ok(&vectors(0, 1))];
    let mut server = Server::start(scripts).await;
    let asked = GatewayEmbedder::new(gateway(&server), "m", Dimension::Asked(2));
    asked.embed(EmbedKind::Query, &texts(1)).await.unwrap();
    assert_eq!(server.request().await.body["dimensions"], json!(2));
    let learned = GatewayEmbedder::probe(gateway(&server), "m").await.unwrap();
    assert_eq!((learned.dimension(), learned.id()), (2, "gateway:m:2"));
    let wrong = GatewayEmbedder::new(gateway(&server), "m", Dimension::Own(3));
    let error = wrong.embed(EmbedKind::Query, &texts(1)).await.unwrap_err().to_string();
    assert!(error.contains('2') && error.contains("embedding_dimensions"), "{error}");
    let few = learned.embed(EmbedKind::Query, &texts(2)).await.unwrap_err().to_string();
    assert!(few.contains("one vector per text"), "{few}");
    assert!(learned.embed(EmbedKind::Query, &[]).await.unwrap().is_empty());
    assert_eq!(known_dimension("openai/text-embedding-3-small"), Some(1_536));
}

#[tokio::test]
async fn passing_failures_are_tried_again_and_lasting_ones_say_why() {
    let scripts = vec![
        plain("503 Busy", "", ""),
        ok(&vectors(0, 1)),
        plain("404 None", "", r#"{"error":{"message":"no such model"}}"#),
    ];
    let server = Server::start(scripts).await;
    let embedder = GatewayEmbedder::new(gateway(&server), "m", Dimension::Own(2));
    embedder.embed(EmbedKind::Query, &texts(1)).await.unwrap();
    let error = embedder.embed(EmbedKind::Query, &texts(1)).await.unwrap_err();
    let cause = error.source().expect("a cause").to_string();
    assert!(error.to_string().contains("\"m\"") && cause.contains("no such model"), "{error} {cause}");
}

#[tokio::test]
async fn passages_are_reranked() {
    let results = json!({"results": [
        {"index": 2, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.5},
    ]});
    let wrong = json!({"results": [{"index": 3, "relevance_score": 0.1}]});
    let twice =
        json!({"results": [{"index": 0, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.1}]});
    let mut server = Server::start(vec![ok(&results), ok(&wrong), ok(&twice)]).await;
    let reranker = GatewayReranker::new(gateway(&server), "rerank-v3");
    let ranked = reranker.rerank("q", &texts(3), 2).await.unwrap();
    assert_eq!(ranked, [(0, 0.9), (1, 0.5)]);
    let request = server.request().await;
    assert_eq!(request.path, "/v1/rerank");
    let body = json!({"model": "rerank-v3", "query": "q", "documents": texts(3), "top_n": 2});
    assert_eq!(request.body, body);
    for _ in 0..2 {
        let error = reranker.rerank("q", &texts(3), 2).await.unwrap_err().to_string();
        assert!(error.contains("wrongly"), "{error}");
    }
    assert!(reranker.rerank("q", &[], 2).await.unwrap().is_empty());
}
