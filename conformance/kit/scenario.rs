//! Scenarios as data: what the model will say, which systems answer, what a client does, what must be seen.
//! Every name in a file is checked: a key that means nothing is an error.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use smooai_smooth_operator_conformance::gateway::{Piece, Reply, Rule, Script, When};
use smooai_smooth_operator_conformance::webhook::Answer;

use crate::fault::Fault;
use crate::place::Needs;
use crate::step::Step;

/// One file of `conformance/scenarios/`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// Literal frames against the server alone, run once and by no client.
    #[serde(default)]
    pub raw: bool,
    /// The handshake has the `Origin` of a page of the server's own host.
    #[serde(default)]
    pub browser: bool,
    /// It waits until time has passed; such scenarios are played beside the others.
    #[serde(default)]
    pub slow: bool,
    /// Without these it cannot be played; it is not counted where they are missing.
    #[serde(default)]
    pub needs: Needs,
    /// The server's settings.
    #[serde(default)]
    pub server: Settings,
    /// What the model says.
    #[serde(default)]
    pub model: Vec<Line>,
    /// How the user's systems answer, by path, in order, the last for ever.
    #[serde(default)]
    pub systems: BTreeMap<String, Vec<System>>,
    /// What goes wrong between client and server.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What is done and seen.
    pub steps: Vec<Step>,
}

/// How a scenario's server differs from the usual one, which scenarios share.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// A server of its own, even with nothing else set.
    pub own: bool,
    /// Variables.
    pub env: BTreeMap<String, String>,
    /// Lines that stand before those of the usual `operator.toml`.
    pub toml: Vec<String>,
    /// Without the usual `operator.toml`.
    pub bare: bool,
    /// Files.
    pub files: BTreeMap<String, String>,
    /// Without the model's key.
    pub keyless: bool,
    /// Callers show a signed token.
    pub guarded: bool,
}

impl Settings {
    /// Whether the server can be the one that others use too.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// One reply of the model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Line {
    /// Only for a request whose last user message contains this.
    pub user: Option<String>,
    /// Only for a request to this model.
    pub to: Option<String>,
    /// For every request that fits, not only the first.
    pub always: bool,
    /// Need not be asked for.
    pub maybe: bool,
    /// What it says, in order.
    pub say: Vec<Word>,
    /// An HTTP status instead.
    pub status: Option<u16>,
    /// The body that goes with the status.
    pub body: Option<Value>,
    /// Further headers of the response.
    pub headers: Vec<(String, String)>,
    /// Into how many bytes each the stream is cut, in a circle.
    pub split: Vec<usize>,
    /// What happens before the response begins.
    pub first: Vec<Word>,
}

/// One thing that a reply says or does.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Word {
    /// A piece of the answer.
    Text(String),
    /// Anything else.
    Deed(Deed),
}

/// What a reply does beside saying something.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Deed {
    /// A piece of reasoning.
    Think(String),
    /// A tool call: name, then arguments as JSON or, to be malformed, as text.
    Call(String, Value),
    /// Token counts.
    Usage(u32, u32),
    /// The finish reason.
    Finish(String),
    /// Waits until the step `release` opens the gate.
    Gate(String),
    /// The connection ends.
    Cut {},
    /// An error in the middle of the stream.
    Error(Value),
}

/// How one of the user's systems answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct System {
    /// The HTTP status.
    #[serde(default = "ok")]
    status: u16,
    /// The body: JSON, or a text.
    #[serde(default)]
    body: Value,
    /// Waits until the step `release` opens the gate.
    #[serde(default)]
    gate: Option<String>,
}

fn ok() -> u16 {
    200
}

impl System {
    /// The answer for the webhook.
    pub fn answer(&self) -> Answer {
        let body = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let answer = Answer::text(self.status, &body).header("content-type", "application/json");
        match &self.gate {
            Some(gate) => answer.gate(gate),
            None => answer,
        }
    }
}

impl Scenario {
    /// Reads one file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let mut scenario: Self =
            serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        scenario.name = stem.into_owned();
        for (n, step) in scenario.steps.iter().enumerate() {
            step.check().with_context(|| format!("in step {} of {}", n + 1, path.display()))?;
        }
        ensure!(
            scenario.steps.iter().any(Step::expects),
            "{} expects nothing, and so shows nothing",
            path.display()
        );
        Ok(scenario)
    }

    /// Reads a folder, in the order of the names.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// What the gateway plays, with the nonce in its place.
    pub fn script(&self, nonce: &str) -> Script {
        let rules = self.model.iter().map(|line| Rule {
            when: When { user: line.user.clone(), model: line.to.clone(), ..When::default() },
            reply: line.reply(nonce),
            always: line.always,
        });
        Script { rules: rules.collect() }
    }

    /// Whether the nonce is part of what the model says.
    pub fn has_nonce(&self) -> bool {
        let says = |word: &Word| matches!(word, Word::Text(text) if text.contains("${nonce}"));
        self.model.iter().any(|line| !line.maybe && line.say.iter().any(says))
    }
}

impl Line {
    fn reply(&self, nonce: &str) -> Reply {
        let mut reply =
            Reply { split: self.split.clone(), headers: self.headers.clone(), ..Reply::default() };
        if let Some(status) = self.status {
            reply.status = status;
            reply.body = Some(self.body.clone().unwrap_or_else(|| json!({ "error": { "message": "no" } })));
        }
        for word in &self.first {
            let mut before = Reply::default();
            word.say(&mut before, nonce);
            reply.before_headers.extend(before.pieces);
        }
        for word in &self.say {
            word.say(&mut reply, nonce);
        }
        reply
    }
}

impl Word {
    fn say(&self, reply: &mut Reply, nonce: &str) {
        let piece = match self {
            Self::Text(text) => Piece::Content(unroll(text).replace("${nonce}", nonce)),
            Self::Deed(Deed::Think(text)) => Piece::Reasoning(text.clone()),
            Self::Deed(Deed::Call(name, arguments)) => Piece::ToolCall {
                index: reply.tool_calls(),
                id: format!("call-{}", reply.tool_calls() + 1),
                name: name.clone(),
                arguments: arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned),
            },
            Self::Deed(Deed::Usage(prompt, completion)) => {
                Piece::Usage { prompt: *prompt, completion: *completion }
            }
            Self::Deed(Deed::Finish(reason)) => Piece::Finish(reason.clone()),
            Self::Deed(Deed::Gate(gate)) => Piece::Gate(gate.clone()),
            Self::Deed(Deed::Cut {}) => Piece::Cut,
            Self::Deed(Deed::Error(error)) => Piece::Error(error.clone()),
        };
        reply.pieces.push(piece);
    }
}

/// `${repeat N text}` written out.
fn unroll(text: &str) -> String {
    let parts = text.split_once("${repeat ").and_then(|(before, rest)| {
        let (inner, after) = rest.split_once('}')?;
        let (count, what) = inner.split_once(' ')?;
        Some(format!("{before}{}{after}", what.repeat(count.parse().ok()?)))
    });
    parts.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Scenario;

    #[test]
    fn every_scenario_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let scenarios = Scenario::read_all(&folder).unwrap();
        assert!(scenarios.len() > 10, "{}", scenarios.len());
        for scenario in scenarios {
            assert!(scenario.about.ends_with('.'), "{}: {}", scenario.name, scenario.about);
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_and_so_is_a_scenario_that_expects_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        for (text, why) in [
            (r#"{"about":"x.","steps":[],"stepz":[]}"#, "stepz"),
            (r#"{"about":"x.","steps":[{"open":{}}]}"#, "expects nothing"),
            (r#"{"about":"x.","steps":[{"ended":{"turn":"t","error":{"code":"X"}}}]}"#, "kind"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", Scenario::read(&path).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }
}
