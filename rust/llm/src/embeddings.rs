//! Vectors from the gateway's `POST /embeddings`, in batches.

use crate::gateway::Gateway;
use async_trait::async_trait;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use smooai_smooth_operator_core::LlmError;
use smooai_smooth_operator_retrieval::{EmbedError, EmbedKind, Embedder, normalise};

/// Texts in one request.
const BATCH: usize = 128;

/// Requests under way at once.
const CONCURRENCY: usize = 2;

/// How many numbers a vector has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// As many as the model gives by itself; the request does not mention it.
    Own(usize),
    /// As many as the request asks for, of a model that can shorten its vectors.
    Asked(usize),
}

/// The length of the vectors of widely used models, so that a start need not ask for it.
#[must_use]
pub fn known_dimension(model: &str) -> Option<usize> {
    // The gateway may put its own prefix before the model's name: `openai/text-embedding-3-small`.
    match model.rsplit('/').next().unwrap_or(model) {
        "text-embedding-3-small" | "text-embedding-ada-002" => Some(1_536),
        "text-embedding-3-large" => Some(3_072),
        _ => None,
    }
}

/// An embedding model behind the gateway.
#[derive(Clone)]
pub struct GatewayEmbedder {
    gateway: Gateway,
    model: String,
    dimension: Dimension,
    id: String,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl GatewayEmbedder {
    /// A model whose vectors have this length. Nothing is sent.
    #[must_use]
    pub fn new(gateway: Gateway, model: impl Into<String>, dimension: Dimension) -> Self {
        let model = model.into();
        let id = format!("gateway:{model}:{}", dimension.length());
        Self { gateway, model, dimension, id }
    }

    /// A model whose vectors' length is not known: it embeds one word to learn it.
    ///
    /// # Errors
    /// When the gateway cannot be reached or does not know the model.
    pub async fn probe(gateway: Gateway, model: impl Into<String>) -> Result<Self, EmbedError> {
        let model = model.into();
        let answer = request(&gateway, &model, &["dimension".to_owned()], None).await;
        let answer = answer.map_err(|error| failed(&model, error))?;
        match answer.data.first().map(|vector| vector.embedding.len()) {
            Some(length) if length > 0 => Ok(Self::new(gateway, model, Dimension::Own(length))),
            _ => {
                Err(EmbedError::new(format!("the gateway gave no vector for the embedding model {model:?}")))
            }
        }
    }

    async fn batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let asked = match self.dimension {
            Dimension::Asked(length) => Some(length),
            Dimension::Own(_) => None,
        };
        let answer = request(&self.gateway, &self.model, texts, asked).await;
        let answer = answer.map_err(|error| failed(&self.model, error))?;
        self.in_order(answer, texts.len())
    }

    /// The vectors in the order of the texts, checked and scaled to unit length.
    fn in_order(&self, answer: Answer, count: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut places: Vec<Option<Vec<f32>>> = vec![None; count];
        for (position, mut vector) in answer.data.into_iter().enumerate() {
            let (length, wanted) = (vector.embedding.len(), self.dimension.length());
            if length != wanted {
                return Err(EmbedError::new(format!(
                    "the embedding model {:?} gave a vector of {length} numbers where {wanted} are expected; \
                     set embedding_dimensions in [gateway] to what the model gives",
                    self.model
                )));
            }
            normalise(&mut vector.embedding);
            if let Some(place) = places.get_mut(vector.index.unwrap_or(position)) {
                *place = Some(vector.embedding);
            }
        }
        let vectors: Option<Vec<Vec<f32>>> = places.into_iter().collect();
        vectors.ok_or_else(|| {
            EmbedError::new(format!("the embedding model {:?} did not give one vector per text", self.model))
        })
    }
}

async fn request(
    gateway: &Gateway,
    model: &str,
    input: &[String],
    dimensions: Option<usize>,
) -> Result<Answer, LlmError> {
    gateway.inner.ask("embeddings", &Body { model, input, dimensions }).await
}

fn failed(model: &str, error: LlmError) -> EmbedError {
    EmbedError::caused(format!("the embedding model {model:?} could not be used"), error)
}

impl Dimension {
    fn length(self) -> usize {
        match self {
            Self::Own(length) | Self::Asked(length) => length,
        }
    }
}

#[async_trait]
impl Embedder for GatewayEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dimension(&self) -> usize {
        self.dimension.length()
    }

    async fn embed(&self, _kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let requests: Vec<_> = texts.chunks(BATCH).map(|batch| self.batch(batch)).collect();
        let batches: Vec<Vec<Vec<f32>>> = stream::iter(requests).buffered(CONCURRENCY).try_collect().await?;
        Ok(batches.into_iter().flatten().collect())
    }
}
