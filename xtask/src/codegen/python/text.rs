//! Text of a schema inside Python, and lines as ruff breaks them: string literals, documentation, brackets.
//! Nothing that a schema says can end the literal that it stands in.
use super::WIDTH;
use crate::codegen::json;
use crate::codegen::printer::Page;

/// A text that may be laid out on one line or on several.
#[derive(Debug, Clone)]
pub enum Doc {
    /// A text without a line break.
    Text(String),
    /// Items between brackets: on one line, or one per line.
    Bracket { open: String, items: Vec<Doc>, close: String, broken: bool },
}

impl Doc {
    /// One item per line, however few.
    pub fn broken(open: impl Into<String>, items: Vec<Self>, close: impl Into<String>) -> Self {
        let broken = !items.is_empty();
        Self::Bracket { open: open.into(), items, close: close.into(), broken }
    }

    /// The text on one line.
    pub fn flat(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bracket { open, items, close, .. } => {
                let items: Vec<String> = items.iter().map(Self::flat).collect();
                format!("{open}{}{close}", items.join(", "))
            }
        }
    }

    fn must_break(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::Bracket { items, broken, .. } => *broken || items.iter().any(Self::must_break),
        }
    }

    fn lines(&self, page: &mut Page, tail: &str) {
        let flat = self.flat() + tail;
        match self {
            Self::Bracket { open, items, close, .. }
                if !items.is_empty()
                    && (self.must_break() || page.column() + flat.chars().count() > WIDTH) =>
            {
                // Ruff takes the comma off the only item of a subscript.
                let comma = if items.len() == 1 && is_subscript(open, close) { "" } else { "," };
                page.line(open).indented(|page| items.iter().for_each(|item| item.lines(page, comma)));
                page.line(format!("{close}{tail}"));
            }
            _ => {
                page.line(flat);
            }
        }
    }
}

fn is_subscript(open: &str, close: &str) -> bool {
    close.starts_with(']') && !open.ends_with(" [") && open != "["
}

/// A text without a line break.
pub fn text(text: impl Into<String>) -> Doc {
    Doc::Text(text.into())
}

/// `open`, items with commas, `close`; one item per line, with a final comma, when they do not fit.
pub fn bracket(open: impl Into<String>, items: Vec<Doc>, close: impl Into<String>) -> Doc {
    Doc::Bracket { open: open.into(), items, close: close.into(), broken: false }
}

/// `name(items)`.
pub fn call(name: &str, items: Vec<Doc>) -> Doc {
    bracket(format!("{name}("), items, ")")
}

/// The text with a prefix on its first line.
pub fn before(prefix: &str, doc: &Doc) -> Doc {
    match doc.clone() {
        Doc::Text(text) => Doc::Text(format!("{prefix}{text}")),
        Doc::Bracket { open, items, close, broken } => {
            Doc::Bracket { open: format!("{prefix}{open}"), items, close, broken }
        }
    }
}

/// Writes a text as lines of a page.
pub fn put(page: &mut Page, doc: &Doc) {
    doc.lines(page, "");
}

/// A string literal, in the quotes that need fewer escapes (ruff's choice).
pub fn string(text: &str) -> String {
    let double = text.matches('"').count() <= text.matches('\'').count();
    let quote = if double { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if json::is_unsafe(c) => escaped(&mut out, c),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

fn escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    out.push_str(&if code < 0x100 {
        format!("\\x{code:02x}")
    } else if code < 0x10000 {
        format!("\\u{code:04x}")
    } else {
        format!("\\U{code:08x}")
    });
}

/// A documentation string of some paragraphs; nothing when there is nothing to say.
pub fn docstring(page: &mut Page, paragraphs: &[String], deprecated: bool) -> bool {
    let room = WIDTH - page.column();
    let mut lines: Vec<String> = paragraphs
        .iter()
        .flat_map(|text| text.split('\n'))
        .flat_map(|line| wrapped(line, room.saturating_sub(6).max(20)))
        .collect();
    if deprecated {
        lines.push("Deprecated.".to_owned());
    }
    let Some((first, rest)) = lines.split_first() else { return false };
    if rest.is_empty() {
        page.line(format!("\"\"\"{first}\"\"\""));
        return true;
    }
    page.line(format!("\"\"\"{first}"));
    rest.iter().for_each(|line| {
        page.line(line);
    });
    page.line("\"\"\"");
    true
}

/// The words of a line on lines of a width that cannot end the string that they stand in.
fn wrapped(line: &str, room: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in line.split_whitespace().map(harmless) {
        match out.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= room => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => out.push(word),
        }
    }
    out
}

/// A quote at the end of a word, or beside another, could end the string: it is written by its code.
fn harmless(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let mut out = String::new();
    for (index, &c) in chars.iter().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => {
                let next = chars.get(index + 1);
                let alone = next.is_some_and(|next| *next != '"') && (index == 0 || chars[index - 1] != '"');
                if alone && index > 0 { out.push(c) } else { escaped(&mut out, c) }
            }
            c if json::is_unsafe(c) => escaped(&mut out, c),
            c => out.push(c),
        }
    }
    out
}
