//! A labelled set from a registry: the notes of the Semanlink collection with the topics that a person gave
//! them, as PyPI's `cherche` publishes it. A topic's name is the question, and the notes that bear it are
//! the right answers; topics are asked that three to ten notes bear, so that all fit into ten places.
//! A person labels what he thinks of: many other notes would be right too, so numbers are low, and only
//! comparisons tell.

use crate::compare::{Asked, Set, Source};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// The fewest characters of a note that says something.
const FEWEST_CHARACTERS: usize = 100;

/// How many notes bear a topic that is asked for.
const BEARERS: std::ops::RangeInclusive<usize> = 3..=10;

#[derive(Deserialize)]
struct Note {
    document: String,
    title: String,
    comment: String,
    arxiv_summary: String,
    tag: Vec<String>,
}

#[derive(Deserialize)]
struct Topic {
    #[serde(rename = "prefLabel")]
    names: Vec<String>,
}

/// The set from the folder with `docs.json` and `tags.json`.
///
/// # Errors
/// When a file is missing or has another form.
pub fn load(folder: &Path) -> Result<Set> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let notes = serde_json::from_slice(&read("docs.json")?).context("docs.json")?;
    let topics = serde_json::from_slice(&read("tags.json")?).context("tags.json")?;
    let set = label(notes, &topics);
    ensure!(!set.questions.is_empty(), "no topic is borne by {BEARERS:?} notes");
    Ok(set)
}

fn label(notes: Vec<Note>, topics: &HashMap<String, Topic>) -> Set {
    let mut bearers: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    let mut documents = Vec::new();
    for note in notes {
        let text = format!("{}\n\n{}", note.arxiv_summary.trim(), note.comment.trim()).trim().to_owned();
        if text.chars().count() < FEWEST_CHARACTERS {
            continue;
        }
        for topic in note.tag {
            bearers.entry(topic).or_default().insert(note.document.clone());
        }
        documents.push(Source { id: note.document, title: Some(note.title), text });
    }
    bearers.retain(|_, notes| BEARERS.contains(&notes.len()));
    let name = |topic: &str| topics.get(topic).and_then(|topic| topic.names.first().cloned());
    let questions =
        bearers.into_iter().filter_map(|(topic, right)| Some(Asked { ask: name(&topic)?, right }));
    Set { questions: questions.collect(), documents }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(document: &str, length: usize, tags: &[&str]) -> Note {
        Note {
            document: document.to_owned(),
            title: "Title".to_owned(),
            comment: "c".repeat(length),
            arxiv_summary: String::new(),
            tag: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    #[test]
    fn topics_with_enough_notes_are_asked_for_by_name() {
        let notes = vec![
            note("a", 200, &["often", "seldom", "nameless"]),
            note("b", 200, &["often", "nameless"]),
            note("c", 200, &["often", "nameless"]),
            note("short", 99, &["often", "seldom"]),
        ];
        let topic = |name: &str| (name.to_owned(), Topic { names: vec![name.to_uppercase()] });
        let set = label(notes, &HashMap::from([topic("often"), topic("seldom")]));
        assert_eq!(set.documents.len(), 3);
        assert_eq!(set.questions.len(), 1);
        assert_eq!(set.questions[0].ask, "OFTEN");
        assert_eq!(set.questions[0].right, ["a", "b", "c"].map(str::to_owned).into());
    }
}
