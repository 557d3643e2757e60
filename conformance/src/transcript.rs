//! A turn's events as short lines, so that a test shows what must be seen and a failure what was.

use serde_json::Value;

/// The events of one request, in order.
#[derive(Debug, Clone)]
pub struct Turn {
    events: Vec<Value>,
}

impl Turn {
    /// A turn of these events. Keepalives are left out: when they come is a matter of the clock.
    #[must_use]
    pub fn new(events: Vec<Value>) -> Self {
        Self { events: events.into_iter().filter(|event| event["type"] != "keepalive").collect() }
    }

    /// All events.
    #[must_use]
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    /// The last event; `null` when there is none.
    #[must_use]
    pub fn last(&self) -> &Value {
        self.events.last().unwrap_or(&Value::Null)
    }

    /// The first event of a type; `null` when there is none.
    #[must_use]
    pub fn first(&self, event_type: &str) -> &Value {
        self.events.iter().find(|event| event["type"] == event_type).unwrap_or(&Value::Null)
    }

    /// One line per event. Adjacent pieces of text are one line, since a server may merge them; the
    /// chunks of workflow phases are left out, since which phases there are is the agent's own matter.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut open: Option<(String, String)> = None;
        for event in self.events.iter().filter(|event| !is_phase(event)) {
            let kind = event["type"].as_str().unwrap_or_default();
            let piece = event["token"].as_str().filter(|_| kind.starts_with("stream_"));
            match (&mut open, piece) {
                (Some((last, text)), Some(piece)) if last == kind => text.push_str(piece),
                (_, Some(piece)) => {
                    flush(&mut open, &mut lines);
                    open = Some((kind.to_owned(), piece.to_owned()));
                }
                (_, None) => {
                    flush(&mut open, &mut lines);
                    lines.push(line(event));
                }
            }
        }
        flush(&mut open, &mut lines);
        lines
    }

    /// [`Turn::lines`] as one text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The pieces of the answer since the last tool result: the final model call's.
    #[must_use]
    pub fn final_tokens(&self) -> String {
        let from = self.events.iter().rposition(|event| !event["data"]["state"]["rawResponse"].is_null());
        self.events[from.map_or(0, |place| place + 1)..]
            .iter()
            .filter(|event| event["type"] == "stream_token")
            .filter_map(|event| event["token"].as_str())
            .collect()
    }

    /// The whole reply of the terminal `eventual_response`; empty when the turn ended otherwise.
    #[must_use]
    pub fn reply(&self) -> &str {
        reply(self.last())
    }

    /// The inner data of the terminal `eventual_response`; `null` when the turn ended otherwise.
    #[must_use]
    pub fn answer(&self) -> &Value {
        &self.last()["data"]["data"]
    }
}

/// Whether nothing of its turn may follow this event.
#[must_use]
pub fn is_terminal(event: &Value) -> bool {
    ["eventual_response", "error", "cancelled"].iter().any(|terminal| event["type"] == *terminal)
}

/// One event as one line.
#[must_use]
pub fn line(event: &Value) -> String {
    let kind = event["type"].as_str().unwrap_or("(no type)");
    let inner = &event["data"]["data"];
    match kind {
        "immediate_response" => format!("{kind} {}", event["status"]),
        "stream_token" | "stream_reasoning" | "stream_preamble" => piece(kind, &text(&event["token"])),
        "stream_chunk" => chunk(event),
        "eventual_response" => format!("{kind} {:?}", reply(event)),
        "error" => format!("{kind} {}", text(&event["error"]["code"])),
        "write_confirmation_required" | "otp_verification_required" => {
            format!("{kind} {}", text(&inner["toolId"]))
        }
        "otp_sent" => format!("{kind} {}", text(&inner["channel"])),
        "otp_invalid" => {
            format!("{kind} {} {}", text(&inner["error"]), inner["attemptsRemaining"])
        }
        "interaction_required" => format!("{kind} {}", text(&inner["kind"])),
        "interaction_invalid" => {
            let errors = inner["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
            let fields: Vec<String> = errors.iter().map(|error| text(&error["field"])).collect();
            format!("{kind} {} {}", text(&inner["kind"]), fields.join(" "))
        }
        _ => kind.to_owned(),
    }
}

fn chunk(event: &Value) -> String {
    let node = text(&event["node"]);
    let raw = &event["data"]["state"]["rawResponse"];
    let (call, result) = (&raw["toolCall"], &raw["toolResult"]);
    if call.is_object() {
        format!("toolCall {node} {}", text(&call["arguments"]))
    } else if result.is_object() {
        let failed = if result["isError"] == true { " failed" } else { "" };
        format!("toolResult {node}{failed}")
    } else {
        format!("stream_chunk {node}")
    }
}

fn is_phase(event: &Value) -> bool {
    event["type"] == "stream_chunk"
        && event["data"]["state"].as_object().is_some_and(serde_json::Map::is_empty)
}

fn flush(open: &mut Option<(String, String)>, lines: &mut Vec<String>) {
    if let Some((kind, text)) = open.take() {
        lines.push(piece(&kind, &text));
    }
}

fn piece(kind: &str, text: &str) -> String {
    format!("{kind} {text:?}")
}

fn reply(event: &Value) -> &str {
    event["data"]["data"]["response"]["responseParts"][0].as_str().unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
