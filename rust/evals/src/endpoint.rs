//! A local model behind the requests that a gateway answers: `POST /v1/embeddings` and `POST /v1/rerank`.

use crate::model::{MiniLm, NAME};
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// The name of the reranker in requests: the same model, its pieces compared one by one.
pub const RERANKER: &str = "all-MiniLM-L6-v2-late-interaction";

/// The largest request, in bytes.
const LARGEST: usize = 32 << 20;

/// The most texts of one request.
const MOST_TEXTS: usize = 2_048;

/// What all requests share.
#[derive(Clone)]
struct Shared {
    model: Arc<MiniLm>,
    /// One request uses all processors, so the others wait.
    turn: Arc<Semaphore>,
}

/// A request that is not answered, in the form that clients of such services know.
struct Refusal {
    status: StatusCode,
    message: String,
}

#[derive(Deserialize)]
struct EmbeddingRequest {
    model: String,
    input: Input,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct RerankRequest {
    model: String,
    query: String,
    documents: Vec<String>,
    top_n: Option<usize>,
}

#[derive(Serialize)]
struct Ranked {
    index: usize,
    relevance_score: f32,
}

/// Answers requests until it is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, model: Arc<MiniLm>) -> Result<()> {
    axum::serve(listener, router(model)).await.context("the endpoint has ended")
}

fn router(model: Arc<MiniLm>) -> Router {
    Router::new()
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/rerank", post(rerank))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "there are /v1/embeddings and /v1/rerank") })
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(Shared { model, turn: Arc::new(Semaphore::new(1)) })
}

async fn embeddings(State(shared): State<Shared>, body: Bytes) -> Result<Response, Refusal> {
    let request: EmbeddingRequest = parse(&body)?;
    must_be(&request.model, NAME)?;
    let dimension = shared.model.dimension();
    if request.dimensions.is_some_and(|asked| asked != dimension) {
        return Err(refused(StatusCode::BAD_REQUEST, format!("{NAME} gives {dimension} numbers, no other")));
    }
    if request.encoding_format.is_some_and(|format| format != "float") {
        return Err(refused(StatusCode::BAD_REQUEST, "encoding_format must be \"float\""));
    }
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    few_enough(texts.len())?;
    let vectors = in_turn(shared, move |model| model.embed_all(&texts)).await?;
    let entry = |(index, embedding)| json!({ "object": "embedding", "index": index, "embedding": embedding });
    let data: Vec<_> = vectors.into_iter().enumerate().map(entry).collect();
    Ok(answer(StatusCode::OK, &json!({ "object": "list", "model": NAME, "data": data })))
}

async fn rerank(State(shared): State<Shared>, body: Bytes) -> Result<Response, Refusal> {
    let RerankRequest { model, query, documents, top_n } = parse(&body)?;
    must_be(&model, RERANKER)?;
    few_enough(documents.len())?;
    let scores = in_turn(shared, move |model| model.late_interaction(&query, &documents)).await?;
    let ranked = scores.into_iter().enumerate();
    let mut ranked: Vec<_> =
        ranked.map(|(index, relevance_score)| Ranked { index, relevance_score }).collect();
    ranked.sort_by(|a, b| b.relevance_score.total_cmp(&a.relevance_score));
    ranked.truncate(top_n.unwrap_or(usize::MAX));
    Ok(answer(StatusCode::OK, &json!({ "model": RERANKER, "results": ranked })))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let fault = |error| refused(StatusCode::BAD_REQUEST, format!("the request cannot be read: {error}"));
    serde_json::from_slice(body).map_err(fault)
}

fn must_be(model: &str, known: &str) -> Result<(), Refusal> {
    if model == known {
        return Ok(());
    }
    Err(refused(StatusCode::NOT_FOUND, format!("there is no model {model:?} here; this is {known}")))
}

fn few_enough(texts: usize) -> Result<(), Refusal> {
    if texts <= MOST_TEXTS {
        return Ok(());
    }
    Err(refused(StatusCode::BAD_REQUEST, format!("{texts} texts are too many; at most {MOST_TEXTS}")))
}

/// Works on a thread that may be kept busy.
async fn in_turn<T: Send + 'static>(
    shared: Shared,
    work: impl FnOnce(&MiniLm) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let failed = |error: &dyn std::error::Error| {
        refused(StatusCode::INTERNAL_SERVER_ERROR, format!("the model failed: {error}"))
    };
    let turn = shared.turn.acquire_owned().await.map_err(|error| failed(&error))?;
    let work = spawn_blocking(move || {
        let done = work(&shared.model);
        drop(turn);
        done
    });
    work.await.map_err(|error| failed(&error))
}

fn refused(status: StatusCode, message: impl Into<String>) -> Refusal {
    Refusal { status, message: message.into() }
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = if self.status.is_client_error() { "invalid_request_error" } else { "server_error" };
        answer(self.status, &json!({ "error": { "message": self.message, "type": kind } }))
    }
}
