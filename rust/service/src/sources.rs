//! The sources of answers that were given before. An answer keeps what it cited and what it quotes; whenever
//! it is shown again, is given to a model as memory, or a parked turn goes on, it is asked anew what of that
//! the reader may see: lists change, and documents go.

use crate::evidence::Finding;
use crate::quotes::{CUT, Quote, Quoted, without};
use crate::service::Service;
use serde::Deserialize as _;
use serde_json::Value;
use smooai_smooth_operator_core::Run;
use smooai_smooth_operator_protocol::{Citation, TurnResponse};
use smooai_smooth_operator_store::{Access, ChunkRef, DocumentId, Message, StoreError};
use std::collections::BTreeSet;
use std::time::Duration;

/// The key of an answer's stored form under which its citations stand.
const CITATIONS: &str = "citations";

/// The key under which its quotations stand. It is never shown.
const QUOTES: &str = "quotes";

/// The key of the response's texts.
const PARTS: &str = "responseParts";

/// An answer is not held up for longer than this by the question which of its citations may be shown.
const DEADLINE: Duration = Duration::from_secs(3);

/// An answer as it is stored: the response, what it cited, and what its text quotes.
pub(crate) fn structured(
    response: &TurnResponse,
    citations: &[Citation],
    quotes: &[Quote],
) -> serde_json::Result<Value> {
    let mut structured = serde_json::to_value(response)?;
    if let Value::Object(fields) = &mut structured {
        if !citations.is_empty() {
            fields.insert(CITATIONS.to_owned(), serde_json::to_value(citations)?);
        }
        if !quotes.is_empty() {
            fields.insert(QUOTES.to_owned(), serde_json::to_value(quotes)?);
        }
    }
    Ok(structured)
}

/// The documents that messages cite or quote.
pub(crate) fn documents(messages: &[Message]) -> BTreeSet<DocumentId> {
    let named = |list: &'static str, name: &'static str| {
        let structured = messages.iter().filter_map(|message| message.structured.as_ref());
        let listed = structured.filter_map(move |structured| structured.get(list)?.as_array()).flatten();
        listed.filter_map(move |one| one.get(name)?.as_str()).map(DocumentId::from)
    };
    named(CITATIONS, "id").chain(named(QUOTES, "document")).collect()
}

/// What a message quotes from these documents.
pub(crate) fn quoted(message: &Message, readable: &BTreeSet<DocumentId>) -> Vec<Quoted> {
    let quotes = message.structured.as_ref().and_then(|structured| structured.get(QUOTES));
    let quotes: Vec<Quote> = quotes.and_then(|quotes| Vec::deserialize(quotes).ok()).unwrap_or_default();
    let quoted = |Quote { document, start, end }| {
        let text = message.text.get(start..end)?.to_owned();
        readable.contains(&DocumentId::from(document.as_str())).then_some(Quoted { document, text })
    };
    quotes.into_iter().filter_map(quoted).collect()
}

/// Leaves out the citations of all other documents, and the key with the last of them; takes what is quoted
/// from them out of the texts.
pub(crate) fn keep(message: &mut Message, readable: &BTreeSet<DocumentId>) {
    let Some(Value::Object(fields)) = &mut message.structured else { return };
    let may_be_read = |id: &str| readable.contains(&DocumentId::from(id));
    if let Some(mut citations) = fields.remove(CITATIONS)
        && let Value::Array(cited) = &mut citations
    {
        cited.retain(|citation| citation.get("id").and_then(Value::as_str).is_some_and(may_be_read));
        if !cited.is_empty() {
            fields.insert(CITATIONS.to_owned(), citations);
        }
    }
    let quotes = fields.remove(QUOTES).and_then(|quotes| serde_json::from_value::<Vec<Quote>>(quotes).ok());
    let Some(quotes) = quotes else { return };
    let text = without(&message.text, &quotes, may_be_read);
    if let Some(Value::Array(parts)) = fields.get_mut(PARTS) {
        for part in parts.iter_mut().filter(|part| part.as_str() == Some(message.text.as_str())) {
            *part = Value::String(text.clone());
        }
    }
    message.text = text;
}

impl Service {
    /// Those of the documents that the reader may see now, by one query.
    async fn readable(
        &self,
        access: &Access,
        documents: BTreeSet<DocumentId>,
    ) -> Result<BTreeSet<DocumentId>, StoreError> {
        if documents.is_empty() {
            return Ok(documents);
        }
        // What was cited has a first piece; a document without one is gone for a reader.
        let first = documents.into_iter().map(|document| ChunkRef { document, ordinal: 0 });
        let passages = self.storage.knowledge.passages(access, &first.collect::<Vec<_>>()).await?;
        Ok(passages.into_iter().map(|passage| passage.chunk.document).collect())
    }

    /// Those of the documents that the reader may see now; none where that cannot be found out in time,
    /// which is logged: the answer is shown without its citations and quotations then.
    pub(crate) async fn citable(
        &self,
        access: &Access,
        documents: BTreeSet<DocumentId>,
    ) -> BTreeSet<DocumentId> {
        match tokio::time::timeout(DEADLINE, self.readable(access, documents)).await {
            Ok(Ok(readable)) => readable,
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "citations are left out: whether they may be shown could not be found out"
                );
                BTreeSet::new()
            }
            Err(_elapsed) => {
                let limit_ms = DEADLINE.as_millis();
                tracing::warn!(limit_ms, "citations are left out: whether they may be shown took too long");
                BTreeSet::new()
            }
        }
    }

    /// Takes out of a turn that was parked what its reader may not see any more: passages that were found,
    /// and what earlier answers quote. No model is given them from here on.
    pub(crate) async fn withdraw(
        &self,
        access: &Access,
        run: &mut Run,
        findings: &mut [Finding],
        quoted: &mut Vec<Quoted>,
    ) -> Result<(), StoreError> {
        let found = findings.iter().flat_map(Finding::documents).cloned();
        let said = quoted.iter().map(|quoted| DocumentId::from(quoted.document.as_str()));
        let readable = self.readable(access, found.chain(said).collect()).await?;
        let gone: Vec<(String, String)> =
            findings.iter_mut().flat_map(|finding| finding.keep(&readable)).collect();
        let unsaid: Vec<Quoted> = quoted
            .extract_if(.., |quoted| !readable.contains(&DocumentId::from(quoted.document.as_str())))
            .collect();
        if gone.is_empty() && unsaid.is_empty() {
            return Ok(());
        }
        let mut changed = run.withdraw(gone.iter().map(|(source, title)| (source.as_str(), title.as_str())));
        changed += run.unsay(&unsaid.iter().map(|quoted| quoted.text.as_str()).collect::<Vec<_>>(), CUT);
        tracing::info!(
            passages = gone.len(),
            quotations = unsaid.len(),
            changed,
            "a turn goes on without what was revoked while it waited"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;
    use smooai_smooth_operator_store::Direction;

    fn message(structured: Option<Value>) -> Message {
        Message {
            id: "m".into(),
            conversation: "c".into(),
            direction: Direction::Outbound,
            text: "Well.".to_owned(),
            structured,
            from: "agent".into(),
            to: "user".into(),
            request_id: "t".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_what_is_readable_stays_cited() {
        let two = json!({"responseParts": [], "citations": [{"id": "a", "title": "A"}, {"id": "b"}]});
        let mut both = message(Some(two));
        assert_eq!(documents(std::slice::from_ref(&both)), ["a".into(), "b".into()].into());
        keep(&mut both, &["b".into(), "x".into()].into());
        assert_eq!(both.structured, Some(json!({"responseParts": [], "citations": [{"id": "b"}]})));
        keep(&mut both, &BTreeSet::new());
        assert_eq!(both.structured, Some(json!({"responseParts": []})));
    }

    #[test]
    fn what_is_quoted_goes_from_the_text_and_its_part_and_is_never_shown_as_such() {
        let quotes = json!([{"document": "a", "start": 0, "end": 4}]);
        let mut one = message(Some(json!({"responseParts": ["Well."], "quotes": quotes})));
        let mut other = one.clone();
        assert_eq!(documents(std::slice::from_ref(&one)), ["a".into()].into());
        keep(&mut one, &["a".into()].into());
        assert_eq!((one.text.as_str(), one.structured), ("Well.", Some(json!({"responseParts": ["Well."]}))));
        keep(&mut other, &BTreeSet::new());
        assert_eq!(
            (other.text.as_str(), other.structured),
            ("[…].", Some(json!({"responseParts": ["[…]."]})))
        );
    }

    #[test]
    fn citations_that_cannot_be_read_are_not_shown() {
        for odd in [json!("a"), json!({"id": "a"}), json!([]), json!(["a"]), json!([{"id": 1}, {}, null])] {
            let mut odd = message(Some(json!({"citations": odd, "x": 1})));
            assert!(documents(std::slice::from_ref(&odd)).is_empty());
            keep(&mut odd, &["a".into()].into());
            assert_eq!(odd.structured, Some(json!({"x": 1})));
        }
        for other in [None, Some(json!([1])), Some(json!({"x": 1}))] {
            let mut kept = message(other.clone());
            keep(&mut kept, &BTreeSet::new());
            assert_eq!(kept.structured, other);
        }
    }
}
