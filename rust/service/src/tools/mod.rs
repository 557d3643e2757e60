//! The built-in tools, and the decorators around tools.

mod ask;
mod journaled;
mod knowledge_search;
mod unverifiable;

pub(crate) use ask::Ask;
pub(crate) use journaled::Journaled;
pub(crate) use knowledge_search::KnowledgeSearch;
pub(crate) use unverifiable::Unverifiable;
