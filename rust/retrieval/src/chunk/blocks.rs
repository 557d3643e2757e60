//! The blocks of a Markdown text: consecutive, and together all of it.

use pulldown_cmark::{Event, OffsetIter, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// How a block that is too long may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A heading.
    Heading {
        /// 1 to 6.
        level: u8,
        /// Its text without marks.
        title: String,
    },
    /// Paragraphs, list items, quotations: at sentences.
    Prose,
    /// Code, tables, raw HTML: at lines.
    Lines,
}

/// A block and what follows it up to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

fn parser(text: &str) -> OffsetIter<'_> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    Parser::new_ext(text, options).into_offset_iter()
}

/// The first heading that has text.
#[must_use]
pub fn first_heading(text: &str) -> Option<String> {
    let mut events = parser(text);
    while let Some((event, _)) = events.next() {
        if matches!(event, Event::Start(Tag::Heading { .. })) {
            let title = heading_text(&mut events);
            if !title.is_empty() {
                return Some(title);
            }
        }
    }
    None
}

/// The text up to the end of the heading that has just begun.
fn heading_text(events: &mut OffsetIter<'_>) -> String {
    let mut title = String::new();
    for (event, _) in events.by_ref() {
        match event {
            Event::Text(text) | Event::Code(text) => title.push_str(&text),
            Event::SoftBreak | Event::HardBreak => title.push(' '),
            Event::End(TagEnd::Heading(_)) => break,
            _ => {}
        }
    }
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The blocks in order. A list is one block per item of its outermost level.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut begun: Vec<(usize, Kind)> = Vec::new();
    let mut events = parser(text);
    let mut depth = 0_usize;
    let mut list_at: Option<usize> = None;
    while let Some((event, range)) = events.next() {
        let Event::Start(tag) = &event else {
            match event {
                Event::End(_) => {
                    depth = depth.saturating_sub(1);
                    list_at = list_at.filter(|at| depth > *at);
                }
                _ if depth == 0 => begun.push((range.start, Kind::Prose)),
                _ => {}
            }
            continue;
        };
        if let (Tag::Heading { level, .. }, 0) = (tag, depth) {
            let level = *level as u8;
            begun.push((range.start, Kind::Heading { level, title: heading_text(&mut events) }));
            continue;
        }
        match tag {
            Tag::List(_) if depth == 0 => list_at = Some(depth),
            Tag::Item if list_at == depth.checked_sub(1) => begun.push((range.start, Kind::Prose)),
            Tag::CodeBlock(_) | Tag::Table(_) | Tag::HtmlBlock | Tag::MetadataBlock(_) if depth == 0 => {
                begun.push((range.start, Kind::Lines));
            }
            _ if depth == 0 => begun.push((range.start, Kind::Prose)),
            _ => {}
        }
        depth += 1;
    }
    tile(text, begun)
}

/// Gives every block the text up to the next one's line; what no block holds goes to the one before.
fn tile(text: &str, begun: Vec<(usize, Kind)>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::with_capacity(begun.len() + 1);
    for (start, kind) in begun {
        let start = line_start(text, start);
        match blocks.last_mut() {
            // A definition that the parser reports late: it already belongs to the block before.
            Some(last) if start <= last.range.start => {}
            Some(last) => {
                last.range.end = start;
                blocks.push(Block { range: start..text.len(), kind });
            }
            None => {
                let blank = text[..start].trim().is_empty();
                if !blank {
                    blocks.push(Block { range: 0..start, kind: Kind::Prose });
                }
                blocks.push(Block { range: if blank { 0 } else { start }..text.len(), kind });
            }
        }
    }
    if blocks.is_empty() && !text.trim().is_empty() {
        blocks.push(Block { range: 0..text.len(), kind: Kind::Prose });
    }
    blocks
}

/// The beginning of the line, if only white space stands before the place.
fn line_start(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    if text[line..at].trim().is_empty() { line } else { at }
}
