//! Finding the place of a decode error. Decoding runs straight over the text; only when it fails does it run again over
//! the parsed value, with a deserializer that keeps track of where it is and speaks to the people who wrote the frame.
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::Value;

/// The struct name by which a union asks for one property before all others; the property is the only field named.
pub const TAG_FIRST: &str = "$tag-first";

/// What is wrong with a value, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The JSON pointer of the value; empty for the whole.
    pub pointer: String,
    /// What is wrong with it: "must be a boolean".
    pub message: String,
}

impl Fault {
    fn new(message: String) -> Self {
        Self { pointer: String::new(), message }
    }

    fn under(mut self, segment: impl fmt::Display) -> Self {
        self.pointer.insert_str(0, &pointer_segment(segment));
        self
    }
}

/// A key or index as one segment of a JSON pointer.
pub fn pointer_segment(segment: impl fmt::Display) -> String {
    format!("/{}", segment.to_string().replace('~', "~0").replace('/', "~1"))
}

/// A pointer and what is wrong there as one sentence: "`images.0.url` must be a string".
pub fn sentence(pointer: &str, message: &str) -> String {
    match pointer.strip_prefix('/') {
        Some(path) => format!("`{}` {message}", path.replace('/', ".").replace("~1", "/").replace("~0", "~")),
        None => format!("it {message}"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&sentence(&self.pointer, &self.message))
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {}", plain_words(&expected.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {}", plain_words(&expected.to_string())))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {}", plain_words(&expected.to_string())))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("must be {}", one_of(expected)))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::new("is not a property of this object".to_owned()).under(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is required".to_owned()).under(field)
    }
}

/// A list of values in words: `one of "low", "high"`.
pub fn one_of(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match names.as_slice() {
        [only] => only.clone(),
        names => format!("one of {}", names.join(", ")),
    }
}

/// What serde calls the things it expects, in the words of JSON.
fn plain_words(expected: &str) -> String {
    let words = match expected {
        "i8" | "i16" | "i32" => "a whole number from -2147483648 to 2147483647",
        "u8" | "u16" | "u32" => "a whole number from 0 to 4294967295",
        "i64" => "a whole number",
        "u64" => "a whole number that is not negative",
        "f32" | "f64" => "a number",
        "a borrowed string" => "a string",
        "a map" => "an object",
        "a sequence" => "an array",
        other if other.starts_with("struct ") => "an object",
        other => match other.strip_prefix("a tuple of size ") {
            Some(size) => return format!("an array of {size} items"),
            None => other,
        },
    };
    words.to_owned()
}

/// A deserializer over a parsed value whose errors know their place.
#[derive(Debug, Clone, Copy)]
pub struct Located<'a>(pub &'a Value);

impl<'de> Deserializer<'de> for Located<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, Some(value)) => visitor.visit_f64(value),
                _ => Err(Fault::new("must be a number that can be held".to_owned())),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items, index: 0 }),
            Value::Object(entries) => visitor.visit_map(Entries::new(entries, None)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match (self.0, fields) {
            (Value::Object(entries), [tag]) if name == TAG_FIRST => {
                visitor.visit_map(Entries::new(entries, entries.get_key_value(*tag)))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        enum identifier
    }
}

impl Located<'_> {
    /// Visits a whole number as such even if it is written with a fraction.
    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault>
    where
        Self: Deserializer<'de, Error = Fault>,
    {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        match self.0.as_f64() {
            Some(value) if self.0.is_f64() && value.fract() == 0.0 && (-LIMIT..LIMIT).contains(&value) => {
                visitor.visit_i64(value as i64)
            }
            _ => self.deserialize_any(visitor),
        }
    }
}

struct Items<'de> {
    items: &'de [Value],
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some(item) = self.items.get(self.index) else { return Ok(None) };
        let value = seed.deserialize(Located(item)).map_err(|fault| fault.under(self.index))?;
        self.index += 1;
        Ok(Some(value))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.index)
    }
}

struct Entries<'de> {
    first: Option<(&'de String, &'de Value)>,
    skip: Option<&'de String>,
    rest: serde_json::map::Iter<'de>,
    current: Option<(&'de String, &'de Value)>,
}

impl<'de> Entries<'de> {
    fn new(entries: &'de serde_json::Map<String, Value>, first: Option<(&'de String, &'de Value)>) -> Self {
        Self { first, skip: first.map(|(key, _)| key), rest: entries.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let skip = self.skip;
        let next = self.first.take().or_else(|| self.rest.find(|(key, _)| skip != Some(key)));
        self.current = next;
        let Some((key, _)) = next else { return Ok(None) };
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((key, value)) = self.current.take() else {
            return Err(Fault::new("must be read key by key".to_owned()));
        };
        seed.deserialize(Located(value)).map_err(|fault| fault.under(key))
    }
}
