//! Regular expressions in the dialect that the engines of all five languages read alike.
//! JSON Schema's patterns are ECMA-262; what another engine would read differently is rewritten or refused.

/// The pattern in the portable dialect, or why it has no such form.
pub fn portable(pattern: &str) -> Result<String, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    let mut in_class = false;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        match (c, next) {
            ('\\', None) => return Err("it ends with a backslash".to_owned()),
            ('\\', Some(escaped)) => {
                at += escape(&chars, at, escaped, in_class, &mut out)?;
                continue;
            }
            ('(', Some('?')) if !in_class && chars.get(at + 2) != Some(&':') => {
                return Err("look-around and named groups are not read alike everywhere".to_owned());
            }
            ('[', _) if in_class => out.push_str("\\["),
            ('[', _) => {
                in_class = true;
                out.push('[');
                if next == Some('^') {
                    out.push('^');
                    at += 1;
                }
                if chars.get(at + 1) == Some(&']') {
                    return Err("an empty character class is not read alike everywhere".to_owned());
                }
            }
            (']', _) if in_class => {
                in_class = false;
                out.push(']');
            }
            (']', _) => out.push_str("\\]"),
            ('&' | '~' | '-', Some(second)) if in_class && second == c => push_sign(c, true, &mut out),
            ('.', _) if !in_class => out.push_str("[^\\n\\r]"),
            ('{', next) if !in_class && !next.is_some_and(|n| n.is_ascii_digit()) => out.push_str("\\{"),
            ('}', _) if !in_class && !closes_count(&out) => out.push_str("\\}"),
            ('*' | '+' | '?' | '}', Some('+')) if !in_class => {
                return Err("possessive quantifiers are not read alike everywhere".to_owned());
            }
            _ => out.push(c),
        }
        at += 1;
    }
    if in_class {
        return Err("a character class is not closed".to_owned());
    }
    regex::Regex::new(&out).map_err(|error| last_line(&error.to_string()))?;
    Ok(out)
}

/// Whether a `}` that comes now would close a repetition count.
fn closes_count(out: &str) -> bool {
    out.rfind('{').is_some_and(|open| {
        !out[..open].ends_with('\\') && out[open + 1..].chars().all(|c| c.is_ascii_digit() || c == ',')
    })
}

/// What `\s` means in ECMA-262, as the inside of a character class.
const SPACE: &str =
    "\\t\\n\\x0b\\x0c\\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";

/// Rewrites one escape sequence and returns its length.
fn escape(
    chars: &[char],
    at: usize,
    escaped: char,
    in_class: bool,
    out: &mut String,
) -> Result<usize, String> {
    let (inside, negated) = match escaped {
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        'w' => ("A-Za-z0-9_", false),
        'W' => ("A-Za-z0-9_", true),
        's' => (SPACE, false),
        'S' => (SPACE, true),
        't' | 'n' | 'r' => {
            out.push('\\');
            out.push(escaped);
            return Ok(2);
        }
        'u' | 'x' => return hex(chars, at, escaped, out),
        'b' | 'B' | 'p' | 'P' | 'k' | 'c' | '0'..='9' => {
            return Err(format!("`\\{escaped}` is not read alike everywhere"));
        }
        'f' | 'v' => {
            out.push_str(if escaped == 'f' { "\\x0c" } else { "\\x0b" });
            return Ok(2);
        }
        sign if sign.is_ascii_punctuation() => {
            push_sign(sign, in_class, out);
            return Ok(2);
        }
        other => return Err(format!("`\\{other}` is not read alike everywhere")),
    };
    match (in_class, negated) {
        (true, true) => return Err("a negated class inside a class has no portable form".to_owned()),
        (true, false) => out.push_str(inside),
        (false, true) => out.push_str(&format!("[^{inside}]")),
        (false, false) => out.push_str(&format!("[{inside}]")),
    }
    Ok(2)
}

/// A sign that stands for itself. Only what every engine accepts escaped is escaped; what would be an operator of
/// one of them inside a class is written by its code.
fn push_sign(sign: char, in_class: bool, out: &mut String) {
    match sign {
        '^' | '$' | '\\' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => {
            out.push('\\');
            out.push(sign);
        }
        '-' if in_class => out.push_str("\\-"),
        '&' | '~' | '#' if in_class => out.push_str(&format!("\\x{:02x}", u32::from(sign))),
        _ => out.push(sign),
    }
}

/// `\xHH` and `\uHHHH` as the character itself, escaped where it is a sign.
fn hex(chars: &[char], at: usize, escaped: char, out: &mut String) -> Result<usize, String> {
    let length = if escaped == 'x' { 2 } else { 4 };
    let digits: String = chars.iter().skip(at + 2).take(length).collect();
    let code =
        u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length).and_then(char::from_u32);
    match code {
        Some(c) if c.is_ascii_punctuation() => push_sign(c, chars[..at].contains(&'['), out),
        Some(c) if !super::json::is_unsafe(c) => out.push(c),
        Some(c) if u32::from(c) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        _ => return Err(format!("`\\{escaped}{digits}` is not read alike everywhere")),
    }
    Ok(2 + length)
}

/// The pattern with each `$` that means the end replaced by the given text (`\z`), for engines whose `$` also matches
/// before a final line break.
pub fn with_end_anchor(pattern: &str, anchor: &str) -> String {
    let mut out = String::new();
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '$' if !in_class => {
                out.push_str(anchor);
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_what_engines_read_differently() {
        for (ecma, expected) in [
            ("^[A-Za-z0-9_-]{1,128}$", "^[A-Za-z0-9_-]{1,128}$"),
            (r"^\d+\.\w$", r"^[0-9]+\.[A-Za-z0-9_]$"),
            (r"[\d.]", "[0-9.]"),
            (r"\/\-[\-&&]", r"/-[\-\x26&]"),
            (r"a.b", r"a[^\n\r]b"),
            (r"\S", &format!("[^{SPACE}]")),
            (r"A", "A"),
            ("{x}", r"\{x\}"),
        ] {
            assert_eq!(portable(ecma).as_deref(), Ok(expected), "{ecma}");
        }
    }

    #[test]
    fn refuses_what_has_no_portable_form() {
        for ecma in ["(?=a)", r"\bword", r"\p{L}", "(?<year>a)", r"(a)\1", "[a", "(", r"[\D]", "a++", "\\"] {
            assert!(portable(ecma).is_err(), "{ecma}");
        }
    }

    #[test]
    fn replaces_only_the_anchor() {
        assert_eq!(with_end_anchor(r"^[$]\$a$", r"\z"), r"^[$]\$a\z");
    }
}
