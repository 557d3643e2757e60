//! What went wrong with a request: what was being done stands in the error, the service's own words are
//! its source, and nothing that was written is in either.

use aws_sdk_dynamodb::error::SdkError;
use smooai_smooth_operator_store::StoreError;
use std::error::Error;

/// A request failed; a later try may succeed.
pub(crate) fn unavailable<E, R>(doing: impl Into<String>, error: SdkError<E, R>) -> StoreError
where
    E: Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    StoreError::Unavailable { context: doing.into(), source: Some(Box::new(error)) }
}

/// A request could not be made at all.
pub(crate) fn invalid(error: aws_smithy_types::error::operation::BuildError) -> StoreError {
    StoreError::Unavailable { context: "making a request".to_owned(), source: Some(Box::new(error)) }
}

/// The service goes on refusing.
pub(crate) fn throttled(doing: &'static str) -> StoreError {
    StoreError::Unavailable { context: format!("{doing}: DynamoDB is throttling"), source: None }
}

/// Others were in the way at every try.
pub(crate) fn contended(of: &'static str) -> StoreError {
    StoreError::Unavailable { context: format!("too many writers of one {of} at once"), source: None }
}
