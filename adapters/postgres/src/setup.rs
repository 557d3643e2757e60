//! From an address to tables that are ready: the extension, the roles, and the migrations, each of which
//! a person is told what to do about when it cannot be done.

use crate::database::{Database, pool, quoted_name};
use crate::failure::{is_unencrypted, is_unreachable};
use crate::settings::{APP_ROLE, Settings, TRANSFER_ROLE};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{Connection as _, Error, Executor as _, PgConnection, PgPool, Row as _};
use std::fmt::Write as _;

/// The versions of the tables, oldest first.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_tables.sql")];
/// What the roles may do.
const ROLES: &str = include_str!("roles.sql");
/// The oldest pgvector whose approximate index goes on searching under a filter.
const OLDEST_VECTOR: (u32, u32) = (0, 8);
/// The oldest server that these statements are for.
const OLDEST_SERVER: i32 = 140_000;
/// The transaction-level advisory lock of migrations: `smooth` in ASCII.
const LOCK: i64 = 0x736d_6f6f_7468;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The URL.
    #[error(
        "the PostgreSQL address is not usable: {problem}. Write it as \
         postgres://user:password@host:5432/database (SMOOTH_AGENT_DATABASE_URL or storage.database_url)"
    )]
    Address {
        /// What is wrong with it.
        problem: String,
    },
    /// No connection.
    #[error(
        "PostgreSQL at {place} cannot be reached. Check that it runs, and the address in \
         SMOOTH_AGENT_DATABASE_URL (storage.database_url)"
    )]
    Unreachable {
        /// Host, port and database.
        place: String,
        /// The driver's error.
        #[source]
        source: Error,
    },
    /// The encrypted connection that `sslmode` asks for was not made.
    #[error(
        "the connection to PostgreSQL at {place} could not be encrypted: {source}. sslmode in the address says what \
         is asked for, sslrootcert whose certificates are trusted, and verify-full checks the name as well"
    )]
    Encryption {
        /// Host, port and database.
        place: String,
        /// The driver's error.
        source: Error,
    },
    /// The server refused the user, the password or the database.
    #[error("PostgreSQL at {place} refused the connection: {problem}")]
    Refused {
        /// Host, port and database.
        place: String,
        /// The server's words.
        problem: String,
    },
    /// The server is too old.
    #[error("PostgreSQL at {place} is version {version}; 14 or later is needed")]
    ServerVersion {
        /// Host, port and database.
        place: String,
        /// The server's version.
        version: i32,
    },
    /// pgvector is not there, or too old.
    #[error("{problem}")]
    Extension {
        /// What is wrong and what to do.
        problem: String,
    },
    /// The login may not do what setting up takes.
    #[error(
        "the login {login} may not {what} in {place}. Let the owner of the database start the server once, or \
         run as him: {remedy}"
    )]
    Denied {
        /// The login's name.
        login: String,
        /// What it may not do.
        what: &'static str,
        /// Host, port and database.
        place: String,
        /// The statements that help.
        remedy: String,
    },
    /// The login would see every organisation's rows.
    #[error(
        "the login {login} is not bound by row-level security and may not become the role {APP_ROLE}, which is. \
         Run as an administrator: CREATE ROLE {APP_ROLE} NOLOGIN; GRANT {APP_ROLE} TO {login}"
    )]
    Unbound {
        /// The login's name.
        login: String,
    },
    /// The tables are of a later version of this program.
    #[error(
        "the tables in {place} are of version {found}, and this program knows versions up to {known}: \
         start the program that made them, or a later one"
    )]
    Newer {
        /// Host, port and database.
        place: String,
        /// The version found.
        found: i32,
        /// The latest version known.
        known: i32,
    },
    /// The tables were not made by this program's migration.
    #[error("migration {version} in {place} is not the one that this program holds: its checksum differs")]
    Changed {
        /// Host, port and database.
        place: String,
        /// The migration.
        version: i32,
    },
    /// Anything else.
    #[error("PostgreSQL at {place} could not be set up")]
    Other {
        /// Host, port and database.
        place: String,
        /// The driver's error.
        #[source]
        source: Error,
    },
}

/// Connects, brings the tables up to date, and finds out under which role to work.
pub(crate) async fn set_up(settings: &Settings) -> Result<Database, SetupError> {
    let pool = pool(settings);
    let setup = Setup { place: settings.place.clone() };
    let ready = setup.run(&pool).await;
    match ready {
        Ok((takes_role, schema)) => Ok(Database::new(pool, settings, takes_role, &schema)),
        Err(error) => {
            pool.close().await;
            Err(error)
        }
    }
}

/// Outside of a transaction it asks by simple statements, each of which is one message: behind a
/// transaction pooler the next message may reach another connection.
struct Setup {
    place: String,
}

/// The login, as far as row-level security goes.
struct Login {
    name: String,
    /// A superuser, or one with `BYPASSRLS`.
    is_unbound: bool,
}

impl Setup {
    async fn run(&self, pool: &PgPool) -> Result<(bool, String), SetupError> {
        let mut conn = pool.acquire().await.map_err(|error| self.not_connected(error))?;
        let version = self.number(&mut conn, "SELECT current_setting('server_version_num')::int4").await?;
        if version < OLDEST_SERVER {
            return Err(SetupError::ServerVersion { place: self.place.clone(), version: version / 10_000 });
        }
        let login = self.login(&mut conn).await?;
        let is_behind = self.applied(&mut conn, &login).await?.len() < MIGRATIONS.len();
        if is_behind {
            self.roles(&mut conn).await?;
            self.migrate(&mut conn, &login).await?;
        }
        self.grant(&mut conn, &login, is_behind).await?;
        let schema = self.vector_schema(&mut conn, &login).await?;
        let takes_role = self.takes_role(&mut conn).await?;
        if login.is_unbound && !takes_role {
            return Err(SetupError::Unbound { login: login.name });
        }
        Ok((takes_role, schema))
    }

    fn other(&self, source: Error) -> SetupError {
        SetupError::Other { place: self.place.clone(), source }
    }

    fn not_connected(&self, error: Error) -> SetupError {
        let place = self.place.clone();
        match error {
            Error::Database(told) => SetupError::Refused { place, problem: told.message().to_owned() },
            error if is_unencrypted(&error) => SetupError::Encryption { place, source: error },
            error if is_unreachable(&error) => SetupError::Unreachable { place, source: error },
            error => SetupError::Other { place, source: error },
        }
    }

    async fn number(&self, conn: &mut PgConnection, sql: &'static str) -> Result<i32, SetupError> {
        let row = conn.fetch_one(sql).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.other(error))
    }

    async fn rows(&self, conn: &mut PgConnection, sql: &'static str) -> Result<Vec<PgRow>, SetupError> {
        conn.fetch_all(sql).await.map_err(|error| self.other(error))
    }

    async fn login(&self, conn: &mut PgConnection) -> Result<Login, SetupError> {
        let sql = "SELECT rolname::text, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
        let rows = self.rows(conn, sql).await?;
        let row = rows.first().ok_or_else(|| self.other(Error::RowNotFound))?;
        let read = || Ok(Login { name: row.try_get(0)?, is_unbound: row.try_get(1)? });
        read().map_err(|error| self.other(error))
    }

    /// The versions that are there, after a look at whether they are this program's.
    async fn applied(&self, conn: &mut PgConnection, login: &Login) -> Result<Vec<i32>, SetupError> {
        let there =
            "SELECT 1 FROM pg_tables WHERE schemaname = 'smooth_operator' AND tablename = 'migrations'";
        if self.rows(conn, there).await?.is_empty() {
            return Ok(Vec::new());
        }
        let sql = "SELECT version, checksum FROM smooth_operator.migrations ORDER BY version";
        let rows = conn.fetch_all(sql).await;
        let rows = rows.map_err(|error| {
            let remedy = |login: &str, _: &str| format!("GRANT {APP_ROLE} TO {login}");
            self.denied(error, login, "use the tables of the schema smooth_operator", remedy)
        })?;
        let mut versions = Vec::with_capacity(rows.len());
        for row in rows {
            let read = || Ok::<(i32, String), Error>((row.try_get(0)?, row.try_get(1)?));
            let (version, checksum) = read().map_err(|error| self.other(error))?;
            let known = usize::try_from(version - 1).ok().and_then(|at| MIGRATIONS.get(at));
            let place = self.place.clone();
            match known {
                None => return Err(SetupError::Newer { place, found: version, known: latest() }),
                Some(sql) if checksum_of(sql) != checksum => {
                    return Err(SetupError::Changed { place, version });
                }
                Some(_) => versions.push(version),
            }
        }
        Ok(versions)
    }

    /// Makes the roles, where the login may. Without them the owner of the tables is bound by their
    /// policies all the same; only `export` needs its role.
    async fn roles(&self, conn: &mut PgConnection) -> Result<(), SetupError> {
        for role in [APP_ROLE, TRANSFER_ROLE] {
            let sql = format!(
                "DO $$ BEGIN CREATE ROLE {role} NOLOGIN; \
                 EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; END $$; \
                 DO $$ BEGIN GRANT {role} TO CURRENT_USER; \
                 EXCEPTION WHEN insufficient_privilege OR undefined_object OR invalid_grant_operation \
                 OR unique_violation OR internal_error THEN NULL; END $$"
            );
            conn.execute(sql.as_str()).await.map_err(|error| self.other(error))?;
        }
        Ok(())
    }

    /// Applies what is missing, one program at a time, all in one transaction.
    async fn migrate(&self, conn: &mut PgConnection, login: &Login) -> Result<(), SetupError> {
        let mut tx = conn.begin().await.map_err(|error| self.other(error))?;
        let lock = format!("SELECT pg_advisory_xact_lock({LOCK})");
        tx.execute(lock.as_str()).await.map_err(|error| self.other(error))?;
        let applied = self.applied(&mut tx, login).await?;
        self.extension(&mut tx, login).await?;
        let schema = "CREATE SCHEMA IF NOT EXISTS smooth_operator; CREATE TABLE IF NOT EXISTS \
             smooth_operator.migrations (version integer PRIMARY KEY, checksum text NOT NULL, \
             applied_at timestamptz NOT NULL DEFAULT now())";
        let made = tx.execute(schema).await;
        made.map_err(|error| {
            self.denied(error, login, "make the schema smooth_operator", |login, database| {
                format!("GRANT CREATE ON DATABASE {database} TO {login}")
            })
        })?;
        let search_path = format!(
            "SET LOCAL search_path = smooth_operator, {}",
            quoted_name(&self.vector_schema(&mut tx, login).await?)
        );
        tx.execute(search_path.as_str()).await.map_err(|error| self.other(error))?;
        for (version, sql) in (1_i32..).zip(MIGRATIONS).skip(applied.len()) {
            tx.execute(*sql).await.map_err(|error| self.other(error))?;
            sqlx::query("INSERT INTO smooth_operator.migrations (version, checksum) VALUES ($1, $2)")
                .persistent(false)
                .bind(version)
                .bind(checksum_of(sql))
                .execute(&mut *tx)
                .await
                .map_err(|error| self.other(error))?;
            tracing::info!(version, place = self.place, "the tables were brought up to date");
        }
        tx.commit().await.map_err(|error| self.other(error))
    }

    /// Makes the extension, or says who can.
    async fn extension(&self, conn: &mut PgConnection, login: &Login) -> Result<(), SetupError> {
        let sql = "SELECT default_version::text, installed_version::text FROM pg_available_extensions \
                   WHERE name = 'vector'";
        let rows = self.rows(conn, sql).await?;
        let read =
            |row: &PgRow| Ok::<(Option<String>, Option<String>), Error>((row.try_get(0)?, row.try_get(1)?));
        let versions = rows.first().map(read).transpose().map_err(|error| self.other(error))?;
        let (available, installed) = versions.unwrap_or_default();
        if let Some(problem) = extension_problem(&self.place, available.as_deref(), installed.as_deref()) {
            return Err(SetupError::Extension { problem });
        }
        if installed.is_some() {
            return Ok(());
        }
        let made = conn.execute("CREATE EXTENSION IF NOT EXISTS vector").await;
        made.map(|_| ()).map_err(|error| {
            self.denied(error, login, "make the extension pgvector", |_, _| {
                "CREATE EXTENSION vector".to_owned()
            })
        })
    }

    fn denied(
        &self,
        error: Error,
        login: &Login,
        what: &'static str,
        remedy: impl FnOnce(&str, &str) -> String,
    ) -> SetupError {
        let refused = |error: &Error| {
            error.as_database_error().is_some_and(|told| told.code().as_deref() == Some("42501"))
        };
        if !refused(&error) {
            return self.other(error);
        }
        let database = self.place.rsplit('/').next().unwrap_or_default();
        let remedy = remedy(&login.name, database);
        SetupError::Denied { login: login.name.clone(), what, place: self.place.clone(), remedy }
    }

    /// The schema that holds pgvector's types and operators.
    async fn vector_schema(&self, conn: &mut PgConnection, login: &Login) -> Result<String, SetupError> {
        let sql = "SELECT n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
                   WHERE e.extname = 'vector'";
        let rows = self.rows(conn, sql).await?;
        match rows.first() {
            Some(row) => row.try_get(0).map_err(|error| self.other(error)),
            None => Err(SetupError::Denied {
                login: login.name.clone(),
                what: "use the extension pgvector, which is gone",
                place: self.place.clone(),
                remedy: "CREATE EXTENSION vector".to_owned(),
            }),
        }
    }

    /// Lets the roles use the tables, if they are there and the tables are ours: after a migration, or
    /// when the roles were made later.
    async fn grant(&self, conn: &mut PgConnection, login: &Login, is_new: bool) -> Result<(), SetupError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pg_policies WHERE schemaname = 'smooth_operator' \
                       AND tablename = 'admin' AND policyname = 'transfer') \
                   FROM pg_namespace n WHERE n.nspname = 'smooth_operator' AND pg_has_role(n.nspowner, 'USAGE') \
                   AND 2 = (SELECT count(*) FROM pg_roles \
                       WHERE rolname IN ('smooth_operator_app', 'smooth_operator_transfer'))";
        let rows = self.rows(conn, sql).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let is_done: bool = row.try_get(0).map_err(|error| self.other(error))?;
        if is_done && !is_new {
            return Ok(());
        }
        let mut tx = conn.begin().await.map_err(|error| self.other(error))?;
        // pgvector may stand in a schema that is not open to everyone.
        let schema = quoted_name(&self.vector_schema(&mut tx, login).await?);
        let sql = format!(
            "SELECT pg_advisory_xact_lock({LOCK}); {ROLES} DO $$ BEGIN \
             GRANT USAGE ON SCHEMA {schema} TO {APP_ROLE}, {TRANSFER_ROLE}; \
             EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
        );
        tx.execute(sql.as_str()).await.map_err(|error| self.other(error))?;
        tx.commit().await.map_err(|error| self.other(error))
    }

    /// Whether the login may become the application's role, and that role may use the tables.
    async fn takes_role(&self, conn: &mut PgConnection) -> Result<bool, SetupError> {
        let sql = "SELECT 1 FROM pg_roles WHERE rolname = 'smooth_operator_app' AND pg_has_role(oid, 'MEMBER') \
                   AND has_schema_privilege(oid, 'smooth_operator', 'USAGE')";
        if self.rows(conn, sql).await?.is_empty() {
            return Ok(false);
        }
        let mut tx = conn.begin().await.map_err(|error| self.other(error))?;
        let taken = tx.execute("SET LOCAL ROLE smooth_operator_app").await;
        tx.rollback().await.map_err(|error| self.other(error))?;
        Ok(taken.is_ok())
    }
}

fn latest() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// What a migration is known by: SHA-256 of its text, whatever ends its lines.
fn checksum_of(sql: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(sql.replace("\r\n", "\n")) {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What a person is to do about pgvector, if anything.
fn extension_problem(place: &str, available: Option<&str>, installed: Option<&str>) -> Option<String> {
    let Some(version) = installed.or(available) else {
        return Some(format!(
            "pgvector is not installed on the server of {place}. Install it there (the package \
             postgresql-VERSION-pgvector, or the image pgvector/pgvector)"
        ));
    };
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let (major, minor) = OLDEST_VECTOR;
    (found < OLDEST_VECTOR).then(|| {
        format!(
            "pgvector in {place} is version {version}; {major}.{minor} or later is needed. Install it on the \
             server, and run as the owner of the extension: ALTER EXTENSION vector UPDATE"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_old_pgvector_is_told_with_what_to_do() {
        let problem = |available, installed| extension_problem("h:5432/d", available, installed);
        assert!(problem(None, None).unwrap().contains("postgresql-VERSION-pgvector"));
        assert!(problem(Some("0.7.4"), None).unwrap().contains("0.8 or later"));
        assert!(problem(Some("0.8.5"), Some("0.5.1")).unwrap().contains("ALTER EXTENSION vector UPDATE"));
        assert_eq!(problem(Some("0.8.0"), None), None);
        assert_eq!(problem(Some("0.8.0"), Some("1.0")), None);
    }

    #[test]
    fn a_checksum_does_not_depend_on_line_ends() {
        assert_eq!(checksum_of("a\nb"), checksum_of("a\r\nb"));
        assert_ne!(checksum_of("a\nb"), checksum_of("a\nc"));
    }
}
