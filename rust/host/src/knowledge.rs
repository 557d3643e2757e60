//! Loads the configured documents, and tells how far it is.

use crate::config::{Config, KnowledgeConfig, PeopleConfig};
use crate::world::RealWorld;
use indicatif::{ProgressBar, ProgressStyle};
use smooai_smooth_operator::World as _;
use smooai_smooth_operator_ingestion::{
    Connector, FileError, Files, Inline, Pipeline, Progress, Report, demo,
};
use smooai_smooth_operator_retrieval::Embedder;
use smooai_smooth_operator_store::{AccessList, KnowledgeStore, OrganizationId};
use std::io::IsTerminal as _;
use std::sync::Arc;

/// Puts the configured documents into the store; what cannot be read is logged with its reason.
///
/// # Errors
/// When a pattern is malformed.
pub(crate) async fn load(
    config: &Config,
    organization: &OrganizationId,
    store: Arc<dyn KnowledgeStore>,
    embedder: Arc<dyn Embedder>,
) -> Result<(), FileError> {
    let connectors = connectors(config)?;
    if connectors.is_empty() {
        return Ok(());
    }
    let pipeline = Pipeline::new(store, embedder, organization.clone(), Arc::new(|| RealWorld.now()));
    let report = if std::io::stderr().is_terminal() {
        let bar = ProgressBar::new(0).with_style(style());
        let report = pipeline.run(&connectors, &|progress| show(&bar, progress)).await;
        bar.finish_and_clear();
        report
    } else {
        pipeline.run(&connectors, &|_| {}).await
    };
    tell(&report);
    Ok(())
}

fn connectors(config: &Config) -> Result<Vec<Arc<dyn Connector>>, FileError> {
    let mut connectors: Vec<Arc<dyn Connector>> = Vec::new();
    if config.seed_kb {
        connectors.extend(demo().map(|document| Arc::new(document) as Arc<dyn Connector>));
    }
    for KnowledgeConfig { path, source, text, acl } in &config.knowledge {
        let list = acl.as_ref().map_or(AccessList::Public, restricted);
        if let Some(path) = path {
            connectors.push(Arc::new(Files::new(&config.base_dir, path, list.clone())?));
        }
        if let (Some(source), Some(text)) = (source, text) {
            connectors.push(Arc::new(Inline::new(source, text, list)));
        }
    }
    Ok(connectors)
}

fn restricted(people: &PeopleConfig) -> AccessList {
    AccessList::Restricted {
        users: people.users.iter().cloned().collect(),
        groups: people.groups.iter().cloned().collect(),
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("loading documents {bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn show(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.files_total as u64);
    bar.set_position(progress.files as u64);
    bar.set_message(format!("{} chunks, {:.0} files/s", progress.chunks, progress.rate()));
}

fn tell(report: &Report) {
    for skipped in &report.skipped {
        tracing::warn!(source = skipped.source, reason = skipped.reason, "a document was not loaded");
    }
    if report.unembedded > 0 {
        tracing::warn!(
            documents = report.unembedded,
            "documents were stored without vectors, because the embedding model did not answer; only words find them"
        );
    }
    tracing::info!(
        documents = report.documents(),
        unchanged = report.unchanged,
        chunks = report.chunks,
        skipped = report.skipped.len(),
        milliseconds = u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
        "documents loaded"
    );
}
