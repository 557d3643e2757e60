//! Names: one symbol table of the schema, then one spelling of it per language.
//! Words are split once (`otp_required`, `OTPRequired` and `otp required` are the same two words), joined by the
//! language's case, and kept clear of its keywords. Two names that fall together are an error that names both places.
use std::collections::HashMap;

use super::finding::{Finding, Place, Severity};
use super::model::{Model, Shape, TypeId};

/// How words are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// As the model has it; only for type names, which are PascalCase already.
    Keep,
    /// `send_message`
    Snake,
    /// `sendMessage`
    Camel,
    /// `SendMessage`
    Pascal,
    /// `SEND_MESSAGE`
    UpperSnake,
}

/// Where the names of enum values and union members must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In their own type: `Status::Active`.
    Type,
    /// In the whole output, with the type's name in front: `StatusActive`.
    Package,
}

/// How a language spells names.
#[derive(Debug)]
pub struct Rules {
    /// Type names.
    pub types: Case,
    /// Fields of structs.
    pub fields: Case,
    /// Values of enums and members of unions.
    pub variants: Case,
    /// Methods for actions.
    pub methods: Case,
    /// Where variants must be unique. With [`Scope::Package`] the spelled variant begins with the type's name.
    pub variant_scope: Scope,
    /// Words the language reserves, compared with the spelled name.
    pub keywords: &'static [&'static str],
    /// Names of types that the output uses for something else (the prelude, support types, imports).
    pub taken_types: &'static [&'static str],
    /// Names of members that every struct has already (methods that share a namespace with fields).
    pub taken_fields: &'static [&'static str],
    /// Names of variants that mean something else (`Unknown`, the open arm).
    pub taken_variants: &'static [&'static str],
    /// Names of methods that the client has already.
    pub taken_methods: &'static [&'static str],
    /// Words that are written in one case throughout (`ID`, `URL`), in upper case.
    pub initialisms: &'static [&'static str],
    /// How a name that is reserved or taken is written instead (`r#type`, `type_`, `@type`).
    pub escape: fn(&str) -> String,
}

/// Every name of a model in one language.
#[derive(Debug, Clone, Default)]
pub struct Names {
    types: Vec<String>,
    fields: Vec<Vec<String>>,
    variants: Vec<Vec<String>>,
    methods: Vec<String>,
    turn_methods: Vec<Vec<String>>,
    extras: Vec<String>,
}

impl Names {
    /// The name of a type.
    pub fn ty(&self, id: TypeId) -> &str {
        &self.types[id.0]
    }

    /// The name of the field at `index` of a struct's `fields`.
    pub fn field(&self, id: TypeId, index: usize) -> &str {
        &self.fields[id.0][index]
    }

    /// The name of the value at `index` of an enum's `values` or of a union's `members`. A union's member is named
    /// after the member's tag value.
    pub fn variant(&self, id: TypeId, index: usize) -> &str {
        &self.variants[id.0][index]
    }

    /// The name of the method for the action at `index` of the model's `actions`.
    pub fn method(&self, index: usize) -> &str {
        &self.methods[index]
    }

    /// The name of the method on a turn at `method` of those of the action at `action`.
    pub fn turn_method(&self, action: usize, method: usize) -> &str {
        &self.turn_methods[action][method]
    }

    /// The name of the map that holds a struct's further properties ([`super::model::Additional::Kept`]): `additional`
    /// in the case of fields, clear of the struct's own fields.
    pub fn additional(&self, id: TypeId) -> &str {
        &self.extras[id.0]
    }
}

/// What to do when two names fall together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCollision {
    /// An error that names both places: our own schemas.
    Refuse,
    /// Spell the later one out further: schemas of others.
    Respell,
}

/// Spells every name of the model by the rules of a language.
pub fn resolve(
    model: &Model,
    language: &str,
    rules: &Rules,
    on_collision: OnCollision,
) -> Result<Names, Vec<Finding>> {
    let mut table = Table { language, rules, on_collision, findings: Vec::new() };
    let mut names = Names::default();
    let mut types = Namespace::new(rules.taken_types);
    for def in &model.types {
        names.types.push(table.claim(&mut types, &def.name, rules.types, "", &def.place));
    }
    let mut package = Namespace::new(rules.taken_variants);
    package.seen.extend(types.seen.iter().map(|(name, place)| (name.clone(), place.clone())));
    for (id, def) in model.each() {
        let (mut fields, mut extra) = (Vec::new(), String::new());
        let mut variants = Vec::new();
        let mut own = Namespace::new(rules.taken_variants);
        let scope = if rules.variant_scope == Scope::Package { &mut package } else { &mut own };
        let prefix =
            if rules.variant_scope == Scope::Package { names.types[id.0].clone() } else { String::new() };
        match &def.shape {
            Shape::Struct(shape) => {
                let mut space = Namespace::new(rules.taken_fields);
                for field in &shape.fields {
                    fields.push(table.claim(&mut space, &field.wire, rules.fields, "", &field.place));
                }
                extra = table.spare(&space, "additional");
            }
            Shape::ClosedEnum(shape) | Shape::OpenEnum(shape) => {
                for value in &shape.values {
                    variants.push(table.claim(scope, &value.wire, rules.variants, &prefix, &def.place));
                }
            }
            Shape::TaggedUnion(union) => {
                for member in &union.members {
                    let place = &model.ty(member.ty).place;
                    variants.push(table.claim(scope, &member.value, rules.variants, &prefix, place));
                }
            }
            Shape::Newtype(_) | Shape::Alias(_) => {}
        }
        names.fields.push(fields);
        names.variants.push(variants);
        names.extras.push(extra);
    }
    let mut methods = Namespace::new(rules.taken_methods);
    for action in &model.actions {
        let place = &model.ty(action.params).place;
        names.methods.push(table.claim(&mut methods, &action.name, rules.methods, "", place));
    }
    let mut on_turns = Namespace::new(&[]);
    for action in &model.actions {
        let place = model.ty(action.params).place.child("x-turn");
        let spelled =
            action.turn.methods().map(|name| table.claim(&mut on_turns, name, rules.methods, "", &place));
        names.turn_methods.push(spelled.collect());
    }
    if table.findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(table.findings);
    }
    Ok(names)
}

struct Namespace {
    taken: &'static [&'static str],
    seen: HashMap<String, Place>,
}

impl Namespace {
    fn new(taken: &'static [&'static str]) -> Self {
        Self { taken, seen: HashMap::new() }
    }
}

struct Table<'a> {
    language: &'a str,
    rules: &'a Rules,
    on_collision: OnCollision,
    findings: Vec<Finding>,
}

impl Table<'_> {
    fn claim(&mut self, space: &mut Namespace, raw: &str, case: Case, prefix: &str, place: &Place) -> String {
        let plain = self.spell(space, &words(raw), case, prefix, raw);
        let Some(other) = space.seen.get(&plain) else {
            space.seen.insert(plain.clone(), place.clone());
            return plain;
        };
        if self.on_collision == OnCollision::Refuse {
            self.findings.push(Finding::error(
                "name-collision",
                place,
                format!(
                    "{} becomes `{plain}` in {}, and so does {other}",
                    super::json::quote(raw),
                    self.language
                ),
                "rename one of the two",
            ));
            return plain;
        }
        let spelled = self.spell(space, &spelled_words(raw), case, prefix, raw);
        let base: String = spelled.chars().take(LONGEST_NAME).collect();
        let mark = match case {
            Case::Snake => "_v",
            Case::UpperSnake => "_V",
            Case::Camel | Case::Pascal | Case::Keep => "V",
        };
        let mut name = spelled;
        let mut count = 2;
        while space.seen.contains_key(&name) {
            name = format!("{base}{mark}{count}");
            count += 1;
        }
        space.seen.insert(name.clone(), place.clone());
        name
    }

    fn spell(&self, space: &Namespace, words: &[String], case: Case, prefix: &str, raw: &str) -> String {
        let joined = match case {
            Case::Keep if is_plain(raw) => raw.to_owned(),
            Case::Keep => join(words, Case::Pascal, self.rules.initialisms),
            case => join(words, case, self.rules.initialisms),
        };
        let name = format!("{prefix}{joined}");
        let name = if name.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{}{name}", digit_lead(case))
        } else {
            name
        };
        if self.rules.keywords.contains(&name.as_str()) || space.taken.contains(&name.as_str()) {
            (self.rules.escape)(&name)
        } else {
            name
        }
    }

    /// A name for something that the schema does not name, clear of what it does.
    fn spare(&self, space: &Namespace, wish: &str) -> String {
        let mut words = words(wish);
        loop {
            let name = self.spell(space, &words, self.rules.fields, "", wish);
            if !space.seen.contains_key(&name) {
                return name;
            }
            words.push("properties".to_owned());
        }
    }
}

/// What stands before a name that would begin with a digit.
fn digit_lead(case: Case) -> &'static str {
    match case {
        Case::Keep | Case::Pascal => "N",
        Case::Snake | Case::Camel => "n",
        Case::UpperSnake => "N_",
    }
}

fn is_plain(raw: &str) -> bool {
    raw.starts_with(|c: char| c.is_ascii_uppercase()) && raw.chars().all(|c| c.is_ascii_alphanumeric())
}

/// The words of a name, in lower case and ASCII: split at everything that is not a letter or digit, between a small
/// and a capital letter, and before the last capital of a run (`HTTPServer` is `http`, `server`). A name without any
/// letter or digit is spelled out.
pub fn words(raw: &str) -> Vec<String> {
    let chars: Vec<char> = raw.chars().collect();
    let mut out = vec![String::new()];
    for (index, &c) in chars.iter().enumerate() {
        if !c.is_ascii_alphanumeric() {
            out.push(if c.is_alphanumeric() { code_point(c) } else { String::new() });
            if c.is_alphanumeric() {
                out.push(String::new());
            }
            continue;
        }
        let before = index.checked_sub(1).map(|at| chars[at]);
        let after_small = before.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let ends_run = before.is_some_and(|b| b.is_ascii_uppercase())
            && chars.get(index + 1).is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase() && (after_small || ends_run) {
            out.push(String::new());
        }
        if let Some(word) = out.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
    }
    out.retain(|word| !word.is_empty());
    if out.is_empty() { spelled_words(raw) } else { out }
}

/// The words of a name with every sign spelled out, for names that differ in nothing else.
fn spelled_words(raw: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut plain = String::new();
    for c in raw.chars() {
        if c.is_ascii_alphanumeric() {
            plain.push(c);
            continue;
        }
        if !plain.is_empty() {
            out.extend(words(&std::mem::take(&mut plain)));
        }
        out.push(sign(c).map_or_else(|| code_point(c), str::to_owned));
    }
    if !plain.is_empty() {
        out.extend(words(&plain));
    }
    if out.is_empty() { vec!["empty".to_owned()] } else { out }
}

fn code_point(c: char) -> String {
    format!("u{:x}", u32::from(c))
}

fn sign(c: char) -> Option<&'static str> {
    Some(match c {
        ' ' => "space",
        '!' => "bang",
        '"' => "quote",
        '#' => "hash",
        '$' => "dollar",
        '%' => "percent",
        '&' => "and",
        '\'' => "apostrophe",
        '(' => "open",
        ')' => "close",
        '*' => "star",
        '+' => "plus",
        ',' => "comma",
        '-' => "dash",
        '.' => "dot",
        '/' => "slash",
        ':' => "colon",
        ';' => "semicolon",
        '<' => "less",
        '=' => "equal",
        '>' => "greater",
        '?' => "question",
        '@' => "at",
        '[' => "left",
        '\\' => "backslash",
        ']' => "right",
        '^' => "caret",
        '_' => "underscore",
        '`' => "backtick",
        '{' => "brace",
        '|' => "pipe",
        '}' => "unbrace",
        '~' => "tilde",
        _ => return None,
    })
}

/// The longest name, in characters; what is longer is cut.
const LONGEST_NAME: usize = 100;

/// A name in a case: `minLength` in snake case is `min_length`.
pub fn spelled(raw: &str, case: Case) -> String {
    join(&words(raw), case, &[])
}

/// Joins words by a case. A name that grows too long is cut.
pub fn join(words: &[String], case: Case, initialisms: &[&str]) -> String {
    let mut out = String::new();
    for (index, word) in words.iter().enumerate() {
        let upper = word.to_ascii_uppercase();
        let initialism = initialisms.contains(&upper.as_str());
        match case {
            Case::Snake | Case::UpperSnake if index > 0 => out.push('_'),
            _ => {}
        }
        match case {
            Case::Snake => out.push_str(word),
            Case::UpperSnake => out.push_str(&upper),
            Case::Camel if index == 0 => out.push_str(word),
            Case::Camel | Case::Pascal | Case::Keep if initialism => out.push_str(&upper),
            Case::Camel | Case::Pascal | Case::Keep => out.push_str(&capital(word)),
        }
        if out.len() > LONGEST_NAME {
            out.truncate(LONGEST_NAME);
            while out.ends_with('_') {
                out.pop();
            }
            break;
        }
    }
    out
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

/// The neutral PascalCase of a schema's own name for a type.
pub fn pascal(raw: &str) -> String {
    if is_plain(raw) {
        return raw.to_owned();
    }
    let name = join(&words(raw), Case::Pascal, &[]);
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("N{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_that_are_cut_alike_stay_apart() {
        let rules = Rules {
            types: Case::Keep,
            fields: Case::Snake,
            variants: Case::Pascal,
            methods: Case::Snake,
            variant_scope: Scope::Type,
            keywords: &[],
            taken_types: &[],
            taken_fields: &[],
            taken_variants: &[],
            taken_methods: &[],
            initialisms: &[],
            escape: str::to_owned,
        };
        let mut table =
            Table { language: "x", rules: &rules, on_collision: OnCollision::Respell, findings: Vec::new() };
        let mut space = Namespace::new(&[]);
        let long = "long_".repeat(60);
        let names: std::collections::HashSet<String> = (0..20)
            .map(|at| table.claim(&mut space, &format!("{long}{at}"), Case::Snake, "", &Place::default()))
            .collect();
        assert_eq!(names.len(), 20);
    }

    #[test]
    fn splits_words_and_joins_them_by_case() {
        for (raw, snake, pascal) in [
            ("send_message", "send_message", "SendMessage"),
            ("OTPRequired", "otp_required", "OtpRequired"),
            ("in-progress", "in_progress", "InProgress"),
            ("x2y", "x2y", "X2y"),
            ("a b", "a_b", "AB"),
            ("+", "plus", "Plus"),
            ("", "empty", "Empty"),
            ("日", "u65e5", "U65e5"),
        ] {
            assert_eq!(join(&words(raw), Case::Snake, &[]), snake, "{raw}");
            assert_eq!(join(&words(raw), Case::Pascal, &[]), pascal, "{raw}");
        }
        assert_eq!(join(&words("agentId"), Case::Camel, &["ID"]), "agentID");
        assert_eq!(join(&words("id"), Case::Camel, &["ID"]), "id");
    }
}
