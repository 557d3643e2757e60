//! What a reader gets equals what he would get from a store that holds only what he may read, and ranks
//! as the memory adapter ranks it.

use crate::database::{Database, in_database, store};
use smooai_smooth_operator_adapter_memory as memory;
use smooai_smooth_operator_retrieval::suite::{Cases, Overlaps, compare, fill_alike, non_interference};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn a_reader_gets_what_a_store_of_his_own_documents_gives() {
    let cases = Cases { documents: 14, words: 25, at_once: 8, ..Cases::new(500) };
    println!("{cases:?}");
    in_database(async |database| non_interference(database.store().await.knowledge, cases.clone()).await)
        .await;
}

/// 400 documents and 100 questions by changing readers, on this database and in memory.
async fn overlaps(database: &Database, exact_up_to: &str) -> Overlaps {
    let postgres = store(&database.with("exact_up_to", exact_up_to)).await.knowledge;
    let model = memory::adapter().knowledge;
    fill_alike(&postgres, &model, 400).await;
    database.run("ANALYZE").await;
    compare(&postgres, &model).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn the_best_ten_are_those_of_the_memory_adapter() {
    in_database(async |database| {
        let found = overlaps(&database, "10000").await;
        println!("{found:?}");
        assert!(found.keyword >= 0.99 && found.dense >= 0.99, "{found:?}");
        assert!(found.apart < 1e-4, "{found:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server"]
async fn the_approximate_index_loses_little_under_a_readers_filter() {
    in_database(async |database| {
        let found = overlaps(&database, "0").await;
        println!("{found:?}");
        assert!(found.dense >= 0.95, "{found:?}");
    })
    .await;
}
