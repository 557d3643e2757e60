//! The seam to a model that reads the question and each passage together and orders them anew.

use async_trait::async_trait;
use std::error::Error;

/// Why passages could not be reranked. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct RerankError {
    context: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl RerankError {
    /// An error without a deeper cause.
    pub fn new(context: impl Into<String>) -> Self {
        Self { context: context.into(), source: None }
    }

    /// An error with its cause.
    pub fn caused(context: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { context: context.into(), source: Some(source.into()) }
    }
}

/// Orders passages by how well they answer the question.
#[async_trait]
pub trait Reranker: Send + Sync {
    /// The positions of the best `top` passages with their scores, best first.
    ///
    /// # Errors
    /// When the model cannot be reached or refuses; the retriever then keeps the fused order.
    async fn rerank(
        &self,
        query: &str,
        passages: &[String],
        top: usize,
    ) -> Result<Vec<(usize, f32)>, RerankError>;
}
