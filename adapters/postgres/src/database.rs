//! The connections, and units of work on them: each is one transaction that says for whom it is before
//! it sees a row. Nothing outlives a transaction, so that a transaction pooler may stand in between.

use crate::failure::{Cause, Failure};
use crate::settings::{APP_ROLE, Settings, TRANSFER_ROLE};
use crate::text;
use smooai_smooth_operator_store::{OrganizationId, Result, StoreError, TurnId};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPoolOptions, PgRow, PgTransactionManager};
use sqlx::query::Query;
use sqlx::{PgPool, Postgres, TransactionManager};
use std::fmt::Write as _;
use std::time::Duration;

/// A statement with its values.
pub(crate) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// How often a transaction that had to give way to others is tried.
const TRIES: u32 = 6;
/// The pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(5);
/// What a unit of several statements may take, in times of the longest statement.
const STATEMENTS: u32 = 4;
/// A connection is replaced when it is so old, so that changes of addresses and certificates are seen.
const LONGEST_LIFE: Duration = Duration::from_mins(30);
/// An unused connection is given back after so long.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// For whom a transaction is. Row-level security shows it nothing else.
#[derive(Clone, Copy)]
pub(crate) enum Who<'a> {
    /// The rows of one organisation.
    Organization(&'a OrganizationId),
    /// One turn and its journal, for whoever holds its claim.
    Turn(&'a TurnId),
    /// Everything, to be read only.
    Everyone,
}

/// What a transaction does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// It reads.
    Read,
    /// It reads by statements whose plans depend on their values.
    Search,
    /// It writes.
    Write,
}

/// The database.
#[derive(Clone)]
pub(crate) struct Database {
    pool: PgPool,
    /// Whether transactions change into the role of the application.
    takes_role: bool,
    /// Where pgvector's names are, quoted.
    vector_schema: String,
    prepared: bool,
    statement_ms: u128,
    unit_limit: Duration,
    tries_lost: u32,
    pub(crate) exact_up_to: i64,
}

/// Connections by these settings; none is made yet.
pub(crate) fn pool(settings: &Settings) -> PgPool {
    PgPoolOptions::new()
        .max_connections(settings.pool_size)
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(LONGEST_REST)
        .max_lifetime(LONGEST_LIFE)
        // A dead connection is noticed when it is used, and the transaction begun again on another.
        .test_before_acquire(false)
        .connect_lazy_with(settings.connect.clone())
}

impl Database {
    pub(crate) fn new(pool: PgPool, settings: &Settings, takes_role: bool, vector_schema: &str) -> Self {
        Self {
            pool,
            takes_role,
            vector_schema: quoted_name(vector_schema),
            prepared: settings.prepared_statements,
            statement_ms: settings.statement_timeout.as_millis(),
            unit_limit: settings.acquire_timeout + settings.statement_timeout * STATEMENTS,
            tries_lost: settings.pool_size.saturating_add(1),
            exact_up_to: settings.exact_up_to.into(),
        }
    }

    /// The rows of one statement in a transaction of its own.
    pub(crate) async fn rows<'q>(
        &self,
        who: Who<'_>,
        work: Work,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>> {
        self.retried(|| self.once(who, work, statement())).await
    }

    /// The one row, or none, of a statement in a transaction of its own.
    pub(crate) async fn row<'q>(
        &self,
        who: Who<'_>,
        work: Work,
        statement: impl Fn() -> Statement<'q> + Send + Sync,
    ) -> Result<Option<PgRow>> {
        Ok(self.rows(who, work, statement).await?.pop())
    }

    async fn once(&self, who: Who<'_>, work: Work, statement: Statement<'_>) -> Result<Vec<PgRow>, Failure> {
        let mut unit = self.begin(who, work).await?;
        let rows = unit.rows(statement).await?;
        if work == Work::Write {
            unit.commit().await?;
        }
        Ok(rows)
    }

    /// Does the work, and does it again when its transaction was lost or had to give way. What is
    /// committed is never done again.
    pub(crate) async fn retried<T, W>(&self, work: impl Fn() -> W + Send + Sync) -> Result<T>
    where
        W: Future<Output = Result<T, Failure>> + Send,
    {
        let (mut lost, mut contended) = (0, 0);
        loop {
            let failed = match tokio::time::timeout(self.unit_limit, work()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(failed)) => failed,
                Err(_) => Failure::Late,
            };
            match failed.cause() {
                Cause::Lost if lost < self.tries_lost => lost += 1,
                Cause::Contended if contended + 1 < TRIES => {
                    tokio::time::sleep(PAUSE * 2_u32.pow(contended)).await;
                    contended += 1;
                }
                _ => return Err(failed.into_error()),
            }
        }
    }

    /// Begins a transaction: one round trip.
    pub(crate) async fn begin(&self, who: Who<'_>, work: Work) -> Result<Unit, Failure> {
        let conn = self.pool.acquire().await.map_err(|error| Failure::Database(error).into_error())?;
        let mut unit = Unit { conn, state: State::Busy, prepared: self.prepared };
        let begun = PgTransactionManager::begin(&mut unit.conn, Some(self.opening(who, work).into())).await;
        begun.map_err(|error| begin_failure(who, error))?;
        unit.state = State::Open;
        Ok(unit)
    }

    /// What a transaction begins with, in one message. Its settings end with it.
    fn opening(&self, who: Who<'_>, work: Work) -> String {
        let access = if work == Work::Write { "READ WRITE" } else { "READ ONLY" };
        let mut sql = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED {access}; SET LOCAL search_path = smooth_operator, {}; \
             SET LOCAL statement_timeout = {ms}; SET LOCAL idle_in_transaction_session_timeout = {ms}",
            self.vector_schema,
            ms = self.statement_ms,
        );
        let role = match who {
            Who::Everyone => Some(TRANSFER_ROLE),
            _ => self.takes_role.then_some(APP_ROLE),
        };
        // Writing into a string cannot fail.
        if let Some(role) = role {
            let _ = write!(sql, "; SET LOCAL ROLE {role}");
        }
        let _ = match who {
            Who::Organization(id) => {
                write!(sql, "; SET LOCAL smooth_operator.organization = {}", quoted(&text::organization(id)))
            }
            Who::Turn(id) => {
                write!(sql, "; SET LOCAL smooth_operator.turn = {}", quoted(&text::escaped(id.as_str())))
            }
            Who::Everyone => Ok(()),
        };
        if work == Work::Search {
            // Plans are made for the values: how many rows a reader may see decides. Compiling them takes
            // longer than running them. The approximate index goes on until enough of what it finds passes
            // the filter.
            sql.push_str(
                "; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL jit = off; \
                 SET LOCAL hnsw.ef_search = 200; SET LOCAL hnsw.iterative_scan = strict_order; \
                 SET LOCAL hnsw.max_scan_tuples = 100000",
            );
        }
        sql
    }
}

/// Why a transaction could not begin. That the login may not become the role of `export` is no fault of
/// the database.
fn begin_failure(who: Who<'_>, error: sqlx::Error) -> Failure {
    let refused = error.as_database_error().and_then(|told| told.code().map(std::borrow::Cow::into_owned));
    match (who, refused.as_deref()) {
        // Not a member of the role; no such role.
        (Who::Everyone, Some("42501" | "22023")) => {
            let context = format!(
                "the login of PostgreSQL may not read all organisations. Run as an administrator: \
                 GRANT {TRANSFER_ROLE} TO that login"
            );
            StoreError::Unavailable { context, source: Some(error.into()) }.into()
        }
        _ => error.into(),
    }
}

/// A text as a literal that means the same whatever `standard_conforming_strings` is.
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A name as an identifier.
pub(crate) fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A transaction. Dropping it rolls it back, without waiting for that.
pub(crate) struct Unit {
    conn: PoolConnection<Postgres>,
    state: State,
    prepared: bool,
}

#[derive(PartialEq, Eq)]
enum State {
    /// Something was sent and its answer is not read.
    Busy,
    /// The transaction is open, or failed.
    Open,
    /// It was committed.
    Ended,
}

impl Unit {
    /// The rows of a statement.
    pub(crate) async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, Failure> {
        self.state = State::Busy;
        let rows = statement.persistent(self.prepared).fetch_all(&mut *self.conn).await;
        if matches!(rows, Ok(_) | Err(sqlx::Error::Database(_))) {
            self.state = State::Open;
        }
        Ok(rows?)
    }

    /// How many rows a statement wrote.
    pub(crate) async fn run(&mut self, statement: Statement<'_>) -> Result<u64, Failure> {
        self.state = State::Busy;
        let done = statement.persistent(self.prepared).execute(&mut *self.conn).await;
        if matches!(done, Ok(_) | Err(sqlx::Error::Database(_))) {
            self.state = State::Open;
        }
        Ok(done?.rows_affected())
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// A connection that is lost here leaves open whether the transaction counts; it is not tried again.
    pub(crate) async fn commit(mut self) -> Result<(), Failure> {
        self.state = State::Busy;
        match PgTransactionManager::commit(&mut self.conn).await {
            Ok(()) => {
                self.state = State::Ended;
                Ok(())
            }
            Err(error) => {
                let failed = Failure::Database(error);
                Err(match failed.cause() {
                    Cause::Lost => Failure::Store(StoreError::Unavailable {
                        context: "PostgreSQL was lost while a transaction ended; whether it counts is open"
                            .to_owned(),
                        source: None,
                    }),
                    _ => failed,
                })
            }
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        match self.state {
            // What the server would answer next is not known: the connection is of no more use.
            State::Busy => self.conn.close_on_drop(),
            State::Open => PgTransactionManager::start_rollback(&mut self.conn),
            State::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_names_are_quoted() {
        assert_eq!(quoted("a'; DROP \\'"), "E'a''; DROP \\\\'''");
        assert_eq!(quoted_name("a\"b"), "\"a\"\"b\"");
    }
}
