//! Server-sent events, decoded as bytes arrive: however the stream is cut into chunks, the events are the
//! same. Follows the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream".

use std::collections::VecDeque;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its `event` field; empty where it has none.
    pub name: String,
    /// Its `data` fields, joined by line feeds.
    pub data: String,
}

/// A line or an event was longer than the decoder's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is larger than {limit} bytes")]
pub struct TooLarge {
    /// The limit, in bytes.
    pub limit: usize,
}

/// An incremental decoder.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed right after it belongs to the same line end.
    after_cr: bool,
    first_line: bool,
    name: String,
    data: String,
    has_data: bool,
    ready: VecDeque<Event>,
}

impl Decoder {
    /// A decoder that refuses a line, or an event's joined data, of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            name: String::new(),
            data: String::new(),
            has_data: false,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// When the limit is passed; the decoder is of no further use then.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > self.limit {
                return Err(TooLarge { limit: self.limit });
            }
            match end {
                None => {
                    self.line.extend_from_slice(part);
                    return Ok(());
                }
                Some(end) => {
                    self.after_cr = bytes[end] == b'\r';
                    self.end_line(part)?;
                    bytes = &bytes[end + 1..];
                }
            }
        }
        Ok(())
    }

    /// The next whole event.
    pub fn next_event(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// The stream has ended. An event whose closing blank line is missing still counts, because gateways
    /// end their streams so; a cut one shows itself as broken data.
    ///
    /// # Errors
    /// When the limit is passed.
    pub fn finish(&mut self) -> Result<(), TooLarge> {
        if !self.line.is_empty() {
            self.end_line(&[])?;
        }
        self.dispatch();
        Ok(())
    }

    /// Ends a line whose last part is `part` and whose earlier parts were kept.
    fn end_line(&mut self, part: &[u8]) -> Result<(), TooLarge> {
        if self.line.is_empty() {
            return self.field(part);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(part);
        let outcome = self.field(&line);
        line.clear();
        self.line = line;
        outcome
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLarge> {
        const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
        let line = match std::mem::take(&mut self.first_line) {
            true => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            self.dispatch();
            return Ok(());
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => {
                if self.data.len() + value.len() > self.limit {
                    return Err(TooLarge { limit: self.limit });
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(&String::from_utf8_lossy(value));
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            // A comment (empty name), `id`, `retry` and unknown fields say nothing about a reply.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            self.ready.push_back(Event { name, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
        let mut decoder = Decoder::new(1 << 20);
        let mut events = Vec::new();
        for chunk in chunks {
            decoder.push(chunk).unwrap();
            events.extend(std::iter::from_fn(|| decoder.next_event()));
        }
        decoder.finish().unwrap();
        events.extend(std::iter::from_fn(|| decoder.next_event()));
        events
    }

    #[track_caller]
    fn check(stream: &str, expected: &[(&str, &str)]) {
        let expected: Vec<Event> = expected
            .iter()
            .map(|(name, data)| Event { name: (*name).into(), data: (*data).into() })
            .collect();
        let bytes = stream.as_bytes();
        assert_eq!(decode([bytes]), expected, "in one piece");
        assert_eq!(decode(bytes.chunks(1)), expected, "byte by byte");
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(decode([left, right]), expected, "split at {at}");
            for second in at..=bytes.len() {
                let middle = &bytes[at..second];
                assert_eq!(decode([left, middle, &bytes[second..]]), expected, "split at {at} and {second}");
            }
        }
    }

    #[test]
    fn line_ends_of_all_three_kinds() {
        check(
            "data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n",
            &[("", "a"), ("", "b"), ("", "c"), ("", "d")],
        );
    }

    #[test]
    fn comments_names_and_unknown_fields() {
        check(
            ": hi\n:\nid: 7\nretry: 3\nwhat\nevent: error\ndata: {}\n\ndata: x\n\n",
            &[("error", "{}"), ("", "x")],
        );
    }

    #[test]
    fn many_data_lines_are_one_text() {
        check("data: a\ndata:b\ndata\ndata:  c\n\n", &[("", "a\nb\n\n c")]);
    }

    #[test]
    fn characters_of_many_bytes_and_a_byte_order_mark() {
        check("\u{feff}data: grüße 👋🏽 日本\r\n\r\n", &[("", "grüße 👋🏽 日本")]);
    }

    #[test]
    fn an_event_without_data_is_none_and_an_unclosed_one_counts() {
        check("event: a\n\n\n\n: c\n\ndata: [DONE]", &[("", "[DONE]")]);
    }

    #[test]
    fn a_line_past_the_limit_is_refused_in_any_split() {
        for step in 1..12 {
            let mut decoder = Decoder::new(10);
            let outcome = b"data: 12345\n\n".chunks(step).try_for_each(|chunk| decoder.push(chunk));
            assert_eq!(outcome, Err(TooLarge { limit: 10 }), "chunks of {step}");
        }
        let mut decoder = Decoder::new(10);
        let outcome = (0..5).try_for_each(|_| decoder.push(b"data: abc\n"));
        assert_eq!(outcome, Err(TooLarge { limit: 10 }), "many short lines of one event");
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"data: ".to_vec()),
            Just(b"data".to_vec()),
            Just(b"event:x".to_vec()),
            Just(b": note".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just("é👋".as_bytes().to_vec()),
            Just(vec![0xff, 0xc3]),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            stream in pieces(),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&stream[from..cut]);
                from = cut;
            }
            chunks.push(&stream[from..]);
            prop_assert_eq!(decode(chunks), decode([stream.as_slice()]));
        }
    }
}
