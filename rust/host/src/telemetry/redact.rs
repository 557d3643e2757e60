//! The last look at a log line: what follows a word that announces a token is hidden.

use std::borrow::Cow;
use std::io::{self, Write};

/// What announces a token: the header's scheme, the subprotocol's prefix, and the query parameter.
const ANNOUNCERS: [&str; 3] = ["bearer ", "bearer.", "token="];

/// A shorter word is no token.
const SHORTEST: usize = 8;

/// Writes lines without tokens. It is given a whole line at a time.
pub(super) struct Redacting<W>(W);

impl<W: Write> Redacting<W> {
    pub(super) fn new(inner: W) -> Self {
        Self(inner)
    }
}

impl<W: Write> Write for Redacting<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn redact(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let mut out = String::new();
    let mut kept = 0;
    for announcer in lower.char_indices().map(|(at, _)| at) {
        let Some(word) = ANNOUNCERS.iter().find(|word| lower[announcer..].starts_with(*word)) else {
            continue;
        };
        let start = announcer + word.len();
        if start < kept {
            continue;
        }
        let length = text[start..].bytes().take_while(|byte| is_of_token(*byte)).count();
        if length >= SHORTEST {
            out.push_str(&text[kept..start]);
            out.push_str("***");
            kept = start + length;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// The characters of RFC 6750's `b64token`, and `%` for those that a URL has encoded.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_hidden_and_other_words_stay() {
        for (line, expected) in [
            ("Authorization: Bearer eyJhbGciOi.J9.x-_= next", "Authorization: Bearer *** next"),
            ("smooth-operator, bearer.eyJhbGciOi.J9.x", "smooth-operator, bearer.***"),
            (
                "GET /ws?a=1&token=eyJhbGciOi%3D&b=2 \"TOKEN=abcdefgh\"",
                "GET /ws?a=1&token=***&b=2 \"TOKEN=***\"",
            ),
            ("the bearer was late; token=short", "the bearer was late; token=short"),
            ("ä bearer ö", "ä bearer ö"),
        ] {
            let mut out = Vec::new();
            Redacting::new(&mut out).write_all(line.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
