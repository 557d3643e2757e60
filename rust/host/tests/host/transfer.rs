//! Data moves between storages as lines of JSON, and is the same then.

use smooai_smooth_operator_host::{TransferError, export, import};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::{LineError, Scope, StorageAdapter, suite};
use std::collections::BTreeSet;

fn memory() -> StorageAdapter {
    smooai_smooth_operator_adapter_memory::adapter()
}

async fn exported(store: &StorageAdapter) -> String {
    let mut text = Vec::new();
    export(store.transfer.clone(), &mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

async fn imported(store: &StorageAdapter, text: &str) -> Result<u64, TransferError> {
    import(store.transfer.clone(), &mut text.as_bytes()).await
}

/// The lines, whatever order a storage has them in.
fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

#[tokio::test]
async fn everything_moves_from_memory_to_sqlite_and_back() {
    let first = memory();
    suite::fill(&first, &Scope::new("one", "ada")).await;
    suite::fill(&first, &Scope::new("two 'é🙂\0", "bob")).await;
    let text = exported(&first).await;
    assert!(text.lines().count() > 100);

    let folder = tempfile::tempdir().unwrap();
    let sqlite = smooai_smooth_operator_adapter_sqlite::open(folder.path(), Language::English)
        .await
        .unwrap()
        .adapter();
    let records = imported(&sqlite, &text).await.unwrap();
    assert_eq!(records + 2, text.lines().count() as u64);
    let again = exported(&sqlite).await;
    assert_eq!(lines(&again), lines(&text));

    let back = memory();
    imported(&back, &again).await.unwrap();
    assert_eq!(exported(&back).await, text, "one storage has one order");
    imported(&back, &text).await.unwrap();
    assert_eq!(exported(&back).await, text, "once more changes nothing");
}

#[tokio::test]
async fn an_export_that_is_none_or_not_whole_is_refused() {
    let store = memory();
    suite::fill(&store, &Scope::new("one", "ada")).await;
    let text = exported(&store).await;
    let cut = text.trim_end().rsplit_once('\n').unwrap().0;
    let one_less: String =
        text.split_inclusive('\n').enumerate().filter(|(n, _)| *n != 3).map(|(_, l)| l).collect();
    for (text, expected) in [
        (String::new(), "incomplete"),
        ("{}\n".to_owned(), "no export"),
        (text.replace("\"version\":1", "\"version\":7"), "version 7"),
        (text.replacen("{\"message\"", "{\"massage\"", 1), "is no record"),
        (cut.to_owned(), "incomplete"),
        (one_less, "incomplete"),
        (format!("{text}{{}}\n"), "incomplete"),
    ] {
        let error = imported(&memory(), &text).await.unwrap_err();
        assert!(matches!(error, TransferError::Lines(_)), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let header = text.lines().next().unwrap();
    let message = text.lines().find(|line| line.starts_with("{\"message\"")).unwrap();
    let orphan = format!("{header}\n{message}\n{{\"end\":{{\"records\":1}}}}\n");
    let error = imported(&memory(), &orphan).await.unwrap_err();
    assert!(matches!(error, TransferError::Lines(LineError::Store { .. })), "{error:?}");
    let error = import(memory().transfer, &mut b"\xff\n".as_slice()).await.unwrap_err();
    assert!(matches!(error, TransferError::Line(1)), "{error:?}");
}
