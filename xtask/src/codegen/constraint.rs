//! The constraints of a value one by one, in the order in which every language checks them: where a value breaks
//! several, all languages name the same one.
use super::json::{Json, Number};
use super::model::{Constraints, Format, JsonType, Kind};

/// One constraint, with the schema's keyword where a printer's support code has a function for each.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint<'a> {
    /// `minLength`, `maxLength`, `minItems`, `maxItems`, `minProperties`, `maxProperties`.
    Size(&'static str, u64),
    /// A pattern, as [`Constraints::pattern`] tells of.
    Pattern(&'a str),
    /// The string is a UUID.
    Uuid,
    /// `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`.
    Number(&'static str, Number),
    /// No two items are equal.
    UniqueItems,
    /// The value equals one of these.
    Allowed(&'a [Json]),
    /// The value has one of these JSON types.
    JsonTypes(&'a [JsonType]),
    /// The place of all that the schema asks, in the model's rules.
    Rule(usize),
}

impl Constraints {
    /// The constraints that are set.
    pub fn each(&self) -> Vec<Constraint<'_>> {
        let sizes = [
            ("minLength", self.min_length),
            ("maxLength", self.max_length),
            ("minItems", self.min_items),
            ("maxItems", self.max_items),
            ("minProperties", self.min_properties),
            ("maxProperties", self.max_properties),
        ];
        let numbers = [
            ("minimum", self.minimum),
            ("maximum", self.maximum),
            ("exclusiveMinimum", self.exclusive_minimum),
            ("exclusiveMaximum", self.exclusive_maximum),
            ("multipleOf", self.multiple_of),
        ];
        let mut out = Vec::new();
        out.extend(sizes.into_iter().filter_map(|(keyword, bound)| Some(Constraint::Size(keyword, bound?))));
        out.extend(self.pattern.as_deref().map(Constraint::Pattern));
        out.extend((self.format == Some(Format::Uuid)).then_some(Constraint::Uuid));
        out.extend(
            numbers.into_iter().filter_map(|(keyword, bound)| Some(Constraint::Number(keyword, bound?))),
        );
        out.extend(self.unique_items.then_some(Constraint::UniqueItems));
        out.extend(self.allowed.as_deref().map(Constraint::Allowed));
        out.extend((!self.json_types.is_empty()).then_some(Constraint::JsonTypes(&self.json_types)));
        out.extend(self.rule.map(Constraint::Rule));
        out
    }
}

impl JsonType {
    /// The name that JSON Schema has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl Kind {
    /// Whether it is a string, a boolean or a number.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::String | Self::Bool | Self::Int(_) | Self::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_first_and_rules_last() {
        let all = Constraints {
            rule: Some(3),
            unique_items: true,
            minimum: Some(Number::Int(1)),
            pattern: Some("^a".to_owned()),
            min_items: Some(2),
            ..Constraints::default()
        };
        let order = [
            Constraint::Size("minItems", 2),
            Constraint::Pattern("^a"),
            Constraint::Number("minimum", Number::Int(1)),
            Constraint::UniqueItems,
            Constraint::Rule(3),
        ];
        assert_eq!(all.each(), order);
        assert!(Constraints { format: Some(Format::Uri), ..Constraints::default() }.each().is_empty());
    }
}
