//! The documentation printer: `docs/protocol.md`, a reference that can be read from top to bottom.
use super::finding::Finding;
use super::model::{
    Constraints, Field, Int, Kind, Model, Presence, Reply, Role, Section, Shape, Struct, TurnEffect,
    TurnPart, Ty, TypeDef, TypeId,
};
use super::names::{Case, Rules, Scope};
use super::printer::{Input, NOTICE, Output, Page, Printer};

/// The documentation printer.
#[derive(Debug)]
pub struct Docs;

static RULES: Rules = Rules {
    types: Case::Keep,
    fields: Case::Camel,
    variants: Case::Pascal,
    methods: Case::Snake,
    variant_scope: Scope::Type,
    keywords: &[],
    taken_types: &[],
    taken_fields: &[],
    taken_variants: &[],
    taken_methods: &[],
    initialisms: &[],
    escape: |name| format!("{name}_"),
};

impl Printer for Docs {
    fn language(&self) -> &'static str {
        "docs"
    }

    fn home(&self) -> &'static str {
        "docs"
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn print(&self, input: &Input<'_>) -> Result<Vec<Output>, Vec<Finding>> {
        Ok(vec![Output::new("protocol.md", Reference { model: input.model }.text())])
    }
}

struct Reference<'a> {
    model: &'a Model,
}

impl Reference<'_> {
    fn text(&self) -> String {
        let mut page = Page::new("  ");
        page.line("# Protocol reference").gap();
        page.line(format!("<!-- {NOTICE} -->")).gap();
        if !self.model.actions.is_empty() {
            self.introduction(&mut page);
            self.actions(&mut page);
            self.events(&mut page);
            self.errors(&mut page);
            self.settings(&mut page);
        }
        self.types(&mut page);
        page.finish().trim_end().to_owned() + "\n"
    }

    fn introduction(&self, page: &mut Page) {
        for line in [
            "A client sends actions, told apart by `action`; a server sends events, told apart by `type`.",
            "Each is one JSON object in one text frame.",
            "What a peer does not know it ignores: unknown properties, unknown event types, unknown values of open lists.",
            "`?` marks a property that may be absent; absent and null differ.",
        ] {
            page.line(line);
        }
        page.gap();
        page.line("| action | in a turn | answered by |");
        page.line("|---|---|---|");
        for action in &self.model.actions {
            let turn = self.part(&action.turn);
            page.line(format!(
                "| [`{0}`](#{0}) | {turn} | {1} |",
                code(&action.name),
                self.reply(&action.reply)
            ));
        }
        page.gap();
        page.line("| event | sent |");
        page.line("|---|---|");
        for event in &self.model.events {
            let doc = &self.model.ty(event.payload).doc;
            page.line(format!("| [`{0}`](#{0}) | {1} |", code(&event.name), cell(doc)));
        }
        page.gap();
    }

    fn part(&self, part: &TurnPart) -> String {
        match part {
            TurnPart::None => String::new(),
            TurnPart::Starts => "starts it".to_owned(),
            TurnPart::Stops => "stops it".to_owned(),
            TurnPart::Answers(answer) => format!("answers {}", self.link(answer.event)),
        }
    }

    fn reply(&self, reply: &Reply) -> String {
        match reply {
            Reply::Data(id) => format!("`immediate_response` with {}", self.link(*id)),
            Reply::Events(names) => {
                names.iter().map(|name| format!("[`{0}`](#{0})", code(name))).collect::<Vec<_>>().join(", ")
            }
            Reply::None => String::new(),
        }
    }

    fn actions(&self, page: &mut Page) {
        page.line("## Actions").gap();
        for action in &self.model.actions {
            let def = self.model.ty(action.params);
            page.line(format!("### {}", heading(&action.name))).gap();
            self.body(page, def);
            let answer = self.reply(&action.reply);
            if !answer.is_empty() {
                page.line(format!("Answered by {answer}.")).gap();
            }
            self.examples(page, def);
            self.neighbours(page, def);
        }
    }

    fn events(&self, page: &mut Page) {
        page.line("## Events").gap();
        for event in &self.model.events {
            let def = self.model.ty(event.payload);
            page.line(format!("### {}", heading(&event.name))).gap();
            self.body(page, def);
            if self.model.has_turn_effects() {
                let exception = event.exception.as_ref().map(|other| {
                    let name = other.path.last().map_or("", String::as_str);
                    format!(" When `{}` is {}, it {}.", code(name), other.value, in_a_turn(other.effect))
                });
                let exception = exception.unwrap_or_default();
                page.line(format!("In a turn it {}.{exception}", in_a_turn(event.effect))).gap();
            }
            self.examples(page, def);
            self.neighbours(page, def);
        }
    }

    fn errors(&self, page: &mut Page) {
        let Some(errors) = &self.model.errors else { return };
        let def = self.model.ty(errors.ty);
        page.line("## Error codes").gap();
        page.line(prose(&def.doc)).gap();
        page.line("| code | status | retryable | ends a turn | meaning | what to do |");
        page.line("|---|---|---|---|---|---|");
        for error in &errors.codes {
            let [retryable, ends_turn] =
                [error.retryable, error.ends_turn].map(|holds| if holds { "yes" } else { "no" });
            page.line(format!(
                "| `{}` | {} | {retryable} | {ends_turn} | {} | {} |",
                code(&error.wire),
                error.status,
                cell(&error.description),
                cell(&error.hint)
            ));
        }
        page.gap();
    }

    fn settings(&self, page: &mut Page) {
        let Some(settings) = &self.model.settings else { return };
        page.line("## Clients").gap();
        page.line(
            "What clients of all languages do unless their users say otherwise; nothing of it is sent.",
        )
        .gap();
        for group in [&settings.timeouts, &settings.pacing] {
            page.line(format!("{}:", prose(&group.doc).trim_end_matches('.'))).gap();
            page.line("| setting | default | what it is |").line("|---|---|---|");
            for setting in &group.settings {
                let (name, doc) = (code(&setting.name), cell(&setting.doc));
                page.line(format!("| `{name}` | {} | {doc} |", setting.default()));
            }
            page.gap();
        }
    }

    fn types(&self, page: &mut Page) {
        let types: Vec<&TypeDef> =
            self.model.types.iter().filter(|def| def.section == Section::Types).collect();
        if types.is_empty() {
            return;
        }
        page.line("## Types").gap();
        for def in types {
            page.line(format!("### {}", heading(&def.name))).gap();
            self.body(page, def);
            self.examples(page, def);
        }
    }

    /// The types that are declared in the same file as an action or event.
    fn neighbours(&self, page: &mut Page, root: &TypeDef) {
        for def in
            self.model.types.iter().filter(|def| def.role == Role::Data && def.place.file == root.place.file)
        {
            page.line(format!("#### {}", heading(&def.name))).gap();
            self.body(page, def);
            self.examples(page, def);
        }
    }

    fn body(&self, page: &mut Page, def: &TypeDef) {
        let doc = prose(&def.doc);
        if !doc.is_empty() {
            page.line(doc).gap();
        }
        if def.deprecated {
            page.line("Deprecated.").gap();
        }
        match &def.shape {
            Shape::Struct(shape) => self.properties(page, shape),
            Shape::ClosedEnum(shape) | Shape::OpenEnum(shape) => {
                let open = matches!(def.shape, Shape::OpenEnum(_));
                let values: Vec<String> =
                    shape.values.iter().map(|value| format!("`{}`", code(&value.wire))).collect();
                let rest = if open { ", or another string that a later version knows" } else { "" };
                page.line(format!("One of {}{rest}.", values.join(", "))).gap();
            }
            Shape::TaggedUnion(union) => {
                let rest = if union.open { ", or one that a later version knows" } else { "" };
                page.line(format!("Told apart by `{}`{rest}:", code(&union.tag))).gap();
                for member in &union.members {
                    page.line(format!("- `{}`: {}", code(&member.value), self.link(member.ty)));
                }
                page.gap();
            }
            Shape::Newtype(ty) | Shape::Alias(ty) => {
                let rules = rules(&ty.constraints);
                let rules = if rules.is_empty() { String::new() } else { format!(" ({rules})") };
                page.line(format!("A value of type {}{rules}.", self.ty(ty))).gap();
            }
        }
    }

    fn properties(&self, page: &mut Page, shape: &Struct) {
        let tag = shape.tag.as_ref();
        if tag.is_none() && shape.fields.is_empty() {
            page.line("An object without properties of its own.").gap();
            return;
        }
        page.line("| property | type | meaning |");
        page.line("|---|---|---|");
        if let Some(tag) = tag {
            page.line(format!("| `{}` | `\"{}\"` | Names it. |", code(&tag.property), code(&tag.value)));
        }
        for field in &shape.fields {
            page.line(self.property(field));
        }
        page.gap();
    }

    fn property(&self, field: &Field) -> String {
        let mark = match field.presence() {
            Presence::Optional | Presence::Tristate => "?",
            Presence::Required | Presence::Nullable => "",
        };
        let mut meaning = vec![cell(&field.doc)];
        let rules = rules(&field.ty.constraints);
        if !rules.is_empty() {
            meaning.push(format!("({rules})"));
        }
        if let Some(default) = &field.default {
            meaning.push(format!("Default `{}`.", code(&default.compact())));
        }
        if field.deprecated {
            meaning.push("Deprecated.".to_owned());
        }
        meaning.retain(|part| !part.is_empty());
        format!("| `{}`{mark} | {} | {} |", code(&field.wire), self.ty(&field.ty), meaning.join(" "))
    }

    fn ty(&self, ty: &Ty) -> String {
        let name = match &ty.kind {
            Kind::String => "string".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Int(Int::I32) => "integer (32 bits)".to_owned(),
            Kind::Int(Int::U32) => "integer (32 bits, not negative)".to_owned(),
            Kind::Int(Int::U64) => "integer (64 bits, not negative)".to_owned(),
            Kind::Int(Int::Safe64 | Int::I64) => "integer (64 bits)".to_owned(),
            Kind::Float => "number".to_owned(),
            Kind::Json => "any JSON".to_owned(),
            Kind::JsonObject => "object".to_owned(),
            Kind::List(item) => format!("array of {}", self.ty(item)),
            Kind::Map(item) => format!("map of {}", self.ty(item)),
            Kind::Tuple(items) => {
                format!(
                    "array of {}",
                    items.iter().map(|item| self.ty(item)).collect::<Vec<_>>().join(", then ")
                )
            }
            Kind::Named(id) => self.link(*id),
        };
        if ty.nullable { format!("{name} or null") } else { name }
    }

    fn link(&self, id: TypeId) -> String {
        let def = self.model.ty(id);
        let action = self.model.actions.iter().find(|action| action.params == id).map(|action| &action.name);
        let event = self.model.events.iter().find(|event| event.payload == id).map(|event| &event.name);
        let title = action.or(event).unwrap_or(&def.name);
        let anchor = match def.section {
            Section::Errors => "error-codes".to_owned(),
            _ => title.to_lowercase(),
        };
        format!("[`{}`](#{anchor})", code(title))
    }

    fn examples(&self, page: &mut Page, def: &TypeDef) {
        let Some((first, rest)) = def.examples.split_first() else { return };
        let scalar = |shape: &Shape| matches!(shape, Shape::ClosedEnum(_) | Shape::OpenEnum(_));
        if scalar(&def.shape) {
            return;
        }
        for example in std::iter::once(first).chain(rest.last()) {
            page.line("```json");
            for line in example.pretty().lines() {
                page.line(line);
            }
            page.line("```").gap();
        }
    }
}

/// What the constraints ask, in words.
fn rules(rules: &Constraints) -> String {
    let mut out = Vec::new();
    let mut range = |least: Option<String>, most: Option<String>, unit: &str| match (least, most) {
        (Some(least), Some(most)) if least == most => out.push(format!("{least}{unit}")),
        (Some(least), Some(most)) => out.push(format!("{least} to {most}{unit}")),
        (Some(least), None) => out.push(format!("at least {least}{unit}")),
        (None, Some(most)) => out.push(format!("at most {most}{unit}")),
        (None, None) => {}
    };
    let text = |bound: Option<u64>| bound.map(|bound| bound.to_string());
    range(text(rules.min_length), text(rules.max_length), " characters");
    range(text(rules.min_items), text(rules.max_items), " items");
    range(text(rules.min_properties), text(rules.max_properties), " entries");
    range(rules.minimum.map(|n| n.to_string()), rules.maximum.map(|n| n.to_string()), "");
    if let Some(bound) = rules.exclusive_minimum {
        out.push(format!("more than {bound}"));
    }
    if let Some(bound) = rules.exclusive_maximum {
        out.push(format!("less than {bound}"));
    }
    if let Some(step) = rules.multiple_of {
        out.push(format!("a multiple of {step}"));
    }
    if let Some(pattern) = &rules.pattern {
        out.push(format!("matches `{}`", code(pattern)));
    }
    if let Some(format) = rules.format {
        out.push(
            match format {
                super::model::Format::Uuid => "a UUID",
                super::model::Format::DateTime => "RFC 3339",
                super::model::Format::Email => "an e-mail address",
                super::model::Format::Uri => "a URI",
            }
            .to_owned(),
        );
    }
    if rules.unique_items {
        out.push("no two equal".to_owned());
    }
    if let Some(allowed) = &rules.allowed {
        let values: Vec<String> =
            allowed.iter().map(|value| format!("`{}`", code(&value.compact()))).collect();
        out.push(format!("one of {}", values.join(", ")));
    }
    out.join(", ")
}

/// Text for the inside of a code span in a table.
fn code(text: &str) -> String {
    let clean = |c: char| if super::json::is_unsafe(c) || c == '`' { '\u{fffd}' } else { c };
    text.chars().map(clean).collect::<String>().replace('|', "\\|")
}

/// A name as a heading.
fn heading(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') { text.to_owned() } else { prose(text) }
}

/// A description on one line of Markdown, with everything escaped that could be markup or HTML outside code spans.
fn prose(text: &str) -> String {
    let balanced = text.matches('`').count().is_multiple_of(2) && !text.contains("``");
    let mut in_code = false;
    let mut out = String::new();
    for word in
        text.split(|c: char| c.is_whitespace() || super::json::is_unsafe(c)).filter(|word| !word.is_empty())
    {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            match c {
                '`' if balanced => {
                    in_code = !in_code;
                    out.push('`');
                }
                '\\' | '[' | ']' | '<' | '>' | '*' | '`' | '#' | '~' if !in_code => {
                    out.push('\\');
                    out.push(c);
                }
                '_' if !in_code && !balanced => out.push_str("\\_"),
                '&' if !in_code => out.push_str("&amp;"),
                c => out.push(c),
            }
        }
    }
    let lead = out.chars().take_while(char::is_ascii_digit).count();
    match out.as_bytes() {
        [b'-' | b'+' | b'=', ..] => format!("\\{out}"),
        bytes if lead > 0 && matches!(bytes.get(lead), Some(b'.' | b')')) => {
            format!("{}\\{}", &out[..lead], &out[lead..])
        }
        _ => out,
    }
}

/// A description inside a table cell.
fn cell(text: &str) -> String {
    prose(text).replace('|', "\\|")
}

/// What an event does in its turn.
fn in_a_turn(effect: TurnEffect) -> &'static str {
    match effect {
        TurnEffect::GoesOn => "shows that the turn goes on, and is no longer parked",
        TurnEffect::Streams => "shows that the turn goes on; a reader who is far behind can do without it",
        TurnEffect::Parks => "parks the turn until a person has answered",
        TurnEffect::Informs => "changes nothing: a turn that is parked stays so",
        TurnEffect::Passes => {
            "changes nothing: a turn that is parked stays so, and a reader who is far behind can do without it"
        }
        TurnEffect::Ends => "is the last event",
    }
}
