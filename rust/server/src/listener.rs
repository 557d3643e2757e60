//! Accepts connections, speaks HTTP on them, and ends them in good order.

use crate::admission::Admission;
use crate::routes::{self, Shared};
use crate::shutdown::Shutdown;
use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use smooai_smooth_operator_host::{Config, Host};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// A client has this long to send its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP heads are small; the frames after the upgrade have buffers of their own.
const HEAD_BUFFER: usize = 16 * 1024;
/// Between two accepts after the process ran out of sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the process is asked to end.
pub(crate) async fn run(host: Host) -> anyhow::Result<()> {
    let model = host.model().to_owned();
    let Host { service, authenticator, config } = host;
    let Config { server, limits, .. } = &config;
    let address = SocketAddr::new(server.bind, server.port);
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let draining = CancellationToken::new();
    let tasks = TaskTracker::new();
    let shared = Arc::new(Shared {
        service,
        authenticator,
        origins: server.origins.clone(),
        loopback: server.bind.is_loopback(),
        admission: Admission::new(
            limits.max_connections as usize,
            limits.max_connections_per_address as usize,
        ),
        draining: draining.clone(),
        tasks: tasks.clone(),
    });
    let mut shutdown = Shutdown::listen()?;
    announce(address, &model)?;

    loop {
        tokio::select! {
            () = shutdown.asked() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    tasks.spawn(converse(stream, peer, Arc::clone(&shared)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    tracing::info!("draining: no new connections, running turns may end");
    draining.cancel();
    tasks.close();
    if tokio::time::timeout(Duration::from_millis(limits.drain_ms), tasks.wait()).await.is_err() {
        tracing::warn!("some turns did not end within the drain limit");
    }
    Ok(())
}

/// The one line that programs which start the server wait for.
fn announce(address: SocketAddr, model: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "smooth-operator-server listening on ws://{address}/ws (model {model})")?;
    Ok(out.flush()?)
}

async fn converse(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let draining = shared.draining.clone();
    let routes = routes::router(shared, peer);
    let service =
        TowerToHyperService::new(routes.map_request(|request: hyper::Request<hyper::body::Incoming>| {
            request.map(axum::body::Body::new)
        }));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEAD_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended in disorder");
    }
}
