//! Line breaks as prettier sets them: a text with places where it may break, and groups that break as a whole when
//! they do not fit.
use super::WIDTH;

/// A text that may be laid out on one line or on several.
#[derive(Debug, Clone)]
pub enum Doc {
    /// A text without a line break.
    Text(String),
    /// A space, or a line break in a group that is broken.
    Line,
    /// Nothing, or a line break in a group that is broken.
    Soft,
    /// A text that is there only in a group that is broken.
    IfBroken(&'static str),
    /// Parts one after the other.
    Parts(Vec<Doc>),
    /// The line breaks in it are indented one level deeper.
    Indent(Box<Doc>),
    /// Broken as a whole or not at all.
    Group(Box<Doc>),
}

/// A text without a line break.
pub fn text(text: impl Into<String>) -> Doc {
    Doc::Text(text.into())
}

/// `name(args)`, with one argument per line when they do not fit.
pub fn call(name: &str, args: Vec<Doc>) -> Doc {
    enclosed(&format!("{name}("), args, ")")
}

/// `open`, a list with commas, `close`; one item per line, with a final comma, when they do not fit.
pub fn enclosed(open: &str, items: Vec<Doc>, close: &str) -> Doc {
    if items.is_empty() {
        return text(format!("{open}{close}"));
    }
    let inner = separated(items, &Doc::Parts(vec![text(","), Doc::Line]));
    Doc::Group(Box::new(Doc::Parts(vec![
        text(open),
        Doc::Indent(Box::new(Doc::Parts(vec![Doc::Soft, inner]))),
        Doc::IfBroken(","),
        Doc::Soft,
        text(close),
    ])))
}

/// `value[key]`, with the key on a line of its own when it does not fit.
pub fn indexed(value: &str, key: String) -> Doc {
    Doc::Group(Box::new(Doc::Parts(vec![
        text(format!("{value}[")),
        Doc::Indent(Box::new(Doc::Parts(vec![Doc::Soft, text(key)]))),
        Doc::Soft,
        text("]"),
    ])))
}

/// `{ a, b }` as an import or a pattern has it.
pub fn braces(items: Vec<Doc>) -> Doc {
    let inner = separated(items, &Doc::Parts(vec![text(","), Doc::Line]));
    Doc::Group(Box::new(Doc::Parts(vec![
        text("{"),
        Doc::Indent(Box::new(Doc::Parts(vec![Doc::Line, inner]))),
        Doc::IfBroken(","),
        Doc::Line,
        text("}"),
    ])))
}

/// `export type Name = A | B;`, on the next line or with one member per line when they do not fit.
pub fn union(head: &str, members: Vec<Doc>) -> Doc {
    if members.len() == 1 {
        return Doc::Parts(vec![text(format!("{head} = ")), Doc::Parts(members), text(";")]);
    }
    let inner = separated(members, &Doc::Parts(vec![Doc::Line, text("| ")]));
    let members = Doc::Group(Box::new(Doc::Parts(vec![Doc::IfBroken("| "), inner])));
    Doc::Group(Box::new(Doc::Parts(vec![
        text(format!("{head} =")),
        Doc::Indent(Box::new(Doc::Parts(vec![Doc::Line, members]))),
        text(";"),
    ])))
}

/// `return a ?? b;`, in parentheses, and with one operand per line when they do not fit there either.
pub fn first_of(operands: Vec<Doc>) -> Doc {
    if operands.len() == 1 {
        return Doc::Parts(vec![text("return "), Doc::Parts(operands), text(";")]);
    }
    let mut operands = operands;
    let inner = match (operands.len(), operands.pop()) {
        // Prettier lets the second of two stay behind the first when that one is broken.
        (2, Some(second)) => {
            let second = Doc::Group(Box::new(Doc::Parts(vec![text("??"), Doc::Line, second])));
            Doc::Parts(operands.into_iter().chain([text(" "), second]).collect())
        }
        (_, last) => {
            operands.extend(last);
            separated(operands, &Doc::Parts(vec![text(" ??"), Doc::Line]))
        }
    };
    Doc::Group(Box::new(Doc::Parts(vec![
        text("return "),
        Doc::IfBroken("("),
        Doc::Indent(Box::new(Doc::Parts(vec![Doc::Soft, Doc::Group(Box::new(inner))]))),
        Doc::Soft,
        Doc::IfBroken(")"),
        text(";"),
    ])))
}

/// `key: "text",`, with the text on a line of its own when it does not fit.
pub fn entry(key: &str, value: String) -> Doc {
    Doc::Group(Box::new(Doc::Parts(vec![
        text(format!("{key}:")),
        Doc::Indent(Box::new(Doc::Parts(vec![Doc::Line, text(value)]))),
        text(","),
    ])))
}

fn separated(items: Vec<Doc>, separator: &Doc) -> Doc {
    let mut parts = Vec::new();
    for item in items {
        if !parts.is_empty() {
            parts.push(separator.clone());
        }
        parts.push(item);
    }
    Doc::Parts(parts)
}

/// The lines of a text that begins at the indentation `level`, indented already except for the first.
pub fn lines(doc: &Doc, level: usize) -> String {
    let mut out = String::new();
    let mut column = level * 2;
    let mut open = vec![(doc, level, true)];
    while let Some((doc, level, broken)) = open.pop() {
        match doc {
            Doc::Text(text) => {
                column += width(text);
                out.push_str(text);
            }
            Doc::Line | Doc::Soft if broken => {
                column = level * 2;
                out.push('\n');
                out.push_str(&"  ".repeat(level));
            }
            Doc::Line => {
                column += 1;
                out.push(' ');
            }
            Doc::IfBroken(text) if broken => {
                column += text.len();
                out.push_str(text);
            }
            Doc::Soft | Doc::IfBroken(_) => {}
            Doc::Parts(parts) => open.extend(parts.iter().rev().map(|part| (part, level, broken))),
            Doc::Indent(inner) => open.push((inner, level + 1, broken)),
            Doc::Group(inner) => {
                let fits = fits(inner, &open, WIDTH.saturating_sub(column));
                open.push((inner, level, !fits));
            }
        }
    }
    out
}

/// Whether a group fits on the rest of the line, together with what follows it up to the next line break.
fn fits(group: &Doc, rest: &[(&Doc, usize, bool)], room: usize) -> bool {
    let mut room = room;
    let mut open = vec![(group, false)];
    let mut rest = rest.iter().rev();
    loop {
        let Some((doc, broken)) = open.pop().or_else(|| rest.next().map(|(doc, _, broken)| (*doc, *broken)))
        else {
            return true;
        };
        let taken = match doc {
            Doc::Line | Doc::Soft if broken => return true,
            Doc::Text(text) => width(text),
            Doc::Line => 1,
            Doc::IfBroken(text) if broken => text.len(),
            Doc::Soft | Doc::IfBroken(_) => 0,
            Doc::Parts(parts) => {
                open.extend(parts.iter().rev().map(|part| (part, broken)));
                0
            }
            Doc::Indent(inner) | Doc::Group(inner) => {
                open.push((inner, broken));
                0
            }
        };
        if taken > room {
            return false;
        }
        room -= taken;
    }
}

/// How many columns a text takes: East Asian wide characters and emoji take two.
fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f
            | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}
