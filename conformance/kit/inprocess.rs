//! The service in the kit's own process, behind a socket of a few lines: no axum, no admission, no pings,
//! no limits and no draining. What a scenario sees here is said by the service itself; whatever differs
//! from the server is the mount's.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use smooai_smooth_operator::{Caller, Closed, EventSink, Scope};
use smooai_smooth_operator_conformance::server_process::Setup;
use smooai_smooth_operator_host::Host;
use smooai_smooth_operator_host::config::{Config, Flags, Sources};
use smooai_smooth_operator_protocol::Event;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_util::sync::CancellationToken;

/// Events that may wait for the socket; then the service waits.
const QUEUE: usize = 32;

/// A running service. Dropping it ends its connections.
#[derive(Debug)]
pub struct InProcess {
    host: String,
    /// The settings' folder.
    _directory: TempDir,
    _tasks: JoinSet<()>,
}

impl InProcess {
    /// Puts a service together as the server does from the same settings.
    pub async fn start(setup: &Setup) -> Result<Self> {
        let directory = setup.directory()?;
        let config = config(setup, directory.path())?;
        // On a thread of its own: the compiler cannot tell that the future may move between threads.
        let runtime = Handle::current();
        let host = spawn_blocking(move || runtime.block_on(Host::compose(config))).await?;
        let host = Arc::new(host.context("starting the service")?);
        let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a port")?;
        let address = listener.local_addr()?.to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, host));
        Ok(Self { host: address, _directory: directory, _tasks: tasks })
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }
}

/// The settings, read from where the server would read them.
fn config(setup: &Setup, directory: &Path) -> Result<Config> {
    let file = directory.join("operator.toml").display().to_string();
    let sources = Sources {
        flags: &Flags { config: Some(file), ..Flags::default() },
        env: &|name| setup.variable(name).map(str::to_owned),
        read: &|path: &Path| std::fs::read_to_string(path),
    };
    Ok(Config::load(&sources).context("the settings")?.config)
}

async fn accept(listener: TcpListener, host: Arc<Host>) {
    let (mut connections, mut number) = (JoinSet::new(), 0);
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                number += 1;
                connections.spawn(serve(stream, Arc::clone(&host), number));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one socket. One that breaks is a lost connection, which its client sees.
async fn serve(stream: TcpStream, host: Arc<Host>, number: u64) -> Result<()> {
    stream.set_nodelay(true)?;
    let heads = Mutex::new((None, None));
    #[expect(clippy::result_large_err, reason = "the type of a handshake's callback is the library's")]
    let read = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let header = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
        *heads.lock() = (header("authorization"), header("origin"));
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, read).await?;
    let (authorization, origin) = heads.into_inner();
    let token = authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
    let Ok(identity) = host.authenticator.authenticate(token).await else {
        return Ok(socket.close(None).await?);
    };
    let caller = Caller {
        connection: number,
        scope: Scope::new(identity.organization, identity.principal),
        user: identity.user,
        groups: identity.groups,
        email: identity.email,
        phone: identity.phone,
        origin,
    };
    let (mut to, mut from) = socket.split();
    let (sink, mut events) = mpsc::channel(QUEUE);
    let leave = CancellationToken::new();
    let attend = |frame: String| {
        let (host, caller, leave, mut sink) = (&host, &caller, &leave, Sink(sink.clone()));
        async move { host.service.attend(caller, &frame, &mut sink, leave).await }
    };
    let mut work = FuturesUnordered::new();
    loop {
        tokio::select! {
            message = from.next() => match message {
                Some(Ok(Message::Text(frame))) => work.push(attend(frame.as_str().to_owned())),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            Some(_) = work.next() => {}
            Some(event) = events.recv() => {
                if to.send(Message::text(Event::to_json(&event))).await.is_err() {
                    break;
                }
            }
        }
    }
    // Nobody reads any more: what runs hears it from its sink, and what waits for a person stays.
    leave.cancel();
    host.service.hang_up(&caller);
    drop(events);
    while work.next().await.is_some() {}
    Ok(())
}

/// Where the service puts the events of one connection.
struct Sink(mpsc::Sender<Event>);

#[async_trait]
impl EventSink for Sink {
    async fn send(&mut self, event: Event) -> Result<(), Closed> {
        self.0.send(event).await.map_err(|_| Closed)
    }
}
