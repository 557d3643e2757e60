//! What the client logs, and that tokens are never in it. In a process of its own: loggers are of the process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use smooai_smooth_operator_client::testing::{FakeServer, events};
use smooai_smooth_operator_client::{Client, Error, Options, Pacing, Token};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Everything that this process logs, through `tracing` and through `log`.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl log::Log for Logged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // The fake server's library logs what it reads; the client is what is tested.
        if !record.target().contains("server") {
            let line = format!("{} {}\n", record.target(), record.args());
            self.0.lock().unwrap().extend_from_slice(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn tokens_are_never_logged() {
    let logged = Logged::default();
    log::set_logger(Box::leak(Box::new(logged.clone()))).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(logged.clone());
    let _here = tracing::subscriber::set_default(lines.finish());

    let server = FakeServer::start().await.unwrap();
    for token_in_subprotocol in [false, true] {
        let options = Options {
            token: Some(Token::new("5ecre7")),
            token_in_subprotocol,
            pacing: Pacing { first_pause: Duration::ZERO, ..Pacing::default() },
            ..Options::default()
        };
        let connect = Client::connect_with(server.url(), options);
        let (client, peer) = tokio::join!(connect, server.accept());
        let client = client.unwrap();
        peer.unwrap().close(4401, "expired").await.unwrap();
        let mut peer = server.accept().await.unwrap();
        let (pinged, ()) = tokio::join!(client.ping(), async {
            let (id, _) = peer.action().await.unwrap();
            peer.send(events::pong(&id)).await.unwrap();
        });
        pinged.unwrap();
        assert!(!format!("{client:?}").contains("5ecre7"));
        peer.close(4401, "expired").await.unwrap();
        for _ in 0..2 {
            server.refuse(401, &[], "").await.unwrap();
        }
        while !matches!(client.ping().await, Err(Error::Refused { .. })) {}
    }
    let logged = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(
        ["the connection was lost", "tungstenite", "reqwest"].iter().all(|who| logged.contains(who)),
        "it listens"
    );
    assert!(!logged.contains("5ecre7"), "{logged}");
}
