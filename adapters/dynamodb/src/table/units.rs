//! What requests have cost.

use aws_sdk_dynamodb::types::ConsumedCapacity;
use std::sync::atomic::{AtomicU64, Ordering};

/// What requests have cost since the start, in hundredths of capacity units.
#[derive(Default)]
pub(crate) struct Units {
    read: AtomicU64,
    written: AtomicU64,
    requests: AtomicU64,
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

    /// Read units, write units, and how many requests they were.
    pub(crate) fn spent(&self) -> (f64, f64, u64) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 hundredths")]
        let units = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64 / 100.0;
        (units(&self.read), units(&self.written), self.requests.load(Ordering::Relaxed))
    }
}
