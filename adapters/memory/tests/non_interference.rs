//! A reader gets what a store of his own documents gives: 10,000 random cases.

use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_retrieval::suite::{Cases, non_interference};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_gets_what_a_store_of_his_own_documents_gives() {
    let cases = Cases::new(10_000);
    println!("{cases:?}");
    non_interference(adapter().knowledge, cases).await;
}
