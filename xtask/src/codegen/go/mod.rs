//! The Go printer: types, and a codec and checks for each, over support code that is Go itself and goes out as it stands.

// What was measured, and what was chosen:
// - encoding/json matches keys whatever their case, takes null for anything and writes a nil slice as null, so every
//   type has a codec of its own.
// - A field with a nil of its own (slice, map, interface, json.RawMessage) needs no pointer to be absent: nil is absent
//   and an empty slice is `[]`.
// - gofmt aligns neighbouring lines of a struct or const block unless a comment stands between them, rewrites lists,
//   headings and doubled quotes in comments above declarations, and keeps a function on one line only if it is short:
//   so functions are printed over several lines, and comments never hold what it would move.
// - Go's regexp refuses repetition counts above 1000; such a pattern is left unchecked and a comment says so.
// - Members of a union are pointers: with pointer receivers only `*T` is in the interface, so a type switch has one
//   case per member.
// - Every action has a method of the client, but for one that an immediate_response and then further events answer:
//   that is a turn, which the client writes by hand.
mod calls;
mod check;
mod codec;
mod declare;
mod plan;
mod registry;
mod settings;
mod text;
mod tuples;

use super::build::rules;
use super::finding::Finding;
use super::model::{Kind, Section, TypeId};
use super::names::{Case, Rules, Scope};
use super::printer::{DriverHome, Input, Output, Page, Printer};
use plan::Plan;
use text::quote;

/// The Go printer.
#[derive(Debug)]
pub struct Go;

static RULES: Rules = Rules {
    types: Case::Pascal,
    fields: Case::Pascal,
    variants: Case::Pascal,
    methods: Case::Pascal,
    variant_scope: Scope::Package,
    keywords: &[],
    taken_types: &[
        "Caller",
        "Client",
        "DecodeError",
        "Dialer",
        "Error",
        "ErrorKind",
        "Null",
        "Opt",
        "Options",
        "Ptr",
        "Some",
        "Token",
        "Tuple1",
        "Tuple2",
        "Tuple3",
        "Tuple4",
        "Tuple5",
        "Tuple6",
        "Tuple7",
        "Tuple8",
        "Tuple9",
        "Tuple10",
        "Tuple11",
        "Tuple12",
        "Turn",
        "TurnEffect",
        "TurnEnds",
        "TurnGoesOn",
        "TurnInforms",
        "TurnParks",
        "TurnPasses",
        "TurnStreams",
        "Violation",
    ],
    taken_fields: &["Validate", "MarshalJSON", "UnmarshalJSON", "IsKnown", "TurnEffect"],
    taken_variants: &[],
    taken_methods: &["Close", "Connect", "State"],
    initialisms: &[
        "ACL", "API", "ASCII", "CPU", "CSS", "DNS", "EOF", "GUID", "HTML", "HTTP", "HTTPS", "ID", "IP",
        "JSON", "LLM", "OTP", "RAM", "RPC", "SLA", "SMTP", "SQL", "SSH", "TCP", "TLS", "TTL", "UDP", "UI",
        "UID", "URI", "URL", "USD", "UTF8", "UUID", "VM", "XML", "XSS",
    ],
    escape: |name| format!("{name}_"),
};

impl Printer for Go {
    fn language(&self) -> &'static str {
        "go"
    }

    fn home(&self) -> &'static str {
        "go/protocol"
    }

    fn driver_home(&self) -> Option<DriverHome> {
        Some(DriverHome { folder: "go/conformance/wire", package: Some("wire") })
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn print(&self, input: &Input<'_>) -> Result<Vec<Output>, Vec<Finding>> {
        let plan = Plan::new(input);
        let mut outputs = Vec::new();
        for (section, file) in [
            (Section::Actions, "actions"),
            (Section::Errors, "errors"),
            (Section::Events, "events"),
            (Section::Types, "types"),
        ] {
            let ids: Vec<TypeId> =
                plan.model.each().filter(|(_, def)| def.section == section).map(|(id, _)| id).collect();
            if !ids.is_empty() {
                outputs.push(Output::new(format!("{file}_gen.go"), Draft::new(&plan).file(&ids)));
            }
        }
        if !plan.model.actions.is_empty() {
            outputs.push(Output::new("calls_gen.go", calls::print(&plan)));
        }
        if let Some(settings) = input.model.settings.as_ref().filter(|_| !input.standalone) {
            outputs.push(Output::new("settings_gen.go", settings::print(settings)));
        }
        if let Some(text) = tuples::print(plan.model) {
            outputs.push(Output::new("tuples_gen.go", text));
        }
        outputs.push(Output::new("round_trip_gen_test.go", round_trip(&plan)));
        outputs.extend(RUNTIME.iter().map(|(name, text)| Output::new(format!("{name}_gen.go"), *text)));
        if !input.model.rules.is_empty() {
            let table = format!("[]byte({})", quote(&rules::table(input.model, &str::to_owned)));
            outputs.push(Output::new("rules_gen.go", RULES_RUNTIME.replacen("[]byte(\"[]\")", &table, 1)));
        }
        if let Some(package) = input.package {
            let clause = format!("\npackage {package}\n");
            outputs
                .iter_mut()
                .for_each(|output| output.contents = output.contents.replacen(PACKAGE, &clause, 1));
        }
        Ok(outputs)
    }

    fn registry(&self, input: &Input<'_>) -> Option<String> {
        Some(registry::registry(&Plan::new(input)))
    }
}

/// For tests: one type after the other by its name, read, validated and written.
fn round_trip(plan: &Plan<'_>) -> String {
    let mut page = Page::new("\t");
    for line in ROUND_TRIP.lines() {
        page.line(line);
    }
    page.indented(|page| {
        page.line("switch name {");
        for (id, def) in plan.model.each() {
            let kind = Kind::Named(id);
            let (reader, writer) = (plan.base_reader(None, &kind), plan.base_writer(None, &kind));
            page.line(format!("case {}:", quote(&def.name))).indented(|page| {
                page.line(format!("return trip(data, {reader}, {writer})"));
            });
        }
        page.line("}").line("return nil, errors.New(\"there is no type \" + name)");
    });
    page.line("}");
    format!("{HEAD}\n{}", page.finish())
}

const ROUND_TRIP: &str = "\
import (
	\"errors\"
)

func trip[T any](data []byte, read func(*reader) (T, error), write func(*writer, T)) ([]byte, error) {
	value, err := unmarshal(data, read)
	if err != nil {
		return nil, err
	}
	var own any = value
	checked, ok := own.(interface{ Validate() error })
	if !ok {
		checked, ok = any(&value).(interface{ Validate() error })
	}
	if ok && checked.Validate() != nil {
		return nil, checked.Validate()
	}
	return marshal(value, write)
}

// roundTrip reads a value of the named type, validates it and writes it.
func roundTrip(name string, data []byte) ([]byte, error) {";

/// The support code, the same for every schema.
const RUNTIME: &[(&str, &str)] = &[
    ("checks", include_str!("runtime/checks.go")),
    ("reader", include_str!("runtime/reader.go")),
    ("reads", include_str!("runtime/reads.go")),
    ("values", include_str!("runtime/values.go")),
    ("writes", include_str!("runtime/writes.go")),
];

/// What checks JSON by rules, for schemas that need them.
const RULES_RUNTIME: &str = include_str!("runtime/rules.go");

/// The package clause as the support code has it.
const PACKAGE: &str = "\npackage protocol\n";

/// How a file begins, by Go's convention for generated ones.
const HEAD: &str =
    "// Code generated by cargo xtask codegen from the schemas in spec/. DO NOT EDIT.\n\npackage protocol\n";

/// A file under construction.
struct Draft<'a> {
    plan: &'a Plan<'a>,
    page: Page,
    uses_json: bool,
    /// Names and texts of the patterns met so far.
    patterns: Vec<(String, String)>,
}

impl<'a> Draft<'a> {
    fn new(plan: &'a Plan<'a>) -> Self {
        Self { plan, page: Page::new("\t"), uses_json: false, patterns: Vec::new() }
    }

    fn file(mut self, ids: &[TypeId]) -> String {
        for id in ids {
            self.declare(*id);
        }
        for (name, text) in &self.patterns {
            self.page.gap().line(format!("var {name} = pattern{{text: {}}}", quote(text)));
        }
        let imports = if self.uses_json { "\nimport (\n\t\"encoding/json\"\n)\n" } else { "" };
        format!("{HEAD}{imports}{}", self.page.finish())
    }

    /// Notes what a type needs to be imported.
    fn ty(&mut self, ty: String) -> String {
        self.uses_json |= ty.contains("json.RawMessage");
        ty
    }
}
