//! Encrypted connections: a server that speaks TLS only, made of one that does not and a door in front of it.

use crate::database::{Database, in_database};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use smooai_smooth_operator_adapter_postgres::{Settings, SetupError, adapter};
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_store::{SessionId, StorageAdapter};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use url::Url;

/// What a client sends first when it wants TLS: the length 8, and a number that is no protocol version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// An authority that signs certificates, with its own as a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("root.pem")
    }
}

/// The door. Dropping it closes it.
struct Door {
    port: u16,
    _serving: JoinSet<()>,
}

impl Door {
    /// A door with a certificate of the authority for `localhost`.
    async fn open(authority: &Authority, database: &Database) -> Self {
        let server = database.url();
        let server = (server.host_str().unwrap().to_owned(), server.port().unwrap_or(5432));
        let acceptor = authority.acceptor("localhost");
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut guests = JoinSet::new();
            while let Ok((guest, _)) = listener.accept().await {
                guests.spawn(let_in(guest, acceptor.clone(), server.clone()));
            }
        });
        Self { port, _serving: serving }
    }

    /// The database's address through the door.
    fn url(&self, database: &Database, host: &str, mode: &str, root: Option<&Path>) -> Url {
        let mut url = database.with("sslmode", mode);
        if let Some(root) = root {
            url.query_pairs_mut().append_pair("sslrootcert", &root.display().to_string());
        }
        url.set_host(Some(host)).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url
    }
}

async fn let_in(mut guest: TcpStream, acceptor: TlsAcceptor, server: (String, u16)) -> io::Result<()> {
    let mut first = [0; 8];
    guest.read_exact(&mut first).await?;
    if first != SSL_REQUEST {
        // Whoever wants no TLS is not let in.
        return Ok(());
    }
    guest.write_all(b"S").await?;
    let mut guest = acceptor.accept(guest).await?;
    let mut server = TcpStream::connect(server).await?;
    copy_bidirectional(&mut guest, &mut server).await.map(drop)
}

async fn open(url: &Url) -> Result<StorageAdapter, SetupError> {
    adapter(&Settings::from_url(url.as_str()).unwrap(), Language::English).await
}

#[tokio::test]
#[ignore = "the suite `postgres` runs it with its server"]
async fn an_encrypted_connection_is_used_and_its_certificate_is_checked() {
    in_database(async |database| {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let door = Door::open(&authority, &database).await;
        let root = authority.root();

        let url = door.url(&database, "localhost", "verify-full", Some(&root));
        let store = open(&url).await.unwrap();
        let scope = crate::records::scope("north", "ada");
        assert_eq!(store.sessions.get(&scope, &SessionId::from("none")).await.unwrap(), None);

        // The authority is trusted, and the certificate is for another name. The driver refuses that for
        // verify-ca too, which PostgreSQL's own clients do not: docs/storage.md says so.
        for mode in ["verify-ca", "verify-full"] {
            refused(open(&door.url(&database, "127.0.0.1", mode, Some(&root))).await);
        }

        // An authority that is not trusted; `require` asks for encryption alone.
        let url = door.url(&database, "localhost", "verify-ca", Some(&stranger.root()));
        refused(open(&url).await);
        let url = door.url(&database, "localhost", "require", None);
        open(&url).await.unwrap();
    })
    .await;
}

#[tokio::test]
#[ignore = "the suite `postgres` runs it with its server"]
async fn nothing_is_sent_in_the_clear_where_encryption_was_asked_for() {
    in_database(async |database| {
        let mut connection = database.connection().await;
        let on: String = sqlx::query_scalar("SHOW ssl").fetch_one(&mut connection).await.unwrap();
        assert_eq!(on, "off", "this test needs a server that speaks no TLS");
        refused(open(&database.with("sslmode", "require")).await);
    })
    .await;
}

/// The error says that it is about encryption, and what to look at.
fn refused(opened: Result<StorageAdapter, SetupError>) {
    let error = opened.err().expect("the connection is refused");
    assert!(matches!(error, SetupError::Encryption { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("sslmode") && text.contains("sslrootcert"), "{text}");
}
