//! The passages of a request's messages, read back from the form that core's `format_passages` writes.

use smooai_smooth_operator_core::ChatMessage;

/// A passage as the model is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) source: String,
    pub(super) title: String,
    pub(super) text: String,
}

/// The passages in instructions and tool results, in order, each once.
pub(super) fn of(messages: &[ChatMessage]) -> Vec<Passage> {
    let mut all: Vec<Passage> = Vec::new();
    for message in messages {
        if let ChatMessage::System { text } | ChatMessage::Tool { text, .. } = message {
            for passage in read(text) {
                if !all.contains(&passage) {
                    all.push(passage);
                }
            }
        }
    }
    all
}

fn read(text: &str) -> Vec<Passage> {
    let mut passages = Vec::new();
    let mut open: Option<Passage> = None;
    for line in text.lines() {
        if line == "</passage>" {
            passages.extend(open.take());
        } else if let Some(tag) = line.strip_prefix("<passage ").and_then(|rest| rest.strip_suffix('>')) {
            open = Some(Passage {
                source: attribute(tag, "source"),
                title: attribute(tag, "title"),
                text: String::new(),
            });
        } else if let Some(passage) = &mut open {
            passage.text.push_str(line);
            passage.text.push('\n');
        }
    }
    passages
}

/// An attribute of a tag; empty where it is missing.
fn attribute(tag: &str, name: &str) -> String {
    let value = tag
        .split_once(&format!("{name}=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("", |(value, _)| value);
    let plain = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    plain.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use smooai_smooth_operator_core::{KnowledgePassage, format_passages};

    #[test]
    fn what_is_written_is_read_back() {
        let passage = Passage {
            source: "a/\"b\" & <c>.md".into(),
            title: "source=\"x\" &lt;".into(),
            text: "One.\n\n<b>Two</b> & three.\n".into(),
        };
        let shown = KnowledgePassage {
            source: passage.source.clone(),
            title: passage.title.clone(),
            text: passage.text.clone(),
        };
        let text = format!("Before.\n{}\nAfter.", format_passages(&[shown.clone(), shown]));
        let messages =
            [ChatMessage::system(text), ChatMessage::user("<passage source=\"no\">\nx\n</passage>")];
        assert_eq!(of(&messages), [passage]);
    }
}
