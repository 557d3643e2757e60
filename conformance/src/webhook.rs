//! An HTTP endpoint that records its calls and answers as scripted. It stands for a user's systems:
//! the tools of `operator.toml` and the sender of one-time codes.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bound::within;
use crate::gate::Gates;
use crate::gateway::Outcome;
use crate::http::{self, Peer, Request};

/// One scripted answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    gate: Option<String>,
    cut: bool,
}

impl Answer {
    /// 200 with a JSON body.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "json!(…) at the call reads better without a reference"
    )]
    pub fn json(body: Value) -> Self {
        Self::text(200, &body.to_string()).header("content-type", "application/json")
    }

    /// A status with a text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.as_bytes().to_vec(), gate: None, cut: false }
    }

    /// The connection is closed without an answer.
    #[must_use]
    pub fn cut() -> Self {
        Self { cut: true, ..Self::text(200, "") }
    }

    /// Waits at a gate first.
    #[must_use]
    pub fn gate(mut self, name: &str) -> Self {
        self.gate = Some(name.to_owned());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A call that was received.
#[derive(Debug, Clone)]
pub struct Call {
    /// The request as it came; a tool's own secrets are the test's.
    pub request: Request,
    /// The body; `null` when it was no JSON.
    pub body: Value,
    /// How the answer ended.
    pub outcome: Outcome,
}

/// A running endpoint. Dropping it closes every connection.
#[derive(Debug)]
pub struct Webhook {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<HashMap<String, VecDeque<Answer>>>,
    calls: watch::Sender<Vec<Call>>,
    gates: Mutex<Gates>,
    /// How often everything was forgotten.
    era: AtomicUsize,
}

impl Webhook {
    /// Starts an endpoint on a free port; a path without a scripted answer gets 404.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a port for the webhook")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// Adds an answer for a path. Answers are given in order, the last one for ever.
    #[must_use]
    pub fn on(self, path: &str, answer: Answer) -> Self {
        self.answer(path, answer);
        self
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The calls of a path, in order.
    #[must_use]
    pub fn calls(&self, path: &str) -> Vec<Call> {
        calls_of(&self.shared.calls.borrow(), path)
    }

    /// Waits for the `n`th call of a path, and returns that call.
    ///
    /// # Errors
    /// When it did not come within the bound.
    pub async fn wait_for_call(&self, path: &str, n: usize) -> Result<Call> {
        ensure!(n > 0, "calls are counted from 1");
        self.wait_until(&format!("call {n} of {path}"), |calls| calls_of(calls, path).len() >= n).await?;
        self.calls(path).into_iter().nth(n - 1).context("the call was seen")
    }

    /// Waits until the caller has dropped `n` calls of a path before their answers.
    ///
    /// # Errors
    /// When it did not within the bound.
    pub async fn wait_for_dropped(&self, path: &str, n: usize) -> Result<()> {
        let dropped = |calls: &[Call]| {
            calls_of(calls, path).iter().filter(|call| call.outcome == Outcome::Dropped).count()
        };
        self.wait_until(&format!("{n} dropped calls of {path}"), |calls| dropped(calls) >= n).await
    }

    /// Waits until a gate has been reached `times` times.
    ///
    /// # Errors
    /// When it was not within the bound.
    pub async fn wait_at(&self, gate: &str, times: usize) -> Result<()> {
        let gates = self.shared.gates();
        gates.arrived(gate, times).await
    }

    /// Opens a gate.
    pub fn release(&self, gate: &str) {
        self.shared.gates().open(gate);
    }

    /// Begins anew: answers, calls and gates are forgotten.
    pub fn forget(&self) {
        self.shared.answers.lock().clear();
        *self.shared.gates.lock() = Gates::default();
        self.shared.calls.send_modify(|calls| {
            self.shared.era.fetch_add(1, Ordering::Relaxed);
            calls.clear();
        });
    }

    /// Adds an answer for a path to a running endpoint, as [`Webhook::on`].
    pub fn answer(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().entry(path.to_owned()).or_default().push_back(answer);
    }

    async fn wait_until(&self, what: &str, holds: impl Fn(&[Call]) -> bool) -> Result<()> {
        let mut calls = self.shared.calls.subscribe();
        within(&format!("{what} at the webhook"), async {
            let _ = calls.wait_for(|calls| holds(calls)).await;
        })
        .await
    }
}

fn calls_of(calls: &[Call], path: &str) -> Vec<Call> {
    calls.iter().filter(|call| call.request.path == path).cloned().collect()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(mut peer) = Peer::new(stream) else { return };
    while let Ok(Some(request)) = peer.read_request().await {
        let answer = shared.answer(&request.path);
        let (mut entry, mut era) = (0, 0);
        shared.calls.send_modify(|calls| {
            (entry, era) = (calls.len(), shared.era.load(Ordering::Relaxed));
            let body = serde_json::from_slice(&request.body).unwrap_or_default();
            calls.push(Call { request, body, outcome: Outcome::Open });
        });
        let gates = shared.gates();
        let outcome = give(&answer, &mut peer, &gates).await;
        shared.calls.send_modify(|calls| {
            let call = calls.get_mut(entry).filter(|_| shared.era.load(Ordering::Relaxed) == era);
            if let Some(call) = call {
                call.outcome = outcome;
            }
        });
        if outcome != Outcome::Served {
            return;
        }
    }
}

async fn give(answer: &Answer, peer: &mut Peer, gates: &Gates) -> Outcome {
    if let Some(gate) = &answer.gate {
        tokio::select! {
            () = gates.pass(gate) => {}
            () = peer.gone() => return Outcome::Dropped,
        }
    }
    if answer.cut {
        return Outcome::Cut;
    }
    let mut bytes = http::head(answer.status, &answer.headers, Some(answer.body.len()));
    bytes.extend_from_slice(&answer.body);
    if peer.write(&bytes).await.is_ok() { Outcome::Served } else { Outcome::Dropped }
}

impl Shared {
    fn gates(&self) -> Gates {
        self.gates.lock().clone()
    }

    fn answer(&self, path: &str) -> Answer {
        let mut answers = self.answers.lock();
        let Some(queue) = answers.get_mut(path) else { return Answer::text(404, "no such path") };
        if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }
            .unwrap_or_else(|| Answer::text(404, "no such path"))
    }
}
