//! The Rust printer. Its output is simply shaped, so that it is what rustfmt would leave untouched.
mod calls;
mod checks;
mod enums;
mod registry;
mod settings;
mod structs;
mod text;
mod unions;

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::build::rules;
use super::finding::Finding;
use super::model::{Kind, Model, Role, Section, Shape, Ty, TypeDef, TypeId};
use super::names::{Case, Rules, Scope};
use super::printer::{DriverHome, Input, Output, Page, Printer};
use super::reach::Circles;
use text::{doc, module_doc, quote};

/// The Rust printer.
#[derive(Debug)]
pub struct Rust;

static RULES: Rules = Rules {
    types: Case::Keep,
    fields: Case::Snake,
    variants: Case::Pascal,
    methods: Case::Snake,
    variant_scope: Scope::Type,
    keywords: &[
        "as", "async", "await", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum",
        "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match",
        "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "Self", "static", "struct",
        "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where",
        "while", "yield", "abstract", "become",
    ],
    taken_types: &[
        "String",
        "Vec",
        "Option",
        "Some",
        "None",
        "Result",
        "Ok",
        "Err",
        "Box",
        "Default",
        "Clone",
        "Debug",
        "PartialEq",
        "Eq",
        "Hash",
        "Copy",
        "From",
        "Into",
        "Iterator",
        "IntoIterator",
        "Serialize",
        "Deserialize",
        "Violation",
        "At",
        "Pattern",
        "DecodeError",
        "DecodeErrorKind",
        "JsonObject",
        "Tri",
        "Call",
        "TurnEffect",
        "Send",
        "Sync",
        "Drop",
        "Fn",
        "FnMut",
        "FnOnce",
        "AsRef",
        "AsMut",
        "ToString",
        "ToOwned",
        "Extend",
        "PartialOrd",
        "Ord",
        "Sized",
        "Unpin",
        "Union",
    ],
    taken_fields: &[],
    taken_variants: &["Unknown"],
    taken_methods: &[],
    initialisms: &[],
    escape,
};

/// A name that is reserved or taken, written otherwise.
fn escape(name: &str) -> String {
    match name {
        "self" | "super" | "crate" => format!("{name}_"),
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => format!("{name}Value"),
        name => format!("r#{name}"),
    }
}

impl Printer for Rust {
    fn language(&self) -> &'static str {
        "rust"
    }

    fn home(&self) -> &'static str {
        "rust/protocol"
    }

    fn driver_home(&self) -> Option<DriverHome> {
        Some(DriverHome { folder: "rust/conformance", package: None })
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn print(&self, input: &Input<'_>) -> Result<Vec<Output>, Vec<Finding>> {
        let rust = Ctx::new(input);
        let mut outputs = Vec::new();
        let mut modules = Vec::new();
        let has_rules = !input.model.rules.is_empty();
        for (section, name, about) in [
            (
                Section::Actions,
                "actions",
                "What a client says: one struct per action, and the union of all of them.",
            ),
            (Section::Errors, "errors", "The error codes, with what is known about each."),
            (
                Section::Events,
                "events",
                "What a server says: one struct per event, and the union of all of them.",
            ),
            (Section::Types, "types", "The types that actions and events share."),
        ] {
            if input.model.types.iter().any(|def| def.section == section) {
                modules.push(name);
                outputs.push(Output::new(format!("src/generated/{name}.rs"), rust.module(section, about)));
            }
        }
        outputs.push(Output::new("src/generated/mod.rs", root(&modules, input.standalone, has_rules)));
        outputs.push(Output::new("tests/generated/round_trip.rs", rust.round_trip()));
        if !input.standalone && input.model.action_union.is_some() {
            outputs.push(Output::new("src/generated.rs", calls::print(input)).at("rust/client"));
        }
        if input.standalone {
            for (name, contents) in SUPPORT {
                outputs.push(Output::new(format!("src/generated/{name}"), *contents));
            }
            if has_rules {
                let table = format!("from_str({})", quote(&rules::table(input.model, &str::to_owned)));
                let text = RULES_RUNTIME.replacen("from_str(\"[]\")", &table, 1);
                outputs.push(Output::new("src/generated/rules.rs", text));
            }
        }
        Ok(outputs)
    }

    fn registry(&self, input: &Input<'_>) -> Option<String> {
        Some(registry::registry(input))
    }
}

/// The support code, which in this repository stands beside the generated folder.
const SUPPORT: &[(&str, &str)] = &[
    ("decode.rs", include_str!("../../../../rust/protocol/src/decode.rs")),
    ("locate.rs", include_str!("../../../../rust/protocol/src/locate.rs")),
    ("others.rs", include_str!("../../../../rust/protocol/src/others.rs")),
    ("tri.rs", include_str!("../../../../rust/protocol/src/tri.rs")),
    ("violation.rs", include_str!("../../../../rust/protocol/src/violation.rs")),
];

/// What checks JSON by rules, for schemas that need them.
const RULES_RUNTIME: &str = include_str!("runtime/rules.rs");

/// The module that holds all others.
fn root(modules: &[&str], standalone: bool, has_rules: bool) -> String {
    let mut page = Page::new("    ");
    module_doc(&mut page, "All generated types.");
    let mut all: Vec<(&str, &str)> = modules.iter().map(|module| (*module, "mod")).collect();
    if standalone {
        all.extend(SUPPORT.iter().map(|(name, _)| (name.trim_end_matches(".rs"), "pub mod")));
    }
    if standalone && has_rules {
        all.push(("rules", "pub mod"));
    }
    all.sort_unstable();
    for (module, keyword) in all {
        page.line(format!("{keyword} {module};"));
    }
    page.gap();
    for module in modules {
        page.line(format!("pub use {module}::*;"));
    }
    page.finish()
}

/// What the parts of the printer work with.
struct Ctx<'a> {
    model: &'a Model,
    names: &'a Input<'a>,
    circles: Circles,
    used: RefCell<Used>,
}

/// What the file that is being printed needs from elsewhere.
#[derive(Debug, Default)]
struct Used {
    section: Option<Section>,
    names: BTreeSet<&'static str>,
    other_sections: bool,
}

/// The names that a file may need: the module, and what of it. The module's own name stands for the module itself.
const IMPORTS: &[(&str, &[&str])] = &[
    ("decode", &["decode", "DecodeError", "JsonObject"]),
    ("others", &["others"]),
    ("rules", &["rules"]),
    ("tri", &["Tri"]),
    ("violation", &["violation", "At", "Pattern", "Violation"]),
];

impl<'a> Ctx<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let model = input.model;
        let circles = Circles::new(model, |id, out| model.held_by_value(id, out));
        Self { model, names: input, circles, used: RefCell::default() }
    }
}

impl Ctx<'_> {
    fn name(&self, id: TypeId) -> &str {
        self.names.names.ty(id)
    }

    /// Notes that the file needs these names from the support code or from serde.
    fn needs(&self, names: &[&'static str]) {
        self.used.borrow_mut().names.extend(names);
    }

    /// Notes that the file needs a type that may stand in another file.
    fn needs_type(&self, id: TypeId) {
        let mut used = self.used.borrow_mut();
        used.other_sections |= used.section != Some(self.model.ty(id).section);
    }

    /// One file: all types of a section.
    fn module(&self, section: Section, about: &str) -> String {
        *self.used.borrow_mut() = Used { section: Some(section), ..Used::default() };
        let mut body = Page::new("    ");
        for (id, def) in self.model.each().filter(|(_, def)| def.section == section) {
            body.gap();
            self.definition(&mut body, id, def);
        }
        let mut page = Page::new("    ");
        module_doc(&mut page, about);
        self.imports(&mut page);
        page.finish() + &body.finish()
    }

    fn imports(&self, page: &mut Page) {
        let used = self.used.borrow();
        let source = if self.names.standalone { "super" } else { "crate" };
        let mut groups = [Vec::new(), Vec::new(), Vec::new()];
        if used.names.contains("Serialize") {
            groups[0].push("use serde::{Deserialize, Serialize};".to_owned());
        }
        for (module, names) in IMPORTS {
            let taken = names.iter().filter(|name| used.names.contains(**name));
            let taken: Vec<&str> = taken.map(|name| if name == module { "self" } else { name }).collect();
            match taken.as_slice() {
                [] => {}
                ["self"] => groups[1].push(format!("use {source}::{module};")),
                [only] => groups[1].push(format!("use {source}::{module}::{only};")),
                many => groups[1].push(format!("use {source}::{module}::{{{}}};", many.join(", "))),
            }
        }
        if used.other_sections {
            groups[2].push("use super::*;".to_owned());
        }
        for (index, group) in groups.iter().filter(|group| !group.is_empty()).enumerate() {
            if index > 0 {
                page.gap();
            }
            for line in group {
                page.line(line);
            }
        }
    }

    fn definition(&self, page: &mut Page, id: TypeId, def: &TypeDef) {
        match &def.shape {
            Shape::Struct(shape) => self.structure(page, id, def, shape),
            Shape::TaggedUnion(union) => self.union(page, id, def, union),
            Shape::ClosedEnum(shape) => self.enumeration(page, id, def, shape, false),
            Shape::OpenEnum(shape) => {
                self.enumeration(page, id, def, shape, true);
                if def.role == Role::ErrorCode {
                    self.error_facts(page, id);
                }
            }
            Shape::Newtype(inner) => self.newtype(page, id, def, inner),
            Shape::Alias(inner) => {
                self.type_doc(page, def);
                let (head, ty) = (format!("pub type {} =", self.name(id)), self.ty(inner, Some(id)));
                if head.len() + ty.len() + 2 <= text::WIDTH {
                    page.line(format!("{head} {ty};"));
                } else {
                    page.line(head).indented(|page| {
                        page.line(format!("{ty};"));
                    });
                }
            }
        }
    }

    /// The doc comment of a type.
    fn type_doc(&self, page: &mut Page, def: &TypeDef) {
        doc(page, &def.doc, || format!("The type `{}`.", def.name));
        text::deprecation(page, def.deprecated);
    }

    /// A type as it is written where it is used. `owner` is the type that holds it in place, for boxes.
    fn ty(&self, ty: &Ty, owner: Option<TypeId>) -> String {
        let name = match &ty.kind {
            Kind::String => "String".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int(int) => text::int(*int).to_owned(),
            Kind::Float => "f64".to_owned(),
            Kind::Json => "serde_json::Value".to_owned(),
            Kind::JsonObject => {
                self.needs(&["JsonObject"]);
                "JsonObject".to_owned()
            }
            Kind::List(item) => format!("Vec<{}>", self.ty(item, None)),
            Kind::Map(item) => format!("std::collections::BTreeMap<String, {}>", self.ty(item, None)),
            Kind::Tuple(items) => {
                let items: Vec<String> = items.iter().map(|item| self.ty(item, owner)).collect();
                let comma = if items.len() == 1 { "," } else { "" };
                format!("({}{comma})", items.join(", "))
            }
            Kind::Named(id) => {
                self.needs_type(*id);
                let boxed = owner.is_some_and(|owner| self.circles.join(owner, *id));
                if boxed { format!("Box<{}>", self.name(*id)) } else { self.name(*id).to_owned() }
            }
        };
        if ty.nullable { format!("Option<{name}>") } else { name }
    }

    /// The table by which a codec test calls a type by its name.
    fn round_trip(&self) -> String {
        let mut page = Page::new("    ");
        module_doc(
            &mut page,
            "Decodes, validates and encodes a value of any type of the schema, by the type's name.",
        );
        page.line("use super::*;").gap();
        page.line(
            "/// A type's name in the schema, and what decodes, validates and encodes one value of it.",
        );
        page.line("pub type RoundTrip = (&'static str, fn(&str) -> Outcome);").gap();
        page.line("/// All types.");
        let entries: Vec<String> = self
            .model
            .each()
            .map(|(id, def)| {
                let (wire, name) = (quote(&def.name), self.name(id));
                match &def.shape {
                    Shape::Struct(_) | Shape::Newtype(_) | Shape::TaggedUnion(_) => {
                        format!("({wire}, |text| data(text, {name}::validate))")
                    }
                    _ => format!("({wire}, |text| data::<{name}>(text, |_| Ok(())))"),
                }
            })
            .collect();
        text::array(&mut page, "pub const ROUND_TRIPS: &[RoundTrip] = &", &entries, ";");
        page.finish()
    }
}
