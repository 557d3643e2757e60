//! What a load has done so far, and at its end.

use std::time::Duration;

/// Something that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Which document or place.
    pub source: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// How far a load is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Documents dealt with, skipped ones included.
    pub files: usize,
    /// Documents found.
    pub files_total: usize,
    /// Chunks stored.
    pub chunks: usize,
    /// Since the load began.
    pub elapsed: Duration,
}

impl Progress {
    /// Chunks stored per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { f64::from(u32::try_from(self.chunks).unwrap_or(u32::MAX)) / seconds } else { 0.0 }
    }
}

/// What a load did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Documents that were new.
    pub created: usize,
    /// Documents that took the place of an older version.
    pub replaced: usize,
    /// Documents that are stored already; nothing of them was embedded.
    pub unchanged: usize,
    /// Chunks of the new and replaced ones.
    pub chunks: usize,
    /// Documents stored without vectors because the embedder failed: found by keywords only, and
    /// embedded by the next load.
    pub unembedded: usize,
    /// What was not loaded, with the reason.
    pub skipped: Vec<Skipped>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Documents that are in the store now.
    #[must_use]
    pub fn documents(&self) -> usize {
        self.created + self.replaced + self.unchanged
    }
}
