//! What models cost where the gateway does not say: a table that the operator fills.

use smooai_smooth_operator_core::Usage;

/// A price of the models whose names match a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// The model's name, where `*` stands for any text.
    pub model: String,
    /// US dollars for a million tokens read.
    pub prompt: f64,
    /// US dollars for a million tokens written.
    pub completion: f64,
}

/// Prices; the first whose pattern matches counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceTable(Vec<Price>);

impl PriceTable {
    /// A table of these prices.
    #[must_use]
    pub fn new(prices: Vec<Price>) -> Self {
        Self(prices)
    }

    /// What this use of a model costs in US dollars, where the table knows the model.
    #[must_use]
    pub fn cost(&self, model: &str, usage: &Usage) -> Option<f64> {
        let price = self.0.iter().find(|price| matches(&price.model, model))?;
        let cost = |tokens: u64, per_million: f64| tokens as f64 * per_million / 1_000_000.0;
        Some(cost(usage.prompt_tokens, price.prompt) + cost(usage.completion_tokens, price.completion))
    }
}

/// Whether a text fits a pattern in which `*` stands for any text, the empty one too.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let yes = [
            ("gpt-5", "gpt-5"),
            ("gpt-*", "gpt-5-mini"),
            ("*", ""),
            ("*haiku*", "claude-haiku-4"),
            ("a*a", "aa"),
        ];
        let no = [("gpt-5", "gpt-5-mini"), ("gpt-*", "o3"), ("a*a", "a"), ("*b*c", "cb"), ("", "x")];
        for (pattern, text) in yes {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in no {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_match_counts_and_an_unknown_model_has_no_price() {
        let price = |model: &str, prompt, completion| Price { model: model.into(), prompt, completion };
        let table = PriceTable::new(vec![price("gpt-5-mini", 1.0, 2.0), price("gpt-*", 10.0, 20.0)]);
        let usage = Usage { prompt_tokens: 500_000, completion_tokens: 1_000_000, cost_usd: None };
        assert_eq!(table.cost("gpt-5-mini", &usage), Some(2.5));
        assert_eq!(table.cost("gpt-5", &usage), Some(25.0));
        assert_eq!(table.cost("claude", &usage), None);
    }
}
