//! A proxy between one client and the server that knows frames: it keeps every one in both directions,
//! and does to them what the faults say. The handshake passes through it as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use serde_json::Value;
use smooai_smooth_operator_conformance::gate::Gates;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_util::sync::CancellationToken;

use crate::fault::{Deed, Fault, Faults, Side};

/// One frame as it went through.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The connection, from 0.
    pub connection: usize,
    /// Who it is from.
    pub from: Side,
    /// What the peer sent; `None`: the proxy made it.
    pub sent: Option<String>,
    /// What the other peer got; `None`: nothing.
    pub delivered: Option<String>,
    /// The JSON of what was delivered, or else of what was sent.
    pub json: Value,
}

/// A handshake that went through.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The request's head, in lower case.
    pub request: String,
    /// The status of the answer.
    pub status: u16,
}

/// Everything that one proxy has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// All frames, in order.
    pub frames: Vec<Frame>,
    /// All handshakes.
    pub handshakes: Vec<Handshake>,
    /// Connections that have ended.
    pub ended: usize,
    /// The close codes that the server gave.
    pub closes: Vec<u16>,
}

/// What is shared by the proxy's tasks.
#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: watch::Sender<usize>,
    /// What goes wrong before the frames are kept: as if the peer had sent them so.
    mutations: Mutex<Faults>,
    /// What goes wrong on the way.
    faults: Mutex<Faults>,
    gates: Gates,
    server: Mutex<String>,
    live: Mutex<Vec<Live>>,
    browser: AtomicBool,
}

/// A connection that stands.
#[derive(Debug)]
struct Live {
    end: CancellationToken,
    inject: mpsc::Sender<String>,
}

/// A running proxy. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    url: String,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy in front of a server at `HOST:PORT`.
    pub async fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a port for the proxy")?;
        let url = format!("ws://{}/ws", listener.local_addr()?);
        let shared = Arc::new(Shared::default());
        server.clone_into(&mut shared.server.lock());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, url, _tasks: tasks })
    }

    /// The address for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Leads new connections to another server.
    pub fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.shared.server.lock());
    }

    /// Adds a fault that counts from now.
    pub fn arm(&self, fault: Fault) {
        self.shared.faults.lock().arm(fault);
    }

    /// Adds a fault that looks as if the peer had done it.
    pub fn mutate(&self, fault: Fault) {
        self.shared.mutations.lock().arm(fault);
    }

    /// Opens a gate at which frames wait.
    pub fn release(&self, gate: &str) {
        self.shared.gates.open(gate);
    }

    /// Waits until a frame has come to a gate.
    pub async fn wait_at(&self, gate: &str) -> Result<()> {
        self.shared.gates.arrived(gate, 1).await
    }

    /// Loses every connection that stands.
    pub fn cut(&self) {
        for live in self.shared.live.lock().drain(..) {
            live.end.cancel();
        }
    }

    /// Sends a frame of the proxy's own to the client, on the newest connection.
    pub fn inject(&self, frame: &Value) -> Result<()> {
        let inject = self.shared.live.lock().last().map(|live| live.inject.clone());
        let inject = inject.context("no connection stands")?;
        inject.try_send(frame.to_string()).context("the connection takes no frame")
    }

    /// Lets clients look like a page of the server's own host.
    pub fn as_browser(&self) {
        self.shared.browser.store(true, Ordering::Relaxed);
    }

    /// Looks at what has been seen.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.shared.seen.lock())
    }

    /// Tells of every change of what has been seen.
    pub fn changes(&self) -> watch::Receiver<usize> {
        self.shared.changed.subscribe()
    }
}

impl Shared {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock());
        self.changed.send_modify(|count| *count += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    // A connection that fails is a lost one, which the client sees.
                    let _ = serve(stream, &shared).await;
                    shared.note(|seen| seen.ended += 1);
                });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut client: TcpStream, shared: &Arc<Shared>) -> Result<()> {
    client.set_nodelay(true)?;
    let (mut head, rest) = read_head(&mut client).await?;
    if shared.browser.load(Ordering::Relaxed) {
        let origin = format!("Origin: http://{}\r\n\r\n", client.local_addr()?);
        head.truncate(head.len() - 2);
        head.extend_from_slice(origin.as_bytes());
    }
    let address = shared.server.lock().clone();
    let mut server = TcpStream::connect(&address).await?;
    server.set_nodelay(true)?;
    server.write_all(&head).await?;
    server.write_all(&rest).await?;
    let (answer, early) = read_head(&mut server).await?;
    let status = String::from_utf8_lossy(&answer);
    let status: u16 = status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let request = String::from_utf8_lossy(&head).to_lowercase();
    let mut connection = 0;
    shared.note(|seen| {
        connection = seen.handshakes.len();
        seen.handshakes.push(Handshake { request, status });
    });
    client.write_all(&answer).await?;
    if status != 101 {
        client.write_all(&early).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let client = WebSocketStream::from_raw_socket(client, Role::Server, None).await;
    let server = WebSocketStream::from_partially_read(server, early, Role::Client, None).await;
    let (end, stalled) = (CancellationToken::new(), CancellationToken::new());
    let (inject, injected) = mpsc::channel(64);
    shared.live.lock().push(Live { end: end.clone(), inject });
    let (to_client, from_client) = client.split();
    let (to_server, from_server) = server.split();
    let stall = &stalled;
    let mut up = Pump { shared, connection, side: Side::Client, to: to_server, injected: None, stall };
    let mut down =
        Pump { shared, connection, side: Side::Server, to: to_client, injected: Some(injected), stall };
    tokio::select! {
        () = end.cancelled() => {}
        // Not even a ping is answered any more.
        () = stalled.cancelled() => end.cancelled().await,
        _ = up.run(from_client) => down.rest().await,
        _ = down.run(from_server) => up.rest().await,
    }
    Ok(())
}

type Socket = WebSocketStream<TcpStream>;

/// One direction of a connection.
struct Pump<'a> {
    shared: &'a Shared,
    connection: usize,
    side: Side,
    to: SplitSink<Socket, Message>,
    injected: Option<mpsc::Receiver<String>>,
    stall: &'a CancellationToken,
}

impl Pump<'_> {
    /// Passes frames on until the source ends or a fault ends the connection.
    async fn run(&mut self, mut from: SplitStream<Socket>) -> Result<()> {
        loop {
            let message = tokio::select! {
                message = from.next() => message,
                Some(text) = next(&mut self.injected) => {
                    self.keep(None, Some(text.clone()));
                    self.to.send(Message::text(text)).await?;
                    continue;
                }
            };
            match message {
                Some(Ok(Message::Text(text))) => self.text(&text).await?,
                Some(Ok(Message::Binary(bytes))) => self.to.send(Message::Binary(bytes)).await?,
                Some(Ok(Message::Close(frame))) => {
                    if let (Side::Server, Some(frame)) = (self.side, &frame) {
                        let code = frame.code.into();
                        self.shared.note(|seen| seen.closes.push(code));
                    }
                    self.to.send(Message::Close(frame)).await?;
                    return Ok(());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            }
        }
    }

    /// Lets a closing handshake that the other side has begun come to its end, within a second.
    async fn rest(&mut self) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.to.close()).await;
    }

    async fn text(&mut self, text: &str) -> Result<()> {
        let mutated = self.shared.mutations.lock().judge(self.side, text);
        let mut deeds = Vec::new();
        for deed in mutated {
            let (Deed::Pass(sent) | Deed::Extra(sent)) = deed else {
                deeds.push((deed, None));
                continue;
            };
            let own = self.shared.faults.lock().judge(self.side, &sent);
            if !own.iter().any(|deed| matches!(deed, Deed::Pass(_))) {
                self.keep(Some(sent.clone()), None);
            }
            deeds.extend(own.into_iter().map(|deed| (deed, Some(sent.clone()))));
        }
        let is_frame = |deed: &Deed| matches!(deed, Deed::Pass(_) | Deed::Extra(_));
        for together in deeds.chunk_by(|(a, _), (b, _)| is_frame(a) && is_frame(b)) {
            // Whoever gets the first of two frames that come together finds both of them kept.
            for (deed, sent) in together {
                match deed {
                    Deed::Pass(text) => self.keep(sent.clone(), Some(text.clone())),
                    Deed::Extra(text) => self.keep(None, Some(text.clone())),
                    _ => {}
                }
            }
            for (deed, _) in together {
                self.carry_out(deed).await?;
            }
        }
        Ok(())
    }

    async fn carry_out(&mut self, deed: &Deed) -> Result<()> {
        match deed {
            Deed::Pass(text) | Deed::Extra(text) => self.to.send(Message::text(text.clone())).await?,
            Deed::Wait(gate) => self.shared.gates.pass(gate).await,
            Deed::Cut => bail!("cut"),
            Deed::Close(code) => {
                let frame = CloseFrame { code: CloseCode::from(*code), reason: "".into() };
                self.to.send(Message::Close(Some(frame))).await?;
                bail!("closed");
            }
            Deed::Stall => {
                self.stall.cancel();
                std::future::pending::<()>().await;
            }
        }
        Ok(())
    }

    fn keep(&self, sent: Option<String>, delivered: Option<String>) {
        let text = delivered.as_ref().or(sent.as_ref());
        let json = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let frame = Frame { connection: self.connection, from: self.side, sent, delivered, json };
        self.shared.note(|seen| seen.frames.push(frame));
    }
}

async fn next(injected: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match injected {
        Some(injected) => injected.recv().await,
        None => std::future::pending().await,
    }
}

/// The head of a request or response up to its empty line, and what came with it.
async fn read_head(stream: &mut TcpStream) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((bytes, rest));
        }
        if bytes.len() > 64 << 10 || stream.read_buf(&mut bytes).await? == 0 {
            bail!("no whole head");
        }
    }
}
