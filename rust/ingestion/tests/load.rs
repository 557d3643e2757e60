//! Loads folders, inline text and the demo into the memory store.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_ingestion::{Connector, Files, Inline, Pipeline, Progress, Report, demo};
use smooai_smooth_operator_retrieval::{
    DeterministicEmbedder, EmbedError, EmbedKind, Embedder, Retriever, cite,
};
use smooai_smooth_operator_store::{Access, AccessList, KnowledgeStore};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Counts what it embeds, and refuses while told to.
#[derive(Default)]
struct Watched {
    inner: DeterministicEmbedder,
    texts: AtomicUsize,
    refusals: AtomicUsize,
}

#[async_trait]
impl Embedder for Watched {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension()
    }

    async fn embed(&self, kind: EmbedKind, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if self.refusals.load(Ordering::SeqCst) > 0 {
            self.refusals.fetch_sub(1, Ordering::SeqCst);
            return Err(EmbedError::new("the model is away"));
        }
        self.texts.fetch_add(texts.len(), Ordering::SeqCst);
        self.inner.embed(kind, texts).await
    }
}

struct Bench {
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<Watched>,
}

impl Bench {
    fn new() -> Self {
        Self { store: adapter().knowledge, embedder: Arc::default() }
    }

    async fn load(&self, connectors: &[Arc<dyn Connector>]) -> Report {
        let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
        let embedder = Arc::clone(&self.embedder) as _;
        Pipeline::new(Arc::clone(&self.store), embedder, "o", clock).run(connectors, &|_| {}).await
    }

    async fn ids(&self, access: &Access) -> Vec<String> {
        self.store.list(access, None, 100).await.unwrap().into_iter().map(|d| d.id.to_string()).collect()
    }
}

fn files(base: &Path, pattern: &str) -> Arc<dyn Connector> {
    Arc::new(Files::new(base, pattern, AccessList::Public).unwrap())
}

fn inline(source: &str, text: &str, acl: AccessList) -> Arc<dyn Connector> {
    Arc::new(Inline::new(source, text, acl))
}

fn write(base: &Path, path: &str, bytes: &[u8]) {
    let path = base.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_folder_is_loaded_and_what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("config");
    write(&base, "docs/a.md", b"\xef\xbb\xbf# Alpha\n\nFirst.\n");
    write(&base, "docs/deep/b.md", b"no heading\n");
    write(&base, "docs/latin.md", b"caf\xe9\n");
    write(&base, "docs/notes.txt", b"not asked for\n");
    write(&base, "docs/.hidden/c.md", b"# Hidden\n");
    write(folder.path(), "shared/d.md", b"# Shared\n");

    let bench = Bench::new();
    let report = bench
        .load(&[files(&base, "./docs/**/*.md"), files(&base, "../shared/*.md"), files(&base, "none/*.md")])
        .await;

    let list = bench.store.list(&Access::public("o"), None, 100).await.unwrap();
    let loaded: Vec<_> = list.iter().map(|d| (d.id.as_str(), d.source.as_str(), d.title.as_str())).collect();
    let expected = [
        ("../shared/d.md", "../shared/d.md", "Shared"),
        ("docs/a.md", "docs/a.md", "Alpha"),
        ("docs/deep/b.md", "docs/deep/b.md", "docs/deep/b.md"),
    ];
    assert_eq!(loaded, expected);
    let skipped: Vec<_> = report.skipped.iter().map(|s| (s.source.as_str(), s.reason.as_str())).collect();
    assert_eq!(
        skipped,
        [("docs/latin.md", "it is not UTF-8 text; save it as UTF-8"), ("none", "it does not exist")]
    );
    assert_eq!((report.created, report.chunks, report.documents()), (3, 3, 3));
}

#[tokio::test]
async fn an_unchanged_document_is_not_embedded_again_and_a_changed_one_is() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", b"# A\n\nFirst text.\n");
    write(folder.path(), "b.md", b"# B\n\nSecond text.\n");
    let bench = Bench::new();
    let connectors = [files(folder.path(), "*.md")];
    assert_eq!(bench.load(&connectors).await.created, 2);
    assert_eq!(bench.embedder.texts.load(Ordering::SeqCst), 2);

    let again = bench.load(&connectors).await;
    assert_eq!((again.unchanged, again.chunks), (2, 0));
    assert_eq!(bench.embedder.texts.load(Ordering::SeqCst), 2);

    write(folder.path(), "a.md", b"# A\n\nAnother text.\n");
    let changed = bench.load(&connectors).await;
    assert_eq!((changed.replaced, changed.unchanged), (1, 1));
    assert_eq!(bench.embedder.texts.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_changed_access_list_is_stored_although_the_text_is_the_same() {
    let bench = Bench::new();
    bench.load(&[inline("a", "text", AccessList::Public)]).await;
    let report = bench.load(&[inline("a", "text", AccessList::Nobody)]).await;
    assert_eq!(report.replaced, 1);
    assert!(bench.ids(&Access::public("o")).await.is_empty());
}

#[tokio::test]
async fn without_an_embedder_documents_are_found_by_words_and_embedded_by_the_next_load() {
    let bench = Bench::new();
    bench.embedder.refusals.store(3, Ordering::SeqCst);
    let connectors: Vec<_> =
        (0..20).map(|n| inline(&format!("d{n}"), "the return window", AccessList::Public)).collect();
    let report = bench.load(&connectors).await;
    // After three failures the model is not asked again, although it would answer.
    assert_eq!((report.created, report.unembedded), (20, 20));
    assert_eq!(bench.embedder.texts.load(Ordering::SeqCst), 0);
    let found = bench.store.keyword(&Access::public("o"), "returns", 50).await.unwrap();
    assert_eq!(found.len(), 20);

    let report = bench.load(&connectors).await;
    assert_eq!((report.replaced, report.unembedded), (20, 0));
}

#[tokio::test]
async fn a_document_with_two_access_lists_is_shown_to_nobody() {
    let support = AccessList::Restricted { users: [].into(), groups: ["support".into()].into() };
    let bench = Bench::new();
    let report = bench
        .load(&[
            inline("a", "text", AccessList::Public),
            inline("a", "text", support),
            inline("b", "text", AccessList::Public),
            inline("b", "text", AccessList::Public),
        ])
        .await;
    assert_eq!(bench.ids(&Access::user("o", "eve", ["support"])).await, ["b"]);
    assert_eq!(report.skipped.len(), 1);
    assert!(report.skipped[0].reason.contains("two entries"), "{report:?}");
}

#[tokio::test]
async fn progress_counts_every_document_up_to_the_total() {
    let seen = Mutex::new(Vec::new());
    let connectors: Vec<_> = (0..9).map(|n| inline(&format!("d{n}"), "text", AccessList::Public)).collect();
    let bench = Bench::new();
    let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
    Pipeline::new(Arc::clone(&bench.store), Arc::clone(&bench.embedder) as _, "o", clock)
        .with_concurrency(3)
        .run(&connectors, &|progress: &Progress| {
            seen.lock().unwrap().push((progress.files, progress.files_total, progress.chunks));
        })
        .await;
    let expected: Vec<_> = (1..=9).map(|n| (n, 9, n)).collect();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_malformed_pattern_says_what_to_write() {
    let error = Files::new(".", "docs/{a", AccessList::Public).unwrap_err();
    assert!(error.to_string().contains("docs/**/*.md"), "{error}");
}

#[tokio::test]
async fn the_demo_answers_with_the_return_window_and_cites_nothing_for_what_it_does_not_know() {
    let bench = Bench::new();
    let connectors: Vec<Arc<dyn Connector>> = demo().map(|d| Arc::new(d) as _).collect();
    assert_eq!(bench.load(&connectors).await.created, 2);
    let retriever = Retriever::new(Arc::clone(&bench.store), Arc::new(DeterministicEmbedder::new()));
    let access = Access::public("o");

    for (question, source, answer) in [
        ("What is your return policy?", "policies/returns.md", "17-day return window"),
        ("How long does express delivery take?", "policies/shipping.md", "2 business days"),
    ] {
        let found = retriever.retrieve(&access, question, 8).await.unwrap();
        let cited = cite(question, &found.passages, 8);
        assert_eq!(cited[0].id.as_str(), source, "{question}");
        let texts: String = found.passages.iter().map(|p| p.passage.text.as_str()).collect();
        assert!(texts.contains(answer), "{question}: {texts}");
    }
    let found = retriever.retrieve(&access, "Who won the football world cup?", 8).await.unwrap();
    assert_eq!(found.passages, []);
}
