//! The open file: its connections, and the two ways to work with it.

use crate::error::{Failure, OpenError};
use crate::lock;
use crate::schema::{self, Found};
use crate::thread::{self, Queue};
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use smooai_smooth_operator_store::Result;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection waits for another one of this process, as at a checkpoint.
const BUSY: Duration = Duration::from_secs(10);

/// How a connection keeps and finds things. In WAL mode with `synchronous=FULL` a commit returns when the
/// log has reached the disk (<https://sqlite.org/pragma.html#pragma_synchronous>).
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -4096;
    PRAGMA temp_store = MEMORY;
";

/// The database of one folder.
pub(crate) struct Database {
    file: PathBuf,
    writer: Queue,
    readers: Queue,
    interrupts: Vec<InterruptHandle>,
}

impl Database {
    /// Opens the file of a folder and starts the threads.
    pub(crate) async fn open(folder: &Path) -> Result<Self, OpenError> {
        let lock = lock::take(folder).await?;
        let file = folder.join(crate::FILE);
        let failed = |source| OpenError::Database { file: file.clone(), source };
        let mut connection = connect(&file).map_err(failed)?;
        match schema::migrate(&mut connection).map_err(failed)? {
            Found::Ours => {}
            Found::Foreign => return Err(OpenError::Foreign { file }),
            Found::Newer(found) => return Err(OpenError::Newer { file, found, known: schema::newest() }),
        }
        let count = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
        let connections = (0..count).map(|_| reader(&file)).collect::<rusqlite::Result<_>>();
        let (readers, mut interrupts) =
            thread::readers(connections.map_err(failed)?).map_err(OpenError::Thread)?;
        let (writer, interrupt) = thread::writer(connection, lock).map_err(OpenError::Thread)?;
        interrupts.push(interrupt);
        Ok(Self { file, writer, readers, interrupts })
    }

    /// A further connection, for reading much.
    pub(crate) fn connect(&self) -> Result<Connection, OpenError> {
        reader(&self.file).map_err(|source| OpenError::Database { file: self.file.clone(), source })
    }

    /// Reads. What was acknowledged before is seen.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        context: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.readers.run(context, work, |_| ()).await
    }

    /// Reads and writes as one: nobody writes meanwhile, and an error leaves nothing behind. The result
    /// comes when it has reached the disk.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        context: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        self.writer.run(context, work, |_| ()).await
    }

    /// Writes, and does something more when that has reached the disk, whether or not somebody still waits
    /// for the result.
    pub(crate) async fn write_then<T: Send + 'static>(
        &self,
        context: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
        after: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T> {
        self.writer.run(context, work, after).await
    }

    /// Breaks off what the connections are doing.
    pub(crate) fn interrupt(&self) {
        for handle in &self.interrupts {
            handle.interrupt();
        }
    }
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(SETTINGS)?;
    Ok(connection)
}

fn reader(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY;")?;
    Ok(connection)
}
