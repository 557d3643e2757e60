//! The promises of a store, on a real DynamoDB (its local form) and a vector service. Both addresses come
//! from the environment: `cargo xtask services dynamodb s3vectors -- cargo test -p
//! smooai-smooth-operator-adapter-dynamodb -- --ignored`.

mod servers;

use smooai_smooth_operator_store::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn every_promise_of_a_store_is_kept() {
    let servers = servers::given();
    let store = servers.open().await.unwrap().adapter();
    for case in suite::cases() {
        println!("{}", case.name);
        case.check(store.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn random_operations_do_what_they_do_to_a_plain_model() {
    let servers = servers::given();
    for seed in 0..6 {
        println!("seed {seed}");
        suite::random_operations(servers.open().await.unwrap().adapter(), seed, 100).await;
    }
}
