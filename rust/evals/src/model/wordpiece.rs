//! Cuts text into the pieces of BERT's uncased models (WordPiece), as the tokeniser of their authors does.

use anyhow::{Context, Result};
use regex::Regex;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;

/// A word of more characters is unknown.
const LONGEST_WORD: usize = 100;

/// The vocabulary and the classes of characters.
pub struct WordPiece {
    ids: HashMap<String, u32>,
    start: u32,
    end: u32,
    unknown: u32,
    invisible: Regex,
    accent: Regex,
    punctuation: Regex,
}

impl WordPiece {
    /// A vocabulary of one piece per line; its number is its line.
    pub fn new(vocabulary: &str) -> Result<Self> {
        let mut ids = HashMap::new();
        for (number, piece) in vocabulary.lines().enumerate() {
            ids.insert(piece.to_owned(), u32::try_from(number)?);
        }
        let special =
            |name: &str| ids.get(name).copied().with_context(|| format!("the vocabulary lacks {name}"));
        let (start, end, unknown) = (special("[CLS]")?, special("[SEP]")?, special("[UNK]")?);
        let class = |class: &str| Regex::new(class).context("a class of characters");
        let (invisible, accent, punctuation) = (class(r"\p{C}")?, class(r"\p{Mn}")?, class(r"\p{P}")?);
        Ok(Self { ids, start, end, unknown, invisible, accent, punctuation })
    }

    pub fn count(&self) -> usize {
        self.ids.len()
    }

    /// The numbers of the text's pieces between the marks of begin and end, `most` at most. The names of
    /// special pieces in a text, such as `[SEP]`, are words like others.
    pub fn ids(&self, text: &str, most: usize) -> Vec<u32> {
        let room = most.saturating_sub(1);
        let mut ids = vec![self.start];
        'text: for run in self.plain(text).split(char::is_whitespace) {
            for word in self.words(run) {
                if ids.len() >= room {
                    break 'text;
                }
                self.add_word(word, &mut ids);
            }
        }
        ids.truncate(room);
        ids.push(self.end);
        ids
    }

    /// Small letters without accents; white space is a space, and Chinese characters stand alone.
    fn plain(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '\t' | '\n' | '\r' => clean.push(' '),
                ' '..='~' => clean.push(letter),
                '\u{FFFD}' => {}
                _ if is(&self.invisible, letter) => {}
                _ if letter.is_whitespace() => clean.push(' '),
                _ if is_chinese(letter) => clean.extend([' ', letter, ' ']),
                _ => clean.push(letter),
            }
        }
        let unaccented = clean.nfd().filter(|letter| letter.is_ascii() || !is(&self.accent, *letter));
        unaccented.flat_map(char::to_lowercase).collect()
    }

    /// Marks of punctuation stand alone.
    fn words<'a>(&self, run: &'a str) -> Vec<&'a str> {
        let mut words = Vec::new();
        let mut begun = 0;
        for (at, letter) in run.char_indices() {
            let mark = letter.is_ascii_punctuation() || (!letter.is_ascii() && is(&self.punctuation, letter));
            if mark {
                let after = at + letter.len_utf8();
                words.extend([&run[begun..at], &run[at..after]]);
                begun = after;
            }
        }
        words.push(&run[begun..]);
        words.retain(|word| !word.is_empty());
        words
    }

    /// The longest piece of the vocabulary first, again and again; a word of which a part is none of
    /// its pieces is unknown as a whole.
    fn add_word(&self, word: &str, ids: &mut Vec<u32>) {
        let begun = ids.len();
        let mut rest = if word.chars().count() > LONGEST_WORD { None } else { Some(word) };
        let mut candidate = String::new();
        while let Some(left) = rest.filter(|left| !left.is_empty()) {
            let prefix = if ids.len() == begun { "" } else { "##" };
            let mut ends = left.char_indices().rev().map(|(at, letter)| at + letter.len_utf8());
            let found = ends.find_map(|end| {
                candidate.clear();
                candidate.push_str(prefix);
                candidate.push_str(&left[..end]);
                self.ids.get(&candidate).map(|id| (*id, end))
            });
            rest = found.map(|(id, end)| {
                ids.push(id);
                &left[end..]
            });
        }
        if rest.is_none() {
            ids.truncate(begun);
            ids.push(self.unknown);
        }
    }
}

fn is(class: &Regex, letter: char) -> bool {
    class.is_match(letter.encode_utf8(&mut [0; 4]))
}

fn is_chinese(letter: char) -> bool {
    matches!(letter,
        '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}' | '\u{2B920}'..='\u{2CEAF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{2F800}'..='\u{2FA1F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCABULARY: &str =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\naff\n,\n!\nwant\n##ed\n中\n文\n[\n]";

    fn ids(text: &str, most: usize) -> Vec<u32> {
        WordPiece::new(VOCABULARY).unwrap().ids(text, most)
    }

    #[test]
    fn the_longest_piece_is_taken_first_and_accents_and_capitals_do_not_count() {
        assert_eq!(ids("UNÄFFABLE, wänted!", 20), [2, 4, 5, 6, 8, 10, 11, 9, 3]);
        assert_eq!(ids("unaffable", 20), ids("u\u{200B}n\u{0}affable", 20));
    }

    #[test]
    fn a_word_with_an_unknown_part_is_unknown_as_a_whole() {
        assert_eq!(ids("unaffxable want", 20), [2, 1, 10, 3]);
        assert_eq!(ids(&"un".repeat(51), 20), [2, 1, 3]);
    }

    #[test]
    fn chinese_characters_stand_alone() {
        assert_eq!(ids("中文", 20), [2, 12, 13, 3]);
    }

    #[test]
    fn a_long_text_is_cut_and_still_ends_with_the_mark() {
        assert_eq!(ids("unaffable unaffable", 5), [2, 4, 5, 6, 3]);
        assert_eq!(ids("unaffable", 4), [2, 4, 5, 3]);
        assert_eq!(ids("", 5), [2, 3]);
    }

    #[test]
    fn the_name_of_a_mark_is_no_mark() {
        assert_eq!(ids("[SEP]", 20), [2, 14, 1, 15, 3]);
    }

    #[test]
    fn a_vocabulary_without_marks_is_refused() {
        assert!(WordPiece::new("a\nb").err().unwrap().to_string().contains("[CLS]"));
    }
}
