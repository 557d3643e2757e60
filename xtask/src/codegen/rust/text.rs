//! Rust's own spelling: strings, doc comments, lists, calls.
use super::super::json::{Number, is_unsafe};
use super::super::model::Int;
use super::super::printer::{NOTICE, Page};

/// The widest line rustfmt leaves alone, by the repository's rustfmt.toml.
pub const WIDTH: usize = 110;

/// A string literal.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A floating-point literal.
pub fn float(number: Number) -> String {
    format!("{:?}", number.as_f64())
}

/// The type of a whole number.
pub fn int(int: Int) -> &'static str {
    match int {
        Int::I32 => "i32",
        Int::U32 => "u32",
        Int::Safe64 | Int::I64 => "i64",
        Int::U64 => "u64",
    }
}

/// A Rust expression for a value that is checked.
pub struct Value {
    /// The expression, without a borrow in front.
    pub expression: String,
    is_reference: bool,
}

impl Value {
    /// A place: a field of `self` or of a tuple.
    pub fn own(expression: &str) -> Self {
        Self { expression: expression.to_owned(), is_reference: false }
    }

    /// A variable that is a reference already.
    pub fn borrowed(expression: &str) -> Self {
        Self { expression: expression.to_owned(), is_reference: true }
    }

    /// The value by reference.
    pub fn reference(&self) -> String {
        if self.is_reference { self.expression.clone() } else { format!("&{}", self.expression) }
    }

    /// The value by copy.
    pub fn copy(&self) -> String {
        if self.is_reference { format!("*{}", self.expression) } else { self.expression.clone() }
    }
}

/// What serde's `rename_all = "camelCase"` makes of a field's name.
pub fn serde_camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper && !out.is_empty() => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => {
                out.push(c);
                upper = false;
            }
        }
    }
    out
}

/// One arm of a `match`, its value on the next line in a block when it is too wide.
pub fn arm(page: &mut Page, pattern: &str, value: &str) {
    let line = format!("{pattern} => {value},");
    if page.column() + line.chars().count() <= WIDTH {
        page.line(line);
    } else {
        page.block(format!("{pattern} => {{"), "}", |page| {
            page.line(value);
        });
    }
}

/// One field of a struct, its type on a line of its own when both do not fit on one.
pub fn field(page: &mut Page, name: &str, ty: &str) {
    let line = format!("pub {name}: {ty},");
    if page.column() + line.chars().count() <= WIDTH {
        page.line(line);
    } else {
        page.line(format!("pub {name}:")).indented(|page| {
            page.line(format!("{ty},"));
        });
    }
}

/// The opening comment of a generated file.
pub fn module_doc(page: &mut Page, about: &str) {
    page.line(format!("//! {about}"));
    page.line(format!("//! {NOTICE}"));
}

/// A doc comment; `fallback` speaks when the schema does not.
pub fn doc(page: &mut Page, text: &str, fallback: impl FnOnce() -> String) {
    let lines = doc_lines(text, WIDTH.saturating_sub(page.column() + 4));
    let lines = if lines.is_empty() { doc_lines(&fallback(), WIDTH) } else { lines };
    for line in lines {
        page.line(format!("/// {line}"));
    }
}

/// What a doc comment says of something deprecated. The attribute would make the generated code itself warn.
pub fn deprecation(page: &mut Page, deprecated: bool) {
    if deprecated {
        page.line("///").line("/// Deprecated.");
    }
}

/// A description as lines of rustdoc Markdown: wrapped, with everything escaped that could be markup, a link, HTML or
/// the start of a block. Code in single back quotes stays code.
fn doc_lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let balanced = text.matches('`').count().is_multiple_of(2) && !text.contains("``");
    let mut in_code = false;
    for word in text.split(|c: char| c.is_whitespace() || is_unsafe(c)).filter(|word| !word.is_empty()) {
        let was_in_code = in_code;
        let word = escape_word(word, balanced, &mut in_code);
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last > 0 && last + 1 + word.chars().count() > width && !was_in_code {
            lines.push(String::new());
        }
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(&guard_start(&word));
        } else {
            line.push(' ');
            line.push_str(&word);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn escape_word(word: &str, balanced: bool, in_code: &mut bool) -> String {
    if !*in_code && (word.starts_with("http://") || word.starts_with("https://")) {
        let plain = word.trim_end_matches(['.', ',', ';', ')', '!', '?']);
        if plain.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '`' | '\\')) {
            return format!("<{plain}>{}", &word[plain.len()..]);
        }
    }
    let mut out = String::new();
    for c in word.chars() {
        match c {
            '`' if balanced => {
                *in_code = !*in_code;
                out.push('`');
            }
            '\\' | '[' | ']' | '<' | '>' | '*' | '`' | '|' | '~' if !*in_code => {
                out.push('\\');
                out.push(c);
            }
            '&' if !*in_code => out.push_str("&amp;"),
            ':' if !*in_code && out.ends_with("http") | out.ends_with("https") => out.push_str("&#58;"),
            c => out.push(c),
        }
    }
    out
}

/// A word that opens a line and must not open a list, a heading or a table with it.
fn guard_start(word: &str) -> String {
    if word.starts_with(['-', '+', '#', '=', '_']) {
        return format!("\\{word}");
    }
    let digits = word.chars().take_while(char::is_ascii_digit).count();
    match word.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => format!("{}\\{}", &word[..digits], &word[digits..]),
        _ => word.to_owned(),
    }
}

/// `head`, the parts and `tail` on one line if it fits, else one part per line, as rustfmt lays out arguments, fields
/// and array items. `spaced` sets the single line's inside apart from its braces.
pub fn list(page: &mut Page, head: &str, parts: &[String], tail: &str, spaced: bool) {
    list_within(page, head, parts, tail, spaced, WIDTH);
}

fn list_within(page: &mut Page, head: &str, parts: &[String], tail: &str, spaced: bool, width: usize) {
    let space = if spaced && !parts.is_empty() { " " } else { "" };
    let line = format!("{head}{space}{}{space}{tail}", parts.join(", "));
    if page.column() + line.chars().count() <= width {
        page.line(line);
        return;
    }
    page.block(head, tail, |page| {
        for part in parts {
            page.line(format!("{part},"));
        }
    });
}

/// `head[items]tail`, as rustfmt lays out an array: on one line, or short items packed, or one per line.
pub fn array(page: &mut Page, head: &str, items: &[String], tail: &str) {
    array_within(page, head, items, tail, WIDTH);
}

/// The same in a given width.
pub fn array_within(page: &mut Page, head: &str, items: &[String], tail: &str, width: usize) {
    let line = format!("{head}[{}]{tail}", items.join(", "));
    let short = items.iter().all(|item| item.chars().count() <= 10);
    if let Some(start) = head.strip_suffix(" &")
        && page.column() + line.chars().count() > width
    {
        let below = format!("&[{}]{tail}", items.join(", "));
        if page.column() + 4 + below.chars().count() <= width {
            page.line(start).indented(|page| {
                page.line(below);
            });
            return;
        }
    }
    if page.column() + line.chars().count() <= width || !short {
        list_within(page, &format!("{head}["), items, &format!("]{tail}"), false, width);
        return;
    }
    page.block(format!("{head}["), format!("]{tail}"), |page| {
        let mut line = String::new();
        for item in items {
            if !line.is_empty() && page.column() + line.chars().count() + item.chars().count() + 2 > width {
                page.line(&line);
                line.clear();
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(item);
            line.push(',');
        }
        page.line(line);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_description_breaks_out_of_a_comment_or_makes_markup() {
        let hostile = "a\n*/ </script> [x](y) \"\"\" ``` \u{202e}# - 1. https://a.test/x.";
        let lines = doc_lines(hostile, 200);
        assert_eq!(lines, [r#"a \*/ \</script\> \[x\](y) """ \`\`\` # - 1. <https://a.test/x>."#],);
    }

    #[test]
    fn a_wrapped_line_never_opens_a_block() {
        assert_eq!(doc_lines("aaaa - bbbb 1. cc", 6), ["aaaa -", "bbbb", "1\\. cc"]);
        assert_eq!(doc_lines("- x", 80), ["\\- x"]);
    }

    #[test]
    fn code_stays_code() {
        assert_eq!(doc_lines("a `[x] <y>` b", 80), ["a `[x] <y>` b"]);
    }
}
