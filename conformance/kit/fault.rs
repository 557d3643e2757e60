//! What goes wrong between client and server: which frame is meant, and what happens to it.

use serde::Deserialize;
use serde_json::Value;

/// Whose frames are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The client's, to the server.
    Client,
    /// The server's, to the client.
    #[default]
    Server,
}

/// A fault: the `nth` frame that fits meets its fate.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Whose frame.
    #[serde(default)]
    pub from: Side,
    /// The `type` or `action` of the frame; absent: any.
    #[serde(default)]
    pub kind: Option<String>,
    /// Which of those that fit, from 1; 0 is each of them.
    #[serde(default = "one")]
    pub nth: usize,
    /// What happens.
    #[serde(rename = "do")]
    pub fate: Fate,
}

fn one() -> usize {
    1
}

/// What happens to a frame.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Fate {
    /// The connection is lost before it, without a closing handshake.
    Cut {},
    /// It passes, and then the connection is lost.
    CutAfter {},
    /// The connection is closed before it with this code.
    Close(u16),
    /// It and everything after it stays away, and the connection stays open.
    Stall {},
    /// It never comes.
    Drop {},
    /// It comes twice.
    Duplicate {},
    /// It comes after the next frame.
    Swap {},
    /// It waits until the step `release` opens the gate.
    Hold(String),
    /// A member is replaced or added, by JSON pointer.
    Set(String, Value),
    /// A member is taken away, by JSON pointer.
    Remove(String),
    /// Another frame comes before it.
    Before(Value),
    /// Another frame comes after it.
    After(Value),
    /// It is no JSON any more.
    Garble {},
}

/// What is done with the connection in place of one frame, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// The frame passes, perhaps rewritten.
    Pass(String),
    /// Another frame is sent beside it.
    Extra(String),
    /// Waits at a gate.
    Wait(String),
    /// The connection is lost.
    Cut,
    /// The connection is closed.
    Close(u16),
    /// Nothing passes any more.
    Stall,
}

/// Faults with what they have seen so far.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Vec<(Fault, usize)>,
    held: Option<String>,
}

impl Faults {
    /// Adds a fault; it counts from now.
    pub fn arm(&mut self, fault: Fault) {
        self.armed.push((fault, 0));
    }

    /// What is done in place of a frame.
    pub fn judge(&mut self, side: Side, text: &str) -> Vec<Deed> {
        let json: Value = serde_json::from_str(text).unwrap_or_default();
        let kind = json[if side == Side::Server { "type" } else { "action" }].as_str();
        let mut fate = None;
        for (fault, seen) in &mut self.armed {
            let fits = fault.from == side && fault.kind.as_deref().is_none_or(|wanted| kind == Some(wanted));
            if fits {
                *seen += 1;
                if fault.nth == 0 || *seen == fault.nth {
                    fate = Some(fault.fate.clone());
                }
            }
        }
        let held = self.held.take();
        let mut deeds = self.meet(fate, json, text);
        deeds.extend(held.map(Deed::Extra));
        deeds
    }

    fn meet(&mut self, fate: Option<Fate>, mut json: Value, text: &str) -> Vec<Deed> {
        let pass = || Deed::Pass(text.to_owned());
        match fate {
            None => vec![pass()],
            Some(Fate::Cut {}) => vec![Deed::Cut],
            Some(Fate::CutAfter {}) => vec![pass(), Deed::Cut],
            Some(Fate::Close(code)) => vec![Deed::Close(code)],
            Some(Fate::Stall {}) => vec![Deed::Stall],
            Some(Fate::Drop {}) => Vec::new(),
            Some(Fate::Duplicate {}) => vec![pass(), Deed::Extra(text.to_owned())],
            Some(Fate::Swap {}) => {
                self.held = Some(text.to_owned());
                Vec::new()
            }
            Some(Fate::Hold(gate)) => vec![Deed::Wait(gate), pass()],
            Some(Fate::Set(pointer, value)) => {
                set(&mut json, &pointer, value);
                vec![Deed::Pass(json.to_string())]
            }
            Some(Fate::Remove(pointer)) => {
                remove(&mut json, &pointer);
                vec![Deed::Pass(json.to_string())]
            }
            Some(Fate::Before(other)) => vec![Deed::Extra(like(&json, other)), pass()],
            Some(Fate::After(other)) => vec![pass(), Deed::Extra(like(&json, other))],
            Some(Fate::Garble {}) => vec![Deed::Pass(text.chars().take(text.chars().count() / 2).collect())],
        }
    }
}

/// A frame of the same request: `requestId` and `timestamp` are taken over where it says `"="`.
fn like(model: &Value, mut frame: Value) -> String {
    for pointer in ["/requestId", "/timestamp", "/data/requestId"] {
        if frame.pointer(pointer).is_some_and(|value| value == "=") {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            set(&mut frame, pointer, model[name].clone());
        }
    }
    frame.to_string()
}

fn set(json: &mut Value, pointer: &str, value: Value) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    match json.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.insert(key.to_owned(), value);
        }
        Some(Value::Array(items)) => {
            if let Some(item) = key.parse::<usize>().ok().and_then(|place| items.get_mut(place)) {
                *item = value;
            }
        }
        _ => {}
    }
}

fn remove(json: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = json.pointer_mut(parent) {
        members.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Deed, Fate, Fault, Faults, Side};

    fn meets(fate: Value, nth: usize) -> Faults {
        let mut faults = Faults::default();
        let fate: Fate = serde_json::from_value(fate).unwrap();
        faults.arm(Fault { from: Side::Server, kind: Some("pong".to_owned()), nth, fate });
        faults
    }

    fn pass(value: &Value) -> Deed {
        Deed::Pass(value.to_string())
    }

    #[test]
    fn the_nth_frame_of_a_kind_meets_its_fate_and_others_pass() {
        let pong = json!({ "type": "pong", "requestId": "r", "data": { "x": 1 } });
        let other = json!({ "type": "other" });
        let mut faults = meets(json!({ "remove": "/data/x" }), 2);
        let mut judge = |frame: &Value| faults.judge(Side::Server, &frame.to_string());
        assert_eq!(judge(&pong), [pass(&pong)]);
        assert_eq!(judge(&other), [pass(&other)]);
        assert_eq!(judge(&pong), [pass(&json!({ "type": "pong", "requestId": "r", "data": {} }))]);
        assert_eq!(judge(&pong), [pass(&pong)]);
    }

    #[test]
    fn frames_are_swapped_and_others_added() {
        let (pong, other) = (json!({ "type": "pong", "requestId": "r" }), json!({ "type": "other" }));
        let mut swap = meets(json!({ "swap": {} }), 1);
        assert_eq!(swap.judge(Side::Server, &pong.to_string()), []);
        assert_eq!(
            swap.judge(Side::Server, &other.to_string()),
            [pass(&other), Deed::Extra(pong.to_string())]
        );
        let mut after = meets(json!({ "after": { "type": "new", "requestId": "=" } }), 0);
        let added = json!({ "type": "new", "requestId": "r" });
        assert_eq!(
            after.judge(Side::Server, &pong.to_string()),
            [pass(&pong), Deed::Extra(added.to_string())]
        );
    }
}
