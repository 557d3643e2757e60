//! Tools: what a run may do in the world, what each may be asked, and which need a person first.

use crate::message::RequestedCall;
use async_trait::async_trait;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::RestrictFormats;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Whether a tool changes the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It only looks; calls may run side by side and may be dropped when a turn is cancelled.
    Read,
    /// It changes something; calls run one after another and are let to their end.
    Write,
}

/// A tool as the model sees it, with its arguments' compiled schema. Make it once and share it.
#[derive(Debug)]
pub struct ToolSpec {
    name: String,
    description: String,
    parameters: Value,
    effect: Effect,
    timeout: Duration,
    schema: jsonschema::Validator,
}

/// A tool description that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ToolSpecError {
    /// The name is not one a model can call.
    #[error("tool name {0:?} must be 1 to 64 letters, digits, `_` or `-`")]
    Name(String),
    /// The schema is not a JSON Schema of an object.
    #[error("tool `{tool}`: parameters are not a JSON Schema of an object: {reason}")]
    Parameters {
        /// The tool.
        tool: String,
        /// What is wrong.
        reason: String,
    },
}

impl ToolSpec {
    /// Describes a tool. `parameters` is the JSON Schema of its arguments object; `timeout` bounds one call.
    ///
    /// # Errors
    /// When the name or the schema cannot be used.
    pub fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: Value,
        effect: Effect,
        timeout: Duration,
    ) -> Result<Self, ToolSpecError> {
        let name = name.into();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(ToolSpecError::Name(name));
        }
        if parameters.get("type").is_none_or(|kind| kind != "object") {
            let reason = "\"type\" must be \"object\"".to_owned();
            return Err(ToolSpecError::Parameters { tool: name, reason });
        }
        let schema = jsonschema::validator_for(&parameters)
            .map_err(|error| ToolSpecError::Parameters { tool: name.clone(), reason: error.to_string() })?;
        Ok(Self { name, description: description.into(), parameters, effect, timeout, schema })
    }

    /// The name the model calls it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does, for the model.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The JSON Schema of its arguments.
    #[must_use]
    pub fn parameters(&self) -> &Value {
        &self.parameters
    }

    /// Whether it changes the world.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The bound of one call.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Describes a tool whose arguments are a Rust type: the parameters are the type's JSON Schema, with
    /// its doc comments as descriptions. [`ToolCall::read`] gives the tool a value of that type.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::Deserialize;
    /// # use smooai_smooth_operator_core::{Effect, ToolSpec};
    /// # use std::time::Duration;
    /// #[derive(Deserialize, JsonSchema)]
    /// struct Lookup {
    ///     /// The order's number.
    ///     order: u32,
    /// }
    /// let spec = ToolSpec::of::<Lookup>("lookup", "Finds an order.", Effect::Read, Duration::from_secs(5))?;
    /// assert_eq!(spec.parameters()["properties"]["order"]["description"], "The order's number.");
    /// # Ok::<_, smooai_smooth_operator_core::ToolSpecError>(())
    /// ```
    ///
    /// # Errors
    /// When the name cannot be used, or the type is not written as a JSON object.
    pub fn of<Args: JsonSchema>(
        name: impl Into<String>,
        description: impl Into<String>,
        effect: Effect,
        timeout: Duration,
    ) -> Result<Self, ToolSpecError> {
        // Many providers resolve no references, and some refuse the formats of Rust numbers (`uint32`).
        let inline = SchemaSettings::draft2020_12()
            .with(|settings| settings.inline_subschemas = true)
            .with_transform(RestrictFormats::default());
        let mut schema = inline.into_generator().into_root_schema_for::<Args>();
        // The title is a Rust name, and the type's own description is for its readers.
        for about_the_type in ["$schema", "title", "description"] {
            schema.remove(about_the_type);
        }
        Self::new(name, description, schema.to_value(), effect, timeout)
    }

    /// Reads and checks a model's arguments. Empty text counts as an empty object, as models send it
    /// for tools without arguments.
    fn read_arguments(&self, text: &str) -> Result<Value, String> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let arguments: Value = serde_json::from_str(text)
            .map_err(|error| format!("The arguments are not valid JSON: {error}."))?;
        if !is_shallow(&arguments, MAX_DEPTH) {
            return Err(format!("The arguments are nested more than {MAX_DEPTH} deep."));
        }
        let faults: Vec<String> = self
            .schema
            .iter_errors(&arguments)
            .take(5)
            .map(|error| match error.instance_path().to_string() {
                root if root.is_empty() => error.to_string(),
                pointer => format!("{pointer}: {error}"),
            })
            .collect();
        if faults.is_empty() {
            return Ok(arguments);
        }
        Err(format!("The arguments do not fit the tool's schema: {}.", faults.join("; ")))
    }
}

/// How deep arguments may be nested: a checkpoint, in which they are nested deeper, must stay within
/// the 128 levels that `serde_json` reads.
const MAX_DEPTH: usize = 64;

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(fields) => levels > 0 && fields.values().all(|item| is_shallow(item, levels - 1)),
        _ => true,
    }
}

/// Why a tool failed; the model reads the text and may try again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(pub String);

/// Something a run may do. Tools are built for each turn, so that a tool holds what its caller may see.
#[async_trait]
pub trait Tool: Send + Sync {
    /// What the model is told.
    fn spec(&self) -> &Arc<ToolSpec>;

    /// Does it. The arguments have passed the schema. The text is what the model reads.
    ///
    /// # Errors
    /// A text that tells the model what went wrong; the turn goes on.
    async fn call(&self, call: &ToolCall) -> Result<String, ToolError>;

    /// The form this call wants a person to fill in, in place of being called: a tool that only asks.
    fn form(&self, _arguments: &Value) -> Option<Form> {
        None
    }
}

/// What a person must do before a call runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "gate")]
pub enum Gate {
    /// Say yes.
    Approval,
    /// Prove who he is by a one-time code.
    Verification(Challenge),
    /// Fill in a form, whose values become the tool's result.
    Interaction(Form),
}

/// How a person can prove who he is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Where a code can be sent: `email`, `sms`.
    pub channels: Vec<String>,
    /// The level reached by it.
    pub auth_level: String,
}

/// A form to be filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// What kind of form (`identity_intake`, `choices`).
    pub kind: String,
    /// Its description, in the shape of its kind.
    pub spec: Value,
    /// Why it is asked, in words for the person.
    pub reason: String,
}

/// A call that was looked up and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Its id, unique in the run.
    pub id: String,
    /// The tool's name as the model wrote it.
    pub name: String,
    /// The arguments as the model wrote them.
    pub raw_arguments: String,
    /// The checked arguments, or why they or the name cannot be used: the model's to repair.
    pub arguments: Result<Value, String>,
    /// Whether the tool changes the world.
    pub effect: Effect,
    /// What a person must still do first, in this order.
    pub gates: Vec<Gate>,
}

impl ToolCall {
    /// The checked arguments; `Null` for a call that cannot be used and is never made.
    #[must_use]
    pub fn arguments(&self) -> &Value {
        self.arguments.as_ref().unwrap_or(&Value::Null)
    }

    /// The checked arguments as the type that [`ToolSpec::of`] described.
    ///
    /// # Errors
    /// When the type wants more than its schema says; the model is told what.
    pub fn read<Args: DeserializeOwned>(&self) -> Result<Args, ToolError> {
        Args::deserialize(self.arguments())
            .map_err(|error| ToolError(format!("The arguments cannot be used: {error}.")))
    }
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call's id.
    pub call_id: String,
    /// Whether it failed.
    pub is_error: bool,
    /// What the model reads.
    pub text: String,
}

/// The tools of a turn, by name, with the gates before each.
#[derive(Clone, Default)]
pub struct ToolRegistry {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    tool: Arc<dyn Tool>,
    gates: Vec<Gate>,
}

impl Entry {
    /// The registered gates, and the form that the tool itself asks for with these arguments.
    fn gates_for(&self, arguments: Value) -> Result<(Value, Vec<Gate>), String> {
        let asking = catch_unwind(AssertUnwindSafe(|| self.tool.form(&arguments)));
        let form = asking.map_err(|_panic| "The tool failed inside.".to_owned())?;
        let gates = self.gates.iter().cloned().chain(form.map(Gate::Interaction)).collect();
        Ok((arguments, gates))
    }
}

impl ToolRegistry {
    /// No tools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool that runs only after the gates. A later tool replaces an earlier one of its name.
    pub fn add(&mut self, tool: Arc<dyn Tool>, gates: Vec<Gate>) {
        self.entries.insert(tool.spec().name().to_owned(), Entry { tool, gates });
    }

    /// The tool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.entries.get(name).map(|entry| &entry.tool)
    }

    /// What the model is told, by name.
    #[must_use]
    pub fn specs(&self) -> Arc<[Arc<ToolSpec>]> {
        self.entries.values().map(|entry| Arc::clone(entry.tool.spec())).collect()
    }

    /// Looks a requested call up and checks its arguments.
    #[must_use]
    pub fn check(&self, requested: RequestedCall) -> ToolCall {
        let RequestedCall { id, name, arguments: raw_arguments } = requested;
        let Some(entry) = self.entries.get(&name) else {
            let known: Vec<&str> = self.entries.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let fault = format!("There is no tool `{name}`. The tools are: {known}.");
            let (arguments, effect, gates) = (Err(fault), Effect::Read, Vec::new());
            return ToolCall { id, name, raw_arguments, arguments, effect, gates };
        };
        let checked = entry.tool.spec().read_arguments(&raw_arguments);
        let (arguments, gates) = match checked.and_then(|arguments| entry.gates_for(arguments)) {
            Ok((arguments, gates)) => (Ok(arguments), gates),
            Err(fault) => (Err(fault), Vec::new()),
        };
        let effect = entry.tool.spec().effect();
        ToolCall { id, name, raw_arguments, arguments, effect, gates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// How an order is found; not for the model.
    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Find {
        /// The order's number.
        order: u32,
        #[schemars(extend("format" = "email"))]
        of: Option<String>,
        by: Option<Channel>,
        near: Vec<Place>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Channel {
        Post,
        Web,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    struct Place {
        city: String,
    }

    fn of<Args: JsonSchema>(name: &str) -> Result<ToolSpec, ToolSpecError> {
        ToolSpec::of::<Args>(name, "Finds.", Effect::Read, Duration::from_secs(1))
    }

    #[test]
    fn a_type_gives_parameters_without_references_or_rust_names() {
        let expected = json!({
            "type": "object",
            "properties": {
                "order": {"description": "The order's number.", "type": "integer", "minimum": 0},
                "of": {"type": ["string", "null"], "format": "email"},
                "by": {"type": ["string", "null"], "enum": ["post", "web", null]},
                "near": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
            },
            "required": ["order", "near"],
        });
        assert_eq!(*of::<Find>("find").unwrap().parameters(), expected);
    }

    #[test]
    fn checked_arguments_are_read_as_the_type() {
        let spec = of::<Find>("find").unwrap();
        let call = |text: &str| ToolCall {
            id: "a".to_owned(),
            name: "find".to_owned(),
            raw_arguments: text.to_owned(),
            arguments: spec.read_arguments(text),
            effect: Effect::Read,
            gates: Vec::new(),
        };
        let find = call(r#"{"order":7,"by":"web","near":[{"city":"Oslo"}]}"#).read::<Find>().unwrap();
        let near = vec![Place { city: "Oslo".to_owned() }];
        assert_eq!(find, Find { order: 7, of: None, by: Some(Channel::Web), near });
        // JSON Schema counts 7.0 as an integer; the type does not.
        let error = call(r#"{"order":7.0,"near":[]}"#).read::<Find>().unwrap_err();
        assert!(error.0.starts_with("The arguments cannot be used: "), "{error}");
        assert!(call(r#"{"order":-7,"near":[]}"#).arguments.unwrap_err().contains("/order"));
    }

    #[test]
    fn names_and_types_that_no_model_can_call_are_refused() {
        for name in ["", "a b", "é", &"x".repeat(65)] {
            assert!(matches!(of::<Find>(name), Err(ToolSpecError::Name(_))), "{name}");
        }
        assert!(of::<Find>(&"x".repeat(64)).is_ok());
        for error in [of::<Channel>("c").unwrap_err(), of::<Vec<Find>>("v").unwrap_err()] {
            assert!(error.to_string().ends_with("\"type\" must be \"object\""), "{error}");
        }
        let wrong = json!({"type": "object", "properties": 3});
        let error = ToolSpec::new("t", "", wrong, Effect::Read, Duration::from_secs(1)).unwrap_err();
        assert!(matches!(error, ToolSpecError::Parameters { .. }), "{error}");
    }

    #[test]
    fn arguments_that_a_checkpoint_could_not_hold_are_refused() {
        let spec =
            ToolSpec::new("t", "", json!({"type": "object"}), Effect::Read, Duration::from_secs(1)).unwrap();
        let nested = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(spec.read_arguments(&nested(MAX_DEPTH - 1)).is_ok());
        let error = spec.read_arguments(&nested(MAX_DEPTH)).unwrap_err();
        assert_eq!(error, "The arguments are nested more than 64 deep.");
        assert_eq!(spec.read_arguments(" \n").unwrap(), json!({}));
    }

    #[test]
    fn a_call_without_any_tools_is_told_so() {
        let requested = RequestedCall { id: String::new(), name: "x".to_owned(), arguments: String::new() };
        let fault = ToolRegistry::new().check(requested).arguments.unwrap_err();
        assert_eq!(fault, "There is no tool `x`. The tools are: none.");
    }
}
