//! What requests have cost.

use aws_sdk_dynamodb::types::ConsumedCapacity;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the requests of a process to its table have cost, as the service says. What a condition refused and
/// requests for vectors are not among them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spent {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub written: f64,
    /// Requests that were answered: round trips.
    pub requests: u64,
    /// Transactions among them, and the writes that these were made of.
    pub transactions: (u64, u64),
}

/// The same as it is counted, units in hundredths.
#[derive(Default)]
pub(crate) struct Units {
    read: AtomicU64,
    written: AtomicU64,
    requests: AtomicU64,
    transactions: AtomicU64,
    writes_together: AtomicU64,
}

impl Units {
    fn add<'a>(&self, counter: &AtomicU64, costs: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        let units: f64 = costs.into_iter().filter_map(|cost| cost.capacity_units).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cost is small and positive"
        )]
        counter.fetch_add((units * 100.0).round() as u64, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_read<'a>(&self, costs: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        self.add(&self.read, costs);
    }

    pub(super) fn add_written<'a>(&self, costs: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        self.add(&self.written, costs);
    }

    pub(super) fn add_transaction<'a>(
        &self,
        costs: impl IntoIterator<Item = &'a ConsumedCapacity>,
        writes: usize,
    ) {
        self.add(&self.written, costs);
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.writes_together.fetch_add(writes as u64, Ordering::Relaxed);
    }

    pub(crate) fn spent(&self) -> Spent {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 hundredths")]
        let units = |counter: &AtomicU64| count(counter) as f64 / 100.0;
        Spent {
            read: units(&self.read),
            written: units(&self.written),
            requests: count(&self.requests),
            transactions: (count(&self.transactions), count(&self.writes_together)),
        }
    }
}
