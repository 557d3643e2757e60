//! Where documents come from.

use crate::report::Skipped;
use async_trait::async_trait;
use smooai_smooth_operator_store::{AccessList, DocumentId};
use std::error::Error;

/// A document that a connector has, before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The id it will be stored under.
    pub id: DocumentId,
    /// Who may read it.
    pub acl: AccessList,
    /// Where the connector finds it; no one else looks into it.
    pub locator: String,
}

/// What a connector has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The documents.
    pub items: Vec<Item>,
    /// What could not be listed, with the reason.
    pub skipped: Vec<Skipped>,
}

/// A document's text as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDocument {
    /// Where it came from, as shown to a reader.
    pub source: String,
    /// Its title; `None` takes the first heading, or the source where there is none.
    pub title: Option<String>,
    /// Where a reader can open it.
    pub url: Option<String>,
    /// Markdown or plain text.
    pub text: String,
}

/// Why something could not be listed or read: one sentence that says what to do, or what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct ConnectorError {
    reason: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ConnectorError {
    /// An error without a deeper cause.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), source: None }
    }

    /// An error with its cause.
    pub fn caused(reason: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { reason: reason.into(), source: Some(source.into()) }
    }
}

/// A source of documents: a folder, a wiki, a ticket system.
#[async_trait]
pub trait Connector: Send + Sync {
    /// What it is, for a log line.
    fn name(&self) -> &str;

    /// Lists what there is, without reading it.
    ///
    /// # Errors
    /// When nothing at all can be listed; the other connectors are still asked.
    async fn list(&self) -> Result<Listing, ConnectorError>;

    /// Reads one of the listed documents.
    ///
    /// # Errors
    /// When it cannot be read; the others are still read.
    async fn read(&self, item: &Item) -> Result<SourceDocument, ConnectorError>;
}
