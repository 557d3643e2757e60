//! The C# printer: records with codecs of their own over the support code of `runtime/`.

// Facts and choices:
// - System.Text.Json's own object converters take null where the type says otherwise, tell no place of a missing
//   property, and find a discriminator only where it comes first. So every type has a codec of its own over the support
//   code of `runtime/` (C# that goes out as it stands), and one source-generated context hands it to System.Text.Json.
// - Codecs are explicit implementations of an internal interface: they take no names away from properties.
// - `dotnet format` passes over files that are marked as generated and leaves lines as long as they are; the output
//   carries no such mark, so that it is held to the same rules as what people write.
// - Expression variables of an `if` live to the end of the block around it, so optional properties are written and
//   checked by calls with static lambdas, which the compiler caches.
// - `Action` and `Event` are called `ClientAction` and `ServerEvent`: `System.Action` is in every file's usings. A
//   property that would have the name of its type (an error in C#) is called `…Value`.
// - What all members of a union share is a method (`GetRequestId()`): a property would fix one nullability for all.
// - A struct has one base class; in a second union it is wrapped in a record of its own.
// - Patterns run in the linear-time engine over UTF-16: `[^a]` matches half of a character beyond the first plane.
mod calls;
mod check;
mod codec;
mod declare;
mod plan;
mod registry;
mod settings;
mod text;

use super::build::rules;
use super::finding::Finding;
use super::model::{Section, Shape, TypeId};
use super::names::{Case, Rules, Scope};
use super::pattern::with_end_anchor;
use super::printer::{DriverHome, Input, NOTICE, Output, Page, Printer};
use plan::Plan;

/// The C# printer.
#[derive(Debug)]
pub struct CSharp;

static RULES: Rules = Rules {
    types: Case::Pascal,
    fields: Case::Pascal,
    variants: Case::Pascal,
    methods: Case::Pascal,
    variant_scope: Scope::Type,
    keywords: &[],
    taken_types: &[
        "Action",
        "ArrayBufferWriter",
        "Attribute",
        "CancellationToken",
        "Check",
        "Clone",
        "Convert",
        "CultureInfo",
        "DecodeException",
        "Default",
        "Encoding",
        "Enum",
        "EqualityContract",
        "Equals",
        "Event",
        "Exception",
        "Finalize",
        "FromJson",
        "GetHashCode",
        "GetType",
        "InvalidOperationException",
        "IsKnown",
        "JavaScriptEncoder",
        "JsonArray",
        "JsonConverter",
        "JsonDocument",
        "JsonDocumentOptions",
        "JsonElement",
        "JsonException",
        "JsonObject",
        "JsonProperty",
        "JsonSerializable",
        "JsonSerializerContext",
        "JsonSerializerOptions",
        "JsonValue",
        "JsonValueKind",
        "JsonWriterOptions",
        "Math",
        "MemberwiseClone",
        "Obsolete",
        "Options",
        "PrintMembers",
        "ReferenceEquals",
        "Regex",
        "RegexOptions",
        "Rules",
        "SmooAI",
        "SmoothAgentClient",
        "SmoothAgentOptions",
        "SmoothOperatorJsonContext",
        "StringComparer",
        "StringComparison",
        "System",
        "Tag",
        "Task",
        "ToJson",
        "ToString",
        "Turn",
        "TurnEffect",
        "Type",
        "Utf8JsonReader",
        "Utf8JsonWriter",
        "Validate",
        "Value",
        "ValueTuple",
        "Violation",
        "Wire",
    ],
    taken_fields: &[
        "Clone",
        "EqualityContract",
        "Equals",
        "Finalize",
        "FromJson",
        "GetHashCode",
        "GetTurnEffect",
        "GetType",
        "MemberwiseClone",
        "PrintMembers",
        "ReferenceEquals",
        "Tag",
        "ToJson",
        "ToString",
        "Validate",
    ],
    taken_variants: &[
        "Description",
        "EndsTurn",
        "Equals",
        "Facts",
        "Finalize",
        "GetHashCode",
        "GetType",
        "Hint",
        "IsKnown",
        "MemberwiseClone",
        "PrintMembers",
        "ReferenceEquals",
        "Retryable",
        "Status",
        "ToString",
        "Value",
    ],
    taken_methods: &["Close", "Connect", "Dispose"],
    initialisms: &[],
    escape: |name| match name {
        "Action" => "ClientAction".to_owned(),
        "Event" => "ServerEvent".to_owned(),
        other => format!("{other}Value"),
    },
};

impl Printer for CSharp {
    fn language(&self) -> &'static str {
        "csharp"
    }

    fn home(&self) -> &'static str {
        "dotnet/src/SmooAI.SmoothOperator/Generated"
    }

    fn driver_home(&self) -> Option<DriverHome> {
        Some(DriverHome {
            folder: "dotnet/conformance/SmooAI.SmoothOperator.Conformance/Generated",
            package: Some("SmooAI.SmoothOperator.Conformance"),
        })
    }

    fn rules(&self) -> &'static Rules {
        &RULES
    }

    fn print(&self, input: &Input<'_>) -> Result<Vec<Output>, Vec<Finding>> {
        let plan = Plan::new(input);
        let mut outputs = Vec::new();
        for (section, file) in [
            (Section::Actions, "Actions"),
            (Section::Errors, "Errors"),
            (Section::Events, "Events"),
            (Section::Types, "Types"),
        ] {
            let ids = plan.model.each().filter(|(_, def)| def.section == section).map(|(id, _)| id);
            let mut page = Page::new(INDENT);
            ids.for_each(|id| declare::declare(&plan, &mut page, id));
            let body = page.finish();
            if !body.is_empty() {
                outputs.push(Output::new(format!("{file}.cs"), file_of(&plan, &body)));
            }
        }
        if !plan.model.actions.is_empty() {
            outputs.push(Output::new("Calls.cs", file_of(&plan, &calls::print(&plan))));
        }
        if let Some(settings) = input.model.settings.as_ref().filter(|_| !input.standalone) {
            outputs.push(Output::new("Settings.cs", file_of(&plan, &settings::print(settings))));
        }
        outputs.push(Output::new("Context.cs", file_of(&plan, &context(&plan))));
        outputs.extend(RUNTIME.iter().map(|(name, text)| Output::new(*name, support(&plan, text))));
        if !input.model.rules.is_empty() {
            let table = rules::table(input.model, &|pattern| with_end_anchor(pattern, "\\z"));
            let text = RULES_RUNTIME.replacen("\"[]\"", &text::quote(&table), 1);
            outputs.push(Output::new("Rules.cs", support(&plan, &text)));
        }
        if let Some(package) = input.package {
            let namespace = format!("\nnamespace {package};\n");
            outputs
                .iter_mut()
                .for_each(|output| output.contents = output.contents.replacen(NAMESPACE, &namespace, 1));
        }
        Ok(outputs)
    }

    fn registry(&self, input: &Input<'_>) -> Option<String> {
        Some(registry::registry(&Plan::new(input)))
    }
}

const INDENT: &str = "    ";

/// The namespace as the support code has it.
const NAMESPACE: &str = "\nnamespace SmooAI.SmoothOperator;\n";

/// The support code, the same for every schema.
const RUNTIME: &[(&str, &str)] = &[
    ("Check.cs", include_str!("runtime/Check.cs")),
    ("Values.cs", include_str!("runtime/Values.cs")),
    ("Wire.cs", include_str!("runtime/Wire.cs")),
];

/// What checks JSON by rules, for schemas that need them.
const RULES_RUNTIME: &str = include_str!("runtime/Rules.cs");

/// A file of support code. A project that is not ours may not have nullable types switched on.
fn support(plan: &Plan<'_>, text: &str) -> String {
    if plan.standalone { text.replacen('\n', "\n#nullable enable\n", 1) } else { text.to_owned() }
}

/// Words of the output with the namespaces that they need, in the order of the usings.
const USINGS: &[(&str, &[&str])] = &[
    (
        "System",
        &[
            "ReadOnlyMemory<",
            "StringComparison.",
            "StringComparer.",
            "[Obsolete",
            "Guid.",
            "TimeSpan.",
            "Func<",
            "ValueTuple",
        ],
    ),
    ("System.Collections.Generic", &["IReadOnlyList<", "IReadOnlyDictionary<", "Dictionary<"]),
    ("System.Text", &["Encoding."]),
    ("System.Text.Json", &["JsonElement", "Utf8JsonWriter", "JsonException"]),
    ("System.Text.Json.Nodes", &["JsonObject"]),
    ("System.Text.Json.Serialization", &["[JsonConverter", "[JsonSerializable"]),
    ("System.Threading", &["CancellationToken"]),
    ("System.Threading.Tasks", &["Task"]),
];

/// A whole file around its declarations, each of which begins with an empty line.
fn file_of(plan: &Plan<'_>, body: &str) -> String {
    let used = |words: &[&str]| words.iter().any(|word| body.contains(word));
    let usings: String = USINGS
        .iter()
        .filter(|(_, words)| used(words))
        .map(|(namespace, _)| format!("using {namespace};\n"))
        .collect();
    let gap = if usings.is_empty() { "" } else { "\n" };
    let deprecated = if plan.has_deprecated() { "#pragma warning disable CS0618\n" } else { "" };
    let nullable = if plan.standalone { "#nullable enable\n" } else { "" };
    format!("// {NOTICE}\n{nullable}{deprecated}{usings}{gap}namespace SmooAI.SmoothOperator;\n{body}")
}

/// The context that gives every type to System.Text.Json.
fn context(plan: &Plan<'_>) -> String {
    let mut page = Page::new(INDENT);
    page.gap();
    page.line("/// <summary>Every type of the protocol, for System.Text.Json without reflection.</summary>");
    for (id, def) in plan.model.each() {
        if !matches!(def.shape, Shape::Alias(_)) {
            page.line(format!("[JsonSerializable(typeof({}))]", plan.name(id)));
        }
    }
    page.line("public sealed partial class SmoothOperatorJsonContext : JsonSerializerContext;");
    page.finish()
}

/// Ids of the given model, for functions over one type.
fn shape<'a>(plan: &Plan<'a>, id: TypeId) -> &'a Shape {
    &plan.model.ty(id).shape
}
