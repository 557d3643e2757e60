//! The promises of a store, on a real DynamoDB (its local form) and a vector service. Both addresses come
//! from the environment; `cargo xtask services dynamodb s3vectors -- cargo test …` starts them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod servers;

use smooai_smooth_operator_store::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_of_a_store_is_kept() {
    let Some(servers) = servers::given() else { return };
    let store = servers.adapter().await.unwrap();
    for case in suite::cases() {
        println!("{}", case.name);
        case.check(store.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_do_what_they_do_to_a_plain_model() {
    let Some(servers) = servers::given() else { return };
    for seed in 0..6 {
        println!("seed {seed}");
        suite::random_operations(servers.adapter().await.unwrap(), seed, 100).await;
    }
}
