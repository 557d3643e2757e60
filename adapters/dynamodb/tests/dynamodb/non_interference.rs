//! A reader gets what a store of his own documents gives. The vector service of the tests searches exactly,
//! so both legs are compared to the last digit; see docs/storage.md on the real one.

use crate::servers;
use smooai_smooth_operator_adapter_memory as memory;
use smooai_smooth_operator_retrieval::suite::{Cases, compare, fill_alike, non_interference};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_reader_gets_what_a_store_of_his_own_documents_gives() {
    let cases = Cases { at_once: 8, ..Cases::new(500) };
    println!("{cases:?}");
    non_interference(servers::new().await.adapter().knowledge, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn the_best_ten_are_those_of_the_memory_adapter() {
    let (store, model) = (servers::new().await.adapter().knowledge, memory::adapter().knowledge);
    fill_alike(&store, &model, 100).await;
    let found = compare(&store, &model).await;
    println!("{found:?}");
    assert!(found.keyword >= 0.99 && found.dense >= 0.99, "{found:?}");
    assert!(found.apart < 1e-4, "{found:?}");
}
