//! Properties that a struct does not declare, kept beside it. They are read in place, so that an error in one of them
//! knows where it is.
use std::collections::BTreeMap;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::decode::{Free, FreeValue};

/// Where the properties go that a struct does not declare.
pub trait Keep {
    /// Reads the value of one of them.
    ///
    /// # Errors
    /// When the value is of a wrong type.
    fn keep<'de, A: MapAccess<'de>>(&mut self, key: String, map: &mut A) -> Result<(), A::Error>;
}

/// A map of values of one type.
#[derive(Debug)]
pub struct Typed<'a, T>(pub &'a mut BTreeMap<String, T>);

impl<T: for<'any> Deserialize<'any>> Keep for Typed<'_, T> {
    fn keep<'de, A: MapAccess<'de>>(&mut self, key: String, map: &mut A) -> Result<(), A::Error> {
        self.0.insert(key, map.next_value()?);
        Ok(())
    }
}

/// A map of values that are free JSON objects.
#[derive(Debug)]
pub struct FreeTyped<'a, T>(pub &'a mut BTreeMap<String, T>);

impl<T: Free> Keep for FreeTyped<'_, T> {
    fn keep<'de, A: MapAccess<'de>>(&mut self, key: String, map: &mut A) -> Result<(), A::Error> {
        self.0.insert(key, map.next_value::<FreeValue<T>>()?.0);
        Ok(())
    }
}

/// A deserializer from which a struct sees only the properties that it declares; the others are kept on the way.
#[derive(Debug)]
pub struct Others<D, K>(pub D, pub &'static [&'static str], pub K);

impl<'de, D: Deserializer<'de>, K: Keep> Deserializer<'de> for Others<D, K> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let Self(inner, declared, others) = self;
        inner.deserialize_map(OthersVisitor { visitor, declared, others })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct OthersVisitor<V, K> {
    visitor: V,
    declared: &'static [&'static str],
    others: K,
}

impl<'de, V: Visitor<'de>, K: Keep> Visitor<'de> for OthersVisitor<V, K> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let Self { visitor, declared, others } = self;
        visitor.visit_map(Declared { map, declared, others })
    }
}

/// The entries of an object that its struct declares.
struct Declared<A, K> {
    map: A,
    declared: &'static [&'static str],
    others: K,
}

impl<'de, A: MapAccess<'de>, K: Keep> MapAccess<'de> for Declared<A, K> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            if self.declared.contains(&key.as_str()) {
                return seed.deserialize(de::value::StringDeserializer::new(key)).map(Some);
            }
            self.others.keep(key, &mut self.map)?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
