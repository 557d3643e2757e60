//! The seam to whatever turns text into vectors, and an embedder that needs no network.

use crate::analyse::{Analyser, Language, term_hash};
use async_trait::async_trait;
use std::collections::HashMap;
use std::error::Error;

/// What a text is embedded for; some models treat the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbedKind {
    /// A piece of a document that is to be found.
    Document,
    /// A question that is to find it.
    Query,
}

/// Why texts could not be embedded. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct EmbedError {
    context: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl EmbedError {
    /// An error without a deeper cause.
    pub fn new(context: impl Into<String>) -> Self {
        Self { context: context.into(), source: None }
    }

    /// An error with its cause.
    pub fn caused(context: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { context: context.into(), source: Some(source.into()) }
    }
}

/// Turns texts into vectors of unit length.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The model's name and dimension. It goes into every document's content hash, so that a change of
    /// model embeds the documents anew.
    fn id(&self) -> &str;

    /// How many numbers a vector has.
    fn dimension(&self) -> usize;

    /// The cosine from which a passage counts as relevant although it shares no word with the
    /// question. The default suits sentence embedding models, whose unrelated pairs stay below 0.3.
    fn relevant_cosine(&self) -> f32 {
        0.4
    }

    /// What the dense leg counts in the fused order, against 1 for the keyword leg.
    fn weight(&self) -> f32 {
        1.0
    }

    /// One vector per text, in order.
    ///
    /// # Errors
    /// When the model cannot be reached or refuses; nothing of the batch is kept.
    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// How many numbers a vector of [`DeterministicEmbedder`] has unless told otherwise.
const DIMENSION: usize = 256;

/// What a pair of neighbouring words weighs, against 1 for a word.
const BIGRAM_WEIGHT: f32 = 0.5;

/// Embeds without a network: stemmed words and pairs of neighbours are hashed to a sign and a place
/// (feature hashing, Weinberger et al. 2009), and the vector is scaled to unit length. Equal words give
/// near vectors; synonyms do not. A text without words gives the zero vector.
pub struct DeterministicEmbedder {
    id: String,
    dimension: usize,
    analyser: Analyser,
}

impl DeterministicEmbedder {
    /// 256 dimensions, English.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Language::English, DIMENSION)
    }

    /// Another language or dimension; a dimension below 1 is taken as 1.
    #[must_use]
    pub fn with(language: Language, dimension: usize) -> Self {
        let dimension = dimension.max(1);
        Self {
            id: format!("deterministic-2:{language}:{dimension}"),
            dimension,
            analyser: Analyser::new(language),
        }
    }

    /// The vector of one text.
    #[must_use]
    pub fn vector(&self, text: &str) -> Vec<f32> {
        let mut weights: HashMap<u64, f32> = HashMap::new();
        let mut previous: Option<u64> = None;
        self.analyser.each(text, &mut |token| {
            let hash = term_hash(token.term);
            *weights.entry(hash).or_default() += 1.0;
            if token.compound {
                return;
            }
            if let Some(before) = previous {
                *weights.entry(before.rotate_left(17) ^ hash).or_default() += BIGRAM_WEIGHT;
            }
            previous = Some(hash);
        });
        // Summed in a fixed order: float addition is not associative, and equal texts give equal bits.
        let mut features: Vec<(u64, f32)> = weights.into_iter().collect();
        features.sort_unstable_by_key(|(hash, _)| *hash);
        let mut vector = vec![0.0_f32; self.dimension];
        for (hash, weight) in features {
            let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let place = ((mixed >> 32) % self.dimension as u64) as usize;
            let sign = if mixed & 1 == 0 { 1.0 } else { -1.0 };
            vector[place] += sign * weight;
        }
        normalise(&mut vector);
        vector
    }
}

impl Default for DeterministicEmbedder {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Embedder for DeterministicEmbedder {
    fn id(&self) -> &str {
        &self.id
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    /// Never: it knows words only, so two texts without a common word are near by collision alone.
    fn relevant_cosine(&self) -> f32 {
        f32::INFINITY
    }

    /// Next to nothing: it knows the words that the keyword leg knows, less exactly, so it is no second
    /// opinion. It decides between neighbours; on labelled notes, a weight of ¼ made the order worse.
    fn weight(&self) -> f32 {
        0.02
    }

    async fn embed(&self, _kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| self.vector(text)).collect())
    }
}

/// Scales to unit length; the zero vector stays as it is.
pub fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() {
        for x in vector {
            *x /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn vectors_are_of_unit_length_and_always_the_same() {
        let embedder = DeterministicEmbedder::new();
        let a = embedder.vector("Returns are accepted within 17 days of delivery.");
        assert_eq!(a.len(), embedder.dimension());
        assert!((cosine(&a, &a) - 1.0).abs() < 1e-5);
        assert_eq!(
            a,
            DeterministicEmbedder::new().vector("Returns are accepted within 17 days of delivery.")
        );
    }

    #[test]
    fn a_text_that_shares_stems_is_nearer() {
        let embedder = DeterministicEmbedder::new();
        let query = embedder.vector("return policy");
        let near = embedder.vector("Returns are accepted");
        let far = embedder.vector("The parser reads tokens");
        assert!(cosine(&query, &near) > cosine(&query, &far) + 0.2);
    }

    #[test]
    fn a_text_without_words_is_the_zero_vector() {
        assert!(DeterministicEmbedder::new().vector("… — !").iter().all(|x| *x == 0.0));
    }
}
