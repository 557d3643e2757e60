//! From the sources to one checked value: the file, over it the environment, over it the flags.

use super::error::{ConfigError, Origin};
use super::secret::{HeaderText, Secret, SecretSource, TextOrFile};
use super::settings::{Flags, Giver, SETTINGS};
use super::{Config, check, describe};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// The settings file where no flag names another.
const DEFAULT_FILE: &str = "operator.toml";

/// Where settings are read from. Tests bring their own.
pub struct Sources<'a> {
    /// The command line.
    pub flags: &'a Flags,
    /// An environment variable's value.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// A file's text.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// Settings, and where each of them comes from.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    pub(super) origins: Origins,
}

impl Loaded {
    /// The settings as they are in effect, one per line with its source, secrets hidden.
    #[must_use]
    pub fn describe(&self) -> String {
        describe::describe(&self.config, &self.origins)
    }
}

/// Where keys that are not left at their default come from.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where a key, or the table that it stands in, comes from.
    pub(super) fn of(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.0.get(key) {
                return origin.clone();
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = &key[..end],
                None => return Origin::Default,
            }
        }
    }

    /// Where the value of a key itself comes from.
    pub(super) fn exactly(&self, key: &str) -> Origin {
        self.0.get(key).cloned().unwrap_or(Origin::Default)
    }

    pub(super) fn error(&self, key: impl Into<String>, problem: impl Into<String>) -> ConfigError {
        let key = key.into();
        ConfigError::new(self.of(&key), key, problem)
    }
}

pub(super) fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
    let (mut table, mut origins, base_dir) = match read_file(sources)? {
        Some(file) => {
            let base_dir = file.path.parent().map(Path::to_path_buf).unwrap_or_default();
            let (table, origins) = file.parse()?;
            (table, origins, base_dir)
        }
        None => (Table::new(), Origins::default(), PathBuf::new()),
    };
    overlay(sources, &mut table, &mut origins)?;
    let mut config: Config = table.try_into().map_err(|error| origins.error("", plain(&error)))?;
    config.base_dir = base_dir;
    Resolver { sources, origins: &origins, base_dir: config.base_dir.clone() }.resolve(&mut config)?;
    check::check(&config, &origins)?;
    Ok(Loaded { config, origins })
}

/// Puts what the environment and the flags say over the file. Each is tried alone first, so that an
/// error names it.
fn overlay(sources: &Sources<'_>, table: &mut Table, origins: &mut Origins) -> Result<(), ConfigError> {
    for setting in SETTINGS {
        let Some((giver, text)) = setting.given(sources.flags, sources.env) else { continue };
        let origin = match giver {
            Giver::Variable(name) => Origin::Variable(name.to_owned()),
            Giver::Flag(flag) => Origin::Flag(flag),
        };
        let fault = |problem: &str| ConfigError::new(origin.clone(), setting.key, problem);
        match setting.value(giver, &text).map_err(|problem| fault(&problem))? {
            Some(value) => {
                let mut alone = Table::new();
                put(&mut alone, setting.key, value.clone());
                alone.try_into::<Config>().map_err(|error| fault(&plain(&error)))?;
                put(table, setting.key, value);
            }
            None => remove(table, setting.key),
        }
        origins.0.insert(setting.key.to_owned(), origin);
    }
    Ok(())
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn remove(table: &mut Table, key: &str) {
    match key.split_once('.') {
        None => drop(table.remove(key)),
        Some((head, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(head) {
                remove(inner, rest);
            }
        }
    }
}

/// An error's words, with ranges in place of Rust's names for numbers. Its long form is not used: it
/// quotes the line, which may hold a secret.
fn plain(error: &toml::de::Error) -> String {
    const NUMBERS: [(&str, &str); 4] = [
        ("u16", "a whole number from 0 to 65535"),
        ("u32", "a whole number from 0 to 4294967295"),
        ("u64", "a whole number from 0"),
        ("usize", "a whole number from 0"),
    ];
    let message = error.message();
    let number = NUMBERS.iter().find_map(|(name, range)| Some((message.strip_suffix(name)?, range)));
    number.map_or_else(|| message.to_owned(), |(head, range)| format!("{head}{range}"))
}

/// The settings file.
struct File {
    path: PathBuf,
    text: String,
}

fn read_file(sources: &Sources<'_>) -> Result<Option<File>, ConfigError> {
    let path = PathBuf::from(sources.flags.config.as_deref().unwrap_or(DEFAULT_FILE));
    match (sources.read)(&path) {
        Ok(text) => Ok(Some(File { path, text })),
        Err(error) if error.kind() == io::ErrorKind::NotFound && sources.flags.config.is_none() => Ok(None),
        Err(error) => {
            let origin = match sources.flags.config {
                Some(_) => Origin::Flag("--config"),
                None => Origin::File { path: path.clone(), line: None },
            };
            Err(ConfigError::new(origin, "", format!("cannot read {}: {error}", path.display())))
        }
    }
}

impl File {
    fn parse(&self) -> Result<(Table, Origins), ConfigError> {
        let tree = DeTable::parse(&self.text).map_err(|error| self.fault(&error, &[]))?;
        let mut places = Vec::new();
        collect(tree.get_ref(), "", &mut places);
        toml::from_str::<Config>(&self.text).map_err(|error| self.fault(&error, &places))?;
        let table = toml::from_str(&self.text).map_err(|error| self.fault(&error, &places))?;
        let origins = places.into_iter().map(|place| (place.key, self.at(place.start))).collect();
        Ok((table, Origins(origins)))
    }

    fn at(&self, offset: usize) -> Origin {
        let line = 1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        Origin::File { path: self.path.clone(), line: Some(line) }
    }

    fn fault(&self, error: &toml::de::Error, places: &[Place]) -> ConfigError {
        let Some(span) = error.span() else {
            let origin = Origin::File { path: self.path.clone(), line: None };
            return ConfigError::new(origin, "", plain(error));
        };
        // The innermost key around the fault: the one that starts last.
        let around = places.iter().filter(|place| place.start <= span.start && span.start < place.end);
        let key = around.max_by_key(|place| place.start).map(|place| place.key.clone());
        ConfigError::new(self.at(span.start), key.unwrap_or_default(), plain(error))
    }
}

/// Where a key stands in the file, from its first letter to its value's end.
struct Place {
    key: String,
    start: usize,
    end: usize,
}

fn collect(table: &DeTable<'_>, prefix: &str, places: &mut Vec<Place>) {
    for (key, value) in table {
        let name = match prefix.is_empty() {
            true => key.get_ref().to_string(),
            false => format!("{prefix}.{}", key.get_ref()),
        };
        collect_value(value, &name, key.span().start, places);
    }
}

fn collect_value(value: &Spanned<DeValue<'_>>, name: &str, start: usize, places: &mut Vec<Place>) {
    places.push(Place { key: name.to_owned(), start, end: value.span().end.max(start) });
    match value.get_ref() {
        DeValue::Table(table) => collect(table, name, places),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_value(item, &format!("{name}[{index}]"), item.span().start, places);
            }
        }
        _ => {}
    }
}

/// Fetches what settings point at: secrets and texts in files.
struct Resolver<'a> {
    sources: &'a Sources<'a>,
    origins: &'a Origins,
    base_dir: PathBuf,
}

impl Resolver<'_> {
    fn resolve(&self, config: &mut Config) -> Result<(), ConfigError> {
        let secrets = [
            ("gateway.key", &mut config.gateway.key),
            ("storage.database_url", &mut config.storage.database_url),
            ("auth.jwt_hs256_secret", &mut config.auth.jwt_hs256_secret),
            ("auth.context_secret", &mut config.auth.context_secret),
        ];
        for (key, secret) in secrets {
            if let Some(secret) = secret {
                self.secret(key, secret)?;
            }
        }
        self.headers("otp", &mut config.otp.headers)?;
        for (index, tool) in config.tools.iter_mut().enumerate() {
            self.headers(&format!("tools[{index}]"), &mut tool.headers)?;
        }
        if let Some(text) = &mut config.auth.jwt_rs256_public_key {
            self.text("auth.jwt_rs256_public_key", text)?;
            // One-line variables carry a PEM's line ends as the two characters `\n`.
            text.text = text.text.replace("\\n", "\n");
        }
        for (index, agent) in config.agents.iter_mut().enumerate() {
            if let Some(text) = &mut agent.instructions {
                self.text(&format!("agents[{index}].instructions"), text)?;
            }
        }
        if matches!(self.origins.of("storage.data_dir"), Origin::File { .. }) {
            config.storage.data_dir = self.base_dir.join(&config.storage.data_dir);
        }
        if let Some(dir) = &mut config.skills.dir {
            *dir = self.base_dir.join(&*dir);
        }
        Ok(())
    }

    fn headers(&self, table: &str, headers: &mut BTreeMap<String, HeaderText>) -> Result<(), ConfigError> {
        for (name, value) in headers {
            if let HeaderText::Secret(secret) = value {
                self.secret(&format!("{table}.headers.{name}"), secret)?;
            }
        }
        Ok(())
    }

    fn secret(&self, key: &str, secret: &mut Secret) -> Result<(), ConfigError> {
        let text = match &secret.source {
            SecretSource::Env(name) => (self.sources.env)(name)
                .filter(|text| !text.trim().is_empty())
                .ok_or_else(|| format!("the environment variable {name} is not set")),
            SecretSource::File(path) => self.read(path).and_then(|text| match text.trim().is_empty() {
                true => Err(format!("{} is empty", path.display())),
                false => Ok(text),
            }),
        };
        secret.fill(&text.map_err(|problem| self.origins.error(key, problem))?);
        Ok(())
    }

    fn text(&self, key: &str, text: &mut TextOrFile) -> Result<(), ConfigError> {
        if let Some(path) = &text.file {
            text.text = self.read(path).map_err(|problem| self.origins.error(key, problem))?;
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> Result<String, String> {
        let path = self.base_dir.join(path);
        (self.sources.read)(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }
}
