//! `export` and `import`: everything that a storage holds as lines of JSON, to move it to another one.

use crate::config::{Backend, Command};
use crate::launch::Launch;
use crate::storage::{self, StorageError};
use crate::telemetry::{self, TelemetryError};
use smooai_smooth_operator_store::{LineError, LinesIn, LinesOut, StoreError, TransferStore};
use std::io;
use std::sync::Arc;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

/// The longest line that is taken in: one document with its chunks and embeddings.
const LONGEST: u64 = 1 << 30;

/// Why data was not moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The storage is one that no other process sees.
    #[error(
        "storage `memory` is empty when a program starts and gone when it ends; name another one with --storage"
    )]
    Memory,
    /// The storage cannot be opened.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log's filter.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The storage cannot be read.
    #[error("the storage cannot be read")]
    Read(#[source] StoreError),
    /// The lines cannot be taken in.
    #[error(transparent)]
    Lines(#[from] LineError),
    /// A line is no text, or too long.
    #[error("line {0} is longer than 1 GiB or not UTF-8")]
    Line(u64),
    /// The stream broke.
    #[error("the stream broke off")]
    Stream(#[from] io::Error),
}

/// Moves the data between the configured storage and stdout or stdin, and tells how much on stderr.
///
/// # Errors
/// See [`TransferError`].
pub async fn transfer(launch: &Launch, command: Command) -> Result<(), TransferError> {
    let config = launch.config();
    telemetry::init(&config.telemetry)?;
    if config.storage.backend == Backend::Memory {
        return Err(TransferError::Memory);
    }
    let store = storage::open(config).await?.transfer;
    match command {
        Command::Export => {
            let records = export(store, &mut tokio::io::stdout()).await?;
            tracing::info!(records, "exported");
        }
        Command::Import => {
            let records = import(store, &mut BufReader::new(tokio::io::stdin())).await?;
            tracing::info!(records, "imported");
        }
    }
    Ok(())
}

/// Writes everything that a store holds, and returns the number of its records.
///
/// # Errors
/// See [`TransferError`].
pub async fn export(
    store: Arc<dyn TransferStore>,
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<u64, TransferError> {
    let mut lines = LinesOut::new(store);
    while let Some(text) = lines.next().await.map_err(TransferError::Read)? {
        to.write_all(text.as_bytes()).await?;
    }
    to.flush().await?;
    Ok(lines.records())
}

/// Takes everything in that [`export`] wrote, and returns the number of records.
///
/// # Errors
/// See [`TransferError`].
pub async fn import(
    store: Arc<dyn TransferStore>,
    from: &mut (impl AsyncBufRead + Unpin),
) -> Result<u64, TransferError> {
    let mut lines = LinesIn::new(store);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut *from).take(LONGEST).read_until(b'\n', &mut line).await?;
        if read == 0 {
            break;
        }
        let text = std::str::from_utf8(&line).ok().filter(|_| (read as u64) < LONGEST);
        lines.line(text.ok_or(TransferError::Line(number))?).await?;
    }
    Ok(lines.end().await?)
}
