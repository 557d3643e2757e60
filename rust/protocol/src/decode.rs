//! What the generated codecs share: reading a union's tag wherever it stands, the rules for absent and null, and errors
//! that say where in the frame they are.
//!
//! A frame whose tag comes first, as ours do, is read straight into the struct that the tag names. Any other, and any
//! that is wrong, is read in two passes over the text, the first of which looks only for the tag and the `requestId`.
//! Nothing is kept as a generic value on the way.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde_json::Value;

use super::locate::{Fault, Located, TAG_FIRST, one_of, sentence};

/// A JSON object of any content.
pub type JsonObject = serde_json::Map<String, Value>;

/// Why a text is not what it should be, with the `requestId` of the frame if it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// The frame's `requestId`, read even from a frame that is broken otherwise.
    pub request_id: Option<String>,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// It is not a JSON object.
    Malformed {
        /// What the JSON parser says.
        message: String,
    },
    /// The property that tells what it is, is missing or not a string.
    MissingTag {
        /// The property.
        property: &'static str,
    },
    /// The property that tells what it is has a value outside a closed list.
    UnknownTag(String),
    /// A property is missing or of a wrong type.
    Invalid {
        /// What the frame says that it is; empty for a value that is not tagged.
        tag: String,
        /// The JSON pointer of the value that is wrong.
        field: String,
        /// What is wrong with it: "must be a boolean".
        message: String,
    },
}

impl fmt::Display for DecodeError {
    /// One sentence for the developer of the peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DecodeErrorKind::Malformed { message } => {
                write!(f, "the frame must be one JSON object: {message}")
            }
            DecodeErrorKind::MissingTag { property } => {
                write!(f, "`{property}` must be there and be a string")
            }
            DecodeErrorKind::UnknownTag(tag) => write!(f, "`{tag}` is not known"),
            DecodeErrorKind::Invalid { field, message, .. } => f.write_str(&sentence(field, message)),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A tagged union, as its generated code presents itself.
pub trait Union: Sized {
    /// The property that holds the tag.
    const TAG: &'static str;
    /// Every known tag.
    const TAGS: &'static [&'static str];
    /// Whether another tag is kept instead of refused.
    const OPEN: bool;

    /// Reads the member that a tag names from an object, the tag property included.
    ///
    /// # Errors
    /// When the object is not that member, or a closed union does not know the tag.
    fn member<'de, D: Deserializer<'de>>(tag: &str, content: D) -> Result<Self, D::Error>;
}

/// Reads a tagged union from JSON text.
///
/// # Errors
/// When the text is not a JSON object, has no tag, a tag unknown to a closed union, or is not what its tag names.
pub fn from_json<T: Union>(text: &str) -> Result<T, DecodeError> {
    match first_tag(text, T::TAG).and_then(|tag| told(tag, text)) {
        Some(value) => Ok(value),
        None => from_json_by_probe(text),
    }
}

/// The tag of a text that begins with it, if it has no escapes.
fn first_tag<'a>(text: &'a str, property: &str) -> Option<&'a str> {
    let rest = text.strip_prefix("{\"")?.strip_prefix(property)?.strip_prefix("\":\"")?;
    let (tag, _) = rest.split_once('"')?;
    (!tag.contains('\\')).then_some(tag)
}

/// The member of a known tag, if the whole text is that. A second, different tag makes it another's.
fn told<T: Union>(tag: &str, text: &str) -> Option<T> {
    if !T::TAGS.contains(&tag) {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = T::member(tag, &mut reader).ok()?;
    reader.end().ok().map(|()| value)
}

fn from_json_by_probe<T: Union>(text: &str) -> Result<T, DecodeError> {
    let mut probe = Probe { property: T::TAG, tag: None, request_id: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = reader.deserialize_map(&mut probe).and_then(|()| reader.end());
    let request_id = |probe: &Probe<'_>| probe.request_id.as_deref().map(str::to_owned);
    if let Err(error) = read {
        let message = if error.is_data() { "it is another JSON value".to_owned() } else { error.to_string() };
        return Err(DecodeError {
            request_id: request_id(&probe),
            kind: DecodeErrorKind::Malformed { message },
        });
    }
    let Some(tag) = probe.tag.as_deref() else {
        let kind = DecodeErrorKind::MissingTag { property: T::TAG };
        return Err(DecodeError { request_id: request_id(&probe), kind });
    };
    T::member(tag, &mut serde_json::Deserializer::from_str(text)).or_else(|error| {
        let kind = match again(text, &error, |located| T::member(tag, located)) {
            Ok(value) => return Ok(value),
            Err(kind) => kind,
        };
        let kind = match kind {
            _ if !T::TAGS.contains(&tag) => DecodeErrorKind::UnknownTag(tag.to_owned()),
            DecodeErrorKind::Invalid { field, message, .. } => {
                DecodeErrorKind::Invalid { tag: tag.to_owned(), field, message }
            }
            other => other,
        };
        Err(DecodeError { request_id: request_id(&probe), kind })
    })
}

/// Reads a value that is not tagged from JSON text.
///
/// # Errors
/// When the text is not JSON or not such a value.
pub fn value_from_json<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    serde_json::from_str(text).or_else(|error| {
        let kind = again(text, &error, |located| T::deserialize(located));
        kind.map_err(|kind| DecodeError { request_id: None, kind })
    })
}

/// The text of a value.
pub fn to_json<T: serde::Serialize>(value: &T) -> String {
    // Keys are strings and the derived code adds no failure of its own, so there is no error to hand on.
    serde_json::to_string(value).unwrap_or_default()
}

/// Decodes once more, slowly, to find out where the error is, or that there is none: this pass also takes a whole number
/// that is written with a fraction (`1.0`), as JSON Schema does.
fn again<T>(
    text: &str,
    error: &serde_json::Error,
    decode: impl FnOnce(Located<'_>) -> Result<T, Fault>,
) -> Result<T, DecodeErrorKind> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| DecodeErrorKind::Malformed { message: error.to_string() })?;
    if error.classify() != serde_json::error::Category::Data {
        return Err(DecodeErrorKind::Malformed { message: error.to_string() });
    }
    decode(Located(&value)).map_err(|fault| DecodeErrorKind::Invalid {
        tag: String::new(),
        field: fault.pointer,
        message: fault.message,
    })
}

/// What the first pass over a frame looks for.
struct Probe<'a> {
    property: &'static str,
    tag: Option<Cow<'a, str>>,
    request_id: Option<Cow<'a, str>>,
}

impl<'de> Visitor<'de> for &mut Probe<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match key.as_deref() {
                Some(key) if key == self.property => self.tag = map.next_value::<Text<'de>>()?.0,
                Some("requestId") => self.request_id = map.next_value::<Text<'de>>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A string, borrowed from the frame where it has no escapes; nothing for any other value.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Reads a tagged union from any deserializer. When the tag comes first, as our own encoders write it, nothing is kept
/// on the way; what comes before it otherwise is kept until it is found.
///
/// # Errors
/// When there is no tag, or the object is not what its tag names.
pub fn union<'de, T: Union, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    /// Holds the union's tag as the static list of names that serde asks for.
    struct Field<T>(PhantomData<T>);
    impl<T: Union> Field<T> {
        const NAMES: &'static [&'static str] = &[T::TAG];
    }
    deserializer.deserialize_struct(TAG_FIRST, Field::<T>::NAMES, UnionVisitor(PhantomData))
}

struct UnionVisitor<T>(PhantomData<T>);

impl<'de, T: Union> Visitor<'de> for UnionVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut before = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == T::TAG {
                let tag = map.next_value_seed(TagOf::<T>(PhantomData))?;
                before.push((key, Value::String(tag.clone())));
                let content = Replay { before: before.into_iter(), value: None, rest: map };
                return T::member(&tag, de::value::MapAccessDeserializer::new(content));
            }
            before.push((key, map.next_value()?));
        }
        Err(de::Error::missing_field(T::TAG))
    }
}

/// The tag of a union. One that a closed union does not know is refused here, where its place is known.
struct TagOf<T>(PhantomData<T>);

impl<'de, T: Union> DeserializeSeed<'de> for TagOf<T> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let tag = String::deserialize(deserializer)?;
        if T::OPEN || T::TAGS.contains(&tag.as_str()) {
            return Ok(tag);
        }
        Err(de::Error::unknown_variant(&tag, T::TAGS))
    }
}

/// The entries that were read before the tag, then the rest.
struct Replay<A> {
    before: std::vec::IntoIter<(String, Value)>,
    value: Option<Value>,
    rest: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Replay<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        match self.before.next() {
            Some((key, value)) => {
                self.value = Some(value);
                seed.deserialize(de::value::StringDeserializer::new(key)).map(Some)
            }
            None => self.rest.next_key_seed(seed),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(de::Error::custom),
            None => self.rest.next_value_seed(seed),
        }
    }
}

/// A deserializer from which a struct is read as an object only: serde's derived code would also take an array.
#[derive(Debug)]
pub struct Object<D>(pub D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(ObjectVisitor { visitor, tag: None })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The same for a struct that a union tells by a tag: the property must hold the value, and the struct does not see it.
#[derive(Debug)]
pub struct Tagged<D>(pub D, pub &'static str, pub &'static str);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tagged<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self(inner, property, value) = self;
        inner.deserialize_map(ObjectVisitor { visitor, tag: Some((property, value)) })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct ObjectVisitor<V> {
    visitor: V,
    tag: Option<(&'static str, &'static str)>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for ObjectVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        match self.tag {
            None => self.visitor.visit_map(map),
            Some((property, value)) => {
                self.visitor.visit_map(WithoutTag { map, property, value, seen: false })
            }
        }
    }
}

/// The entries of an object without its tag, which is checked in passing.
struct WithoutTag<A> {
    map: A,
    property: &'static str,
    value: &'static str,
    seen: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutTag<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(Text(key)) = self.map.next_key()? {
            let key = key.unwrap_or_default();
            if key == self.property {
                self.map.next_value_seed(Exactly(self.value))?;
                self.seen = true;
                continue;
            }
            return match key {
                Cow::Borrowed(key) => {
                    seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some)
                }
                Cow::Owned(key) => seed.deserialize(de::value::StringDeserializer::new(key)).map(Some),
            };
        }
        if self.seen { Ok(None) } else { Err(de::Error::missing_field(self.property)) }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// One string and no other.
struct Exactly(&'static str);

impl<'de> DeserializeSeed<'de> for Exactly {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let parse = |text: &str| (text == self.0).then_some(());
        deserializer.deserialize_str(StringVisitor { expected: one_of(&[self.0]).into(), parse })
    }
}

/// Reads a property that may be absent but not null.
///
/// # Errors
/// When the value, null included, is of a wrong type.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a property that may be null but not absent.
///
/// # Errors
/// When the value is neither null nor of the right type.
pub fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// What holds nothing but JSON objects of any content. serde_json reads null as an empty object; this does not.
pub trait Free: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// When it is not what it should be.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

impl Free for JsonObject {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(Object(deserializer))
    }
}

impl<T: Free> Free for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<FreeValue<T>>::deserialize(deserializer)?.map(|value| value.0))
    }
}

impl<T: Free> Free for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<FreeValue<T>>::deserialize(deserializer)?.into_iter().map(|value| value.0).collect())
    }
}

impl<T: Free> Free for BTreeMap<String, T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, FreeValue<T>>::deserialize(deserializer)?;
        Ok(map.into_iter().map(|(key, value)| (key, value.0)).collect())
    }
}

/// A free value, read as such.
#[derive(Debug)]
pub struct FreeValue<T>(pub T);

impl<'de, T: Free> Deserialize<'de> for FreeValue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

/// Reads a required property of free objects.
///
/// # Errors
/// When the value is of a wrong type.
pub fn free<'de, T: Free, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// Reads a property of free objects that may be absent but not null.
///
/// # Errors
/// When the value, null included, is of a wrong type.
pub fn present_free<'de, T: Free, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::read(deserializer).map(Some)
}

/// Reads an open enum: any string.
///
/// # Errors
/// When the value is not a string.
pub fn open<'de, T: for<'a> From<&'a str>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(StringVisitor {
        expected: "a string".into(),
        parse: |text: &str| Some(T::from(text)),
    })
}

/// Reads a closed enum: a string out of a list.
///
/// # Errors
/// When the value is not a string of the list.
pub fn closed<'de, T, D: Deserializer<'de>>(
    deserializer: D,
    names: &'static [&'static str],
    parse: fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(StringVisitor { expected: one_of(names).into(), parse })
}

struct StringVisitor<F> {
    expected: Cow<'static, str>,
    parse: F,
}

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for StringVisitor<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let Self { expected, parse } = self;
        parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &&*expected))
    }
}

/// A whole number of a generic value, if it is one and fits.
pub fn whole<T: TryFrom<i64>>(value: &Value) -> Option<T> {
    value.as_i64().and_then(|value| T::try_from(value).ok())
}
