//! The database's address and what this program reads out of it besides: parameters of its own.

use crate::setup::SetupError;
use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;
use url::Url;

/// The role that transactions run under.
pub(crate) const APP_ROLE: &str = "smooth_operator_app";
/// The role that may read all organisations, to move their data.
pub(crate) const TRANSFER_ROLE: &str = "smooth_operator_transfer";

/// Parameters of the URL that the driver itself reads.
const DRIVERS: [&str; 14] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
];

/// Parameters that this program reads, for error messages.
const OURS: &str = "pool_size, acquire_timeout_ms, statement_timeout_ms, prepared_statements, exact_up_to";

/// How the database is used. Its `Debug` form hides the address, which may hold a password.
#[derive(Clone)]
pub struct Settings {
    pub(crate) connect: PgConnectOptions,
    /// Where it is, for error messages: host, port and database, without user and password.
    pub(crate) place: String,
    /// The most connections at once (`pool_size`, 10).
    pub pool_size: u32,
    /// How long a call waits for a free connection (`acquire_timeout_ms`, 10,000).
    pub acquire_timeout: Duration,
    /// How long one statement may run (`statement_timeout_ms`, 15,000).
    pub statement_timeout: Duration,
    /// Whether statements are prepared under names (`prepared_statements`, `true`). `false` behind a
    /// transaction pooler that does not track them.
    pub prepared_statements: bool,
    /// So many embeddings that a reader may see are searched exactly; more than that by the approximate
    /// index (`exact_up_to`, 10,000).
    pub exact_up_to: u32,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("place", &self.place)
            .field("pool_size", &self.pool_size)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("prepared_statements", &self.prepared_statements)
            .field("exact_up_to", &self.exact_up_to)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads `postgres://user:password@host:port/database?parameter=value`.
    ///
    /// # Errors
    /// When it is no such URL, or a parameter is unknown or has a value that is none. The error holds
    /// neither user nor password.
    pub fn from_url(url: &str) -> Result<Self, SetupError> {
        let wrong = |problem: String| SetupError::Address { problem };
        let mut url = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong(format!("it begins with {}:", url.scheme())));
        }
        let mut settings = Self {
            connect: PgConnectOptions::new_without_pgpass(),
            place: String::new(),
            pool_size: 10,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(15),
            prepared_statements: true,
            exact_up_to: 10_000,
        };
        let pairs: Vec<(String, String)> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let mut kept = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &pairs {
            if name == "password" {
                return Err(wrong("the password stands before the @, not among the parameters".to_owned()));
            }
            if DRIVERS.contains(&name.as_str()) {
                kept.append_pair(name, value);
            } else {
                settings.set(name, value).map_err(wrong)?;
            }
        }
        let kept = kept.finish();
        url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
        let connect = PgConnectOptions::from_str(url.as_str())
            .map_err(|_| wrong("a parameter such as sslmode has a value that it cannot have".to_owned()))?;
        settings.place = place(&connect);
        // Poolers refuse start-up parameters that they do not know; floats come in binary anyway.
        settings.connect = connect.extra_float_digits(None);
        if url.query_pairs().all(|(name, _)| name != "application_name") {
            settings.connect = settings.connect.application_name("smooth-operator");
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = |least: u32| {
            let number = value.parse::<u32>().ok().filter(|number| *number >= least);
            number.ok_or_else(|| format!("{name} is {value:?}; allowed: a whole number from {least}"))
        };
        match name {
            "pool_size" => self.pool_size = number(1)?,
            "acquire_timeout_ms" => self.acquire_timeout = Duration::from_millis(number(1)?.into()),
            "statement_timeout_ms" => self.statement_timeout = Duration::from_millis(number(1)?.into()),
            "exact_up_to" => self.exact_up_to = number(0)?,
            "prepared_statements" => {
                self.prepared_statements =
                    value.parse().map_err(|_| format!("{name} is {value:?}; allowed: true, false"))?;
            }
            // The driver's own name for the same wish.
            "statement-cache-capacity" => self.prepared_statements = number(0)? > 0,
            _ => {
                let drivers = DRIVERS.join(", ");
                return Err(format!("{name:?} is no parameter; there are {OURS}, and {drivers}"));
            }
        }
        Ok(())
    }
}

fn place(connect: &PgConnectOptions) -> String {
    let database = connect.get_database().unwrap_or_default();
    match connect.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", connect.get_host(), connect.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_ours_are_read_and_the_others_reach_the_driver() {
        let url = "postgres://ada:hunter2@db.example.com:6543/shop?sslmode=require&pool_size=3&prepared_statements=false\
                   &acquire_timeout_ms=500&statement_timeout_ms=700&exact_up_to=0";
        let settings = Settings::from_url(url).unwrap();
        assert_eq!(settings.place, "db.example.com:6543/shop");
        assert_eq!((settings.pool_size, settings.exact_up_to, settings.prepared_statements), (3, 0, false));
        assert_eq!(settings.acquire_timeout, Duration::from_millis(500));
        assert_eq!(settings.statement_timeout, Duration::from_millis(700));
        assert!(matches!(settings.connect.get_ssl_mode(), sqlx::postgres::PgSslMode::Require));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        for (url, named) in [
            ("postgres://ada:hunter2@h/d?pool=3", "pool_size"),
            ("postgres://ada:hunter2@h/d?pool_size=0", "from 1"),
            ("postgres://ada:hunter2@h/d?prepared_statements=maybe", "true, false"),
            ("postgres://ada:hunter2@h/d?sslmode=hunter2", "sslmode"),
            ("postgres://ada@h/d?password=hunter2", "before the @"),
            ("mysql://ada:hunter2@h/d", "mysql:"),
            ("hunter2", "URL"),
            ("postgres://ada:hunter2@h:port/d", "port"),
        ] {
            let error = Settings::from_url(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains(named), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
