//! From text to search terms: Unicode words, lower case, without function words, stemmed.

mod language;
mod words;

pub use language::{Language, UnknownLanguage};

use rust_stemmers::Stemmer;
use std::collections::HashSet;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// A longer word is no word of a language (a hash, an encoded blob) and is left out, in bytes.
const LONGEST_WORD: usize = 64;

/// One term of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<'a> {
    /// The stem, in lower case.
    pub term: &'a str,
    /// The word it comes from, in bytes of the text.
    pub span: Range<usize>,
    /// Whether it is a whole identifier (`maxWidth` as `maxwidth`) whose parts are terms of their own.
    pub compound: bool,
}

/// Turns text into terms, the same way for documents and for questions.
pub struct Analyser {
    language: Language,
    stemmer: Option<Stemmer>,
    function_words: HashSet<&'static str>,
}

impl Analyser {
    /// An analyser of the language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self {
            language,
            stemmer: language.algorithm().map(Stemmer::create),
            function_words: language.function_words().collect(),
        }
    }

    /// Its language.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// The terms of the text in order, with repetitions.
    #[must_use]
    pub fn terms(&self, text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        self.each(text, &mut |token| terms.push(token.term.to_owned()));
        terms
    }

    /// Calls `take` for every term of the text, in order. Function words ("the", "how") are left out:
    /// that a passage holds one says nothing about what it is about.
    pub fn each(&self, text: &str, take: &mut dyn FnMut(Token<'_>)) {
        let mut lower = String::new();
        for (start, word) in word_indices(text) {
            self.each_of_word(word, start, &mut lower, take);
        }
    }

    /// The terms of a word that begins at `start`; `lower` is room to work in.
    pub(crate) fn each_of_word(
        &self,
        word: &str,
        start: usize,
        lower: &mut String,
        take: &mut dyn FnMut(Token<'_>),
    ) {
        let span = start..start + word.len();
        lower_case(word, lower);
        if self.function_words.contains(lower.as_str()) {
            return;
        }
        if !words::is_compound(word) {
            self.emit(lower, span, false, take);
            return;
        }
        let parts = words::parts(word);
        for part in &parts {
            lower_case(&word[part.clone()], lower);
            if !self.function_words.contains(lower.as_str()) {
                self.emit(lower, start + part.start..start + part.end, false, take);
            }
        }
        if parts.len() > 1 {
            lower.clear();
            for part in &parts {
                lower.extend(word[part.clone()].chars().flat_map(char::to_lowercase));
            }
            self.emit(lower, span, true, take);
        }
    }

    fn emit(&self, lower: &str, span: Range<usize>, compound: bool, take: &mut dyn FnMut(Token<'_>)) {
        if lower.is_empty() || lower.len() > LONGEST_WORD {
            return;
        }
        match &self.stemmer {
            Some(stemmer) if !compound => {
                let stem = stemmer.stem(lower);
                take(Token { term: &stem, span, compound });
            }
            _ => take(Token { term: lower, span, compound }),
        }
    }
}

impl Default for Analyser {
    fn default() -> Self {
        Self::new(Language::English)
    }
}

/// The words of a text (UAX 29), each with where it begins.
pub(crate) fn word_indices(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.unicode_word_indices()
}

fn lower_case(word: &str, into: &mut String) {
    into.clear();
    for letter in word.chars() {
        match letter {
            '\u{2019}' => into.push('\''),
            'A'..='Z' => into.push(letter.to_ascii_lowercase()),
            _ if letter.is_ascii() => into.push(letter),
            _ => into.extend(letter.to_lowercase()),
        }
    }
}

/// A term's name in the index: FNV-1a with a final mix (the finaliser of MurmurHash3), stable across
/// versions and machines. Two of a million terms share a name with a probability of about 3·10⁻⁸.
#[must_use]
pub fn term_hash(term: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in term.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(language: Language, text: &str, expected: &[&str]) {
        assert_eq!(Analyser::new(language).terms(text), expected, "{text:?}");
    }

    #[test]
    fn a_question_meets_the_sentence_that_answers_it() {
        let analyser = Analyser::default();
        let query = analyser.terms("return policy");
        let answer = analyser.terms("Returns are accepted within 17 days.");
        assert!(query.iter().any(|term| answer.contains(term)), "{query:?} {answer:?}");
    }

    #[test]
    fn function_words_are_left_out() {
        check(Language::English, "How do I return the shoes?", &["return", "shoe"]);
        check(Language::English, "I don’t know what it's for", &["know"]);
        check(Language::None, "the shoes", &["the", "shoes"]);
    }

    #[test]
    fn words_of_other_languages_and_scripts() {
        check(Language::German, "Die Rückgaben der Häuser", &["ruckgab", "haus"]);
        check(Language::French, "l’adresse de livraison", &["adress", "livraison"]);
        check(Language::English, "配送 Größe", &["配", "送", "größe"]);
    }

    #[test]
    fn identifiers_are_found_whole_and_by_their_parts() {
        check(Language::English, "maxWidth", &["max", "width", "maxwidth"]);
        check(Language::English, "max_width", &["max", "width", "maxwidth"]);
        check(Language::English, "HTTPServer", &["http", "server", "httpserver"]);
        check(Language::English, "Node.js", &["node", "js", "nodejs"]);
        check(Language::English, "1,000.5 v1.2.3", &["1,000.5", "v1.2.3"]);
    }

    #[test]
    fn a_blob_is_no_word() {
        check(Language::English, &"x".repeat(200), &[]);
    }

    #[test]
    fn spans_point_at_the_words() {
        let text = "Über Returns: maxWidth";
        let mut seen = Vec::new();
        Analyser::default().each(text, &mut |token| seen.push(text[token.span].to_owned()));
        assert_eq!(seen, ["Über", "Returns", "max", "Width", "maxWidth"]);
    }
}
