//! Text of a schema inside TypeScript: string literals, property names, regular expressions, comments.
//! Nothing that a schema says can end the literal or comment that it stands in.
use super::WIDTH;
use crate::codegen::json;
use crate::codegen::printer::Page;

/// A string literal, in the quotes that need fewer escapes (prettier's choice).
pub fn string(text: &str) -> String {
    let double = text.matches('"').count() <= text.matches('\'').count();
    let quote = if double { '"' } else { '\'' };
    let mut out = String::from(quote);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' if matches!(chars.peek(), Some('/' | '!')) => out.push_str("\\u003c"),
            c if c == quote => out.extend(['\\', c]),
            c if json::is_unsafe(c) => escaped(&mut out, c),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A property's name in an interface: bare where it is a name, else quoted.
pub fn key(name: &str) -> String {
    if is_name(name) {
        return name.to_owned();
    }
    // Prettier takes the quotes off a name of non-ASCII letters, but not off one that is written with escapes.
    let mut out = String::new();
    for c in string(name).chars() {
        if c.is_ascii() { out.push(c) } else { escaped(&mut out, c) }
    }
    out
}

/// A property's name in an object literal, where a bare `__proto__` would set the prototype.
pub fn literal_key(name: &str) -> String {
    if name == "__proto__" { "[\"__proto__\"]".to_owned() } else { key(name) }
}

/// `value.name`, or `value["na-me"]`.
pub fn member(value: &str, name: &str) -> String {
    if is_name(name) { format!("{value}.{name}") } else { format!("{value}[{}]", string(name)) }
}

/// Whether every object has a property of that name by its prototype, so that the object must be asked for its own.
pub fn is_inherited(name: &str) -> bool {
    matches!(
        name,
        "constructor"
            | "hasOwnProperty"
            | "isPrototypeOf"
            | "propertyIsEnumerable"
            | "toLocaleString"
            | "toString"
            | "valueOf"
            | "__defineGetter__"
            | "__defineSetter__"
            | "__lookupGetter__"
            | "__lookupSetter__"
            | "__proto__"
    )
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

/// A regular expression literal that reads code points.
pub fn regex(pattern: &str) -> String {
    if pattern.is_empty() {
        return "/(?:)/u".to_owned();
    }
    let mut out = String::from("/");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            '/' => out.push_str("\\/"),
            c if json::is_unsafe(c) || c != ' ' && c.is_whitespace() => escaped(&mut out, c),
            c => out.push(c),
        }
    }
    out + "/u"
}

/// `\u` with four digits, or with braces beyond the first plane.
fn escaped(out: &mut String, c: char) {
    let code = u32::from(c);
    out.push_str(&if code < 0x10000 { format!("\\u{code:04x}") } else { format!("\\u{{{code:x}}}") });
}

/// A documentation comment of some paragraphs; nothing when there is nothing to say.
pub fn comment(page: &mut Page, paragraphs: &[String], deprecated: bool) {
    let room = WIDTH - page.column();
    let mut lines: Vec<String> =
        paragraphs.iter().flat_map(|text| text.lines()).flat_map(|line| wrapped(line, room - 3)).collect();
    if deprecated {
        lines.push("@deprecated".to_owned());
    }
    match lines.as_slice() {
        [] => {}
        [line] if line.chars().count() + 7 <= room => {
            page.line(format!("/** {line} */"));
        }
        lines => {
            page.line("/**");
            for line in lines {
                page.line(format!(" * {line}"));
            }
            page.line(" */");
        }
    }
}

fn wrapped(line: &str, room: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        match out.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= room => {
                last.push(' ');
                last.push_str(word);
            }
            _ => out.push(word.to_owned()),
        }
    }
    out.iter().map(|line| harmless(line)).collect()
}

/// A line that cannot end its comment, close a script element, hide characters or be read as a tag or directive.
fn harmless(line: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in line.chars() {
        match c {
            '/' if matches!(before, '*' | '<') => out.push_str("\\/"),
            '@' if !before.is_alphanumeric() => out.push_str("\\@"),
            c if json::is_unsafe(c) => escaped(&mut out, c),
            c => out.push(c),
        }
        before = c;
    }
    out
}
