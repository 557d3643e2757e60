//! Go's own spelling: strings, comments, columns.
use super::super::json::is_unsafe;
use super::super::printer::Page;

/// Where a comment is wrapped. gofmt leaves lines as long as they are.
const WIDTH: usize = 100;

/// An interpreted string literal.
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

fn code(c: char) -> String {
    let value = u32::from(c);
    if value > 0xffff { format!("\\U{value:08x}") } else { format!("\\u{value:04x}") }
}

/// The struct tag of a property, or nothing where its name cannot stand in one.
pub fn tag(wire: &str, optional: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&()*+-./:;<=>?@[]^_{|}~ ".contains(c);
    if wire.is_empty() || !wire.chars().all(plain) {
        return String::new();
    }
    let rest = match (optional, wire) {
        (true, _) => ",omitzero",
        (false, "-") => ",",
        (false, _) => "",
    };
    format!(" `json:\"{wire}{rest}\"`")
}

/// A comment of one paragraph, wrapped.
pub fn comment(page: &mut Page, text: &str) {
    for line in lines(text, WIDTH.saturating_sub(page.column() + 3)) {
        page.line(format!("// {line}"));
    }
}

/// The comment of a top-level name: it begins with the name, as godoc wants it.
pub fn doc(page: &mut Page, name: &str, text: &str, deprecated: bool) {
    comment(page, &format!("{name}: {text}"));
    if deprecated {
        page.line("//").line("// Deprecated: the schema says so.");
    }
}

/// A text as lines that gofmt keeps as they are: no line begins like a list item, a heading, a link target or a
/// directive, and no pair of signs is one that gofmt writes otherwise.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split(char::is_whitespace).filter(|word| !word.is_empty()) {
        let word = plain(word);
        match out.last_mut() {
            Some(line)
                if line.chars().count() + 1 + word.chars().count() <= width || opens_a_block(&word) =>
            {
                line.push(' ');
                line.push_str(&word);
            }
            None if opens_a_block(&word) => out.push(format!("\u{201c}{word}\u{201d}")),
            _ => out.push(word),
        }
    }
    out
}

fn plain(word: &str) -> String {
    let word = word.replace("``", "\"").replace("''", "\"");
    word.chars().map(|c| if is_unsafe(c) { code(c) } else { c.to_string() }).collect()
}

fn opens_a_block(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let numbered = digits.len() < word.len() && matches!(digits, "." | ")");
    let directive = word.starts_with('+') || word.split_once(':').is_some_and(|(head, _)| head == "go");
    numbered || directive || word.starts_with(['-', '*', '•', '#', '[', '/'])
}

/// Lines of cells, padded as gofmt pads the columns of neighbouring lines: a line without a further cell parts the
/// column in two.
pub fn columns(page: &mut Page, rows: &[Vec<String>]) {
    let mut widths: Vec<Vec<usize>> = rows.iter().map(|row| vec![0; row.len()]).collect();
    for column in 0..rows.iter().map(Vec::len).max().unwrap_or(0) {
        let goes_on = |index: &usize| rows[*index].len() > column + 1;
        let mut start = 0;
        while start < rows.len() {
            let end = (start..rows.len()).find(|index| !goes_on(index)).unwrap_or(rows.len());
            let widest = rows[start..end].iter().map(|row| row[column].chars().count()).max();
            for width in &mut widths[start..end] {
                width[column] = widest.unwrap_or(0) + 1;
            }
            start = end + 1;
        }
    }
    for (row, widths) in rows.iter().zip(&widths) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count())));
        }
        page.line(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_description_breaks_out_of_a_comment_or_is_moved_by_gofmt() {
        let hostile = "# a\n- b */ ``c'' \u{202e} //go:build x 1. d";
        assert_eq!(lines(hostile, 6).join("|"), "\u{201c}#\u{201d} a -|b */|\"c\"|\\u202e //go:build|x 1. d");
        assert!(lines(&"long ".repeat(2_000), 97).iter().all(|line| line.len() <= 97));
    }

    #[test]
    fn a_string_keeps_to_its_quotes() {
        assert_eq!(quote("a\"\\\n\u{feff}\u{e0001}é`"), "\"a\\\"\\\\\\n\\ufeff\\U000e0001é`\"");
    }

    #[test]
    fn a_name_that_a_tag_cannot_hold_has_none() {
        assert_eq!(tag("a b", true), " `json:\"a b,omitzero\"`");
        assert_eq!(tag("-", false), " `json:\"-,\"`");
        assert_eq!(tag("a`b", false), "");
        assert_eq!(tag("a,b", false), "");
    }

    #[test]
    fn a_line_without_a_further_cell_parts_the_column_in_two() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>();
        let rows = [
            row(&["a", "b", "c"]),
            row(&["long", "bb", "c"]),
            row(&["é"]),
            row(&["a", "b"]),
            row(&["aa", "b", "c"]),
        ];
        let mut page = Page::new("");
        columns(&mut page, &rows);
        assert_eq!(page.finish(), "a    b  c\nlong bb c\né\na  b\naa b c\n");
    }
}
