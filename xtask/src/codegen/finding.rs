//! What the generator has to say about a schema: file, JSON pointer, what is wrong, what to do.
use std::fmt;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The output is right and says all that the schema does, though not in its types.
    Note,
    /// The output is still right, but says less than the schema does.
    Warning,
    /// Nothing is generated.
    Error,
}

/// One thing the generator has to say about one place of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// The name of the rule, in kebab case (`inline-object`).
    pub rule: &'static str,
    /// The file, relative to the schema's folder, with forward slashes.
    pub file: String,
    /// The JSON pointer of the place in that file; empty for the whole file.
    pub pointer: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// An error at a place.
    pub fn error(
        rule: &'static str,
        place: &Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, rule, place, problem.into(), remedy.into())
    }

    /// A warning at a place.
    pub fn warning(
        rule: &'static str,
        place: &Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, rule, place, problem.into(), remedy.into())
    }

    /// A note at a place.
    pub fn note(
        rule: &'static str,
        place: &Place,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Note, rule, place, problem.into(), remedy.into())
    }

    fn new(severity: Severity, rule: &'static str, place: &Place, problem: String, remedy: String) -> Self {
        let (file, pointer) = (place.file.clone(), place.pointer.clone());
        Self { severity, rule, file, pointer, problem, remedy }
    }
}

impl fmt::Display for Finding {
    /// One line: `error[rule] file#pointer: problem; remedy`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let text = format!(
            "{word}[{}] {}#{}: {}; {}",
            self.rule, self.file, self.pointer, self.problem, self.remedy
        );
        f.write_str(&one_line(&text))
    }
}

/// A place in a schema: a file and a JSON pointer in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place {
    /// The file, relative to the schema's folder, with forward slashes.
    pub file: String,
    /// The JSON pointer in that file; empty for its root.
    pub pointer: String,
}

impl Place {
    /// The root of a file.
    pub fn root(file: impl Into<String>) -> Self {
        Self { file: file.into(), pointer: String::new() }
    }

    /// The place below this one, under one more key or index.
    pub fn child(&self, key: impl fmt::Display) -> Self {
        let pointer = format!("{}/{}", self.pointer, super::json::escape(&key.to_string()));
        Self { file: self.file.clone(), pointer }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&format!("{}#{}", self.file, self.pointer)))
    }
}

/// The text on one line of at most 600 characters: what could break a terminal or a log line is escaped.
pub fn one_line(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == 600 {
            out.push('…');
            break;
        }
        if super::json::is_unsafe(c) {
            out.push_str(&c.escape_unicode().to_string());
        } else {
            out.push(c);
        }
    }
    out
}
