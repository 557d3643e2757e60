//! The store behind PgBouncer in transaction mode, which gives each transaction any server connection and
//! forgets everything in between. The suite `pooler` of `cargo xtask test` runs it where a `pgbouncer` is installed.

use crate::database::{in_database, store};
use smooai_smooth_operator_store::suite;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use url::Url;

/// A running pooler. Dropping it ends it.
struct Pooler {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // There is nothing to do about one that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Pooler {
    /// Starts one; on another port when the one that was free has been taken meanwhile.
    async fn start(server: &Url) -> Self {
        for _ in 0..3 {
            if let Some(pooler) = Self::start_on(free_port(), server).await {
                return pooler;
            }
        }
        panic!("pgbouncer did not come up");
    }

    async fn start_on(port: u16, server: &Url) -> Option<Self> {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let file = folder.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n* = host={} port={} user={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nunix_socket_dir =\n\
             server_reset_query = DISCARD ALL\nserver_reset_query_always = 1\n",
            server.host_str().unwrap(),
            server.port().unwrap_or(5432),
            server.username(),
        );
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new("pgbouncer");
        if std::fs::metadata(folder.path()).unwrap().uid() == 0 {
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer is installed");
        let mut pooler = Self { child, port, _folder: folder };
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..3_000 {
            tick.tick().await;
            if pooler.child.try_wait().unwrap().is_some() {
                return None;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
                return Some(pooler);
            }
        }
        panic!("pgbouncer did not come up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a Postgres server and PgBouncer"]
async fn the_shared_suite_behind_a_transaction_pooler() {
    in_database(async |database| {
        let pooler = Pooler::start(&database.url()).await;
        let mut url = database.with("prepared_statements", "false");
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(pooler.port)).unwrap();
        let store = store(&url).await;
        for case in suite::cases() {
            case.check(store.clone()).await;
        }
        suite::random_operations(store, 1, 300).await;
    })
    .await;
}
