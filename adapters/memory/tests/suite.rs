//! The shared suite on the memory adapter.

use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_store::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_shared_suite() {
    suite::run(async || adapter()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn long_random_sequences() {
    for seed in 1_000..1_200 {
        suite::random_operations(adapter(), seed, 500).await;
    }
}
