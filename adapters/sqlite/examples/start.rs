//! How long documents take to be read into memory when the database is opened, for a number of chunks of
//! 100 words with embeddings of 384 numbers: `cargo run --release --example start -- 10000 100000`.
#![expect(clippy::print_stdout, reason = "this program prints what it measured")]

use smooai_smooth_operator_adapter_sqlite::{FILE, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_retrieval::normalise;
use smooai_smooth_operator_store::{Access, AccessList, Chunk, Document, Record};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// Chunks per document, words per chunk, and numbers per embedding.
const CHUNKS: usize = 10;
const WORDS: usize = 100;
const DIMENSION: usize = 384;
/// So many documents are taken in at once.
const AT_ONCE: usize = 100;

/// Numbers from a seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A word out of 50,000, the frequent ones much more often.
    fn word(&mut self) -> String {
        let rank = 50_000 / (1 + self.next() % 50_000) + self.next() % 7;
        format!("word{rank}ing")
    }

    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    fn chunk(&mut self) -> Chunk {
        let words: Vec<String> = (0..WORDS).map(|_| self.word()).collect();
        let mut embedding =
            (0..DIMENSION).map(|_| (self.next() >> 40) as f32 - 8_388_608.0).collect::<Vec<_>>();
        normalise(&mut embedding);
        let text = words.join(" ");
        Chunk { start: 0, end: text.len(), headings: vec!["Guide".to_owned()], text, embedding }
    }

    fn document(&mut self, n: usize) -> Document {
        Document {
            id: format!("d{n}").into(),
            organization: "o".into(),
            source: format!("d{n}.md"),
            title: format!("Document {n}"),
            url: None,
            acl: AccessList::Public,
            content_hash: n.to_string(),
            chunks: (0..CHUNKS).map(|_| self.chunk()).collect(),
            updated_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for argument in std::env::args().skip(1) {
        let chunks: usize = argument.parse()?;
        let folder = tempfile::tempdir()?;
        let began = Instant::now();
        fill(folder.path(), chunks / CHUNKS).await?;
        let filled = began.elapsed();
        let size = std::fs::metadata(folder.path().join(FILE))?.len() >> 20;
        let (opened, searched) = start(folder.path()).await?;
        println!(
            "{chunks} chunks: written in {filled:.1?}, {size} MiB; opened in {opened:.1?}, first search after {searched:.1?}"
        );
    }
    Ok(())
}

async fn fill(folder: &Path, documents: usize) -> Result<(), Box<dyn Error>> {
    let store = open(folder, Language::English).await?.adapter();
    let mut numbers = Numbers(1);
    for first in (0..documents).step_by(AT_ONCE) {
        let some =
            (first..documents.min(first + AT_ONCE)).map(|n| Record::Document(Box::new(numbers.document(n))));
        store.transfer.import(some.collect()).await?;
    }
    Ok(())
}

/// How long opening takes, and how long it is from there to the first answer.
async fn start(folder: &Path) -> Result<(Duration, Duration), Box<dyn Error>> {
    let began = Instant::now();
    let store = open(folder, Language::English).await?.adapter();
    let opened = began.elapsed();
    let found = store.knowledge.keyword(&Access::public("o"), "word7ing", 10).await?;
    assert_eq!(found.len(), 10, "the documents are there");
    Ok((opened, began.elapsed()))
}
