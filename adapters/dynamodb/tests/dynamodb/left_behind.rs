//! A put of a document that breaks off anywhere, as when its process dies: what counts is the old version or
//! the new one, and what it left is removed by a later put.

use crate::proxy::{Fault, LONG, Plan, Proxy};
use crate::servers;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use smooai_smooth_operator_adapter_dynamodb::Opened;
use smooai_smooth_operator_store::{Access, AccessList, Chunk, Document};
use std::collections::{BTreeMap, HashMap};

/// A document of three chunks, of which one is larger than an item may be.
fn document(version: usize, updated_at: Timestamp) -> Document {
    let large = format!("parcel version{version} {}", "é ".repeat(140_000));
    let texts = [format!("parcel version{version} first"), "second parcel".to_owned(), large];
    let chunk = |text: String| Chunk {
        start: 0,
        end: text.len(),
        headings: vec!["Guide".to_owned()],
        text,
        embedding: vec![1.0, 0.0],
    };
    Document {
        id: "d".into(),
        organization: "o".into(),
        source: "s".to_owned(),
        title: "t".to_owned(),
        url: None,
        acl: if version.is_multiple_of(2) { AccessList::Public } else { only("ada") },
        content_hash: version.to_string(),
        chunks: texts.map(chunk).into(),
        updated_at,
    }
}

fn only(user: &str) -> AccessList {
    AccessList::Restricted { users: [user.to_owned()].into(), groups: [].into() }
}

/// How many items of each kind the table holds that belong to documents, and the sums of the counts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Contents {
    items: BTreeMap<String, usize>,
    /// Chunks by the postings, and by the counts of terms.
    held: usize,
    counted: i64,
    /// Chunks by the classes.
    chunks: i64,
}

fn number(item: &HashMap<String, AttributeValue>, name: &str) -> i64 {
    item[name].as_n().unwrap().parse().unwrap()
}

async fn contents(client: &Client, table: &str) -> Contents {
    let mut contents = Contents::default();
    let mut pages = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    while let Some(item) = pages.next().await {
        let item = item.unwrap();
        let kind = item["k"].as_s().unwrap().clone();
        match kind.as_str() {
            // Counts that have come to nothing stay.
            "N" => contents.counted += number(&item, "n"),
            "L" => contents.chunks += number(&item, "chunks"),
            _ => *contents.items.entry(kind.clone()).or_default() += 1,
        }
        if kind == "P" {
            contents.held += item["o"].as_b().unwrap().as_ref().len() / 10;
        }
    }
    contents
}

async fn counts(opened: &Opened, version: usize) -> bool {
    let store = opened.adapter();
    let access = Access::user("o", "ada", [""; 0]);
    let hash = store.knowledge.content_hash(&"o".into(), &"d".into()).await.unwrap();
    let is_there = hash == Some(version.to_string());
    let before = opened.spent().requests;
    let found = store.knowledge.keyword(&access, &format!("version{version}"), 10).await.unwrap();
    // Twice at most the classes, a list of the term in each of two, the chunks to score and the documents.
    let requests = opened.spent().requests - before;
    assert!(requests <= 16, "what was left behind costs every question {requests} requests");
    let near = store.knowledge.dense(&access, &[1.0, 0.0], 10).await.unwrap();
    assert_eq!((found.len(), near.len()), (2 * usize::from(is_there), 3), "all of a version or nothing");
    is_there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_put_that_breaks_off_anywhere_leaves_one_version_and_is_cleaned_up() {
    let proxy = Proxy::start().await;
    let (opened, settings) = servers::new_with(&proxy.config(1, LONG).await).await;
    let (store, table) = (opened.adapter(), settings.table);
    let client = Client::new(&servers::plain().await);
    let mut now = Timestamp::UNIX_EPOCH;
    store.knowledge.put(document(0, now)).await.unwrap();
    let clean = contents(&client, &table).await;
    assert_eq!((clean.held as i64, clean.chunks), (clean.counted, 3));

    let (mut version, mut done, mut failed) = (0, 0, 0);
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        for passed in 0.. {
            now += SignedDuration::from_hours(2);
            proxy.plan(Plan::AllAfter(passed, fault));
            let put = store.knowledge.put(document(version + 1, now)).await;
            let hit = proxy.hit();
            proxy.plan(Plan::Nothing);
            if put.is_ok() && hit == 0 {
                version += 1;
                break;
            }
            failed += usize::from(put.is_err());
            if counts(&opened, version + 1).await {
                version += 1;
                done += 1;
            } else {
                assert!(put.is_err() && counts(&opened, version).await, "{fault:?} after {passed}");
            }
            // The same again, and one more after what was left has been given up.
            store.knowledge.put(document(version, now)).await.unwrap();
            now += SignedDuration::from_hours(2);
            version += 1;
            store.knowledge.put(document(version, now)).await.unwrap();
            assert!(counts(&opened, version).await);
            assert_eq!(contents(&client, &table).await, clean, "{fault:?} after {passed} requests");
        }
    }
    println!("{failed} puts broke off, {done} of them had been done");
    assert!(failed > 20 && done > 1, "{failed} {done}");
}
