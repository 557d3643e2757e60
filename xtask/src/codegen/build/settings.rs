//! The settings of clients, from `client.json`: groups of spans of time, each with a default.
use super::super::finding::{Finding, Place};
use super::super::json::Json;
use super::super::model::{Setting, Settings};
use super::super::source::Source;
use super::Builder;

/// The file of the settings. Nothing of it is on the wire, so it has no types.
pub(super) const FILE: &str = "client.json";

impl Builder<'_> {
    /// Reads the settings, where the protocol has any.
    pub(super) fn settings(&mut self) {
        let root = Place::root(FILE);
        let Some(file) = self.source.file(&root).filter(|_| self.strict) else { return };
        let mut settings = Settings::default();
        for (name, schema) in properties(&file.root) {
            let group = match name.as_str() {
                "timeouts" => &mut settings.timeouts,
                "pacing" => &mut settings.pacing,
                _ => {
                    let place = root.child("properties").child(name);
                    let problem = "it is neither of the groups of settings that a client has";
                    let remedy = "put it into `timeouts` or `pacing`, or teach the printers another group";
                    self.findings.push(Finding::error("client-settings", &place, problem, remedy));
                    continue;
                }
            };
            let place = Source::target(schema).unwrap_or_else(|| root.child("properties").child(name));
            let shape = self.source.get(&place).unwrap_or(schema);
            group.doc = text(shape, "description");
            for (name, setting) in properties(shape) {
                match setting.get("default").and_then(Json::as_u64) {
                    Some(default_ms) => {
                        let doc = text(setting, "description");
                        group.settings.push(Setting { name: name.clone(), doc, default_ms });
                    }
                    None => {
                        let place = place.child("properties").child(name);
                        let problem = "the setting has no default, in milliseconds";
                        let remedy = "write \"default\": 10000, or what is right for most";
                        self.findings.push(Finding::error("client-settings", &place, problem, remedy));
                    }
                }
            }
        }
        if properties(&file.root).len() < 2 {
            let problem = "a client needs both groups, `timeouts` and `pacing`";
            let remedy = "declare them under properties";
            self.findings.push(Finding::error("client-settings", &root, problem, remedy));
        }
        self.model.settings = Some(settings);
    }
}

fn properties(schema: &Json) -> &[(String, Json)] {
    schema.get("properties").map(Json::entries).unwrap_or_default()
}

fn text(schema: &Json, key: &str) -> String {
    schema.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
}
