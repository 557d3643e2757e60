//! The parts of a word: `maxWidth`, `max_width`, `node.js`, `l'adresse`.

use std::ops::Range;

/// Whether the word may have parts: it holds letters, and either a joint or a capital after its start.
pub(super) fn is_compound(word: &str) -> bool {
    let mut letters = false;
    let mut joint = false;
    for (at, letter) in word.char_indices() {
        letters |= letter.is_alphabetic();
        joint |= is_joint(letter) || (at > 0 && letter.is_uppercase());
    }
    letters && joint
}

/// The parts of a word, in bytes. A number that only begins with a letter (`v1.2.3`) is one part, and
/// what an apostrophe cuts off (`'s`, `l'`) is none when it has at most two letters.
pub(super) fn parts(word: &str) -> Vec<Range<usize>> {
    let digits_follow = word.char_indices().skip(1).all(|(_, c)| !c.is_alphabetic());
    if digits_follow {
        return std::iter::once(0..word.len()).collect();
    }
    let mut parts = Vec::new();
    let mut start = 0;
    let mut previous: Option<char> = None;
    let mut letters = word.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next_is_lower = letters.peek().is_some_and(|(_, next)| next.is_lowercase());
        let hump = letter.is_uppercase()
            && previous.is_some_and(|p| p.is_lowercase() || (p.is_uppercase() && next_is_lower));
        if is_joint(letter) {
            push(&mut parts, start..at);
            start = at + letter.len_utf8();
        } else if hump {
            push(&mut parts, start..at);
            start = at;
        }
        previous = Some(letter);
    }
    push(&mut parts, start..word.len());
    if word.contains(['\'', '\u{2019}']) {
        parts.retain(|part| word[part.clone()].chars().count() > 2);
    }
    parts
}

/// What joins the parts of a word; a combining mark does not, it belongs to its letter.
fn is_joint(letter: char) -> bool {
    letter.is_ascii_punctuation() || matches!(letter, '\u{B7}' | '\u{2018}' | '\u{2019}' | '\u{203F}')
}

fn push(parts: &mut Vec<Range<usize>>, part: Range<usize>) {
    if !part.is_empty() {
        parts.push(part);
    }
}
