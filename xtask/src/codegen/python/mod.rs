//! The Python printer: one module per section of the schema, the run-time support, and a package that offers all.
//! An object is a frozen, slotted dataclass; its tag is a class variable, so that both `match` and comparing the tag
//! narrow a union. Other types are aliases with functions of their own. An absent property is `None`; where null is a
//! value of its own, it is `UNSET`. Sections that refer to each other in a circle share a module. Formatting is ruff's
//! with line-length 110 (0.17.6: what ends with a comma stays broken), type checks are mypy's 2.4.1 and pyright's.
//! `_make_x` makes what is decoded: it sets the fields of an object at half of what calling a frozen class costs.
mod calls;
mod check;
mod codec;
mod declare;
mod settings;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::build::rules;
use super::finding::Finding;
use super::json::Json;
use super::model::{Kind, Model, Section, Shape, Ty, TypeDef, TypeId};
use super::names::{Case, Names, Rules, Scope, words};
use super::pattern::with_end_anchor;
use super::printer::{DriverHome, Input, NOTICE, Output, Page, Printer};
use super::reach::held;
use text::{Doc, bracket};

/// The widest line that ruff leaves whole; `python/pyproject.toml` says the same.
const WIDTH: usize = 110;

/// The support code that every output brings along.
const WIRE: &str = include_str!("wire.py");
/// What checks JSON by rules, for schemas that need them.
const RULES_RUNTIME: &str = include_str!("rules.py");

/// The printer.
#[derive(Debug)]
pub struct Python;

impl Printer for Python {
    fn language(&self) -> &'static str {
        "python"
    }

    fn home(&self) -> &'static str {
        "python/src/smooth_operator/_generated"
    }

    fn driver_home(&self) -> Option<DriverHome> {
        Some(DriverHome { folder: "python/conformance/wire", package: None })
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn print(&self, input: &Input<'_>) -> Result<Vec<Output>, Vec<Finding>> {
        let merged = has_circle(input.model);
        let mut outputs = vec![Output::new("wire.py", format!("# {NOTICE}\n{WIRE}"))];
        let mut modules = Vec::new();
        for (section, module) in FILES {
            let here =
                |def: &TypeDef| if merged { section == Section::Types } else { def.section == section };
            if input.model.types.iter().any(here) {
                let sheet = Sheet::new(input, section, merged);
                outputs.push(Output::new(format!("{module}.py"), sheet.print(here)));
                modules.push(module);
            }
        }
        if !input.model.rules.is_empty() {
            let table = rules::table(input.model, &|pattern| with_end_anchor(pattern, "\\Z"));
            let text = RULES_RUNTIME.replacen("\"[]\"", &text::string(&table), 1);
            outputs.push(Output::new("rules.py", format!("# {NOTICE}\n{text}")));
        }
        if let Some(settings) = &input.model.settings {
            outputs.push(Output::new("settings.py", settings::print(settings)));
        }
        outputs.push(Output::new("__init__.py", package(modules)));
        Ok(outputs)
    }

    /// Types with what their functions are found by: the class, and the functions' names less the verb.
    fn registry(&self, input: &Input<'_>) -> Option<String> {
        let entry = |(id, def): (TypeId, &TypeDef)| {
            let name = input.names.ty(id);
            let texts = [def.name.clone(), name.to_owned(), snake(name)];
            Json::Array(texts.into_iter().map(Json::String).collect())
        };
        Some(Json::Array(input.model.each().map(entry).collect()).compact())
    }
}

/// The sections and their modules; each may import those before it.
const FILES: [(Section, &str); 4] = [
    (Section::Errors, "errors"),
    (Section::Types, "types"),
    (Section::Events, "events"),
    (Section::Actions, "actions"),
];

/// What a user of the output needs of the support code.
const PUBLIC_SUPPORT: [&str; 6] = ["UNSET", "DecodeError", "Json", "JsonObject", "Unset", "Violation"];

static RULES: Rules = Rules {
    types: Case::Keep,
    fields: Case::Snake,
    variants: Case::UpperSnake,
    methods: Case::Snake,
    variant_scope: Scope::Type,
    // Beside the reserved words, what the annotations of a class use: a field of that name would hide it.
    keywords: &[
        "False",
        "None",
        "True",
        "and",
        "as",
        "assert",
        "async",
        "await",
        "bool",
        "break",
        "class",
        "continue",
        "def",
        "del",
        "dict",
        "elif",
        "else",
        "except",
        "finally",
        "float",
        "for",
        "from",
        "global",
        "if",
        "import",
        "in",
        "int",
        "is",
        "lambda",
        "list",
        "nonlocal",
        "not",
        "object",
        "or",
        "pass",
        "raise",
        "return",
        "self",
        "staticmethod",
        "str",
        "timeouts",
        "try",
        "tuple",
        "while",
        "wire",
        "with",
        "yield",
    ],
    taken_types: &[
        "ABC",
        "ActionCalls",
        "ClassVar",
        "ErrorInfo",
        "EventT",
        "Final",
        "Generic",
        "Literal",
        "OptionsT",
        "ResultT",
        "ParkEvent",
        "TurnEffect",
        "TurnT",
        "TypeAlias",
        "TypeVar",
        "UNSET",
        "Union",
        "DecodeError",
        "Json",
        "JsonObject",
        "Unset",
        "Violation",
    ],
    taken_fields: &["decode", "encode", "turn_effect", "validate"],
    taken_variants: &[],
    taken_methods: &["close", "connect"],
    initialisms: &[],
    escape: |name| format!("{name}_"),
};

/// One module under construction.
struct Sheet<'a> {
    model: &'a Model,
    names: &'a Names,
    section: Section,
    merged: bool,
    /// Top-level definitions, in order.
    blocks: Vec<String>,
    /// More of them, which need all of the others.
    last: Vec<String>,
    /// What it uses of other modules, by module.
    imports: BTreeMap<String, BTreeSet<(u8, String)>>,
    /// What it offers, in order.
    offers: Vec<String>,
}

impl<'a> Sheet<'a> {
    fn new(input: &Input<'a>, section: Section, merged: bool) -> Self {
        Self {
            model: input.model,
            names: input.names,
            section,
            merged,
            blocks: Vec::new(),
            last: Vec::new(),
            imports: BTreeMap::new(),
            offers: Vec::new(),
        }
    }

    /// The whole text.
    fn print(mut self, here: impl Fn(&TypeDef) -> bool) -> String {
        for (id, def) in self.model.each().filter(|(_, def)| here(def)) {
            match &def.shape {
                Shape::Struct(shape) => self.dataclass(id, def, shape),
                Shape::TaggedUnion(union) => self.union(id, def, union),
                Shape::ClosedEnum(values) => self.enumeration(id, def, values, false),
                Shape::OpenEnum(values) => self.enumeration(id, def, values, true),
                Shape::Newtype(ty) | Shape::Alias(ty) => self.alias(id, def, ty),
            }
        }
        if self.merged || self.section == Section::Errors {
            self.error_table();
        }
        if self.merged || self.section == Section::Actions {
            self.calls();
        }
        self.blocks.append(&mut self.last);
        let mut head = Page::new("    ");
        head.line(format!("# {NOTICE}")).gap().line("from __future__ import annotations").gap();
        let std: Vec<_> = self.imports.iter().filter(|(module, _)| !module.starts_with('.')).collect();
        let own: Vec<_> = self.imports.iter().filter(|(module, _)| module.starts_with('.')).collect();
        for (index, group) in [std, own].iter().enumerate() {
            if index == 1 {
                let has_rules = !self.model.rules.is_empty();
                head.gap().line(if has_rules { "from . import rules, wire" } else { "from . import wire" });
            }
            for (module, names) in group {
                let names: Vec<Doc> = names.iter().map(|(_, name)| text::text(name.as_str())).collect();
                let flat = names.iter().map(Doc::flat).collect::<Vec<_>>().join(", ");
                let line = format!("from {module} import {flat}");
                if line.chars().count() <= WIDTH {
                    head.line(line);
                } else {
                    text::put(&mut head, &Doc::broken(format!("from {module} import ("), names, ")"));
                }
            }
        }
        let offers = self.offers.iter().map(|name| text::text(text::string(name))).collect();
        head.gap();
        text::put(&mut head, &Doc::broken("__all__ = [", offers, "]"));
        head.finish() + "\n\n" + &self.blocks.join("\n\n")
    }

    fn name(&self, id: TypeId) -> &'a str {
        self.names.ty(id)
    }

    /// The name of a type, imported if need be.
    fn type_name(&mut self, id: TypeId) -> String {
        let name = self.name(id).to_owned();
        self.import_of(id, &name);
        name
    }

    /// The name of a type's function (`decode_x`), imported if need be.
    fn function(&mut self, verb: &str, id: TypeId) -> String {
        let name = self.function_name(verb, id);
        self.import_of(id, &name);
        name
    }

    fn function_name(&self, verb: &str, id: TypeId) -> String {
        format!("{verb}_{}", snake(self.name(id)))
    }

    fn import_of(&mut self, id: TypeId, name: &str) {
        let section = self.model.ty(id).section;
        if !self.merged && section != self.section {
            let file = FILES.iter().find(|(own, _)| *own == section).map_or("", |(_, file)| file);
            self.import(&format!(".{file}"), name);
        }
    }

    /// Imports a name. Modules keep ruff's order: constants, classes, functions.
    fn import(&mut self, module: &str, name: &str) {
        let upper = name.chars().all(|c| !c.is_ascii_lowercase()) && name.len() > 1;
        let rank = if upper { 0 } else { u8::from(!name.starts_with(|c: char| c.is_ascii_uppercase())) + 1 };
        self.imports.entry(module.to_owned()).or_default().insert((rank, name.to_owned()));
    }

    fn typing(&mut self, name: &str) -> String {
        self.import("typing", name);
        name.to_owned()
    }

    /// A name that no type has.
    fn spare(&self, wish: String) -> String {
        let mut name = wish;
        while self.model.each().any(|(id, _)| self.name(id) == name) {
            name.push('_');
        }
        name
    }

    /// A top-level definition.
    fn block(&mut self, body: impl FnOnce(&mut Self, &mut Page)) {
        let mut page = Page::new("    ");
        body(self, &mut page);
        self.blocks.push(page.finish());
    }

    /// `def name(value: taken) -> result:` with one returned expression.
    fn define(&mut self, name: &str, taken: &str, result: &str, returned: &Doc) {
        self.block(|_, page| {
            let taken = vec![text::text(format!("value: {taken}"))];
            text::put(page, &bracket(format!("def {name}("), taken, format!(") -> {result}:")));
            page.indented(|page| text::put(page, &text::before("return ", returned)));
        });
    }

    /// A type that an annotation names.
    fn ty(&mut self, ty: &Ty) -> String {
        let plain = match &ty.kind {
            Kind::String => "str".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int(_) => "int".to_owned(),
            Kind::Float => "float".to_owned(),
            Kind::Json => "wire.Json".to_owned(),
            Kind::JsonObject => "wire.JsonObject".to_owned(),
            Kind::List(item) => format!("list[{}]", self.ty(item)),
            Kind::Map(item) => format!("dict[str, {}]", self.ty(item)),
            Kind::Tuple(items) if items.is_empty() => "tuple[()]".to_owned(),
            Kind::Tuple(items) => {
                let items: Vec<String> = items.iter().map(|item| self.ty(item)).collect();
                format!("tuple[{}]", items.join(", "))
            }
            Kind::Named(id) => self.type_name(*id),
        };
        if ty.nullable { format!("{plain} | None") } else { plain }
    }

    /// Whether `None` is a value of a use.
    fn may_be_none(&self, ty: &Ty) -> bool {
        let ty = self.behind(ty);
        ty.nullable || ty.kind == Kind::Json
    }

    /// The use that a use stands for when aliases and newtypes are followed, as far as they are not null.
    fn behind<'t>(&'t self, ty: &'t Ty) -> &'t Ty {
        let mut here = ty;
        for _ in 0..self.model.types.len() {
            let Kind::Named(id) = here.kind else { break };
            match &self.model.ty(id).shape {
                Shape::Alias(inner) | Shape::Newtype(inner) if !here.nullable => here = inner,
                _ => break,
            }
        }
        here
    }
}

/// The name of a type in snake case; unique since type names are unique after case folding, and so never cut.
fn snake(name: &str) -> String {
    words(name).join("_")
}

/// The package that offers what its modules offer. It has no `__all__`: mypy does not add up those of its modules.
fn package(mut modules: Vec<&str>) -> String {
    modules.sort_unstable();
    let mut page = Page::new("    ");
    page.line(format!("# {NOTICE}")).gap();
    for module in &modules {
        page.line(format!("from .{module} import *"));
    }
    let names = PUBLIC_SUPPORT.iter().map(|name| text::text(format!("{name} as {name}"))).collect();
    text::put(&mut page, &Doc::broken("from .wire import (", names, ")"));
    page.finish()
}

/// Whether a section refers to one that comes after it.
fn has_circle(model: &Model) -> bool {
    let rank = |section: Section| FILES.iter().position(|(own, _)| *own == section);
    model.types.iter().any(|def| held(def).iter().any(|id| rank(model.ty(*id).section) > rank(def.section)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_that_differ_at_their_ends_stay_apart() {
        let long = "Collection".repeat(9);
        let names = ["Point", "Line"].map(|end| snake(&format!("{long}Multi{end}")));
        assert_ne!(names[0], names[1]);
        assert!(names[0].ends_with("_multi_point"), "{}", names[0]);
    }
}
