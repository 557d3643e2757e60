//! Passages ordered by the gateway's `POST /rerank`.

use crate::gateway::Gateway;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use smooai_smooth_operator_retrieval::{RerankError, Reranker};

/// A rerank model behind the gateway.
#[derive(Clone)]
pub struct GatewayReranker {
    gateway: Gateway,
    model: String,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    query: &'a str,
    documents: &'a [String],
    top_n: usize,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Ranked>,
}

#[derive(Deserialize)]
struct Ranked {
    index: usize,
    relevance_score: f32,
}

impl GatewayReranker {
    /// A model of the gateway. Nothing is sent.
    #[must_use]
    pub fn new(gateway: Gateway, model: impl Into<String>) -> Self {
        Self { gateway, model: model.into() }
    }
}

#[async_trait]
impl Reranker for GatewayReranker {
    async fn rerank(
        &self,
        query: &str,
        passages: &[String],
        top: usize,
    ) -> Result<Vec<(usize, f32)>, RerankError> {
        let top = top.min(passages.len());
        if top == 0 {
            return Ok(Vec::new());
        }
        let body = Body { model: &self.model, query, documents: passages, top_n: top };
        let answer: Answer = self.gateway.inner.ask("rerank", &body).await.map_err(|error| {
            RerankError::caused(format!("the rerank model {:?} could not be used", self.model), error)
        })?;
        let mut seen = vec![false; passages.len()];
        let mut ranked = Vec::with_capacity(answer.results.len());
        for Ranked { index, relevance_score } in answer.results {
            match seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => {
                    let fault = format!("the rerank model {:?} named passage {index} wrongly", self.model);
                    return Err(RerankError::new(fault));
                }
            }
            ranked.push((index, relevance_score));
        }
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(top);
        Ok(ranked)
    }
}
