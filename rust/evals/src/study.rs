//! The comparison of all ways to search, with the local model behind the product's own gateway client.

use crate::compare::{Loaded, Marks, Set, Way};
use crate::endpoint::RERANKER;
use crate::memory::{RememberingEmbedder, RememberingReranker};
use crate::model::NAME;
use anyhow::Result;
use smooai_smooth_operator_llm::{
    ApiKey, Dimension, Gateway, GatewayEmbedder, GatewayReranker, GatewaySettings, Limits, PriceTable, http,
};
use smooai_smooth_operator_retrieval::{DeterministicEmbedder, Embedder, Reranker};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How many numbers a vector of the model has.
const DIMENSION: usize = 384;

/// A batch of long texts takes long where other programs want the processors too.
const PATIENCE: Duration = Duration::from_secs(240);

/// The model and the reranker of a gateway.
pub struct Study {
    embedder: Arc<dyn Embedder>,
    reranker: Arc<dyn Reranker>,
}

/// One way to search with its marks.
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// How good it is.
    pub marks: Marks,
}

impl Study {
    /// A study of the model at this address. What it answers is kept in the folder.
    ///
    /// # Errors
    /// When the address is none, or the folder cannot be used.
    pub fn new(url: String, folder: &Path) -> Result<Self> {
        let limits = Limits { first_byte: PATIENCE, total: PATIENCE, attempts: 1, ..Limits::default() };
        let key = Some(ApiKey::new("local"));
        let settings = GatewaySettings { url, key, prices: PriceTable::default(), limits };
        let gateway = Gateway::new(http::client(Duration::from_secs(5))?, settings)?;
        let embedder = GatewayEmbedder::new(gateway.clone(), NAME, Dimension::Own(DIMENSION));
        let reranker = GatewayReranker::new(gateway, RERANKER);
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            embedder: Arc::new(RememberingEmbedder::new(embedder, &folder.join("vectors"))?),
            reranker: Arc::new(RememberingReranker::new(reranker, RERANKER, &folder.join("scores"))?),
        })
    }

    /// All ways, and the number of chunks that were searched.
    ///
    /// # Errors
    /// When the set cannot be loaded or searched.
    pub async fn rows(&self, set: &Set) -> Result<(usize, Vec<Row>)> {
        let (words, _) = Loaded::new(set, Arc::new(DeterministicEmbedder::new())).await?;
        let (model, report) = Loaded::new(set, Arc::clone(&self.embedder)).await?;
        let ways = [
            ("keyword alone", Way::Keyword(&words)),
            ("deterministic vectors alone", Way::Dense(&words)),
            ("MiniLM vectors alone", Way::Dense(&model)),
            ("fused, deterministic vectors", Way::Fused(&words)),
            ("fused, MiniLM vectors", Way::Fused(&model)),
            ("fused, MiniLM vectors, reranked", Way::Reranked(&model, Arc::clone(&self.reranker))),
        ];
        let mut rows = Vec::with_capacity(ways.len());
        for (name, way) in ways {
            rows.push(Row { name, marks: way.marks(set).await? });
        }
        Ok((report.chunks, rows))
    }
}
