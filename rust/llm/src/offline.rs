//! The offline model: no network and no key. It answers with the sentences of the passages that the
//! request holds, and says that no model is connected.

mod passages;
mod sentences;

use async_trait::async_trait;
use futures_util::stream;
use passages::Passage;
use smooai_smooth_operator_core::{
    ChatMessage, ContentPart, FinishReason, LlmError, LlmProvider, ModelDelta, ModelRequest, ModelStream,
};
use smooai_smooth_operator_retrieval::analyse::{Analyser, Language};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// The first line of an answer with sentences.
pub const FOUND: &str = "No language model is connected; these are the closest passages from the documents.";

/// The whole answer when no sentence fits.
pub const NOT_FOUND: &str = "No language model is connected, and no sentence of the documents matches this question. \
    Set SMOOAI_GATEWAY_KEY and start without --offline for answers in a model's own words.";

/// Sentences in one answer.
const MAX_SENTENCES: usize = 4;

/// A sentence that says much less about the question than the best one is left out.
const WORTH: f64 = 0.45;

/// What a question's word is worth when it stands in the heading or title above a sentence, against 1 in
/// the sentence itself.
const HEADING_WORTH: f64 = 0.5;

/// A model that quotes.
pub struct ExtractiveModel {
    analyser: Analyser,
}

impl ExtractiveModel {
    /// For documents and questions of this language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self { analyser: Analyser::new(language) }
    }

    /// The answer to the request's last question from the passages in its messages.
    fn answer(&self, messages: &[ChatMessage]) -> String {
        let question: HashSet<String> = self.analyser.terms(&last_question(messages)).into_iter().collect();
        let passages = passages::of(messages);
        let best = self.best_sentences(&question, &passages);
        if best.is_empty() {
            return NOT_FOUND.to_owned();
        }
        let mut answer = FOUND.to_owned();
        let mut last = None;
        for Candidate { passage, sentence, .. } in best {
            let source = &passages[passage];
            if last != Some(&source.source) {
                // Writing into a string cannot fail.
                let _ = match source.title.is_empty() || source.title == source.source {
                    true => write!(answer, "\n\n{}:\n", source.source),
                    false => write!(answer, "\n\n{} ({}):\n", source.title, source.source),
                };
                last = Some(&source.source);
            }
            let _ = write!(answer, "\n- {sentence}");
        }
        answer
    }

    /// The sentences that say most about the question, in the order of the passages.
    fn best_sentences(&self, question: &HashSet<String>, passages: &[Passage]) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (passage, source) in passages.iter().enumerate() {
            for sentence in sentences::of(&source.text) {
                let terms: HashSet<String> = self.analyser.terms(&sentence.text).into_iter().collect();
                let above = format!("{}\n{}", source.title, sentence.heading);
                let above: HashSet<String> = self.analyser.terms(&above).into_iter().collect();
                candidates.push((Candidate { passage, sentence: sentence.text, score: 0.0 }, terms, above));
            }
        }
        let mut holders: HashMap<&str, usize> = HashMap::new();
        for (_, terms, _) in &candidates {
            for term in terms.intersection(question) {
                *holders.entry(term).or_default() += 1;
            }
        }
        // As in keyword search: a word that few sentences hold says more about the one that does.
        let count = candidates.len() as f64;
        let weight = |term: &str| (1.0 + count / (1.0 + holders.get(term).copied().unwrap_or(0) as f64)).ln();
        let scores: Vec<f64> = candidates
            .iter()
            .map(|(candidate, terms, above)| {
                let inside: f64 = terms.intersection(question).map(|term| weight(term)).sum();
                let around: f64 = above
                    .intersection(question)
                    .filter(|term| !terms.contains(*term))
                    .map(|term| weight(term))
                    .sum();
                (inside + HEADING_WORTH * around) / (1.0 + 0.1 * candidate.passage as f64)
            })
            .collect();
        let mut best: Vec<Candidate> = candidates
            .into_iter()
            .zip(scores)
            .filter(|(_, score)| *score > 0.0)
            .map(|((candidate, ..), score)| Candidate { score, ..candidate })
            .collect();
        best.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut seen = HashSet::new();
        best.retain(|candidate| seen.insert(candidate.sentence.clone()));
        best.truncate(MAX_SENTENCES);
        let least = best.first().map_or(0.0, |best| best.score * WORTH);
        best.retain(|candidate| candidate.score >= least);
        best.sort_by_key(|candidate| candidate.passage);
        best
    }
}

struct Candidate {
    /// The passage's place.
    passage: usize,
    sentence: String,
    score: f64,
}

#[async_trait]
impl LlmProvider for ExtractiveModel {
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, LlmError> {
        let answer = self.answer(&request.messages);
        let mut deltas: Vec<Result<ModelDelta, LlmError>> = answer
            .split_inclusive(char::is_whitespace)
            .map(|word| Ok(ModelDelta::Text(word.to_owned())))
            .collect();
        deltas.push(Ok(ModelDelta::Finish(FinishReason::Stop)));
        Ok(Box::pin(stream::iter(deltas)))
    }

    fn is_available(&self) -> bool {
        true
    }
}

/// The text of the last message of a person.
fn last_question(messages: &[ChatMessage]) -> String {
    let parts = messages.iter().rev().find_map(|message| match message {
        ChatMessage::User { parts } => Some(parts),
        _ => None,
    });
    let texts = parts.into_iter().flatten().filter_map(|part| match part {
        ContentPart::Text { text } => Some(text.as_str()),
        ContentPart::Image { .. } | ContentPart::File { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use smooai_smooth_operator_core::{KnowledgePassage, format_passages};
    use std::sync::Arc;

    const RETURNS: &str = "# Returns\n\nReturns are accepted within 17 days\nof delivery. Keep the receipt.\n\n\
        ## Refunds\n\n- Money is sent back to the card.\n- It takes five days.\n";
    const SHIPPING: &str = "# Shipping\n\nParcels take 5–7 business days. Express takes 2.\n";

    fn passages() -> String {
        let passage = |source: &str, title: &str, text: &str| KnowledgePassage {
            source: source.into(),
            title: title.into(),
            text: text.into(),
        };
        format_passages(&[
            passage("policies/returns.md", "Returns", RETURNS),
            passage("policies/shipping.md", "Shipping & \"more\"", SHIPPING),
        ])
    }

    async fn words(messages: Vec<ChatMessage>) -> Vec<ModelDelta> {
        let request = ModelRequest {
            model: "offline".into(),
            messages,
            tools: Arc::default(),
            may_call_tools: true,
            max_tokens: 100,
            temperature: None,
        };
        let model = ExtractiveModel::new(Language::English);
        assert!(model.is_available());
        model.stream(request).await.unwrap().map(Result::unwrap).collect().await
    }

    async fn answer(messages: Vec<ChatMessage>) -> String {
        let mut deltas = words(messages).await;
        assert_eq!(deltas.pop(), Some(ModelDelta::Finish(FinishReason::Stop)));
        let text = deltas.into_iter().map(|delta| match delta {
            ModelDelta::Text(text) => text,
            other => panic!("{other:?}"),
        });
        text.collect()
    }

    async fn ask(question: &str) -> String {
        let system = format!("Be kind.\n\n{}", passages());
        answer(vec![ChatMessage::system(system), ChatMessage::user(question)]).await
    }

    #[tokio::test]
    async fn the_sentence_that_answers_is_quoted_with_its_source() {
        let expected = format!(
            "{FOUND}\n\nReturns (policies/returns.md):\n\n- Returns are accepted within 17 days of delivery."
        );
        assert_eq!(ask("How many days do I have to return something after delivery?").await, expected);
        let express = format!("{FOUND}\n\nShipping & \"more\" (policies/shipping.md):\n\n- Express takes 2.");
        assert_eq!(ask("And express?").await, express);
    }

    #[tokio::test]
    async fn a_heading_tells_what_its_sentences_are_about() {
        assert!(ask("refund").await.contains("- Money is sent back to the card."));
    }

    #[tokio::test]
    async fn what_tools_found_counts_and_only_the_last_question_does() {
        let found =
            ChatMessage::Tool { call_id: "1".into(), name: "knowledge_search".into(), text: passages() };
        let messages = vec![
            ChatMessage::user("express?"),
            ChatMessage::assistant("2 days"),
            ChatMessage::user("Is a receipt needed?"),
            found,
        ];
        let answer = answer(messages).await;
        assert!(answer.contains("Keep the receipt.") && !answer.contains("Express"), "{answer}");
    }

    #[tokio::test]
    async fn it_says_so_when_nothing_matches() {
        for question in ["Who won the cup in 1954?", "the", ""] {
            assert_eq!(ask(question).await, NOT_FOUND, "{question}");
        }
        assert_eq!(answer(vec![ChatMessage::user("returns?")]).await, NOT_FOUND);
        assert_eq!(answer(vec![]).await, NOT_FOUND);
    }

    #[tokio::test]
    async fn it_comes_word_by_word() {
        let system = ChatMessage::system(passages());
        let deltas = words(vec![system, ChatMessage::user("return window")]).await;
        assert!(deltas.len() > 15, "{deltas:?}");
    }
}
