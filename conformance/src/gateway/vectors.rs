//! The gateway's answers that need no script: embeddings and relevance that follow from the words.

use serde_json::{Value, json};

/// The length of the gateway's vectors, unless a request names another.
pub const DIMENSIONS: usize = 64;

/// A vector of length 1 that depends only on the words: equal texts have equal vectors, and texts
/// that share words are near each other (feature hashing: FNV-1a picks the place and the sign).
#[must_use]
pub fn embed(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions.max(1)];
    for word in words(text) {
        let hash = fnv1a(word.as_bytes());
        let place = (hash % vector.len() as u64) as usize;
        vector[place] += if hash >> 63 == 0 { 1.0 } else { -1.0 };
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    } else {
        vector[0] = 1.0;
    }
    vector
}

/// The answer to an embeddings request.
#[must_use]
pub fn embeddings(body: &Value) -> Value {
    let dimensions = body["dimensions"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(DIMENSIONS);
    let inputs: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": embed(text, dimensions) }))
        .collect();
    let tokens: usize = inputs.iter().map(|text| words(text).count()).sum();
    json!({ "object": "list", "data": data, "model": body["model"],
            "usage": { "prompt_tokens": tokens, "total_tokens": tokens } })
}

/// The answer to a rerank request: the share of the query's words that a document has, best first.
#[must_use]
pub fn rerank(body: &Value) -> Value {
    let query: Vec<String> = words(body["query"].as_str().unwrap_or_default()).collect();
    let documents = body["documents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut scored: Vec<(usize, f64)> = documents
        .iter()
        .map(|document| document.as_str().or_else(|| document["text"].as_str()).unwrap_or_default())
        .map(|text| {
            let has: Vec<String> = words(text).collect();
            query.iter().filter(|word| has.contains(word)).count() as f64 / query.len().max(1) as f64
        })
        .enumerate()
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    if let Some(top) = body["top_n"].as_u64().and_then(|n| usize::try_from(n).ok()) {
        scored.truncate(top);
    }
    let results: Vec<Value> =
        scored.iter().map(|(index, score)| json!({ "index": index, "relevance_score": score })).collect();
    json!({ "id": "rerank-1", "model": body["model"], "results": results })
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): offset basis and prime of its published parameters.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
