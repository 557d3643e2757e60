//! Values that come from elsewhere: secrets, which never show themselves, and texts that may stand in a file.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

/// What stands where a secret is shown.
pub(super) const HIDDEN: &str = "***";

/// A secret. It is written as `{ env = "NAME" }` or `{ file = "PATH" }`, never as text, and its `Debug`
/// and serialised forms hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    pub(super) source: SecretSource,
    value: String,
}

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretSource {
    Env(String),
    File(PathBuf),
}

impl Secret {
    /// A secret by its text, for programs that set up a configuration in code.
    pub fn new(text: impl Into<String>) -> Self {
        Self { source: SecretSource::Env(String::new()), value: text.into() }
    }

    /// The secret itself. It must not reach a log, an error or a URL.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// Keeps what its source holds, without the line end that a file has.
    pub(super) fn fill(&mut self, text: &str) {
        text.trim().clone_into(&mut self.value);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl SecretVisitor {
    /// Serde's own errors quote the value, which here may be the secret.
    fn refuse<E: Error>() -> E {
        E::custom("a secret is { env = \"NAME\" } or { file = \"PATH\" }, never its text")
    }
}

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ env = \"NAME\" } or { file = \"PATH\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let source = match map.next_key::<String>()?.as_deref() {
            Some("env") => SecretSource::Env(map.next_value()?),
            Some("file") => SecretSource::File(map.next_value()?),
            _ => return Err(Self::refuse()),
        };
        match map.next_key::<String>()? {
            None => Ok(Secret { source, value: String::new() }),
            Some(_) => Err(Self::refuse()),
        }
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Secret, E> {
        Err(Self::refuse())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(Self::refuse())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(Self::refuse())
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret: { env = \"NAME\" } or { file = \"PATH\" }, never its text.",
            "oneOf": [
                {"type": "object", "properties": {"env": {"type": "string"}}, "required": ["env"], "additionalProperties": false},
                {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"], "additionalProperties": false},
            ],
        })
    }
}

/// The value of an HTTP header: a plain text, or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderText {
    /// A text that may be seen.
    Plain(String),
    /// A secret.
    Secret(Secret),
}

impl HeaderText {
    /// The header's text. It must not reach a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl Serialize for HeaderText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Secret(secret) => secret.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for HeaderText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = HeaderText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { env = \"NAME\" } or { file = \"PATH\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<HeaderText, E> {
                Ok(HeaderText::Plain(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderText, A::Error> {
                SecretVisitor.visit_map(map).map(HeaderText::Secret)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for HeaderText {
    fn schema_name() -> Cow<'static, str> {
        "HeaderText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<Secret>();
        json_schema!({
            "description": "The value of an HTTP header: a text, or a secret.",
            "anyOf": [{"type": "string"}, secret],
        })
    }
}

/// A longer text: itself, or `{ file = "PATH" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextOrFile {
    pub(super) file: Option<PathBuf>,
    pub(super) text: String,
}

impl TextOrFile {
    /// A text that stands where it is set.
    pub fn new(text: impl Into<String>) -> Self {
        Self { file: None, text: text.into() }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Serialize for TextOrFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TextOrFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            file: PathBuf,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TextOrFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or { file = \"PATH\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TextOrFile, E> {
                Ok(TextOrFile::new(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TextOrFile, A::Error> {
                let File { file } = File::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TextOrFile { file: Some(file), text: String::new() })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for TextOrFile {
    fn schema_name() -> Cow<'static, str> {
        "TextOrFile".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text: itself, or { file = \"PATH\" }.",
            "anyOf": [
                {"type": "string"},
                {"type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"], "additionalProperties": false},
            ],
        })
    }
}
