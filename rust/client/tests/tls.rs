//! `wss://`, with an authority that the system trusts because the test says so: in a process of its own, the example.
#![cfg(all(feature = "tls", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use smooai_smooth_operator_client::protocol::*;
use smooai_smooth_operator_client::testing::{FakeServer, events};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

const UUID: &str = "0a8f3c1e-5b7d-4e2a-9c46-7d1f20b3a985";

/// Asks one question over TLS; the program trusts what is in `authorities`.
async fn chat(port: u16, authorities: &Path) -> Output {
    let tests = std::env::current_exe().unwrap();
    let chat = Command::new(tests.ancestors().nth(2).unwrap().join("examples").join("chat"))
        .args(["--url", &format!("wss://localhost:{port}/ws"), "--once", "Hello?"])
        .env("SSL_CERT_FILE", authorities)
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(Duration::from_secs(20), chat).await.unwrap().unwrap()
}

/// Takes one connection, and passes on what is said in it when its handshake succeeds.
async fn pass_on(listener: &TcpListener, acceptor: &TlsAcceptor, server: &FakeServer) {
    let (stream, _) = listener.accept().await.unwrap();
    let Ok(mut secured) = acceptor.accept(stream).await else { return };
    let address = server.url().trim_start_matches("ws://").trim_end_matches("/ws");
    let mut plain = TcpStream::connect(address).await.unwrap();
    let _either_may_break_off = tokio::io::copy_bidirectional(&mut secured, &mut plain).await;
}

#[tokio::test]
async fn a_certificate_is_checked_against_the_systems_authorities() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = FakeServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (folder.path().join("ours.pem"), folder.path().join("others.pem"));
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&ours, cert.pem()).unwrap();
    std::fs::write(&others, other.cert.pem()).unwrap();

    let answer = async {
        let mut peer = server.accept().await.unwrap();
        let (id, _) = peer.action().await.unwrap();
        let session = CreateConversationSessionReply::new(UUID, UUID, UUID, "Support", UUID, UUID);
        peer.reply(&id, &session).await.unwrap();
        let (id, _) = peer.action().await.unwrap();
        peer.send(events::answer(&id, "Hello!")).await.unwrap();
        peer.closed().await.unwrap();
    };
    let (trusted, (), ()) = tokio::join!(chat(port, &ours), pass_on(&listener, &acceptor, &server), answer);
    assert_eq!(String::from_utf8(trusted.stdout).unwrap().trim(), "Agent: Hello!");

    let (distrusted, ()) = tokio::join!(chat(port, &others), pass_on(&listener, &acceptor, &server));
    let said = String::from_utf8(distrusted.stderr).unwrap();
    assert!(said.contains("could not connect") && said.contains("certificate"), "{said}");
}
