//! Questions that nobody wrote for this test: headings of real documents, taken out of them. A heading is
//! one when it is not the first of its document, has four words or more, occurs once in the corpus, is not
//! the document's title, and has thirty words of text below. A document gives two at most; the heading
//! goes, with every other place of the same words, and the document is the only right answer. Headings use
//! the words of the text below, which favours search by words, and other documents may answer as well.

use crate::compare::{Asked, Set, Source};
use anyhow::{Context, Result, ensure};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;
use sha2::{Digest, Sha256};
use smooai_smooth_operator_ingestion::{Connector, Files};
use smooai_smooth_operator_store::AccessList;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

/// More documentation, beside that of the written questions.
pub const PACKAGES: [&str; 3] = ["next@16.2.0", "npm@10.9.2", "@wordpress/components@29.0.0"];

/// How many questions are asked at most.
pub const QUESTIONS: usize = 300;

/// Fewer say little.
const FEWEST_QUESTIONS: usize = 100;

/// How many a document gives at most.
const PER_DOCUMENT: usize = 2;

/// The fewest words of a heading that is a question.
const FEWEST_WORDS: usize = 4;

/// The fewest words below it.
const FEWEST_BELOW: usize = 30;

/// Of a longer document the beginning is taken, so that a run takes minutes; in bytes.
const LONGEST: usize = 4_000;

/// What the choice of headings hangs on, beside the documents.
const SEED: &str = "headings-1";

/// The questions and the documents without them.
///
/// # Errors
/// When the folder cannot be read, or has too few headings.
pub async fn load(folder: &Path) -> Result<Set> {
    let files = Files::new(folder, "**/*.md", AccessList::Public)?;
    let mut documents = Vec::new();
    for item in files.list().await?.items {
        // What the product leaves out (a file that is no text) is no document here either.
        if let Ok(read) = files.read(&item).await {
            let text = beginning(&read.text).to_owned();
            documents.push(Source { id: item.id.to_string(), title: read.title, text });
        }
    }
    let set = take_out(documents, QUESTIONS)?;
    let count = set.questions.len();
    ensure!(count >= FEWEST_QUESTIONS, "only {count} headings are questions");
    Ok(set)
}

/// Chooses headings and removes them.
fn take_out(mut documents: Vec<Source>, most: usize) -> Result<Set> {
    let outlines: Vec<Vec<Heading>> = documents.iter().map(|document| headings(&document.text)).collect();
    let mut times: HashMap<String, usize> = HashMap::new();
    for heading in outlines.iter().flatten() {
        *times.entry(heading.words()).or_default() += 1;
    }
    let mut chosen: Vec<(String, usize, &Heading)> = Vec::new();
    for (at, (document, outline)) in documents.iter().zip(&outlines).enumerate() {
        let titles = titles(document, outline);
        let good = (1..outline.len()).filter(|place| {
            let words = outline[*place].words();
            words.split(' ').count() >= FEWEST_WORDS
                && times.get(&words) == Some(&1)
                && !titles.contains(&words)
                && below(&document.text, outline, *place) >= FEWEST_BELOW
        });
        let lots = good.map(|place| (lot(&document.id, &outline[place].title), at, &outline[place]));
        let mut lots: Vec<_> = lots.collect();
        lots.sort_by(|a, b| a.0.cmp(&b.0));
        chosen.extend(lots.into_iter().take(PER_DOCUMENT));
    }
    chosen.sort_by(|a, b| a.0.cmp(&b.0));
    chosen.truncate(most);
    let mut questions = Vec::with_capacity(chosen.len());
    let mut taken: HashMap<usize, Vec<&Heading>> = HashMap::new();
    for (_, at, heading) in chosen {
        let right = HashSet::from([documents[at].id.clone()]);
        questions.push(Asked { ask: heading.title.clone(), right });
        taken.entry(at).or_default().push(heading);
    }
    for (at, headings) in taken {
        documents[at].text = without(&documents[at].text, headings)?;
    }
    Ok(Set { documents, questions })
}

/// The whole, or what ends with the last paragraph that has room.
fn beginning(text: &str) -> &str {
    let room = &text[..text.floor_char_boundary(LONGEST)];
    if room.len() == text.len() { text } else { room.rfind("\n\n").map_or(room, |end| &room[..end]) }
}

struct Heading {
    range: Range<usize>,
    title: String,
}

impl Heading {
    fn words(&self) -> String {
        words(&self.title).join(" ")
    }
}

fn headings(text: &str) -> Vec<Heading> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut found: Vec<Heading> = Vec::new();
    let mut inside = false;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                found.push(Heading { range, title: String::new() });
                inside = true;
            }
            Event::End(TagEnd::Heading(_)) => inside = false,
            Event::Text(part) | Event::Code(part) if inside => {
                if let Some(heading) = found.last_mut() {
                    heading.title.push_str(&part);
                }
            }
            _ => {}
        }
    }
    found.retain(|heading| !heading.title.trim().is_empty());
    found
}

/// Small letters, no marks.
fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// What the document is called: its first heading, and the `title` of its front matter.
fn titles(document: &Source, outline: &[Heading]) -> HashSet<String> {
    let front = document.text.strip_prefix("---\n").and_then(|rest| rest.split("\n---").next());
    let front = front.into_iter().flat_map(str::lines).filter_map(|line| line.strip_prefix("title:"));
    let given = document.title.iter().map(String::as_str);
    let first = outline.first().map(|heading| heading.title.as_str());
    front.chain(given).chain(first).map(|title| words(title).join(" ")).collect()
}

/// How many words stand between a heading and the next.
fn below(text: &str, outline: &[Heading], place: usize) -> usize {
    let end = outline.get(place + 1).map_or(text.len(), |next| next.range.start);
    text.get(outline[place].range.end..end).map_or(0, |section| words(section).len())
}

/// The document without the headings and without their words at any other place.
fn without(text: &str, mut headings: Vec<&Heading>) -> Result<String> {
    let mut left = text.to_owned();
    // The last first, so that the places of the others stay what they are.
    headings.sort_by_key(|heading| std::cmp::Reverse(heading.range.start));
    for heading in &headings {
        left.replace_range(heading.range.clone(), "");
    }
    for heading in headings {
        let escaped: Vec<String> = words(&heading.title).iter().map(|word| regex::escape(word)).collect();
        let pattern = format!(r"(?i)\b{}\b", escaped.join(r"[^\p{Alphabetic}\p{N}]{1,5}"));
        let repeated = Regex::new(&pattern).with_context(|| format!("the heading {:?}", heading.title))?;
        left = repeated.replace_all(&left, "").into_owned();
    }
    Ok(left)
}

/// Where a heading comes in the draw.
fn lot(document: &str, title: &str) -> String {
    let digest = Sha256::digest(format!("{SEED}\n{document}\n{title}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: &str, text: &str) -> Source {
        Source { id: id.to_owned(), title: None, text: text.to_owned() }
    }

    fn filler() -> String {
        "plain words of a section ".repeat(8)
    }

    #[test]
    fn a_heading_is_taken_out_with_all_its_repetitions() {
        let text = format!(
            "# Guide\n\n- [How to close the `pool`](#how-to-close-the-pool)\n\n## How to close the `pool`\n\n{}\n\n\
             See HOW TO CLOSE THE POOL again. Close the pool.\n",
            filler()
        );
        let set = take_out(vec![source("a", &text)], 10).unwrap();
        assert_eq!(set.questions.len(), 1);
        assert_eq!(set.questions[0].ask, "How to close the pool");
        assert_eq!(set.questions[0].right, HashSet::from(["a".to_owned()]));
        let left = &set.documents[0].text;
        assert!(!left.to_lowercase().contains("how to close") && !left.contains("how-to-close"), "{left}");
        assert!(left.starts_with("# Guide") && left.contains("Close the pool."), "{left}");
    }

    #[test]
    fn of_a_long_document_the_first_paragraphs_are_taken() {
        assert_eq!(beginning("short"), "short");
        let long = format!("{}\n\n{}", "a".repeat(3_000), "é".repeat(3_000));
        assert_eq!(beginning(&long), "a".repeat(3_000));
        assert_eq!(beginning(&"é".repeat(3_000)).len(), 4_000);
    }

    #[test]
    fn what_is_short_first_repeated_bare_or_the_title_is_no_question() {
        let section = filler();
        let text = |headings: &[&str]| {
            let sections: Vec<String> = headings.iter().map(|h| format!("## {h}\n\n{section}\n")).collect();
            sections.join("\n")
        };
        let documents = vec![
            source("first", &text(&["The first of all headings"])),
            source("short", &text(&["Title", "Only three words"])),
            source("twice", &text(&["Title", "One that comes again here", "One that comes: again here"])),
            source("bare", "# T\n\n## A heading without any text\n\n## B\n"),
            source(
                "title",
                &format!("---\ntitle: Named in the front\n---\n{}", text(&["T", "Named in the front"])),
            ),
        ];
        assert_eq!(take_out(documents, 10).unwrap().questions.len(), 0);
    }

    #[test]
    fn a_document_gives_two_questions_at_most_and_the_draw_is_always_the_same() {
        let heading = |which: &str| format!("## {which} of the long ones\n\n{}\n", filler());
        let text = format!("# T\n\n{}{}{}", heading("First"), heading("Second"), heading("Third"));
        let document = |n: usize| source(&format!("d{n}"), &text.replace("long", &format!("n{n}")));
        let draw = |most| take_out((0..9).map(document).collect(), most).unwrap();
        let asks = |set: &Set| set.questions.iter().map(|q| q.ask.clone()).collect::<Vec<_>>();
        assert_eq!(asks(&draw(5)), asks(&draw(5)));
        assert_eq!(asks(&draw(5)), asks(&draw(100))[..5]);
        let all = draw(100);
        assert_eq!(all.questions.len(), 18);
        for question in &all.questions {
            let id = question.right.iter().next().unwrap();
            let text = &all.documents.iter().find(|document| document.id == *id).unwrap().text;
            assert!(!text.contains(&question.ask) && text.starts_with("# T"), "{text}");
            assert_eq!(text.matches("## ").count(), 1);
        }
    }
}
