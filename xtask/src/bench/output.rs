//! What a generator's output holds: untyped values, names with a number on the end, unions that a tag tells apart, and
//! a place for what is not known.
use regex::Regex;

/// What was counted in the text of one language's output.
#[derive(Debug, PartialEq, Eq)]
pub struct Traits {
    /// Values whose type says nothing: `any`, `Any`, `interface{}`, `object`, `serde_json::Value`.
    pub untyped: usize,
    /// Types whose name ends with a digit.
    pub numbered: usize,
    /// Whether the union of events names the values of its tag.
    pub tagged: bool,
    /// Whether an event that is not known has a type to go to.
    pub unknown: bool,
}

/// Counts in the output of a language. The schema itself has no name that ends with a digit.
pub fn traits(language: &str, text: &str) -> Traits {
    let code = without_comments(language, text);
    let count = |pattern: &str| Regex::new(pattern).map_or(0, |regex| regex.find_iter(&code).count());
    let has = |pattern: &str| count(pattern) > 0;
    let untyped = match language {
        "rust" => r"serde_json::Value\b",
        "typescript" => r"[:<|\[(] *any\b|\bas any\b",
        "go" => r"interface\{\}|\bany\b(?:[^\]]|$)",
        "csharp" => r"\bobject\b|\bdynamic\b",
        _ => r"\bAny\b",
    };
    let declared = match language {
        "python" => r"(?m)^class \w*\d\b",
        _ => r"\b(?:struct|enum|type|interface|class|record) \w*\d\b",
    };
    // A union is told by its tag where the code ties the union's member to the tag's value.
    let tagged = match language {
        "rust" => r#"serde\(tag = "type"|"pong" => "#,
        "typescript" => r#"type: ["']pong["']"#,
        "go" => r#"case "pong":"#,
        "csharp" => r#"case "pong":|"pong" =>|JsonDerivedType\([^)]*"pong""#,
        _ => r#"discriminator=|Literal\[["']pong["']\]|case "pong":"#,
    };
    Traits {
        untyped: count(untyped),
        numbered: count(declared),
        tagged: has(tagged),
        unknown: has(r"\bUnknown\w*(?:Event|\()"),
    }
}

fn without_comments(language: &str, text: &str) -> String {
    let pattern = match language {
        "python" => r#"(?s)""".*?"""|(?m)#[^\n]*"#,
        _ => r"(?s)/\*.*?\*/|(?m)^\s*//[^\n]*",
    };
    Regex::new(pattern).map_or_else(|_| text.to_owned(), |regex| regex.replace_all(text, "").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_comment_does_not_count() {
        let found =
            traits("typescript", "/** any */\nexport interface A1 { x: any; y: any[]; type: \"pong\" }");
        assert_eq!(found, Traits { untyped: 2, numbered: 1, tagged: true, unknown: false });
        let found = traits("python", "class Kind1(Enum):\n    '''x'''\n    a: Any  # Any\n");
        assert_eq!(found, Traits { untyped: 1, numbered: 1, tagged: false, unknown: false });
        let found = traits("go", "func a[T any](x any) {}\ntype UnknownEvent struct{}\n");
        assert_eq!(found, Traits { untyped: 1, numbered: 0, tagged: false, unknown: true });
    }
}
