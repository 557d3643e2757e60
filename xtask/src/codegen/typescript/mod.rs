//! The TypeScript printer: one file per section of the schema, the run-time support, and an index.
//! Formatting is prettier's with printWidth 110 (measured with 3.10.1), type checks are of TypeScript 7.0.2.

// Choices. A value in memory is the wire's JSON: properties keep their wire names, so that `JSON.stringify` is the
// encoder, and `encodeX` exists only where the two differ (an unknown member of an open union, kept further
// properties). `decodeX` copies what is declared and drops the rest. `validateX` is a function of its own beside
// the type, so that a bundler leaves it out where nobody calls it. Parameters carry no `action`; the union adds it.
// A `const` object of the name of an enum holds its values. No casts: the support reads `unknown` by generics.
mod calls;
mod decode;
mod layout;
mod quoting;
mod settings;
mod types;
mod validate;

use std::collections::{BTreeMap, BTreeSet};

use super::build::rules;
use super::finding::Finding;
use super::json::Json;
use super::model::{Additional, Model, Role, Section, Shape, Ty, TypeDef, TypeId};
use super::names::{Case, Names, Rules, Scope};
use super::printer::{DriverHome, Input, NOTICE, Output, Page, Printer};
use super::reach::{any_part, spread, uses};
use layout::Doc;

/// The widest line that prettier leaves whole; `typescript/.prettierrc` says the same.
const WIDTH: usize = 110;

/// The support code that every output brings along.
const RUNTIME: &str = include_str!("runtime.ts");

/// What checks JSON by rules, for schemas that need them.
const RULES_RUNTIME: &str = include_str!("rules.ts");

/// What a user of the output needs of the support code.
const PUBLIC_SUPPORT: &str = "export { DecodeError, parseJson, stringifyJson } from \"./runtime.js\";\n\
    export type { Json, JsonObject, Violation } from \"./runtime.js\";\n";

/// The printer.
#[derive(Debug)]
pub struct TypeScript;

impl Printer for TypeScript {
    fn language(&self) -> &'static str {
        "typescript"
    }

    fn home(&self) -> &'static str {
        "typescript/src/generated"
    }

    fn driver_home(&self) -> Option<DriverHome> {
        Some(DriverHome { folder: "typescript/conformance/generated", package: None })
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn print(&self, input: &Input<'_>) -> Result<Vec<Output>, Vec<Finding>> {
        let mut outputs = vec![Output::new("runtime.ts", format!("// {NOTICE}\n\n{RUNTIME}"))];
        if !input.model.rules.is_empty() {
            let table = quoting::string(&rules::table(input.model, &str::to_owned));
            let text = RULES_RUNTIME.replacen(" \"[]\"", &format!("\n  {table}"), 1);
            outputs.push(Output::new("rules.ts", format!("// {NOTICE}\n\n{text}")));
        }
        let mut index = vec![];
        for (section, file) in FILES {
            if input.model.types.iter().any(|def| def.section == section) {
                outputs.push(Output::new(format!("{file}.ts"), Sheet::new(input, section).print()));
                index.push(file);
            }
        }
        if let Some(settings) = &input.model.settings {
            outputs.push(Output::new("settings.ts", settings::print(settings)));
        }
        let lines: String = index.iter().map(|file| format!("export * from \"./{file}.js\";\n")).collect();
        outputs.push(Output::new("index.ts", format!("// {NOTICE}\n\n{lines}{PUBLIC_SUPPORT}")));
        Ok(outputs)
    }

    /// Types with the names of their functions, less the verb. Parameters of actions have those of the union, which
    /// knows the property `action`.
    fn registry(&self, input: &Input<'_>) -> Option<String> {
        let entry = |(id, def): (TypeId, &TypeDef)| {
            let codec = input.model.action_union.filter(|_| def.role == Role::Params).unwrap_or(id);
            Json::Array(vec![Json::String(def.name.clone()), Json::String(input.names.ty(codec).to_owned())])
        };
        Some(Json::Array(input.model.each().map(entry).collect()).compact())
    }
}

/// The sections and their files, in the order in which they are imported.
const FILES: [(Section, &str); 4] = [
    (Section::Errors, "errors"),
    (Section::Types, "types"),
    (Section::Events, "events"),
    (Section::Actions, "actions"),
];

/// The support code's files.
const SUPPORT_FILES: &[(Section, &str)] = &[(Section::Types, "rules"), (Section::Types, "runtime")];

static RULES: Rules = Rules {
    types: Case::Keep,
    fields: Case::Camel,
    variants: Case::Pascal,
    methods: Case::Camel,
    variant_scope: Scope::Type,
    keywords: &[],
    taken_types: &[
        "ActionCalls",
        "Array",
        "Check",
        "DecodeError",
        "ErrorInfo",
        "Error",
        "Extract",
        "Fields",
        "Json",
        "JsonObject",
        "Object",
        "Promise",
        "ParkEvent",
        "Reader",
        "TurnEffect",
        "Violation",
        "Writer",
    ],
    taken_fields: &[],
    taken_variants: &[],
    taken_methods: &["close", "connect", "constructor", "post", "requestData", "requestEvent", "startTurn"],
    initialisms: &[],
    escape: |name| format!("{name}_"),
};

/// One file under construction.
struct Sheet<'a> {
    model: &'a Model,
    names: &'a Names,
    section: Section,
    page: Page,
    /// What it uses of other files.
    imports: BTreeMap<&'static str, Imports>,
    /// By type: whether `validateX` can find anything.
    checked: Vec<bool>,
    /// By type: whether its form in memory differs from the wire.
    rewritten: Vec<bool>,
}

/// What a file uses of another.
#[derive(Default)]
struct Imports {
    types: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl<'a> Sheet<'a> {
    fn new(input: &Input<'a>, section: Section) -> Self {
        let model = input.model;
        Self {
            model,
            names: input.names,
            section,
            page: Page::new("  "),
            imports: BTreeMap::new(),
            checked: spread(model, |def| uses(def).into_iter().any(own_checks)),
            rewritten: spread(model, |def| match &def.shape {
                Shape::Struct(shape) => matches!(shape.additional, Additional::Kept(_)),
                Shape::TaggedUnion(union) => union.open,
                _ => false,
            }),
        }
    }

    /// The whole text.
    fn print(mut self) -> String {
        for (id, def) in self.model.each() {
            if def.section == self.section {
                self.define(id, def);
            }
        }
        if self.section == Section::Errors {
            self.error_table();
        }
        if self.section == Section::Actions {
            self.calls();
        }
        let mut head = Page::new("  ");
        head.line(format!("// {NOTICE}"));
        for (_, file) in FILES.iter().chain(SUPPORT_FILES) {
            let Some(imports) = self.imports.get(file) else { continue };
            for (word, names) in [("import type", &imports.types), ("import", &imports.values)] {
                if !names.is_empty() {
                    let names = names.iter().map(layout::text).collect();
                    let parts = vec![
                        layout::text(format!("{word} ")),
                        layout::braces(names),
                        layout::text(format!(" from \"./{file}.js\";")),
                    ];
                    put(&mut head, &Doc::Parts(parts));
                }
            }
        }
        head.finish() + &self.page.finish()
    }

    /// A type with its functions.
    fn define(&mut self, id: TypeId, def: &'a TypeDef) {
        self.page.gap();
        match &def.shape {
            Shape::Struct(shape) => {
                self.interface(id, def, shape);
                self.decode_struct(id, def, shape);
                self.encode_struct(id, shape);
                self.validate_struct(id, shape);
            }
            Shape::TaggedUnion(union) => {
                self.union(id, def, union);
                self.decode_union(id, def, union);
                self.encode_union(id, union);
                self.validate_union(id, union);
            }
            Shape::ClosedEnum(values) | Shape::OpenEnum(values) => {
                self.enumeration(id, def, values);
                self.decode_enum(id, matches!(def.shape, Shape::OpenEnum(_)));
            }
            Shape::Newtype(ty) | Shape::Alias(ty) => {
                self.alias(id, def, ty);
                self.decode_alias(id, ty);
                self.encode_alias(id, ty);
                if self.checked[id.0] || matches!(def.shape, Shape::Newtype(_)) {
                    self.validate_alias(id, ty);
                }
            }
        }
    }

    fn name(&self, id: TypeId) -> &'a str {
        self.names.ty(id)
    }

    /// The name of a type in a type position, imported if need be.
    fn type_name(&mut self, id: TypeId) -> String {
        let name = self.name(id).to_owned();
        if let Some(file) = self.foreign(id) {
            self.imports.entry(file).or_default().types.insert(name.clone());
        }
        name
    }

    /// The name of a function of a type (`decode`, `encode`, `validate`), imported if need be.
    fn function(&mut self, verb: &str, id: TypeId) -> String {
        let name = format!("{verb}{}", self.name(id));
        if let Some(file) = self.foreign(id) {
            self.imports.entry(file).or_default().values.insert(name.clone());
        }
        name
    }

    /// A function of the support code.
    fn support(&mut self, name: &str) -> String {
        self.imports.entry("runtime").or_default().values.insert(name.to_owned());
        name.to_owned()
    }

    /// A type of the support code.
    fn support_type(&mut self, name: &str) -> String {
        self.imports.entry("runtime").or_default().types.insert(name.to_owned());
        name.to_owned()
    }

    fn foreign(&self, id: TypeId) -> Option<&'static str> {
        let section = self.model.ty(id).section;
        FILES.iter().find(|(own, _)| *own == section && section != self.section).map(|(_, file)| *file)
    }

    /// `export function name(parameter): Result {` with its body.
    fn exported(&mut self, name: &str, parameter: String, result: &str, body: impl FnOnce(&mut Self)) {
        let head = layout::enclosed(
            &format!("export function {name}("),
            vec![layout::text(parameter)],
            &format!("): {result} {{"),
        );
        self.page.gap();
        put(&mut self.page, &head);
        self.indented(body);
        self.page.line("}");
    }

    fn indented(&mut self, body: impl FnOnce(&mut Self)) {
        let mut page = std::mem::replace(&mut self.page, Page::new("  "));
        page.indented(|page| {
            std::mem::swap(&mut self.page, page);
            body(self);
            std::mem::swap(&mut self.page, page);
        });
        self.page = page;
    }

    fn put(&mut self, doc: &Doc) {
        put(&mut self.page, doc);
    }

    /// The role decides whether the tag is a property of the interface.
    fn shows_tag(def: &TypeDef) -> bool {
        def.role != Role::Params
    }
}

/// Writes a laid-out text as lines of a page.
fn put(page: &mut Page, doc: &Doc) {
    let level = page.column() / 2;
    for (index, line) in layout::lines(doc, level).split('\n').enumerate() {
        // The layout has indented all lines but the first.
        page.line(if index == 0 { line } else { line.strip_prefix(&"  ".repeat(level)).unwrap_or(line) });
    }
}

/// Whether a use has constraints of its own, its items included.
fn own_checks(ty: &Ty) -> bool {
    any_part(ty, &|part| !part.constraints.is_empty())
}
