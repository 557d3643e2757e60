//! The steps of a scenario: what a client does, what goes wrong, and what must be seen.

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::fault::{Fault, Side};

/// One step. The name of a client is `alice` where none is given, that of a session `s`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// Makes a client and connects it.
    Open(Open),
    /// Opens a client where there is none and creates a session, captured as `as`.
    Session(Session),
    /// Calls an action that is no turn.
    Call(Call),
    /// Waits for the answer to a call that was not waited for.
    Answer(Expect),
    /// Starts a turn.
    Turn(Turn),
    /// Waits until the caller has read an event of a turn.
    See(See),
    /// Waits for the end of a turn.
    Ended(Ended),
    /// Answers what a turn waits for, by the turn's own method.
    Reply(ReplyTo),
    /// Stops the work by the turn's own method.
    Cancel(String),
    /// Stops the waiting.
    Abandon(String),
    /// Takes no further event of a turn.
    Pause(String),
    /// Reads on.
    GoOn(String),
    /// Closes a client.
    Close(String),
    /// Waits until the model's script or a system or a frame has come to a gate.
    At(String),
    /// Opens a gate of the model, of the systems and of the proxy.
    Release(String),
    /// What the model was asked.
    Asked(Asked),
    /// What the user's systems were asked.
    Called(Called),
    /// Captures the one-time code of the `nth` message as `as`.
    Code {
        /// The name.
        #[serde(rename = "as")]
        name: String,
        /// Which message, from 1.
        nth: usize,
    },
    /// What went over the wire.
    Wire(Wire),
    /// What stands in the newest handshake's request, and what does not.
    Handshake {
        /// Texts that are there.
        #[serde(default)]
        contains: Vec<String>,
        /// Texts that are not.
        #[serde(default)]
        without: Vec<String>,
    },
    /// Adds a fault that counts from now.
    Fault(Fault),
    /// Loses the connection.
    Drop {},
    /// A frame of the proxy's own to the client.
    Inject(Value),
    /// An event that belongs to no call and no turn has been delivered.
    Stray(Value),
    /// Waits until the client has connected that often.
    Connected(usize),
    /// Waits until that many connections have ended.
    Disconnected(usize),
    /// The server gets SIGTERM.
    Terminate {},
    /// The server is killed if it still runs, and started again on the same data.
    Restart {},
    /// The server has ended by itself, well.
    ServerEnded {},
    /// Loses the server's connections to its storage and lets no new one through, until `mendStorage`.
    CutStorage {},
    /// Lets the server reach its storage again.
    MendStorage {},
    /// Decodes a frame by the client's generated code.
    Decode(Decode),
    /// Raw: connects.
    Connect(Connect),
    /// Raw: sends a frame: an object, or a string as it is, or `{"binary": "text"}`.
    Send(Value),
    /// Raw: the next events, each as expected, in order.
    Receive(Vec<Value>),
    /// Raw: everything that comes before the answer to a ping.
    Before(Vec<Value>),
    /// Raw: the server closes with this code.
    Closed(Option<u16>),
}

/// See [`Step::Open`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Open {
    /// The client.
    pub client: Option<String>,
    /// A path of the server that is asked for in place of the endpoint's.
    pub path: Option<String>,
    /// Its tokens: claims that are signed, or texts as they are.
    pub tokens: Vec<Value>,
    /// How they travel.
    pub token_by: Option<Value>,
    /// Heartbeats.
    pub heartbeat_ms: Option<u32>,
    /// Limits.
    pub timeouts: Option<Value>,
    /// The error that must come.
    pub error: Option<Value>,
}

/// See [`Step::Session`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Session {
    /// The client.
    pub client: Option<String>,
    /// The name of what is captured.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// The fields of the action.
    pub params: Value,
}

/// See [`Step::Call`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Call {
    /// The client.
    #[serde(default)]
    pub client: Option<String>,
    /// The action.
    pub action: String,
    /// Its fields.
    #[serde(default)]
    pub params: Value,
    /// The name of the reply that is captured.
    #[serde(default, rename = "as")]
    pub name: Option<String>,
    /// What the reply must be.
    #[serde(default)]
    pub reply: Option<Value>,
    /// The error that must come instead.
    #[serde(default)]
    pub error: Option<Value>,
    /// Limits.
    #[serde(default)]
    pub timeouts: Option<Value>,
    /// The step `answer` waits for it under this name.
    #[serde(default)]
    pub later: Option<String>,
}

/// See [`Step::Answer`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// The call's name, as `later` gave it.
    pub of: String,
    /// What the reply must be.
    #[serde(default)]
    pub reply: Option<Value>,
    /// The error that must come instead.
    #[serde(default)]
    pub error: Option<Value>,
}

/// See [`Step::Turn`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Turn {
    /// The turn's name.
    #[serde(rename = "as")]
    pub name: String,
    /// The client.
    #[serde(default)]
    pub client: Option<String>,
    /// The session's name.
    #[serde(default)]
    pub session: Option<String>,
    /// What is said.
    pub message: String,
    /// Further fields.
    #[serde(default)]
    pub params: Value,
    /// What the caller does with the turn.
    #[serde(default)]
    pub read: Option<String>,
    /// Limits.
    #[serde(default)]
    pub timeouts: Option<Value>,
}

/// See [`Step::See`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct See {
    /// The turn.
    pub turn: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the event must be.
    #[serde(default)]
    pub event: Option<Value>,
    /// Whether the client must know its type.
    #[serde(default)]
    pub known: Option<bool>,
    /// The name of the event that is captured.
    #[serde(default, rename = "as")]
    pub name: Option<String>,
}

/// See [`Step::Ended`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ended {
    /// The turn.
    pub turn: String,
    /// Its events as lines, as the client and the proxy have seen them.
    pub lines: Option<Vec<String>>,
    /// The whole answer.
    pub text: Option<String>,
    /// The awaited result.
    pub result: Option<Value>,
    /// The error that must come instead.
    pub error: Option<Value>,
    /// The caller has stopped waiting: neither an answer nor an error of the server is asked for.
    pub abandoned: bool,
}

/// See [`Step::Reply`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplyTo {
    /// The turn.
    pub turn: String,
    /// The answer, as the drivers' protocol has it.
    pub with: Value,
    /// What the method returns.
    #[serde(default)]
    pub reply: Option<Value>,
    /// The error that must come instead.
    #[serde(default)]
    pub error: Option<Value>,
}

/// See [`Step::Asked`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Asked {
    /// How many chat requests there have been.
    pub times: Option<usize>,
    /// Which one is looked at, from 1; absent: the last.
    pub nth: Option<usize>,
    /// What its messages without the system's must be.
    pub messages: Option<Value>,
    /// What must stand somewhere in it.
    pub contains: Vec<String>,
    /// What must not stand in it.
    pub without: Vec<String>,
    /// That many requests were dropped before their answers' ends.
    pub dropped: Option<usize>,
}

/// See [`Step::Called`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Called {
    /// The path.
    pub path: String,
    /// How often it has been called.
    pub times: usize,
    /// What the last call's body must be.
    #[serde(default)]
    pub body: Option<Value>,
}

/// See [`Step::Wire`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wire {
    /// Whose frames.
    pub from: Side,
    /// What they must be.
    pub frame: Value,
    /// How many there are.
    pub times: usize,
}

/// See [`Step::Decode`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decode {
    /// The frame: JSON, or a text.
    pub frame: Value,
    /// It is refused at this pointer; absent: it comes back equal.
    #[serde(default)]
    pub refused_at: Option<String>,
}

/// See [`Step::Connect`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Connect {
    /// The claims of a token in the header.
    pub claims: Option<Value>,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// What follows the address.
    pub query: String,
    /// The status with which the server refuses.
    pub refused: Option<u16>,
}

impl Step {
    /// Checks what the types cannot say: an expected error names its kind and its code.
    pub fn check(&self) -> Result<()> {
        let error = match self {
            Self::Open(open) => open.error.as_ref(),
            Self::Call(call) => call.error.as_ref(),
            Self::Answer(answer) => answer.error.as_ref(),
            Self::Ended(ended) => ended.error.as_ref(),
            Self::Reply(reply) => reply.error.as_ref(),
            _ => None,
        };
        if let Some(error) = error {
            ensure!(error["kind"].is_string(), "an expected error names its kind: {error}");
            ensure!(error["code"].is_string(), "an expected error names its code: {error}");
            let names_field = error["code"] != "VALIDATION_ERROR" || error.get("field").is_some();
            ensure!(names_field, "an expected VALIDATION_ERROR names its field: {error}");
        }
        Ok(())
    }

    /// Whether the step can fail for what the client or the server does.
    pub fn expects(&self) -> bool {
        match self {
            Self::Open(open) => open.error.is_some(),
            Self::Call(call) => call.reply.is_some() || call.error.is_some(),
            Self::Reply(reply) => reply.reply.is_some() || reply.error.is_some(),
            Self::Ended(ended) => *ended != Ended { turn: ended.turn.clone(), ..Ended::default() },
            Self::Answer(_)
            | Self::See(_)
            | Self::Asked(_)
            | Self::Called(_)
            | Self::Wire(_)
            | Self::Handshake { .. }
            | Self::Stray(_)
            | Self::Decode(_)
            | Self::Receive(_)
            | Self::Before(_)
            | Self::Closed(_) => true,
            Self::Connect(connect) => connect.refused.is_some(),
            _ => false,
        }
    }

    /// The step in one line, for traces.
    pub fn line(&self) -> String {
        let text = format!("{self:?}").replace("None", "-");
        text.chars().take(300).collect()
    }
}
