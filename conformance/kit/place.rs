//! Where the corpus is played: what keeps the data, and what stands between the socket and the service.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use smooai_smooth_operator_conformance::server_process::Build;

use crate::line::Line;

/// Where the data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Storage {
    /// In the process.
    Memory,
    /// In a file.
    Sqlite,
    /// In the database that `TEST_POSTGRES_URL` names.
    Postgres,
    /// In DynamoDB and S3 Vectors, at the addresses of the AWS SDK's own variables.
    Dynamodb,
}

/// What stands between the socket and the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mount {
    /// The real server, a process of its own.
    Server,
    /// A few lines of the kit; the service runs in the kit's own process.
    Inprocess,
}

/// What a scenario asks of the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageNeed {
    /// It ends with the process.
    Memory,
    /// It outlives the process.
    Durable,
    /// It is a server of its own, to which the line can break.
    Remote,
}

/// What a scenario cannot be played without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    /// The mount that it is about.
    pub mount: Option<Mount>,
    /// The storage that it is about.
    pub storage: Option<StorageNeed>,
}

/// A storage and a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where the data is kept.
    pub storage: Storage,
    /// What the service stands behind.
    pub mount: Mount,
}

/// The variable in which `cargo xtask services` tells of its PostgreSQL.
const POSTGRES: &str = "TEST_POSTGRES_URL";
/// The SDK's variables for the addresses of its services. Without them it would ask the real ones.
const DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const VECTORS: &str = "AWS_ENDPOINT_URL_S3VECTORS";

impl Storage {
    /// As the server calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Dynamodb => "dynamodb",
        }
    }

    /// The services of `cargo xtask services` that it needs.
    fn services(self) -> &'static str {
        match self {
            Self::Memory | Self::Sqlite => "",
            Self::Postgres => "postgres",
            Self::Dynamodb => "dynamodb s3vectors",
        }
    }

    /// The addresses that it needs, by the variables that hold them.
    fn addresses(self) -> &'static [&'static str] {
        match self {
            Self::Memory | Self::Sqlite => &[],
            Self::Postgres => &[POSTGRES],
            Self::Dynamodb => &[DYNAMODB, VECTORS],
        }
    }
}

impl StorageNeed {
    fn is_met_by(self, storage: Storage) -> bool {
        match self {
            Self::Memory => storage == Storage::Memory,
            Self::Durable => storage != Storage::Memory,
            Self::Remote => !storage.addresses().is_empty(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Memory => "storage in memory",
            Self::Durable => "durable storage",
            Self::Remote => "storage in a server of its own",
        }
    }
}

impl Needs {
    /// What a place lacks of it, in words; `None`: nothing.
    pub fn lacking(&self, place: Place) -> Option<String> {
        let mount = self.mount.filter(|mount| *mount != place.mount).map(Mount::words);
        let storage = self.storage.filter(|need| !need.is_met_by(place.storage)).map(StorageNeed::words);
        let lacking: Vec<&str> = mount.into_iter().chain(storage).collect();
        (!lacking.is_empty()).then(|| lacking.join(" and "))
    }

    /// What is needed, in words, for `--list`.
    pub fn words(&self) -> String {
        let words: Vec<&str> =
            self.mount.map(Mount::words).into_iter().chain(self.storage.map(StorageNeed::words)).collect();
        if words.is_empty() { String::new() } else { format!(" (needs {})", words.join(" and ")) }
    }
}

impl Mount {
    fn words(self) -> &'static str {
        match self {
            Self::Server => "the server's mount",
            Self::Inprocess => "the service in process",
        }
    }

    /// As the option says it.
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Inprocess => "inprocess",
        }
    }
}

impl Place {
    /// The one that needs nothing.
    pub const USUAL: Self = Self { storage: Storage::Memory, mount: Mount::Server };

    /// Every combination of the two, the usual one where nothing is said.
    pub fn all(storages: &[Storage], mounts: &[Mount]) -> Vec<Self> {
        let storages = if storages.is_empty() { &[Storage::Memory] } else { storages };
        let mounts = if mounts.is_empty() { &[Mount::Server] } else { mounts };
        let mut places: Vec<Self> = Vec::new();
        for storage in storages.iter().copied() {
            let of = mounts.iter().map(|mount| Self { storage, mount: *mount });
            let new: Vec<Self> = of.filter(|place| !places.contains(place)).collect();
            places.extend(new);
        }
        places
    }

    /// Checks that everything is there that these take, so that a run ends here with one error and not
    /// with one for every cell.
    ///
    /// # Errors
    /// When an address is not set; it says which command sets it.
    pub fn check(places: &[Self]) -> Result<()> {
        let arguments: Vec<String> = std::env::args().skip(1).map(|word| quoted(&word)).collect();
        Self::check_by(places, &arguments.join(" "), &variable)
    }

    fn check_by(places: &[Self], arguments: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<()> {
        let within = |place: &Self| place.mount == Mount::Inprocess && place.storage == Storage::Dynamodb;
        if places.iter().any(within) {
            bail!("in process there are memory, sqlite and postgres; for dynamodb leave `--mount` out");
        }
        let mut addresses =
            places.iter().flat_map(|place| place.storage.addresses().iter().map(move |name| (place, name)));
        let missing = addresses.find(|(_, name)| variable(name).is_none());
        let Some((place, missing)) = missing else { return Ok(()) };
        let mut services: Vec<&str> = Vec::new();
        for of in places.iter().map(|place| place.storage.services()) {
            if !of.is_empty() && !services.contains(&of) {
                services.push(of);
            }
        }
        bail!(
            "`--storage {}` needs servers, and {missing} names none; this starts them and ends them with the run:\n\
             cargo xtask services {} -- cargo xtask conformance {arguments}",
            place.storage.name(),
            services.join(" "),
        )
    }

    /// The build of the server that holds all of these.
    pub fn build(places: &[Self]) -> Build {
        match places.iter().any(|place| place.storage == Storage::Dynamodb) {
            true => Build::Whole,
            false => Build::Debug,
        }
    }

    /// Both, for a person.
    pub fn name(self) -> String {
        match self.mount {
            Mount::Server => self.storage.name().to_owned(),
            Mount::Inprocess => format!("{}, in process", self.storage.name()),
        }
    }

    /// What the command line says of it.
    pub fn flags(self) -> String {
        let mut flags = String::new();
        if self.storage != Self::USUAL.storage {
            flags.push_str(&format!(" --storage {}", self.storage.name()));
        }
        if self.mount != Self::USUAL.mount {
            flags.push_str(&format!(" --mount {}", self.mount.name()));
        }
        flags
    }

    /// What stands before the command that plays a scenario there.
    pub fn services(self) -> String {
        match self.storage.services() {
            "" => String::new(),
            services => format!("cargo xtask services {services} -- "),
        }
    }

    /// The folder of its traces below that of the usual place.
    pub fn folder(self) -> Option<String> {
        (self != Self::USUAL).then(|| format!("{}-{}", self.storage.name(), self.mount.name()))
    }

    /// The variables with which a server finds its storage, and the lines that lead there.
    ///
    /// # Errors
    /// As [`Place::check`].
    pub async fn storage(self) -> Result<(Vec<(String, String)>, Vec<Line>)> {
        let mut settings = vec![("SMOOTH_AGENT_STORAGE".to_owned(), self.storage.name().to_owned())];
        let mut lines = Vec::new();
        for name in self.storage.addresses() {
            let line = Line::to(&variable(name).context(*name)?).await.context(*name)?;
            let setting = match *name {
                POSTGRES => ("SMOOTH_AGENT_DATABASE_URL".to_owned(), soon(&line.url)),
                name => (name.to_owned(), line.url.clone()),
            };
            settings.push(setting);
            lines.push(line);
        }
        if self.storage == Storage::Dynamodb {
            settings.push(("SMOOTH_AGENT_DDB_TABLE".to_owned(), "conformance".to_owned()));
            settings.push(("SMOOTH_AGENT_VECTOR_BUCKET".to_owned(), "conformance".to_owned()));
            let names = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
            settings.extend(names.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))));
        }
        Ok((settings, lines))
    }
}

/// An address of PostgreSQL with which a broken line is told well before a client gives up.
fn soon(url: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}acquire_timeout_ms=10000")
}

/// A word as it is typed for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_,./=:".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[expect(clippy::disallowed_methods, reason = "the harness is no part of the product and has no Config")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Mount, Needs, Place, Storage, StorageNeed, quoted};

    const SQLITE: Place = Place { storage: Storage::Sqlite, mount: Mount::Server };
    const WITHIN: Place = Place { storage: Storage::Memory, mount: Mount::Inprocess };

    #[test]
    fn a_place_lacks_what_a_scenario_needs_and_it_does_not_have() {
        let nothing = Needs::default();
        assert_eq!(nothing.lacking(WITHIN), None);
        assert_eq!(nothing.words(), "");
        let both = Needs { mount: Some(Mount::Server), storage: Some(StorageNeed::Durable) };
        assert_eq!(both.lacking(SQLITE), None);
        assert_eq!(both.lacking(Place::USUAL).as_deref(), Some("durable storage"));
        assert_eq!(both.lacking(WITHIN).as_deref(), Some("the server's mount and durable storage"));
        assert_eq!(both.words(), " (needs the server's mount and durable storage)");
        let remote = Needs { mount: None, storage: Some(StorageNeed::Remote) };
        assert!(remote.lacking(SQLITE).is_some());
        assert!(remote.lacking(Place { storage: Storage::Dynamodb, mount: Mount::Server }).is_none());
    }

    #[test]
    fn places_are_all_combinations_once() {
        assert_eq!(Place::all(&[], &[]), [Place::USUAL]);
        let storages = [Storage::Memory, Storage::Sqlite, Storage::Memory];
        let places = Place::all(&storages, &[Mount::Server, Mount::Inprocess]);
        assert_eq!(places.len(), 4);
        assert_eq!(Place::USUAL.flags(), "");
        assert_eq!(places[3].flags(), " --storage sqlite --mount inprocess");
        assert_eq!(places[3].folder().as_deref(), Some("sqlite-inprocess"));
    }

    #[test]
    fn what_the_kit_does_not_hold_is_told_with_what_to_do() {
        let place = Place { storage: Storage::Dynamodb, mount: Mount::Inprocess };
        let error = Place::check_by(&[SQLITE, place], "", &|_| Some("x".to_owned())).unwrap_err();
        assert!(error.to_string().contains("leave `--mount` out"), "{error}");
        Place::check_by(&[Place::USUAL, SQLITE, WITHIN], "", &|_| None).unwrap();
    }

    #[test]
    fn a_missing_server_is_one_error_with_the_command_that_starts_all() {
        let places = Place::all(&[Storage::Sqlite, Storage::Postgres, Storage::Dynamodb], &[]);
        let error = Place::check_by(&places, "--client rust", &|_| None).unwrap_err().to_string();
        assert!(error.contains("TEST_POSTGRES_URL names none"), "{error}");
        let command =
            "\ncargo xtask services postgres dynamodb s3vectors -- cargo xtask conformance --client rust";
        assert!(error.ends_with(command), "{error}");
        Place::check_by(&places, "", &|_| Some("x".to_owned())).unwrap();
        // One of two is not enough.
        let half = |name: &str| (name == "AWS_ENDPOINT_URL_DYNAMODB").then(|| "http://x".to_owned());
        let error = Place::check_by(&places[2..], "", &half).unwrap_err().to_string();
        assert!(error.contains("AWS_ENDPOINT_URL_S3VECTORS names none"), "{error}");
        let words = ["--storage", "sqlite,postgres", "code_*", "it's"].map(quoted);
        assert_eq!(words.join(" "), r"--storage sqlite,postgres 'code_*' 'it'\''s'");
    }
}
