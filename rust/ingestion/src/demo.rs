//! Two small documents to try the product with.

use crate::inline::Inline;
use smooai_smooth_operator_store::AccessList;

/// The documents that `SMOOTH_AGENT_SEED_KB=1` loads: source and text.
pub const DEMO_DOCUMENTS: [(&str, &str); 2] = [
    ("policies/returns.md", include_str!("../demo/policies/returns.md")),
    ("policies/shipping.md", include_str!("../demo/policies/shipping.md")),
];

/// [`DEMO_DOCUMENTS`] as connectors, readable by everyone in the organisation.
pub fn demo() -> impl Iterator<Item = Inline> {
    DEMO_DOCUMENTS.into_iter().map(|(source, text)| Inline::new(source, text, AccessList::Public))
}
