//! What a model has answered, kept in a file: a second run asks only for what is new.

use anyhow::{Context, Result};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use smooai_smooth_operator_retrieval::{EmbedError, EmbedKind, Embedder, RerankError, Reranker};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Key = [u8; 32];

/// Numbers by the hash of what was asked, each the same count.
pub struct Memory {
    kept: Mutex<Kept>,
    width: usize,
}

struct Kept {
    known: HashMap<Key, Vec<f32>>,
    file: File,
}

impl Memory {
    /// Reads the file, or begins it. A last entry that was not written whole is dropped.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, width: usize) -> Result<Self> {
        let fault = || format!("cannot use {}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).with_context(fault)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(fault)?;
        let entry = size_of::<Key>() + width * 4;
        let entries = bytes.chunks_exact(entry);
        file.set_len((bytes.len() - entries.remainder().len()) as u64).with_context(fault)?;
        file.seek(SeekFrom::End(0)).with_context(fault)?;
        let known = entries.filter_map(|entry| {
            let (key, numbers) = entry.split_first_chunk()?;
            let (numbers, _) = numbers.as_chunks::<4>();
            Some((*key, numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()))
        });
        Ok(Self { kept: Mutex::new(Kept { known: known.collect(), file }), width })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &Key) -> Option<Vec<f32>> {
        self.kept().known.get(key).cloned()
    }

    fn put(&self, key: Key, numbers: Vec<f32>) -> std::io::Result<()> {
        debug_assert_eq!(numbers.len(), self.width);
        let mut entry = key.to_vec();
        numbers.iter().for_each(|number| entry.extend(number.to_le_bytes()));
        let mut kept = self.kept();
        kept.file.write_all(&entry)?;
        kept.known.insert(key, numbers);
        Ok(())
    }
}

fn key(parts: [&str; 3]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// An embedder that asks another one for what it does not remember.
pub struct RememberingEmbedder<E> {
    inner: E,
    memory: Memory,
}

impl<E: Embedder> RememberingEmbedder<E> {
    /// Vectors are kept in the file.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new(inner: E, path: &Path) -> Result<Self> {
        Ok(Self { memory: Memory::open(path, inner.dimension())?, inner })
    }
}

#[async_trait]
impl<E: Embedder> Embedder for RememberingEmbedder<E> {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    fn relevant_cosine(&self) -> f32 {
        self.inner.relevant_cosine()
    }

    fn weight(&self) -> f32 {
        self.inner.weight()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let use_of = if kind == EmbedKind::Query { "query" } else { "document" };
        let keys: Vec<Key> = texts.iter().map(|text| key([self.id(), use_of, text])).collect();
        let mut vectors: Vec<Option<Vec<f32>>> = keys.iter().map(|key| self.memory.get(key)).collect();
        let missing: Vec<usize> = (0..texts.len()).filter(|at| vectors[*at].is_none()).collect();
        if !missing.is_empty() {
            let asked: Vec<String> = missing.iter().map(|at| texts[*at].clone()).collect();
            let answers = self.inner.embed(kind, &asked).await?;
            for (at, vector) in missing.into_iter().zip(answers) {
                let kept = self.memory.put(keys[at], vector.clone());
                kept.map_err(|error| EmbedError::caused("a vector could not be kept", error))?;
                vectors[at] = Some(vector);
            }
        }
        let vectors: Option<Vec<Vec<f32>>> = vectors.into_iter().collect();
        vectors.ok_or_else(|| EmbedError::new("the embedder gave fewer vectors than texts"))
    }
}

/// A reranker that asks another one for the passages that it does not remember.
pub struct RememberingReranker<R> {
    inner: R,
    id: String,
    memory: Memory,
}

impl<R: Reranker> RememberingReranker<R> {
    /// Scores are kept in the file under the model's name.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new(inner: R, id: impl Into<String>, path: &Path) -> Result<Self> {
        Ok(Self { inner, id: id.into(), memory: Memory::open(path, 1)? })
    }
}

#[async_trait]
impl<R: Reranker> Reranker for RememberingReranker<R> {
    async fn rerank(
        &self,
        query: &str,
        passages: &[String],
        top: usize,
    ) -> Result<Vec<(usize, f32)>, RerankError> {
        let keys: Vec<Key> = passages.iter().map(|passage| key([&self.id, query, passage])).collect();
        let score = |at: usize| self.memory.get(&keys[at]).and_then(|numbers| numbers.first().copied());
        let missing: Vec<usize> = (0..passages.len()).filter(|at| score(*at).is_none()).collect();
        let asked: Vec<String> = missing.iter().map(|at| passages[*at].clone()).collect();
        for (place, score) in self.inner.rerank(query, &asked, asked.len()).await? {
            let kept = missing.get(place).map(|at| self.memory.put(keys[*at], vec![score]));
            kept.transpose().map_err(|error| RerankError::caused("a score could not be kept", error))?;
        }
        let mut ranked: Vec<(usize, f32)> =
            (0..passages.len()).filter_map(|at| Some((at, score(at)?))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(top);
        Ok(ranked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers with the text's length, and counts the texts that it was asked for.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Counting {
        fn lengths(&self, texts: &[String]) -> Vec<f32> {
            self.0.fetch_add(texts.len(), Ordering::Relaxed);
            texts.iter().map(|text| text.len() as f32).collect()
        }
    }

    #[async_trait]
    impl Embedder for Counting {
        fn id(&self) -> &str {
            "counting"
        }

        fn dimension(&self) -> usize {
            2
        }

        async fn embed(&self, _kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
            Ok(self.lengths(texts).into_iter().map(|length| vec![length, 0.5]).collect())
        }
    }

    #[async_trait]
    impl Reranker for Counting {
        async fn rerank(
            &self,
            _query: &str,
            passages: &[String],
            _top: usize,
        ) -> Result<Vec<(usize, f32)>, RerankError> {
            Ok(self.lengths(passages).into_iter().enumerate().collect())
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[tokio::test]
    async fn only_what_is_new_is_embedded_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors");
        let first = RememberingEmbedder::new(Counting::default(), &path).unwrap();
        first.embed(EmbedKind::Document, &texts(&["a", "bb"])).await.unwrap();
        drop(first);
        // A run that was ended in the middle of a write.
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend([1, 2, 3]);
        std::fs::write(&path, bytes).unwrap();
        let second = RememberingEmbedder::new(Counting::default(), &path).unwrap();
        let vectors = second.embed(EmbedKind::Document, &texts(&["ccc", "bb", "a"])).await.unwrap();
        assert_eq!(vectors, [[3.0, 0.5], [2.0, 0.5], [1.0, 0.5]]);
        assert_eq!(second.inner.0.load(Ordering::Relaxed), 1);
        second.embed(EmbedKind::Query, &texts(&["a"])).await.unwrap();
        assert_eq!(second.inner.0.load(Ordering::Relaxed), 2);
        let third = RememberingEmbedder::new(Counting::default(), &path).unwrap();
        third.embed(EmbedKind::Document, &texts(&["ccc"])).await.unwrap();
        assert_eq!(third.inner.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn remembered_scores_and_new_ones_make_one_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores");
        let reranker = RememberingReranker::new(Counting::default(), "counting", &path).unwrap();
        assert_eq!(reranker.rerank("q", &texts(&["a", "ccc"]), 2).await.unwrap(), [(1, 3.0), (0, 1.0)]);
        let ranked = reranker.rerank("q", &texts(&["bb", "ccc", "a"]), 2).await.unwrap();
        assert_eq!(ranked, [(1, 3.0), (0, 2.0)]);
        assert_eq!(reranker.inner.0.load(Ordering::Relaxed), 3);
    }
}
