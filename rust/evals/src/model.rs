//! all-MiniLM-L6-v2 on this machine's processor: a sentence becomes 384 numbers, near for near meanings.
//!
//! The network is BERT with six layers (Devlin et al. 2018; Wang et al. 2020). It is worked out here, in
//! plain Rust over one matrix library, because an inference framework would be most of what is built.

mod encoder;
mod erf;
mod weights;
mod wordpiece;

use anyhow::{Context, Result, ensure};
use encoder::{Encoder, Shape};
use ndarray::{Array2, ArrayView1, Axis, Slice};
use serde::Deserialize;
use smooai_smooth_operator_retrieval::normalise;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use weights::Weights;
use wordpiece::WordPiece;

/// What the model is called in requests.
pub const NAME: &str = "all-MiniLM-L6-v2";

/// The model in memory.
pub struct MiniLm {
    pieces: WordPiece,
    encoder: Encoder,
    longest: usize,
    seen: Seen,
}

#[derive(Deserialize)]
struct SentenceSettings {
    max_seq_length: usize,
}

impl MiniLm {
    /// Reads the model from a folder with `model.safetensors`, `config.json`, `vocab.txt` and
    /// `sentence_bert_config.json`. Of passages that were ordered, it keeps up to `most_kept` bytes.
    ///
    /// # Errors
    /// When a file is missing, or is not of such a model.
    pub fn load(folder: &Path, most_kept: usize) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let shape: Shape = serde_json::from_slice(&read("config.json")?).context("config.json")?;
        let settings: SentenceSettings = serde_json::from_slice(&read("sentence_bert_config.json")?)
            .context("sentence_bert_config.json")?;
        let vocabulary = String::from_utf8(read("vocab.txt")?).context("vocab.txt is not UTF-8")?;
        let pieces = WordPiece::new(&vocabulary)?;
        let weights = Weights::parse(read("model.safetensors")?).context("model.safetensors")?;
        let encoder = Encoder::new(&shape, &weights).context("model.safetensors")?;
        let longest = settings.max_seq_length;
        ensure!((3..=encoder.longest()).contains(&longest), "max_seq_length {longest} is out of range");
        ensure!(pieces.count() <= encoder.words(), "vocab.txt has more pieces than the model knows");
        Ok(Self { pieces, encoder, longest, seen: Seen::new(most_kept) })
    }

    /// How many numbers a vector has.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.encoder.dimension()
    }

    /// The vector of a text, of unit length: the mean over its pieces. What is beyond the model's
    /// longest text is not read.
    #[must_use]
    pub fn embed(&self, text: &str) -> Vec<f32> {
        let ids = self.pieces.ids(text, self.longest);
        let states = self.encoder.run(&ids);
        // A passage that is embedded is likely to be ordered next.
        self.seen.keep(ids, &Arc::new(unit_rows(&states)));
        let mean = states.mean_axis(Axis(0)).map(|mean| mean.to_vec());
        let mut vector = mean.unwrap_or_else(|| vec![0.0; self.dimension()]);
        normalise(&mut vector);
        vector
    }

    /// The vectors of texts, in order, on all processors.
    #[must_use]
    pub fn embed_all(&self, texts: &[String]) -> Vec<Vec<f32>> {
        on_all_processors(texts, |text| self.embed(text))
    }

    /// How well each passage answers the question, from -1 to 1: for every piece of the question the
    /// most similar piece of the passage, in the mean (late interaction, Khattab, Zaharia 2020). The
    /// model was not trained for it.
    #[must_use]
    pub fn late_interaction(&self, question: &str, passages: &[String]) -> Vec<f32> {
        let question = self.piece_vectors(question);
        on_all_processors(passages, |passage| max_sim(&question, &self.piece_vectors(passage)))
    }

    /// One vector of unit length for every piece, without the marks of begin and end.
    fn piece_vectors(&self, text: &str) -> Arc<Array2<f32>> {
        let ids = self.pieces.ids(text, self.longest);
        if let Some(known) = self.seen.get(&ids) {
            return known;
        }
        let states = Arc::new(unit_rows(&self.encoder.run(&ids)));
        self.seen.keep(ids, &states);
        states
    }
}

/// The rows between the marks of begin and end, each of unit length.
fn unit_rows(states: &Array2<f32>) -> Array2<f32> {
    let inner = Slice::from(1..states.nrows().saturating_sub(1).max(1));
    let mut rows = states.slice_axis(Axis(0), inner).to_owned();
    for mut row in rows.rows_mut() {
        let length = row.dot(&row).sqrt();
        if length > 0.0 {
            row /= length;
        }
    }
    rows
}

/// What was worked out lately, by the pieces of the text: a passage is in the pool of many questions.
struct Seen {
    kept: Mutex<HashMap<Vec<u32>, Arc<Array2<f32>>>>,
    most: usize,
}

impl Seen {
    fn new(most: usize) -> Self {
        Self { kept: Mutex::default(), most: most / size_of::<f32>() }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Vec<u32>, Arc<Array2<f32>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, ids: &[u32]) -> Option<Arc<Array2<f32>>> {
        self.kept().get(ids).cloned()
    }

    /// Forgets everything when there is no more room, which costs no more than working it out again.
    fn keep(&self, ids: Vec<u32>, states: &Arc<Array2<f32>>) {
        if states.len() > self.most {
            return;
        }
        let mut kept = self.kept();
        let taken: usize = kept.values().map(|states| states.len()).sum();
        if taken + states.len() > self.most {
            kept.clear();
        }
        kept.insert(ids, Arc::clone(states));
    }
}

/// The mean over the question's rows of the largest product with a row of the passage.
fn max_sim(question: &Array2<f32>, passage: &Array2<f32>) -> f32 {
    if question.is_empty() || passage.is_empty() {
        return 0.0;
    }
    let best = |row: ArrayView1<'_, f32>| row.fold(f32::NEG_INFINITY, |best, x| best.max(*x));
    question.dot(&passage.t()).map_axis(Axis(1), best).mean().unwrap_or(0.0)
}

/// Does the work for every item, as many at once as there are processors; results are in order.
fn on_all_processors<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1_000).collect();
        assert_eq!(on_all_processors(&items, |n| n * 2), items.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert!(on_all_processors(&[] as &[usize], |n| *n).is_empty());
    }

    #[test]
    fn late_interaction_takes_the_best_piece_for_each_of_the_question() {
        let question = array![[1.0, 0.0], [0.0, 1.0]];
        let passage = array![[0.6, 0.8], [1.0, 0.0]];
        assert!((max_sim(&question, &passage) - 0.9).abs() < 1e-6);
        assert_eq!(max_sim(&question, &Array2::zeros((0, 2))), 0.0);
    }

    #[test]
    fn what_was_seen_is_kept_while_there_is_room() {
        let states = Arc::new(Array2::zeros((2, 2)));
        let seen = Seen::new(40);
        seen.keep(vec![1], &states);
        seen.keep(vec![2], &states);
        assert!(seen.get(&[1]).is_some() && seen.get(&[2]).is_some());
        seen.keep(vec![3], &states);
        assert!(seen.get(&[1]).is_none() && seen.get(&[3]).is_some());
        seen.keep(vec![4], &Arc::new(Array2::zeros((6, 2))));
        assert!(seen.get(&[4]).is_none());
    }

    #[test]
    fn a_folder_without_the_model_says_what_is_missing() {
        let error = MiniLm::load(Path::new("/nowhere"), 0).err().unwrap().to_string();
        assert!(error.starts_with("cannot read ") && error.ends_with("config.json"), "{error}");
    }
}
