//! Storage in Amazon DynamoDB.
