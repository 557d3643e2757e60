//! As much of RFC 3986 as `$id` and `$ref` need: split, join, remove dot segments, decode a fragment.

/// A reference split into what comes before `#` and what comes after it (empty when there is none).
pub fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// The absolute URI, without a fragment, that a reference means under a base.
pub fn join(base: &str, reference: &str) -> String {
    let reference = split(reference).0;
    if reference.is_empty() {
        return split(base).0.to_owned();
    }
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let base = split(base).0;
    let (scheme, rest) = base.split_once(':').unwrap_or(("", base));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let joined = if let Some(other) = reference.strip_prefix("//") {
        return format!("{scheme}://{other}");
    } else if reference.starts_with('/') {
        remove_dots(reference)
    } else {
        let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
        remove_dots(&format!("{folder}{reference}"))
    };
    let slashes = if rest.starts_with("//") { "//" } else { "" };
    let slash = if slashes.is_empty() || joined.starts_with('/') { "" } else { "/" };
    format!("{scheme}:{slashes}{authority}{slash}{joined}")
}

/// Whether a reference begins with a scheme (`https:`, `urn:`).
pub fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn remove_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                if out.len() > 1 || out.first().is_some_and(|first| !first.is_empty()) {
                    out.pop();
                }
            }
            other => out.push(other),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        out.push("");
    }
    out.join("/")
}

/// The text with `%XX` decoded; what is not UTF-8 afterwards stays as it was.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_as_rfc_3986_says() {
        for (base, reference, expected) in [
            ("https://a.test/spec/actions/x.json", "../types/y.json#/z", "https://a.test/spec/types/y.json"),
            ("https://a.test/spec/x.json", "#/y", "https://a.test/spec/x.json"),
            ("https://a.test/spec/x.json", "/y.json", "https://a.test/y.json"),
            ("https://a.test", "y.json", "https://a.test/y.json"),
            ("https://a.test/x", "urn:b:c", "urn:b:c"),
            ("https://a.test/x", "//b.test/c", "https://b.test/c"),
            ("file:///a/b.json", "../../../c.json", "file:///c.json"),
            ("file:///a.json", "./b/./c.json", "file:///b/c.json"),
        ] {
            assert_eq!(join(base, reference), expected, "{base} + {reference}");
        }
        assert_eq!(decode("/a%25b%zz"), "/a%b%zz");
    }
}
