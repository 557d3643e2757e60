//! A codec process that runs: it is asked by a type's name and a JSON text, and answers with the text that it makes of
//! it, or with what it refuses and where. A message is a length in four bytes, big-endian, and that much JSON.
use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::process::Group;

/// The longest message, in bytes.
const LIMIT: usize = 16 << 20;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was decoded and is valid; this is what it was encoded as.
    Text(String),
    /// It was refused.
    Refused(Refusal),
    /// There is no type of that name.
    NoSuchType,
}

/// Where a value is refused, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// Who refuses it.
    pub phase: Phase,
    /// The JSON pointer of what is wrong.
    pub pointer: String,
    /// The keyword of JSON Schema that is broken, when `validate` tells it.
    #[serde(default)]
    pub keyword: Option<String>,
    /// What the language says of it.
    pub message: String,
}

/// Who refuses a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The decoder: the value has another shape than the type.
    Decode,
    /// `validate`: it has the shape, and breaks a constraint.
    Validate,
}

/// Whatever answers as a codec process does.
pub trait Peer {
    /// Decodes, validates and encodes one value.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    fn ask(&mut self, type_name: &str, instance: &str) -> Result<Answer>;
}

/// A running codec process. Dropping it ends it.
pub struct Process {
    input: ChildStdin,
    answers: Receiver<Result<Vec<u8>>>,
    asked: u64,
    _group: Group,
}

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    r#type: &'a str,
    instance: &'a str,
}

#[derive(Deserialize)]
struct Response {
    id: u64,
    text: Option<String>,
    refused: Option<Refusal>,
}

impl Process {
    /// Starts a program that speaks as codec processes do. What it says on its error stream is shown.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let (group, input, mut output) = Group::start_talking(&mut command)?;
        let (send, answers) = sync_channel(1);
        std::thread::spawn(move || {
            loop {
                let message = read(&mut output);
                let is_last = message.is_err();
                if send.send(message).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Self { input, answers, asked: 0, _group: group })
    }
}

fn read(output: &mut ChildStdout) -> Result<Vec<u8>> {
    let mut head = [0; 4];
    output.read_exact(&mut head).context("the process has ended")?;
    let length = u32::from_be_bytes(head) as usize;
    ensure!(length <= LIMIT, "an answer of {length} bytes is longer than {LIMIT}");
    let mut body = vec![0; length];
    output.read_exact(&mut body).context("the process ended within an answer")?;
    Ok(body)
}

impl Peer for Process {
    fn ask(&mut self, type_name: &str, instance: &str) -> Result<Answer> {
        self.asked += 1;
        let body = serde_json::to_vec(&Request { id: self.asked, r#type: type_name, instance })?;
        ensure!(body.len() <= LIMIT, "a question of {} bytes is longer than {LIMIT}", body.len());
        let head = u32::try_from(body.len())?.to_be_bytes();
        // One write, so that the other side wakes up once. A broken pipe is told by the reader's end, with its reason.
        let _ = self.input.write_all(&[&head, body.as_slice()].concat());
        let answer = match self.answers.recv_timeout(PATIENCE) {
            Ok(answer) => answer?,
            Err(RecvTimeoutError::Timeout) => bail!("no answer within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the process has ended"),
        };
        let Response { id, text, refused } =
            serde_json::from_slice(&answer).context("the answer is not what it should be")?;
        ensure!(id == self.asked, "the answer to question {id} came to question {}", self.asked);
        Ok(match (text, refused) {
            (Some(text), None) => Answer::Text(text),
            (None, Some(refusal)) => Answer::Refused(refusal),
            (None, None) => Answer::NoSuchType,
            (Some(_), Some(_)) => bail!("the answer both accepts and refuses"),
        })
    }
}
