//! JSON text as other people write it: numbers with a fraction of zero, escapes where none are needed, white space.
use std::fmt::Write as _;

use super::dice::Dice;
use crate::codegen::json::{Json, Number};

/// The largest whole number that may be written with a fraction: a reader may take that through a double.
const EXACT: i128 = (1 << 53) - 1;

/// A text of the value. Without dice it is the plain one.
pub fn render(value: &Json, dice: &mut Option<Dice>) -> String {
    let mut out = String::new();
    write(value, dice, &mut out);
    out
}

fn write(value: &Json, dice: &mut Option<Dice>, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => write_number(*number, dice, out),
        Json::String(text) => write_string(text, dice, out),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, dice, out);
                write(item, dice, out);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(index, dice, out);
                write_string(key, dice, out);
                out.push(':');
                write(value, dice, out);
            }
            out.push('}');
        }
    }
}

fn rarely(dice: &mut Option<Dice>, times: usize) -> bool {
    dice.as_mut().is_some_and(|dice| dice.one_in(times))
}

fn separate(index: usize, dice: &mut Option<Dice>, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
    if rarely(dice, 12) {
        out.push_str("\r\n\t ");
    }
}

fn write_number(number: Number, dice: &mut Option<Dice>, out: &mut String) {
    let _ = match number {
        Number::Int(value) if value.abs() <= EXACT && rarely(dice, 8) => write!(out, "{value}.0"),
        Number::Int(value) if value.abs() <= EXACT && value != 0 && value % 100 == 0 && rarely(dice, 4) => {
            write!(out, "{}E+2", value / 100)
        }
        Number::Int(value) => write!(out, "{value}"),
        Number::Float(value) => write!(out, "{value:?}"),
    };
}

fn write_string(text: &str, dice: &mut Option<Dice>, out: &mut String) {
    let all = rarely(dice, 10);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if all => out.push_str("\\/"),
            '\n' if !all => out.push_str("\\n"),
            c if c < ' ' || all && !c.is_ascii_alphanumeric() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::canon::difference;

    #[test]
    fn every_spelling_says_the_same() {
        let value = Json::parse(
            "{\"a\\u0000/\\\"\\\\\":[1,-0.5,100,9007199254740993,null,true,{}],\"\u{1f469}\u{2028}é\\n\":\"\u{1f469}/\\n\"}",
        )
        .unwrap();
        let mut texts = std::collections::BTreeSet::new();
        for number in 0..50 {
            let text = render(&value, &mut Some(Dice::new(1, "", number)));
            assert_eq!(difference(&value, &Json::parse(&text).unwrap()), None, "{text}");
            texts.insert(text);
        }
        assert!(texts.len() > 10 && texts.iter().any(|text| text.contains("1.0")), "{texts:?}");
        assert!(Json::parse(&render(&value, &mut None)).unwrap() == value);
    }
}
