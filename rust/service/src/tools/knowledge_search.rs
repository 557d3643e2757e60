//! `knowledge_search`: the model searches the documents again, in its own words. It is born holding
//! what its caller may read, and what it finds is cited too.

use crate::evidence::Evidence;
use async_trait::async_trait;
use serde_json::json;
use smooai_smooth_operator_core::{
    Effect, KnowledgeBase, Tool, ToolCall, ToolError, ToolSpec, ToolSpecError, format_passages,
};
use std::sync::Arc;
use std::time::Duration;

const DEFAULT_LIMIT: u64 = 5;

/// The tool, for one turn.
pub(crate) struct KnowledgeSearch {
    spec: Arc<ToolSpec>,
    evidence: Arc<Evidence>,
}

impl KnowledgeSearch {
    /// What the model is told of it.
    pub(crate) fn describe() -> Result<ToolSpec, ToolSpecError> {
        ToolSpec::new(
            "knowledge_search",
            "Searches the organisation's documents and returns the best passages. Use it when the passages \
             at hand do not answer the question; put the question into a few specific words.",
            json!({
                "type": "object",
                "properties": {
                    "query": {"type": "string", "minLength": 1, "maxLength": 500, "description": "What to look for."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 8, "description": "Passages wanted; 5 by default."}
                },
                "required": ["query"]
            }),
            Effect::Read,
            Duration::from_secs(20),
        )
    }

    pub(crate) fn new(spec: Arc<ToolSpec>, evidence: Arc<Evidence>) -> Self {
        Self { spec, evidence }
    }
}

#[async_trait]
impl Tool for KnowledgeSearch {
    fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    async fn call(&self, call: &ToolCall) -> Result<String, ToolError> {
        let arguments = call.arguments();
        let query = arguments["query"].as_str().unwrap_or_default();
        let limit = arguments["limit"].as_u64().unwrap_or(DEFAULT_LIMIT);
        let limit = usize::try_from(limit).unwrap_or(1);
        let found = self.evidence.search(query, limit).await.map_err(|error| {
            tracing::warn!(%error, "knowledge_search failed");
            ToolError("The documents could not be searched at the moment.".to_owned())
        })?;
        if found.is_empty() {
            return Ok(
                "Nothing was found. Try other words, or say that the documents do not tell.".to_owned()
            );
        }
        Ok(format_passages(&found))
    }
}
