//! C#'s own spelling: strings, documentation comments.
use super::super::json::is_unsafe;
use super::super::printer::Page;

/// Where a comment is wrapped. `dotnet format` leaves lines as long as they are.
const WIDTH: usize = 110;

/// A regular string literal.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => out.push_str(&code(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A literal of UTF-8 bytes.
pub fn bytes(text: &str) -> String {
    format!("{}u8", quote(text))
}

fn code(c: char) -> String {
    let value = u32::from(c);
    if value > 0xffff { format!("\\U{value:08X}") } else { format!("\\u{value:04X}") }
}

/// A text inside of an XML comment.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if is_unsafe(c) => out.push_str(&code(c)),
            c => out.push(c),
        }
    }
    out
}

/// A `<summary>` of one paragraph, wrapped. A text without a word says the name instead.
pub fn summary(page: &mut Page, text: &str, name: &str) {
    let words: Vec<String> = text.split_whitespace().map(escape).collect();
    let words = if words.is_empty() { vec![escape(name)] } else { words };
    let whole = words.join(" ");
    if page.column() + whole.chars().count() + 23 <= WIDTH {
        page.line(format!("/// <summary>{whole}</summary>"));
        return;
    }
    page.line("/// <summary>");
    let width = WIDTH.saturating_sub(page.column() + 4);
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            page.line(format!("/// {line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    page.line(format!("/// {line}")).line("/// </summary>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_description_breaks_out_of_a_comment() {
        let mut page = Page::new("    ");
        summary(&mut page, "a\n*/ </summary> \"\"\" & \u{202e}\u{2028}#endif", "X");
        assert_eq!(
            page.finish(),
            "/// <summary>a */ &lt;/summary&gt; \"\"\" &amp; \\u202E #endif</summary>\n"
        );
        let mut page = Page::new("    ");
        summary(&mut page, &"long ".repeat(2_000), "X");
        assert!(page.finish().lines().all(|line| line.starts_with("/// ") && line.len() <= WIDTH));
    }

    #[test]
    fn a_string_keeps_to_its_quotes() {
        assert_eq!(quote("a\"\\\n\u{feff}\u{e0001}é{0}"), "\"a\\\"\\\\\\n\\uFEFF\\U000E0001é{0}\"");
    }
}
