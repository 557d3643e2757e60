//! Everything a store holds as lines of JSON: a header, one line per record, and a last line with their
//! number. Made and taken in page by page, so the size of a store does not matter. No file is touched
//! here: text goes out and comes in.

use crate::{Record, RecordKind, StoreError, TransferStore};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the header calls the format.
const FORMAT: &str = "smooth-operator-export";
/// The version that this program writes, and the newest it reads.
const VERSION: u32 = 1;
/// So many records are read, and taken in, at once; of documents, which are large, fewer.
const AT_ONCE: usize = 500;
const DOCUMENTS_AT_ONCE: usize = 16;
/// So many bytes of lines are kept at most before they are taken in.
const BYTES_AT_ONCE: usize = 8 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
}

/// The lines that are no records.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Frame {
    Header(Header),
    End { records: u64 },
}

/// Why lines were not taken in. Lines before the error may have been: taking them in again is harmless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The first line is no header.
    #[error("this is no export: its first line is no header of the format {FORMAT}")]
    NoExport,
    /// The header names a newer version.
    #[error(
        "the export has version {found} and this program reads versions up to {VERSION}; use a newer program"
    )]
    Newer {
        /// The version.
        found: u32,
    },
    /// A line is no record.
    #[error("line {line} is no record: {source}")]
    Malformed {
        /// Its number, from 1.
        line: u64,
        /// The cause.
        source: serde_json::Error,
    },
    /// The last line is missing, or does not count what came before it.
    #[error("the export is incomplete: {records} records came, and no last line that counts them")]
    Incomplete {
        /// How many records came.
        records: u64,
    },
    /// The store refused records.
    #[error("up to line {line} the records were not taken in")]
    Store {
        /// The number of the last line that was read.
        line: u64,
        /// The cause.
        source: StoreError,
    },
}

/// Makes the lines of a store.
pub struct LinesOut {
    store: Arc<dyn TransferStore>,
    /// The kinds still to come, the next one last.
    kinds: Vec<RecordKind>,
    after: Option<String>,
    records: u64,
    begun: bool,
    ended: bool,
}

impl LinesOut {
    /// From the first line on.
    #[must_use]
    pub fn new(store: Arc<dyn TransferStore>) -> Self {
        let kinds = RecordKind::ALL.into_iter().rev().collect();
        Self { store, kinds, after: None, records: 0, begun: false, ended: false }
    }

    /// The next lines, each with its line break; `None` when there are no more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let mut lines = String::new();
        if !self.begun {
            self.begun = true;
            put(&mut lines, &Frame::Header(Header { format: FORMAT.to_owned(), version: VERSION }))?;
        }
        while let Some(kind) = self.kinds.last().copied() {
            let limit = if kind == RecordKind::Document { DOCUMENTS_AT_ONCE } else { AT_ONCE };
            let page = self.store.export(kind, self.after.as_deref(), limit).await?;
            for record in &page.records {
                put(&mut lines, record)?;
                self.records += 1;
            }
            self.after = page.next;
            if self.after.is_none() {
                self.kinds.pop();
            }
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        put(&mut lines, &Frame::End { records: self.records })?;
        Ok(Some(lines))
    }

    /// How many records have gone out.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }
}

fn put(lines: &mut String, value: &impl Serialize) -> Result<(), StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|error| StoreError::Corrupt { context: format!("a record as JSON: {error}") })?;
    lines.push_str(&text);
    lines.push('\n');
    Ok(())
}

/// Takes lines into a store.
pub struct LinesIn {
    store: Arc<dyn TransferStore>,
    waiting: Vec<Record>,
    bytes: usize,
    line: u64,
    records: u64,
    complete: bool,
}

impl LinesIn {
    /// Before the first line.
    #[must_use]
    pub fn new(store: Arc<dyn TransferStore>) -> Self {
        Self { store, waiting: Vec::new(), bytes: 0, line: 0, records: 0, complete: false }
    }

    /// Takes the next line in, at the latest when [`LinesIn::end`] is called. Empty lines say nothing.
    ///
    /// # Errors
    /// See [`LineError`].
    pub async fn line(&mut self, text: &str) -> Result<(), LineError> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Ok(());
        }
        self.line += 1;
        if self.line == 1 {
            return match serde_json::from_str(text) {
                Ok(Frame::Header(Header { format, version })) if format == FORMAT => {
                    if version > VERSION {
                        Err(LineError::Newer { found: version })
                    } else {
                        Ok(())
                    }
                }
                _ => Err(LineError::NoExport),
            };
        }
        if self.complete {
            return Err(LineError::Incomplete { records: self.records });
        }
        // Records may be large: only what can be the last line is read as one.
        if text.starts_with("{\"end\"")
            && let Ok(Frame::End { records }) = serde_json::from_str(text)
        {
            self.complete = records == self.records;
            return if self.complete { Ok(()) } else { Err(LineError::Incomplete { records: self.records }) };
        }
        let record =
            serde_json::from_str(text).map_err(|source| LineError::Malformed { line: self.line, source })?;
        self.records += 1;
        self.waiting.push(record);
        self.bytes += text.len();
        if self.waiting.len() >= AT_ONCE || self.bytes >= BYTES_AT_ONCE {
            self.take().await?;
        }
        Ok(())
    }

    /// Takes in what still waits, and returns how many records there were.
    ///
    /// # Errors
    /// See [`LineError`].
    pub async fn end(mut self) -> Result<u64, LineError> {
        self.take().await?;
        if self.complete { Ok(self.records) } else { Err(LineError::Incomplete { records: self.records }) }
    }

    async fn take(&mut self) -> Result<(), LineError> {
        self.bytes = 0;
        let records = std::mem::take(&mut self.waiting);
        self.store.import(records).await.map_err(|source| LineError::Store { line: self.line, source })
    }
}
