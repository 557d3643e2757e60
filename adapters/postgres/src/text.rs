//! How texts, ids and instants stand in columns.

use crate::failure::Failure;
use jiff::Timestamp;
use smooai_smooth_operator_store::{OrganizationId, StoreError};
use std::borrow::Cow;

/// What PostgreSQL's text cannot hold, and what stands for it. `\0` becomes `\u{1}\u{1}` and `\u{1}`
/// becomes `\u{1}\u{2}`: what is written sorts by its bytes as the text itself does.
const ESCAPE: char = '\u{1}';

/// The organisation whose name is empty; nothing else is written as this.
const NAMELESS: &str = "\u{1}\u{3}";

/// An id that is part of a key may have so many bytes as it is written: an entry of a B-tree has room for
/// 2,704 bytes, and the largest key is made of three ids.
const LONGEST_ID: usize = 800;

/// The text as it is written.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\0' => out.extend([ESCAPE, '\u{1}']),
            ESCAPE => out.extend([ESCAPE, '\u{2}']),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// The text that was written.
pub(crate) fn plain(written: String) -> String {
    if !written.contains(ESCAPE) {
        return written;
    }
    let mut out = String::with_capacity(written.len());
    let mut letters = written.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE => out.extend(match letters.next() {
                Some('\u{1}') => Some('\0'),
                Some('\u{2}') => Some(ESCAPE),
                _ => None,
            }),
            other => out.push(other),
        }
    }
    out
}

/// An organisation as it is written: never empty, because no setting means no organisation.
pub(crate) fn organization(id: &OrganizationId) -> Cow<'_, str> {
    organization_text(id.as_str())
}

/// The same by its name.
pub(crate) fn organization_text(name: &str) -> Cow<'_, str> {
    if name.is_empty() { Cow::Borrowed(NAMELESS) } else { escaped(name) }
}

/// The organisation that was written.
pub(crate) fn organization_of(written: String) -> OrganizationId {
    if written == NAMELESS { OrganizationId::new("") } else { OrganizationId::new(plain(written)) }
}

/// An id that becomes part of a key.
///
/// # Errors
/// `TooLarge` if no key has room for it.
pub(crate) fn key<'a>(what: &'static str, id: &'a str) -> Result<Cow<'a, str>, Failure> {
    let written = escaped(id);
    if written.len() > LONGEST_ID {
        return Err(StoreError::TooLarge { what, limit: LONGEST_ID }.into());
    }
    Ok(written)
}

/// An instant in nanoseconds; one outside of the years 1678 to 2261 becomes the nearest inside.
pub(crate) fn nanoseconds(instant: Timestamp) -> i64 {
    let exact = instant.as_nanosecond();
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// The instant that was written.
pub(crate) fn instant(nanoseconds: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(|error| {
        StoreError::Corrupt { context: format!("{nanoseconds} ns is no instant: {error}") }.into()
    })
}

/// A count as it is written.
pub(crate) fn counted(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// The count that was written.
pub(crate) fn count<T: TryFrom<i64>>(written: i64) -> Result<T, Failure> {
    T::try_from(written)
        .map_err(|_| StoreError::Corrupt { context: format!("{written} is out of range") }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_keep_their_order() {
        let texts = [
            "",
            "\0",
            "\0\0",
            "\0\u{1}",
            "\0a",
            "\u{1}",
            "\u{1}\0",
            "\u{1}\u{1}",
            "\u{1}\u{2}",
            "\u{2}",
            "a",
            "a\0",
            "a\0b",
            "a\u{1}",
            "ab",
        ];
        for pair in texts.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?}");
            assert!(escaped(pair[0]) < escaped(pair[1]), "{pair:?}");
        }
        for text in texts {
            assert!(!escaped(text).contains('\0'));
            assert_eq!(plain(escaped(text).into_owned()), text);
            let id = OrganizationId::new(text);
            assert!(!organization(&id).is_empty());
            assert_eq!(organization_of(organization(&id).into_owned()), id);
        }
    }

    #[test]
    fn an_id_that_no_key_has_room_for_is_refused() {
        assert!(key("id", &"x".repeat(LONGEST_ID)).is_ok());
        let long = "\0".repeat(LONGEST_ID / 2 + 1);
        let refused = key("id", &long).map_err(Failure::into_error);
        assert!(matches!(refused, Err(StoreError::TooLarge { what: "id", limit: LONGEST_ID })));
    }

    #[test]
    fn instants_come_back() {
        for nanosecond in [0, 1, -1, 1_750_000_000_123_456_789] {
            let at = Timestamp::from_nanosecond(nanosecond).unwrap();
            assert_eq!(instant(nanoseconds(at)).map_err(Failure::into_error).unwrap(), at);
        }
        assert_eq!(nanoseconds(Timestamp::MAX), i64::MAX);
        assert_eq!(nanoseconds(Timestamp::MIN), i64::MIN);
    }
}
