//! A document whose text is given where it is configured.

use crate::connector::{Connector, ConnectorError, Item, Listing, SourceDocument};
use async_trait::async_trait;
use smooai_smooth_operator_store::AccessList;

/// One document; its id is its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inline {
    source: String,
    text: String,
    acl: AccessList,
}

impl Inline {
    /// A document of this text.
    pub fn new(source: impl Into<String>, text: impl Into<String>, acl: AccessList) -> Self {
        Self { source: source.into(), text: text.into(), acl }
    }
}

#[async_trait]
impl Connector for Inline {
    fn name(&self) -> &str {
        &self.source
    }

    async fn list(&self) -> Result<Listing, ConnectorError> {
        let item =
            Item { id: self.source.as_str().into(), acl: self.acl.clone(), locator: self.source.clone() };
        Ok(Listing { items: vec![item], skipped: Vec::new() })
    }

    async fn read(&self, _item: &Item) -> Result<SourceDocument, ConnectorError> {
        let (source, text) = (self.source.clone(), self.text.clone());
        Ok(SourceDocument { source, title: None, url: None, text })
    }
}
