//! The dense leg: one S3 Vectors index per organisation and dimension. A vector's metadata is its access
//! class, which the service filters by while it searches, and its document.

use crate::failure::{invalid, unavailable};
use crate::keys::digest;
use aws_config::SdkConfig;
use aws_sdk_s3vectors::Client;
use aws_sdk_s3vectors::error::ProvideErrorMetadata as _;
use aws_sdk_s3vectors::types::{
    DataType, DistanceMetric, MetadataConfiguration, PutInputVector, QueryOutputVector, VectorData,
};
use aws_smithy_types::Document;
use smooai_smooth_operator_store::{Chunk, Result};
use std::collections::HashMap;

/// The most vectors of one put or delete.
const TOGETHER: usize = 500;
/// The most numbers of one put: as text they stay below the 20 MiB of a request.
const NUMBERS_TOGETHER: usize = 1 << 20;
/// The most results of one query, and what every query asks for: which of equally near vectors come first
/// is decided here and not by the service, and some may belong to versions that count no more.
const MOST_RESULTS: i32 = 100;
/// Classes named in one filter; a query is made for each group.
const CLASSES_TOGETHER: usize = 50;
/// How often a put is tried whose index is missing.
const TRIES: u32 = 3;

/// The vectors' client.
pub(crate) struct Vectors {
    client: Client,
    bucket: String,
    prefix: String,
}

/// Whose vectors are put.
pub(crate) struct Owner<'a> {
    pub(crate) organization: &'a str,
    pub(crate) class: &'a str,
    pub(crate) document: &'a str,
    pub(crate) version: &'a str,
}

/// A vector that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Near {
    pub(crate) document: String,
    pub(crate) version: String,
    pub(crate) ordinal: u32,
    /// The cosine.
    pub(crate) score: f32,
}

/// A vector without direction has no neighbours; the service refuses it.
fn has_direction(vector: &[f32]) -> bool {
    vector.iter().all(|x| x.is_finite()) && vector.iter().any(|x| *x != 0.0)
}

fn text(text: &str) -> Document {
    Document::String(text.to_owned())
}

fn object(fields: [(&str, Document); 1]) -> Document {
    Document::Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn key(version: &str, ordinal: usize) -> String {
    format!("{version}.{ordinal}")
}

impl Vectors {
    pub(crate) fn new(config: &SdkConfig, bucket: String, prefix: String) -> Self {
        Self { client: Client::new(config), bucket, prefix }
    }

    /// Makes the bucket if it is missing.
    pub(crate) async fn ensure(&self) -> Result<()> {
        let found = self.client.get_vector_bucket().vector_bucket_name(&self.bucket).send().await;
        let Err(error) = found else { return Ok(()) };
        if error.code() != Some("NotFoundException") {
            let doing = format!(
                "looking for the vector bucket {}: check that S3 Vectors is there in AWS_REGION and that the \
                 role may s3vectors:GetVectorBucket",
                self.bucket
            );
            return Err(unavailable(doing, error));
        }
        match self.client.create_vector_bucket().vector_bucket_name(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConflictException") => Ok(()),
            Err(error) => {
                let doing = format!(
                    "making the vector bucket {}: create it, or let the role s3vectors:CreateVectorBucket",
                    self.bucket
                );
                Err(unavailable(doing, error))
            }
        }
    }

    /// The index of an organisation's vectors of a dimension.
    fn index(&self, organization: &str, dimension: usize) -> String {
        format!("{}-{}-{dimension}", self.prefix, digest(&[organization.as_bytes()]))
    }

    async fn create_index(&self, name: &str, dimension: usize) -> Result<()> {
        let kept = MetadataConfiguration::builder().non_filterable_metadata_keys("document").build();
        let request = self
            .client
            .create_index()
            .vector_bucket_name(&self.bucket)
            .index_name(name)
            .data_type(DataType::Float32)
            .dimension(i32::try_from(dimension).unwrap_or(i32::MAX))
            .distance_metric(DistanceMetric::Cosine)
            .metadata_configuration(kept.map_err(invalid)?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConflictException") => Ok(()),
            Err(error) => Err(unavailable("making a vector index", error)),
        }
    }

    /// Puts the embeddings of a version's chunks; those without direction are left out.
    pub(crate) async fn put(&self, owner: Owner<'_>, chunks: &[Chunk]) -> Result<()> {
        let Owner { organization, class, document, version } = owner;
        let mut by_dimension: HashMap<usize, Vec<PutInputVector>> = HashMap::new();
        for (ordinal, chunk) in chunks.iter().enumerate().filter(|(_, chunk)| has_direction(&chunk.embedding))
        {
            let metadata: HashMap<String, Document> =
                [("class".to_owned(), text(class)), ("document".to_owned(), text(document))].into();
            let vector = PutInputVector::builder()
                .key(key(version, ordinal))
                .data(VectorData::Float32(chunk.embedding.clone()))
                .metadata(Document::Object(metadata))
                .build()
                .map_err(invalid)?;
            by_dimension.entry(chunk.embedding.len()).or_default().push(vector);
        }
        for (dimension, vectors) in by_dimension {
            let index = self.index(organization, dimension);
            for together in vectors.chunks(TOGETHER.min(NUMBERS_TOGETHER / dimension).max(1)) {
                self.put_some(&index, dimension, together).await?;
            }
        }
        Ok(())
    }

    async fn put_some(&self, index: &str, dimension: usize, vectors: &[PutInputVector]) -> Result<()> {
        for attempt in 1.. {
            let request = self.client.put_vectors().vector_bucket_name(&self.bucket).index_name(index);
            match request.set_vectors(Some(vectors.to_vec())).send().await {
                Ok(_) => break,
                Err(error) if attempt < TRIES && error.code() == Some("NotFoundException") => {
                    self.create_index(index, dimension).await?;
                }
                Err(error) => return Err(unavailable("writing vectors", error)),
            }
        }
        Ok(())
    }

    /// Removes the vectors of a version; those that are not there are no error.
    pub(crate) async fn remove(
        &self,
        organization: &str,
        version: &str,
        count: usize,
        dimensions: &[usize],
    ) -> Result<()> {
        let keys: Vec<String> = (0..count).map(|ordinal| key(version, ordinal)).collect();
        for dimension in dimensions.iter().filter(|dimension| **dimension > 0) {
            let index = self.index(organization, *dimension);
            for together in keys.chunks(TOGETHER) {
                let request =
                    self.client.delete_vectors().vector_bucket_name(&self.bucket).index_name(&index);
                match request.set_keys(Some(together.to_vec())).send().await {
                    Ok(_) => {}
                    Err(error) if error.code() == Some("NotFoundException") => {}
                    Err(error) => return Err(unavailable("removing vectors", error)),
                }
            }
        }
        Ok(())
    }

    /// The vectors of some classes that are nearest to one; none if nothing of its dimension was stored.
    pub(crate) async fn nearest(
        &self,
        organization: &str,
        classes: &[String],
        vector: &[f32],
    ) -> Result<Vec<Near>> {
        let mut found = Vec::new();
        if !has_direction(vector) {
            return Ok(found);
        }
        let index = self.index(organization, vector.len());
        for together in classes.chunks(CLASSES_TOGETHER) {
            let names = Document::Array(together.iter().map(|class| text(class)).collect());
            let request = self
                .client
                .query_vectors()
                .vector_bucket_name(&self.bucket)
                .index_name(&index)
                .top_k(MOST_RESULTS)
                .query_vector(VectorData::Float32(vector.to_vec()))
                .filter(object([("class", object([("$in", names)]))]))
                .return_distance(true)
                .return_metadata(true);
            match request.send().await {
                Ok(answer) => found.extend(answer.vectors.iter().filter_map(near)),
                Err(error) if error.code() == Some("NotFoundException") => {
                    return Ok(Vec::new());
                }
                Err(error) => return Err(unavailable("searching vectors", error)),
            }
        }
        Ok(found)
    }
}

fn near(vector: &QueryOutputVector) -> Option<Near> {
    let (version, ordinal) = vector.key().rsplit_once('.')?;
    let document = vector.metadata()?.as_object()?.get("document")?.as_string()?;
    Some(Near {
        document: document.to_owned(),
        version: version.to_owned(),
        ordinal: ordinal.parse().ok()?,
        score: 1.0 - vector.distance()?,
    })
}
