//! What a run may use, and what it has used.

use crate::llm::Usage;
use serde::{Deserialize, Serialize};

/// The most a run may use; a spent budget ends the run with one last reply without tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CostBudget {
    /// US dollars; `None` is no limit.
    pub max_cost_usd: Option<f64>,
    /// Tokens read and written; `None` is no limit.
    pub max_tokens: Option<u64>,
}

/// Sums usage against a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CostTracker {
    budget: CostBudget,
    total: Usage,
}

impl CostTracker {
    /// Nothing used yet.
    #[must_use]
    pub fn new(budget: CostBudget) -> Self {
        Self { budget, total: Usage::default() }
    }

    /// Counts one model call. A cost that is no amount of money (negative, infinite) is not counted.
    pub fn add(&mut self, mut usage: Usage) {
        usage.cost_usd = usage.cost_usd.filter(|cost| cost.is_finite() && *cost >= 0.0);
        self.total += usage;
    }

    /// The sums so far.
    #[must_use]
    pub fn total(&self) -> Usage {
        self.total
    }

    /// Whether the budget is used up.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        let tokens = self.total.prompt_tokens.saturating_add(self.total.completion_tokens);
        let over_tokens = self.budget.max_tokens.is_some_and(|max| tokens >= max);
        let over_cost = match (self.budget.max_cost_usd, self.total.cost_usd) {
            (Some(max), Some(cost)) => cost >= max,
            _ => false,
        };
        over_tokens || over_cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_neither_overflow_nor_count_what_is_no_cost() {
        let mut tracker =
            CostTracker::new(CostBudget { max_cost_usd: Some(1.0), max_tokens: Some(u64::MAX) });
        let usage = |cost| Usage { prompt_tokens: u64::MAX, completion_tokens: 1, cost_usd: Some(cost) };
        tracker.add(usage(0.25));
        for cost in [f64::NAN, f64::INFINITY, -1.0, 0.25] {
            tracker.add(usage(cost));
        }
        let total = Usage { prompt_tokens: u64::MAX, completion_tokens: 5, cost_usd: Some(0.5) };
        assert_eq!(tracker.total(), total);
        assert!(tracker.is_spent());
    }

    #[test]
    fn a_budget_is_spent_by_tokens_or_by_money() {
        let usage = Usage { prompt_tokens: 90, completion_tokens: 10, cost_usd: Some(0.02) };
        let spent = |max_tokens, max_cost_usd| {
            let mut tracker = CostTracker::new(CostBudget { max_cost_usd, max_tokens });
            tracker.add(usage);
            tracker.is_spent()
        };
        assert!(!spent(None, None));
        assert!(spent(Some(100), None));
        assert!(!spent(Some(101), None));
        assert!(spent(None, Some(0.02)));
        assert!(!spent(None, Some(0.03)));
    }
}
