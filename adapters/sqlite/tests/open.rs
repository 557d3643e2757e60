//! What opening promises: everything is there again, and a file that is not ours is left alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rusqlite::Connection;
use smooai_smooth_operator_adapter_sqlite::{FILE, OpenError, Sqlite, open};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_retrieval::{DeterministicEmbedder, Embedder as _};
use smooai_smooth_operator_store::{
    Access, AccessList, Chunk, ChunkRef, Document, Hit, LinesOut, Scope, StorageAdapter, suite,
};
use std::path::Path;

async fn reopen(folder: &Path) -> Sqlite {
    open(folder, Language::English).await.unwrap()
}

/// Drops the database and waits until it is closed: its thread lets go of the folder's lock last.
fn close(database: Sqlite, folder: &Path) {
    drop(database);
    std::fs::File::open(folder.join("smooth-operator.lock")).unwrap().lock().unwrap();
}

async fn lines(store: &StorageAdapter) -> String {
    let mut out = LinesOut::new(store.transfer.clone());
    let mut text = String::new();
    while let Some(some) = out.next().await.unwrap() {
        text.push_str(&some);
    }
    text
}

#[tokio::test]
async fn everything_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = reopen(folder.path()).await;
    suite::fill(&first.adapter(), &Scope::new("o", "ada")).await;
    let before = lines(&first.adapter()).await;
    close(first, folder.path());
    for _ in 0..2 {
        let again = reopen(folder.path()).await;
        assert_eq!(lines(&again.adapter()).await, before);
        close(again, folder.path());
    }
}

fn documents(embedder: &DeterministicEmbedder) -> Vec<Document> {
    let words = ["parcel", "return", "voucher", "invoice", "courier", "window", "stock", "refund"];
    let text = |n: usize, k: usize| format!("{} {} {}", words[n % 8], words[(n / 8 + k) % 8], words[k % 8]);
    let chunk = |text: String| Chunk {
        embedding: embedder.vector(&text),
        headings: vec!["Guide".to_owned()],
        start: 0,
        end: text.len(),
        text,
    };
    let document = |n: usize| Document {
        id: format!("d{n:03}").into(),
        organization: format!("o{}", n % 2).into(),
        source: format!("d{n}.md"),
        title: format!("Title {n}"),
        url: None,
        acl: if n.is_multiple_of(7) { AccessList::Nobody } else { AccessList::Public },
        content_hash: n.to_string(),
        chunks: (0..n % 5).map(|k| chunk(text(n, k))).collect(),
        updated_at: jiff::Timestamp::UNIX_EPOCH,
    };
    (0..600).map(document).collect()
}

/// What a reader finds by words and by vector.
async fn found(store: &StorageAdapter, embedder: &DeterministicEmbedder) -> Vec<Vec<Hit>> {
    let mut all = Vec::new();
    for organization in ["o0", "o1"] {
        let access = Access::public(organization);
        for question in ["refund window", "courier", "parcel return voucher"] {
            all.push(store.knowledge.keyword(&access, question, 20).await.unwrap());
            all.push(store.knowledge.dense(&access, &embedder.vector(question), 20).await.unwrap());
        }
    }
    assert!(all.iter().all(|hits| hits.len() == 20));
    all
}

#[tokio::test]
async fn the_same_is_found_after_opening_again_and_in_memory() {
    let embedder = DeterministicEmbedder::with(Language::English, 64);
    assert_eq!(embedder.dimension(), 64);
    let memory = smooai_smooth_operator_adapter_memory::adapter();
    let folder = tempfile::tempdir().unwrap();
    let first = reopen(folder.path()).await;
    for document in documents(&embedder) {
        memory.knowledge.put(document.clone()).await.unwrap();
        first.adapter().knowledge.put(document).await.unwrap();
    }
    for n in [0, 3, 11, 19] {
        let (organization, id) = (format!("o{}", n % 2).into(), format!("d{n:03}").into());
        assert!(memory.knowledge.delete(&organization, &id).await.unwrap());
        assert!(first.adapter().knowledge.delete(&organization, &id).await.unwrap());
    }
    let expected = found(&memory, &embedder).await;
    assert_eq!(found(&first.adapter(), &embedder).await, expected);
    close(first, folder.path());
    assert_eq!(found(&reopen(folder.path()).await.adapter(), &embedder).await, expected);
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("some/where");
    drop(reopen(&inner).await);
    let mode = std::fs::metadata(&inner).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

async fn refused(folder: &Path) -> OpenError {
    open(folder, Language::English).await.err().unwrap()
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    close(reopen(folder.path()).await, folder.path());
    let file = folder.path().join(FILE);
    let connection = Connection::open(&file).unwrap();
    connection.execute("INSERT INTO schema_version VALUES (99)", ()).unwrap();
    drop(connection);
    let error = refused(folder.path()).await;
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("99") && text.contains("newer program"), "{text}");
    let connection = Connection::open(&file).unwrap();
    connection.execute("DELETE FROM schema_version WHERE version = 99", ()).unwrap();
    drop(connection);
    reopen(folder.path()).await;
}

#[tokio::test]
async fn the_file_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let error = refused(folder.path()).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");

    std::fs::write(&file, "this is no database, whatever its name is. ".repeat(100)).unwrap();
    let error = refused(folder.path()).await;
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");
    assert!(error.to_string().contains("not a database"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_told_as_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let first = reopen(folder.path()).await;
    suite::fill(&first.adapter(), &Scope::new("o", "ada")).await;
    close(first, folder.path());
    let second = reopen(folder.path()).await;
    for (id, acl) in [("whole", AccessList::Public), ("hidden", AccessList::Nobody)] {
        let chunk = Chunk {
            text: "Whole.".to_owned(),
            headings: Vec::new(),
            start: 0,
            end: 6,
            embedding: Vec::new(),
        };
        let document = Document {
            id: id.into(),
            organization: "o".into(),
            source: id.to_owned(),
            title: id.to_owned(),
            url: None,
            acl,
            content_hash: id.to_owned(),
            chunks: vec![chunk],
            updated_at: jiff::Timestamp::UNIX_EPOCH,
        };
        second.adapter().knowledge.put(document).await.unwrap();
    }
    close(second, folder.path());
    let file = folder.path().join(FILE);
    let connection = Connection::open(&file).unwrap();
    connection.execute("UPDATE chunks SET headings = 'no list' WHERE text <> 'Whole.'", ()).unwrap();
    drop(connection);
    let again = reopen(folder.path()).await.adapter();
    let error = again.knowledge.list(&Access::public("o"), None, 10).await.unwrap_err();
    assert!(error.to_string().contains("documents cannot be read"), "{error}");
    // What does not need all the documents goes on: passages come from the file.
    let chunk = |document: &str| ChunkRef { document: document.into(), ordinal: 0 };
    let whole = again.knowledge.passages(&Access::public("o"), &[chunk("whole")]).await.unwrap();
    assert_eq!(whole.iter().map(|passage| passage.text.as_str()).collect::<Vec<_>>(), ["Whole."]);
    assert_eq!(again.knowledge.passages(&Access::public("p"), &[chunk("whole")]).await.unwrap(), []);
    assert_eq!(again.knowledge.passages(&Access::public("o"), &[chunk("hidden")]).await.unwrap(), []);
    let listed = again.conversations.list(&Scope::new("o", "ada"), 10).await.unwrap();
    assert_eq!(listed.len(), 4);
}

#[tokio::test]
async fn a_document_whose_list_cannot_be_read_is_nobodys_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let first = reopen(folder.path()).await;
    let text = "The courier brings parcels.";
    for id in ["a", "b", "c", "d", "e"] {
        let chunk = Chunk {
            text: text.to_owned(),
            headings: Vec::new(),
            start: 0,
            end: text.len(),
            embedding: vec![1.0],
        };
        let document = Document {
            id: id.into(),
            organization: "o".into(),
            source: id.to_owned(),
            title: id.to_owned(),
            url: None,
            acl: AccessList::Restricted {
                users: ["ada".to_owned()].into(),
                groups: ["sales".to_owned()].into(),
            },
            content_hash: id.to_owned(),
            chunks: vec![chunk],
            updated_at: jiff::Timestamp::UNIX_EPOCH,
        };
        first.adapter().knowledge.put(document).await.unwrap();
    }
    close(first, folder.path());
    let connection = Connection::open(folder.path().join(FILE)).unwrap();
    // Cut short, of another program, broken as text, with something beside that could narrow it.
    connection
        .execute_batch(
            r#"UPDATE documents SET acl = substr(acl, 1, 30) WHERE id = 'a';
               UPDATE documents SET acl = '{"kind":"everyone"}' WHERE id = 'b';
               UPDATE documents SET acl = CAST(x'ff7b7d' AS TEXT) WHERE id = 'c';
               UPDATE documents SET acl = '{"kind":"public","except":["ada"]}' WHERE id = 'd';"#,
        )
        .unwrap();
    drop(connection);
    let store = reopen(folder.path()).await.adapter();
    let access = Access::user("o", "ada", ["sales"]);
    let listed = store.knowledge.list(&access, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|info| info.id.as_str()).collect::<Vec<_>>(), ["e"]);
    for hits in [
        store.knowledge.keyword(&access, "courier", 10).await.unwrap(),
        store.knowledge.dense(&access, &[1.0], 10).await.unwrap(),
    ] {
        assert_eq!(hits.iter().map(|hit| hit.chunk.document.as_str()).collect::<Vec<_>>(), ["e"]);
    }
    assert_eq!(store.knowledge.list(&Access::public("o"), None, 10).await.unwrap(), []);
}
