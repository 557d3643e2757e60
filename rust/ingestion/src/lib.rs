//! From sources to the store: connectors say what there is, and the pipeline cuts, embeds and puts it.

mod connector;
mod demo;
mod files;
mod inline;
mod pipeline;
mod report;

pub use connector::{Connector, ConnectorError, Item, Listing, SourceDocument};
pub use demo::{DEMO_DOCUMENTS, demo};
pub use files::{FileError, Files};
pub use inline::Inline;
pub use pipeline::{Clock, Pipeline};
pub use report::{Progress, Report, Skipped};
