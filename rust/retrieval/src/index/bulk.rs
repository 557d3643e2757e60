//! Many documents at once: whoever calls reads them, threads beside it index them.

use super::View;
use super::segment::Segment;
use crate::analyse::Analyser;
use crate::bm25::Terms;
use smooai_smooth_operator_store::Document;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle, available_parallelism};

/// So many documents are indexed and merged at once.
const AT_ONCE: usize = 256;

/// Documents with their place in the order in which they came.
type Batch = (usize, Vec<Document>);

/// What became of batches, with their places.
type Indexed = Vec<(usize, View)>;

/// The documents as segments in the order in which they came, whatever thread was quicker: an index of
/// the same documents is always the same.
pub(super) fn index<E>(
    documents: impl Iterator<Item = Result<Document, E>>,
    analyser: &Analyser,
) -> Result<Vec<View>, E> {
    let beside = available_parallelism().map_or(1, NonZero::get) - 1;
    let (give, taken) = sync_channel::<Batch>(beside);
    let taken = Mutex::new(taken);
    let mut terms = Terms::new(analyser);
    let mut indexed = Indexed::new();
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for batch in (Batches { documents, count: 0 }) {
            // This also ends the workers: the channel is closed when `give` is dropped.
            let batch = batch?;
            if workers.len() < beside {
                workers.extend(worker(scope, &taken, analyser));
            }
            // When all have enough to do, or there is no other, it is done here.
            if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = give.try_send(batch) {
                indexed.push(one(batch, &mut terms));
            }
        }
        drop(give);
        indexed.extend(all(&taken, &mut terms));
        for worker in workers {
            indexed.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        Ok(())
    })?;
    indexed.sort_unstable_by_key(|(place, _)| *place);
    Ok(indexed.into_iter().map(|(_, view)| view).collect())
}

/// A thread that indexes batches; none if the system gives no more threads.
fn worker<'scope>(
    scope: &'scope Scope<'scope, '_>,
    taken: &'scope Mutex<Receiver<Batch>>,
    analyser: &'scope Analyser,
) -> Option<ScopedJoinHandle<'scope, Indexed>> {
    let work = move || all(taken, &mut Terms::new(analyser));
    Builder::new().name("index".to_owned()).spawn_scoped(scope, work).ok()
}

/// Indexes batches until there are no more.
fn all(taken: &Mutex<Receiver<Batch>>, terms: &mut Terms<'_>) -> Indexed {
    let next = || taken.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
    std::iter::from_fn(next).map(|batch| one(batch, terms)).collect()
}

fn one((place, documents): Batch, terms: &mut Terms<'_>) -> (usize, View) {
    let single = |document| View::new(Segment::of(Arc::new(document), terms));
    let single: Vec<View> = documents.into_iter().map(single).collect();
    (place, View::new(Segment::merge(&single)))
}

/// Cuts the documents into batches.
struct Batches<I> {
    documents: I,
    count: usize,
}

impl<E, I: Iterator<Item = Result<Document, E>>> Iterator for Batches<I> {
    type Item = Result<Batch, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let some: Result<Vec<Document>, E> = self.documents.by_ref().take(AT_ONCE).collect();
        let place = self.count;
        self.count += 1;
        match some {
            Ok(some) if some.is_empty() => None,
            Ok(some) => Some(Ok((place, some))),
            Err(error) => Some(Err(error)),
        }
    }
}
