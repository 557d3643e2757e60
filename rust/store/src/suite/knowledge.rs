//! What is promised of documents: replaced whole, searched two ways, and read by whom they may be.

use super::records::{HOSTILE, document, scope};
use crate::{Access, AccessList, ChunkRef, Document, DocumentId, Hit, Put, Scope, StorageAdapter};
use tokio::task::JoinSet;

const X: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
const Y: [f32; 4] = [0.0, 1.0, 0.0, 0.0];
const XY: [f32; 4] = [0.8, 0.6, 0.0, 0.0];
const Z: [f32; 4] = [0.0, 0.0, 1.0, 0.0];

fn everyone(scope: &Scope) -> Access {
    Access::public(scope.organization.clone())
}

fn reference(id: &str, ordinal: u32) -> ChunkRef {
    ChunkRef { document: id.into(), ordinal }
}

fn names(hits: &[Hit]) -> Vec<(&str, u32)> {
    hits.iter().map(|hit| (hit.chunk.document.as_str(), hit.chunk.ordinal)).collect()
}

async fn put(store: &StorageAdapter, document: Document) -> Put {
    store.knowledge.put(document).await.unwrap()
}

async fn keyword(store: &StorageAdapter, access: &Access, query: &str) -> Vec<Hit> {
    store.knowledge.keyword(access, query, 50).await.unwrap()
}

pub(super) async fn a_document_is_replaced_as_a_whole(store: StorageAdapter) {
    let o = scope("replace", "");
    let access = everyone(&o);
    let old = document(&o, "a", AccessList::Public, &[("parcel", X), ("voucher", Y), ("warranty", Z)]);
    assert_eq!(put(&store, old).await, Put::Created);
    let new = document(&o, "a", AccessList::Public, &[("invoice", Y)]);
    assert_eq!(put(&store, new.clone()).await, Put::Replaced);
    assert_eq!(keyword(&store, &access, "parcel voucher warranty").await, []);
    assert_eq!(names(&keyword(&store, &access, "invoice").await), [("a", 0)]);
    assert_eq!(names(&store.knowledge.dense(&access, &X, 50).await.unwrap()), [("a", 0)]);
    assert_eq!(store.knowledge.passages(&access, &[reference("a", 1)]).await.unwrap(), []);
    let listed = store.knowledge.list(&access, None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].chunk_count, &listed[0].content_hash), (1, &new.content_hash));
}

pub(super) async fn an_unchanged_document_is_not_written(store: StorageAdapter) {
    let o = scope("unchanged", "");
    let made = document(&o, "a", AccessList::Public, &[("parcel", X)]);
    put(&store, made.clone()).await;
    let mut same = made.clone();
    same.title = "not looked at".to_owned();
    assert_eq!(put(&store, same).await, Put::Unchanged);
    let hash = store.knowledge.content_hash(&o.organization, &made.id).await.unwrap();
    assert_eq!(hash.as_ref(), Some(&made.content_hash));
    assert_eq!(store.knowledge.list(&everyone(&o), None, 10).await.unwrap()[0].title, made.title);
    let elsewhere = scope("unchanged elsewhere", "").organization;
    assert_eq!(store.knowledge.content_hash(&elsewhere, &made.id).await.unwrap(), None);
}

pub(super) async fn a_deleted_document_is_gone_everywhere(store: StorageAdapter) {
    let o = scope("delete", "");
    let access = everyone(&o);
    put(&store, document(&o, "a", AccessList::Public, &[("parcel", X)])).await;
    put(&store, document(&o, "b", AccessList::Public, &[("parcel", X)])).await;
    let id = DocumentId::from("a");
    let elsewhere = scope("delete elsewhere", "").organization;
    assert!(!store.knowledge.delete(&elsewhere, &id).await.unwrap());
    assert!(store.knowledge.delete(&o.organization, &id).await.unwrap());
    assert!(!store.knowledge.delete(&o.organization, &id).await.unwrap());
    assert_eq!(store.knowledge.content_hash(&o.organization, &id).await.unwrap(), None);
    assert_eq!(names(&keyword(&store, &access, "parcel").await), [("b", 0)]);
    assert_eq!(names(&store.knowledge.dense(&access, &X, 50).await.unwrap()), [("b", 0)]);
    assert_eq!(store.knowledge.list(&access, None, 10).await.unwrap().len(), 1);
    assert_eq!(store.knowledge.passages(&access, &[reference("a", 0)]).await.unwrap(), []);
}

pub(super) async fn documents_are_listed_by_id_in_pages(store: StorageAdapter) {
    let o = scope("listing", "");
    let access = everyone(&o);
    for n in (0..25).rev() {
        let acl = if n % 5 == 0 { AccessList::Nobody } else { AccessList::Public };
        put(&store, document(&o, &format!("d{n:02}"), acl, &[("parcel", X)])).await;
    }
    let expected: Vec<String> = (0..25).filter(|n| n % 5 != 0).map(|n| format!("d{n:02}")).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let got = store.knowledge.list(&access, after.as_ref(), 6).await.unwrap();
        let Some(last) = got.last() else { break };
        after = Some(last.id.clone());
        seen.extend(got.into_iter().map(|info| info.id.to_string()));
    }
    assert_eq!(seen, expected);
}

pub(super) async fn a_reader_finds_what_he_may_read_only(store: StorageAdapter) {
    let o = scope("readers", "");
    let only = |users: &[&str], groups: &[&str]| AccessList::Restricted {
        users: users.iter().map(|name| (*name).to_owned()).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
    };
    for (id, acl) in [
        ("group", only(&[], &["support"])),
        ("nobody", AccessList::Nobody),
        ("nobody listed", only(&[], &[])),
        ("public", AccessList::Public),
        ("user", only(&["ada"], &[])),
    ] {
        put(&store, document(&o, id, acl, &[("parcel", X)])).await;
    }
    let elsewhere = scope("readers elsewhere", "");
    put(&store, document(&elsewhere, "foreign", AccessList::Public, &[("parcel", X)])).await;

    let none: [&str; 0] = [];
    let organization = &o.organization;
    for (access, expected) in [
        (everyone(&o), vec!["public"]),
        (Access::user(organization.clone(), "ada", none), vec!["public", "user"]),
        (Access::user(organization.clone(), "bob", ["support"]), vec!["group", "public"]),
        (Access::user(organization.clone(), "ada", ["support"]), vec!["group", "public", "user"]),
        // A group is no user, and a user is no group.
        (Access::user(organization.clone(), "support", ["ada"]), vec!["public"]),
        (everyone(&elsewhere), vec!["foreign"]),
        (everyone(&scope("readers nowhere", "")), vec![]),
    ] {
        let all: Vec<(&str, u32)> = expected.iter().map(|id| (*id, 0)).collect();
        let mut found = keyword(&store, &access, "parcels").await;
        found.sort_by(|a, b| a.chunk.cmp(&b.chunk));
        assert_eq!(names(&found), all, "{access:?}");
        let mut found = store.knowledge.dense(&access, &X, 50).await.unwrap();
        found.sort_by(|a, b| a.chunk.cmp(&b.chunk));
        assert_eq!(names(&found), all, "{access:?}");
        let listed = store.knowledge.list(&access, None, 50).await.unwrap();
        assert_eq!(listed.iter().map(|info| info.id.as_str()).collect::<Vec<_>>(), expected);
        let asked: Vec<ChunkRef> = ["foreign", "group", "nobody", "nobody listed", "public", "user"]
            .map(|id| reference(id, 0))
            .into();
        let read = store.knowledge.passages(&access, &asked).await.unwrap();
        assert_eq!(read.iter().map(|p| p.chunk.document.as_str()).collect::<Vec<_>>(), expected);
        // The limit counts what he may read.
        assert_eq!(store.knowledge.keyword(&access, "parcel", 1).await.unwrap().len(), all.len().min(1));
    }
}

pub(super) async fn words_are_found_in_other_forms(store: StorageAdapter) {
    let o = scope("words", "");
    let access = everyone(&o);
    for (id, text) in [
        ("a", "Returns are accepted within 17 days of delivery."),
        ("b", "The courier brings parcels on business days."),
        ("c", "Größe und Länge: 配送 is shipping."),
    ] {
        put(&store, document(&o, id, AccessList::Public, &[(text, X)])).await;
    }
    for (query, expected) in [
        ("return policy", Some("a")),
        ("RETURNING", Some("a")),
        ("parcel", Some("b")),
        ("größe", Some("c")),
        ("配送", Some("c")),
        ("zeppelin", None),
        ("", None),
    ] {
        let found = keyword(&store, &access, query).await;
        assert_eq!(found.first().map(|hit| hit.chunk.document.as_str()), expected, "{query}");
    }
    let found = keyword(&store, &access, "days").await;
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert_eq!(found.len(), 2);
}

pub(super) async fn the_nearest_vectors_come_first(store: StorageAdapter) {
    let o = scope("vectors", "");
    let access = everyone(&o);
    put(&store, document(&o, "a", AccessList::Public, &[("one", Z), ("two", XY)])).await;
    put(&store, document(&o, "b", AccessList::Public, &[("three", X), ("four", Y)])).await;
    let mut bare = document(&o, "c", AccessList::Public, &[("five", X)]);
    bare.chunks[0].embedding = Vec::new();
    put(&store, bare).await;
    let found = store.knowledge.dense(&access, &X, 3).await.unwrap();
    assert_eq!(names(&found)[..2], [("b", 0), ("a", 1)]);
    assert!((found[0].score - 1.0).abs() < 1e-3 && (found[1].score - 0.8).abs() < 1e-3, "{found:?}");
    assert_eq!(found.len(), 3);
    let all = store.knowledge.dense(&access, &X, 50).await.unwrap();
    assert_eq!(all.len(), 4);
}

pub(super) async fn passages_come_in_the_order_asked(store: StorageAdapter) {
    let o = scope("passages", "");
    let access = everyone(&o);
    let made = document(&o, "a", AccessList::Public, &[("one", X), ("two é", Y)]);
    put(&store, made.clone()).await;
    let asked = [reference("a", 1), reference("a", 9), reference("b", 0), reference("a", 0)];
    let read = store.knowledge.passages(&access, &asked).await.unwrap();
    assert_eq!(read.iter().map(|p| p.chunk.ordinal).collect::<Vec<_>>(), [1, 0]);
    let (passage, chunk) = (&read[0], &made.chunks[1]);
    assert_eq!((&passage.text, &passage.headings), (&chunk.text, &chunk.headings));
    assert_eq!((passage.start, passage.end), (chunk.start, chunk.end));
    assert_eq!((&passage.source, &passage.title, &passage.url), (&made.source, &made.title, &made.url));
}

pub(super) async fn documents_change_while_they_are_searched(store: StorageAdapter) {
    let o = scope("concurrent", "");
    let access = everyone(&o);
    let version = |n: usize| {
        let text = format!("parcel version{n}");
        document(&o, "a", AccessList::Public, &[(text.as_str(), X), (text.as_str(), X)])
    };
    put(&store, version(0)).await;
    let mut tasks = JoinSet::new();
    for n in 1..=20 {
        let (writer, new) = (store.clone(), version(n));
        tasks.spawn(async move {
            put(&writer, new).await;
        });
        let (store, access) = (store.clone(), access.clone());
        tasks.spawn(async move {
            let found = keyword(&store, &access, "parcel").await;
            assert_eq!(found.len(), 2, "a reader sees one version");
            let chunks: Vec<ChunkRef> = found.into_iter().map(|hit| hit.chunk).collect();
            let read = store.knowledge.passages(&access, &chunks).await.unwrap();
            assert_eq!(read.len(), 2);
            assert_eq!(read[0].text, read[1].text, "a reader sees one version");
        });
    }
    tasks.join_all().await;
    assert_eq!(store.knowledge.list(&access, None, 10).await.unwrap().len(), 1);
}

pub(super) async fn hostile_names_and_questions_do_no_harm(store: StorageAdapter) {
    let o = scope("hostile '; -- 🙂", "");
    let access = everyone(&o);
    for text in HOSTILE {
        let id = format!("x{text}");
        let mut made = document(&o, &id, AccessList::Public, &[(text, X), ("parcel", Y)]);
        made.title = text.to_owned();
        made.source = text.to_owned();
        put(&store, made.clone()).await;
        let read = store.knowledge.passages(&access, &[reference(&id, 0)]).await.unwrap();
        assert_eq!((read[0].text.as_str(), read[0].title.as_str()), (text, text));
        keyword(&store, &access, text).await;
        let named = Access::user(o.organization.clone(), text, [text]);
        assert!(!keyword(&store, &named, "parcel").await.is_empty());
    }
    for query in ["\" OR *", "parcel NEAR/2 (", "a:b^3 ~", "& | ! <->", &"parcel ".repeat(2000)] {
        keyword(&store, &access, query).await;
    }
    assert_eq!(store.knowledge.list(&access, None, 50).await.unwrap().len(), HOSTILE.len());
}
