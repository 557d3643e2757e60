//! One process at a time: an advisory lock on a file beside the database. The system frees it when the
//! process ends, however it ends.

use crate::error::OpenError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The name of the file that is locked.
const FILE: &str = "smooth-operator.lock";

/// So often, and so far apart, a lock is tried that another process holds: one that is just ending lets go.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(50);

/// Takes the folder for this process; it is free again when the file is closed.
pub(crate) async fn take(folder: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
    make(folder).map_err(failed)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(FILE))
        .map_err(failed)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(BETWEEN).await,
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Err(OpenError::InUse { folder: folder.to_owned() })
}

/// Makes the folder, if it is not there, for its owner alone: it holds what people said.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
