//! Makes the table where it is missing.

use super::Table;
use crate::failure::unavailable;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveSpecification,
};
use smooai_smooth_operator_store::{Result, StoreError};
use std::time::Duration;

/// How often a new table is looked at until it can be used, and how long between.
const TABLE_TRIES: u32 = 60;
const TABLE_WAIT: Duration = Duration::from_secs(1);

impl Table {
    /// Makes the table if it is missing, and waits until it can be used.
    pub(crate) async fn ensure(&self) -> Result<()> {
        for _ in 0..TABLE_TRIES {
            match self.client.describe_table().table_name(&self.name).send().await {
                Ok(found) => {
                    let table = found.table.unwrap_or_else(|| TableDescription::builder().build());
                    self.check_keys(&table)?;
                    match table.table_status {
                        Some(TableStatus::Active | TableStatus::Updating) => return Ok(()),
                        _ => tokio::time::sleep(TABLE_WAIT).await,
                    }
                }
                Err(error) if error.code() == Some("ResourceNotFoundException") => {
                    self.create().await?;
                }
                Err(error) => {
                    let doing = format!(
                        "looking for the DynamoDB table {}: check AWS_REGION, the credentials, and that the \
                         role may dynamodb:DescribeTable",
                        self.name
                    );
                    return Err(unavailable(doing, error));
                }
            }
        }
        Err(StoreError::Unavailable {
            context: format!("the DynamoDB table {} did not become active in a minute", self.name),
            source: None,
        })
    }

    /// A table that somebody made for something else would fail at every call.
    fn check_keys(&self, table: &TableDescription) -> Result<()> {
        let keys: Vec<_> =
            table.key_schema().iter().map(|key| (key.attribute_name(), key.key_type())).collect();
        if keys.is_empty() || keys == [("pk", &KeyType::Hash), ("sk", &KeyType::Range)] {
            return Ok(());
        }
        let context = format!(
            "the DynamoDB table {} has other keys than pk (hash) and sk (range): name another table",
            self.name
        );
        Err(StoreError::Unavailable { context, source: None })
    }

    async fn create(&self) -> Result<()> {
        let missing = |source| StoreError::Unavailable {
            context: format!(
                "making the DynamoDB table {}: create it with the string keys pk (hash) and sk (range), or \
                 let the role dynamodb:CreateTable",
                self.name
            ),
            source,
        };
        let mut request =
            self.client.create_table().table_name(&self.name).billing_mode(BillingMode::PayPerRequest);
        for (name, role) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build();
            let element = KeySchemaElement::builder().attribute_name(name).key_type(role).build();
            request = request
                .attribute_definitions(attribute.map_err(|error| missing(Some(Box::new(error))))?)
                .key_schema(element.map_err(|error| missing(Some(Box::new(error))))?);
        }
        match request.send().await {
            Ok(_) => {}
            // Another process made it meanwhile.
            Err(error) if error.code() == Some("ResourceInUseException") => {}
            Err(error) => return Err(missing(Some(Box::new(error)))),
        }
        let expiry = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build();
        if let Ok(expiry) = expiry {
            // Without it old lines of the journal stay; that is no reason not to start.
            let _kept = self
                .client
                .update_time_to_live()
                .table_name(&self.name)
                .time_to_live_specification(expiry)
                .send()
                .await;
        }
        Ok(())
    }
}
