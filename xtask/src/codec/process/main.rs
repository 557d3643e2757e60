//! The codec process of Rust: `package` is the generated code, `registry` finds a type's codec by its name.
//! Each message is a length in four bytes, big-endian, and that much JSON.
mod registry;

use std::io::{self, ErrorKind, Read, Write};

use package::decode::{self, DecodeErrorKind};
use package::violation::Violation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest message, in bytes.
const LIMIT: usize = 16 << 20;

/// What came of a value: its text again, or why not.
pub type Outcome = Result<String, Refusal>;

/// Where a value is refused, and by what.
#[derive(Serialize)]
pub struct Refusal {
    phase: &'static str,
    pointer: String,
    keyword: Option<String>,
    message: String,
}

#[derive(Deserialize)]
struct Request {
    id: u64,
    r#type: String,
    instance: String,
}

#[derive(Serialize)]
struct Answer {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refusal>,
}

/// Decodes, validates and encodes.
pub fn trip<T: DeserializeOwned + Serialize>(
    text: &str,
    validate: impl FnOnce(&T) -> Result<(), Violation>,
) -> Outcome {
    let value: T = decode::value_from_json(text).map_err(|error| {
        let message = error.to_string();
        let pointer = match error.kind {
            DecodeErrorKind::Invalid { field, .. } => field,
            DecodeErrorKind::MissingTag { property } => format!("/{property}"),
            _ => String::new(),
        };
        Refusal { phase: "decode", pointer, keyword: None, message }
    })?;
    validate(&value).map_err(|violation| Refusal {
        phase: "validate",
        message: violation.to_string(),
        pointer: violation.pointer,
        keyword: Some(violation.keyword.to_string()),
    })?;
    Ok(decode::to_json(&value))
}

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let codecs: std::collections::HashMap<_, _> = registry::CODECS.iter().copied().collect();
    let mut head = [0; 4];
    loop {
        match input.read_exact(&mut head) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let length = u32::from_be_bytes(head) as usize;
        if length > LIMIT {
            return Err(io::Error::other("the message is too long"));
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let Request { id, r#type, instance } = serde_json::from_slice(&body)?;
        let outcome = codecs.get(r#type.as_str()).map(|trip| trip(&instance));
        let (text, refused) = match outcome {
            Some(Ok(text)) => (Some(text), None),
            Some(Err(refusal)) => (None, Some(refusal)),
            None => (None, None),
        };
        let answer = serde_json::to_vec(&Answer { id, text, refused })?;
        output.write_all(&(answer.len() as u32).to_be_bytes())?;
        output.write_all(&answer)?;
        output.flush()?;
    }
}
