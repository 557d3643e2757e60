//! The shared suite.

use crate::servers;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use smooai_smooth_operator_adapter_dynamodb::open;
use smooai_smooth_operator_store::suite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn every_promise_of_a_store_is_kept() {
    let store = servers::new().await.adapter();
    for case in suite::cases() {
        println!("{}", case.name);
        case.check(store.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn random_operations_do_what_they_do_to_a_plain_model() {
    for seed in 0..6 {
        println!("seed {seed}");
        suite::random_operations(servers::new().await.adapter(), seed, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn two_processes_see_at_once_what_the_other_has_written() {
    let settings = servers::settings();
    let (one, other) = (open(settings.clone()).await.unwrap(), open(settings).await.unwrap());
    suite::two_stores_agree(one.adapter(), other.adapter()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `dynamodb` runs it with its servers"]
async fn a_table_with_other_keys_is_refused() {
    let settings = servers::settings();
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
    let attribute =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
    let made = Client::new(&servers::plain().await)
        .create_table()
        .table_name(&settings.table)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key.build().unwrap())
        .attribute_definitions(attribute.build().unwrap());
    made.send().await.unwrap();
    let Err(error) = open(settings.clone()).await else { panic!("it was taken") };
    let (error, expected) = (error.to_string(), format!("table {} has other keys", settings.table));
    assert!(error.contains(&expected), "{error}");
}
