//! The scripted model gateway: an OpenAI-compatible endpoint over real HTTP that plays a script, fails
//! where the script says so, and keeps what it has seen.

pub mod encode;
mod play;
pub mod record;
pub mod reply;
pub mod script;
pub mod vectors;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bound::within;
use crate::gate::Gates;
use crate::http::{Peer, Request};
pub use record::{Authorization, Outcome, Recorded};
pub use reply::{LineEnd, Piece, Reply, error_body};
pub use script::{Endpoint, Rule, Script, When};

/// The key that the gateway expects as a bearer token. It is part of the harness and opens nothing.
pub const KEY: &str = "scripted-gateway-key";

/// A running gateway. Dropping it closes every connection.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Owns the accepting task, and through it every connection.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    rules: Mutex<Vec<(Rule, bool)>>,
    log: watch::Sender<Vec<Recorded>>,
    gates: Mutex<Gates>,
}

impl Gateway {
    /// Starts a gateway on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(script: Script) -> Result<Self> {
        Self::bind(script, "127.0.0.1:0").await
    }

    /// Starts a gateway on an address.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(script: Script, address: &str) -> Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("binding {address}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            rules: Mutex::new(script.rules.into_iter().map(|rule| (rule, false)).collect()),
            log: watch::Sender::default(),
            gates: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// The base URL, as `SMOOAI_GATEWAY_URL` wants it: `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Everything that was asked, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log.borrow().clone()
    }

    /// The chat requests, in order.
    #[must_use]
    pub fn chats(&self) -> Vec<Recorded> {
        chats(&self.shared.log.borrow())
    }

    /// Chat requests that the script had no reply for; a test that expects none asserts that.
    #[must_use]
    pub fn unscripted(&self) -> Vec<Recorded> {
        self.chats().into_iter().filter(|request| request.rule.is_none()).collect()
    }

    /// Waits for the `n`th chat request, and returns all of them.
    ///
    /// # Errors
    /// When they did not come within the bound.
    pub async fn wait_for_chats(&self, n: usize) -> Result<Vec<Recorded>> {
        self.wait_until(&format!("chat request {n}"), |log| chats(log).len() >= n).await?;
        Ok(self.chats())
    }

    /// Waits until the client has dropped the connection of `n` requests before their answers' ends.
    ///
    /// # Errors
    /// When it did not within the bound.
    pub async fn wait_for_dropped(&self, n: usize) -> Result<()> {
        let dropped = |log: &[Recorded]| log.iter().filter(|r| r.outcome == Outcome::Dropped).count();
        self.wait_until(&format!("{n} dropped connections"), |log| dropped(log) >= n).await
    }

    /// Waits until the answer to every request that has come is over.
    ///
    /// # Errors
    /// When one is not within the bound.
    pub async fn wait_until_idle(&self) -> Result<()> {
        let over = |log: &[Recorded]| log.iter().all(|r| r.outcome != Outcome::Open);
        self.wait_until("the end of every answer", over).await
    }

    /// Waits until somebody stands at a gate.
    ///
    /// # Errors
    /// When nobody came within the bound.
    pub async fn wait_at(&self, gate: &str) -> Result<()> {
        let gates = self.shared.gates();
        gates.arrived(gate, 1).await
    }

    /// Opens a gate.
    pub fn release(&self, gate: &str) {
        self.shared.gates().open(gate);
    }

    /// Begins anew with another script: what was asked is forgotten, and whoever stands at a gate of the
    /// old script goes on standing there until its peer leaves.
    pub fn play(&self, script: Script) {
        *self.shared.rules.lock() = script.rules.into_iter().map(|rule| (rule, false)).collect();
        *self.shared.gates.lock() = Gates::default();
        self.shared.log.send_modify(Vec::clear);
    }

    /// The places of the rules that no request has used.
    #[must_use]
    pub fn unused(&self) -> Vec<usize> {
        let rules = self.shared.rules.lock();
        let used = |place: &usize| {
            let (_, used) = &rules[*place];
            *used || self.shared.log.borrow().iter().any(|request| request.rule == Some(*place))
        };
        (0..rules.len()).filter(|place| !used(place)).collect()
    }

    async fn wait_until(&self, what: &str, holds: impl Fn(&[Recorded]) -> bool) -> Result<()> {
        let mut log = self.shared.log.subscribe();
        let waited = within(&format!("{what} at the gateway"), async {
            let _ = log.wait_for(|log| holds(log)).await;
        })
        .await;
        waited.with_context(|| {
            let seen: Vec<String> =
                self.requests().iter().map(|r| format!("{} ({:?})", r.path, r.outcome)).collect();
            format!("the gateway saw {seen:?}")
        })
    }
}

fn chats(log: &[Recorded]) -> Vec<Recorded> {
    log.iter().filter(|request| request.endpoint == Endpoint::Chat).cloned().collect()
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
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let endpoint = endpoint(&request.path);
        let (rule, reply) = shared.choose(endpoint, &body);
        let at = shared.record(&request, endpoint, body.clone(), rule);
        let gates = shared.gates();
        let outcome = play::play(&reply, &body, &mut peer, &gates).await;
        shared.log.send_modify(|log| {
            // A new script has forgotten what was asked under the old one.
            if let Some(entry) = log.iter_mut().find(|entry| entry.at == at) {
                entry.outcome = outcome;
            }
        });
        if outcome != Outcome::Served {
            return;
        }
    }
}

impl Shared {
    /// Takes the first rule that fits and is not used up, else the endpoint's default.
    fn choose(&self, endpoint: Endpoint, body: &Value) -> (Option<usize>, Reply) {
        let mut rules = self.rules.lock();
        let found = rules.iter().position(|(rule, used)| !used && rule.when.fits(endpoint, body));
        if let Some(index) = found {
            let (rule, used) = &mut rules[index];
            *used = !rule.always;
            return (Some(index), rule.reply.clone());
        }
        let reply = match endpoint {
            Endpoint::Chat => {
                Reply::refusal(500, error_body("unscripted", "the script has no reply for this"))
            }
            Endpoint::Embeddings => Reply::refusal(200, vectors::embeddings(body)),
            Endpoint::Rerank => Reply::refusal(200, vectors::rerank(body)),
            Endpoint::Models => Reply::refusal(200, json!({ "object": "list", "data": [] })),
            Endpoint::Other => Reply::refusal(404, error_body("not_found", "no such endpoint")),
        };
        (None, reply)
    }

    fn gates(&self) -> Gates {
        self.gates.lock().clone()
    }

    /// Keeps a request, and returns when it came: no two have the same time.
    fn record(&self, request: &Request, endpoint: Endpoint, body: Value, rule: Option<usize>) -> Instant {
        let authorization = match request.header("authorization") {
            None => Authorization::Absent,
            Some(value) if value.strip_prefix("Bearer ") == Some(KEY) => Authorization::Expected,
            Some(_) => Authorization::Other,
        };
        let headers = request.headers.iter().filter(|(name, _)| name != "authorization").cloned().collect();
        let mut at = Instant::now();
        self.log.send_modify(|log| {
            at = log.last().map_or(at, |last| at.max(last.at + Duration::from_nanos(1)));
            log.push(Recorded {
                endpoint,
                path: request.path.clone(),
                headers,
                authorization,
                body,
                rule,
                outcome: Outcome::Open,
                at,
            });
        });
        at
    }
}

fn endpoint(path: &str) -> Endpoint {
    match path.split('?').next().unwrap_or_default() {
        "/v1/chat/completions" => Endpoint::Chat,
        "/v1/embeddings" => Endpoint::Embeddings,
        "/v1/rerank" => Endpoint::Rerank,
        "/v1/models" => Endpoint::Models,
        _ => Endpoint::Other,
    }
}
